# SPDX-License-Identifier: GPL-2.0
# Host folders: what people do with files, and the same seen from both sides.
. "$TESTS/lib.sh"
. "$TESTS/cofs.sh"

rm -f "$LOGS/disk"
mke2fs -q -t ext4 "$LOGS/disk" 1G >&2

cat > "$LOGS/script" <<'END'
load_driver
modprobe ext4
mkdir /srv
mount -t ext4 /dev/vdb /srv
mkdir -p /srv/rw /srv/ro/deep "/srv/a,b"
chmod 1777 /srv/rw
echo old > /srv/ro/file
echo comma > /srv/a,b/file
cp /lib/files /srv/rw/files
mount -t tmpfs below /srv/ro/deep
echo deep > /srv/ro/deep/file
mounted_root

guest_checks cofs --mem 512M --cofs /srv/rw:/mnt/rw --cofs /srv/ro:/mnt/ro,ro \
	--cofs /srv/a,b:/mnt/deep/down/there --cofs /srv/a,b,cache=never \
	--cofs /srv/rw:/mnt/always,cache=always <<'GUEST'
now() { date +%s.%N; }
since() { echo "$1 $(now)" | awk '{ printf "%.1f s", $2 - $1 }'; }
same "mounted at boot" "cofs0 cofs1 cofs2 cofs4" \
	"$(findmnt -n -t virtiofs -o SOURCE | sort | tr '\n' ' ' | sed 's/ $//')"
same "failed units" "" "$(systemctl --failed --no-legend)"
mkdir /mnt/comma
check "mount -t cofs 3" mount -t cofs 3 /mnt/comma
same "a folder with a comma" comma "$(cat /mnt/comma/file)"
umount /mnt/comma
cd /mnt/rw

# What programs do. The program itself comes from the host, too.
mkdir programs
./files programs

mkdir names
cd names
echo one > a
mv a b
same "renamed" "b one" "$(ls) $(cat b)"
echo two > c
mv -f b c
same "renamed over another" "c one" "$(ls) $(cat c)"
ln c hard
same "hard link" "2 2 same" "$(stat -c %h c hard | tr '\n' ' ')$([ c -ef hard ] && echo same)"
ln -s c soft
ln -s /nowhere dangling
same "symbolic links" "c /nowhere one" "$(readlink soft dangling | tr '\n' ' ')$(cat soft)"
mkdir -p d/e/f
mv d/e .
check "a folder that is not empty stays" sh -c '! rmdir e'
rm -r e
mkfifo pipe
mknod null c 1 3
touch mode owner
chmod 4751 mode
echo x > secret
chmod 600 secret
chown 1234:5678 owner
touch -d '2001-02-03 04:05:06.789' owner
printf 'x%.0s' $(seq 255) > long-name
touch "$(cat long-name)"
su -s /bin/sh -c 'umask 027; echo > /mnt/rw/theirs; mkdir /mnt/rw/their-dir' nobody
same "a user's file" "nobody 640 nobody 750" \
	"$(stat -c '%U %a' ../theirs ../their-dir | tr '\n' ' ' | sed 's/ $//')"
check "a user cannot read what is not his" \
	su -s /bin/sh -c '! cat /mnt/rw/names/secret 2> /dev/null' nobody
cd ..

# Many small files: each takes 5 to 50 ms in emulation, so they are 1000.
# COFS_FILES=10000 tests/run 34-cofs takes as many as one should.
t=$(now)
perl -e 'for $d (1 .. @FILES@ / 100) { mkdir "many$d"; for $f (1 .. 100) {
	open F, ">", "many$d/$f" or die; print F "$d $f\n"; close F } }'
echo "@FILES@ small files made: $(since $t)"
t=$(now)
same "small files found" @FILES@ "$(find many* -type f | wc -l)"
same "... and right" "$(perl -e 'for $d (1 .. @FILES@ / 100) { print "$d $_\n" for 1 .. 100 }' |
	sort | sha256sum)" "$(find many* -type f -print0 | xargs -0 cat | sort | sha256sum)"
echo "@FILES@ small files found and read: $(since $t)"

# The kernel's headers, and a git checkout of them.
t=$(now)
mkdir headers
tar -C /usr/include -cf - linux/netfilter linux/usb asm-generic | tar -C headers -xf -
check "$(find headers -type f | wc -l) headers untarred" \
	sh -c 'diff -r /usr/include/linux/netfilter headers/linux/netfilter && diff -r /usr/include/asm-generic headers/asm-generic'
echo "untarred and compared: $(since $t)"
t=$(now)
export GIT_AUTHOR_NAME=n GIT_AUTHOR_EMAIL=e GIT_COMMITTER_NAME=n GIT_COMMITTER_EMAIL=e
mkdir /tmp/repo
cp -a /usr/include/linux/netfilter* /tmp/repo
(cd /tmp/repo && git init -q -b main && git add . && git commit -q -m one &&
	git rm -q -r netfilter && git commit -q -m two)
check "git clone" git clone -q /tmp/repo checkout
check "git checkout" git -C checkout checkout -q HEAD~1
same "git status" "" "$(git -C checkout status --porcelain)"
check "git fsck" git -C checkout fsck --strict
check "what was checked out" diff -r -x .git /tmp/repo checkout --exclude=netfilter
check "... and what is only there" diff -r /usr/include/linux/netfilter checkout/netfilter
echo "git: $(since $t)"
dd if=/dev/urandom of=big bs=1M count=16 2> /dev/null
same "16 MiB are the same by another mount" "$(sha256sum < big)" \
	"$(sha256sum < /mnt/always/big)"
rm big

# Read-only is the host's, not the guest's.
same "read-only folder" "old deep" "$(cat /mnt/ro/file /mnt/ro/deep/file | tr '\n' ' ' | sed 's/ $//')"
same "... mounted so" ro "$(findmnt -n -o OPTIONS /mnt/ro | cut -d, -f1)"
umount -R /mnt/ro
mount -t virtiofs -o rw cofs1 /mnt/ro
same "... until the guest asks for more" rw "$(findmnt -n -o OPTIONS /mnt/ro | cut -d, -f1)"
for change in 'echo x > new' 'echo x >> file' 'rm file' 'mkdir d' 'chmod 777 file' \
    'mv file b' 'echo x > deep/file' 'rm deep/file' 'ln file l' 'touch file'; do
	check "refused: $change" sh -c "cd /mnt/ro && ! { $change; } 2> /tmp/e && grep -q 'Read-only' /tmp/e"
done

# Same on both sides?
find . -path ./metadata -prune -o -exec stat -c '%n %i %f %u %g %h %s %t %T %Y' {} + |
	LC_ALL=C sort > /tmp/metadata
cp /tmp/metadata metadata

same "kernel log: trouble" "" "$(dmesg | grep -E 'WARNING:|BUG:|Call Trace|[^n]stall|Oops|lockup')"
GUEST
grep -E '^[0-9a-z].*: [0-9.]* s$' /tmp/cofs.out >&2
same "what colinux said" "colinux: cofs: guest powered off" "$(cat /tmp/cofs.co)"
same "servers that are left" "" "$(servers .)"

# Same on both sides: names, inodes, modes, owners, links, sizes, devices, times.
cd /srv/rw
find . -path ./metadata -prune -o -exec stat -c '%n %i %f %u %g %h %s %t %T %Y' {} + |
	grep -v '^\. ' | sort > /tmp/host.metadata
grep -v '^\. ' metadata > /tmp/guest.metadata
check "metadata of $(wc -l < metadata) files is the same" \
	cmp /tmp/host.metadata /tmp/guest.metadata
diff /tmp/host.metadata /tmp/guest.metadata | head -n 20 >&2
END
cofs_prelude | cat - "$LOGS/script" | sed "s/@FILES@/${COFS_FILES:-1000}/g" |
	host cofs --kernel 6.12 --timeout 1800 \
	--disk "$BUILD/images/debian.img,snapshot" --disk "$LOGS/disk" \
	--add "$virtiofsd:$virtiofsd" --add "$BUILD/tests/files:/lib/files"
rm -f "$LOGS/disk"
echo end
