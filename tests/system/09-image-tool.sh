# SPDX-License-Identifier: GPL-2.0
# colinux image convert, resize, import, export, info: on this machine.
. "$TESTS/lib.sh"
cd "$LOGS"
rm -rf work
mkdir work
cd work
tool=$TOP/tools/colinux-image

same() {
	if [ "$2" = "$3" ]; then ok "$1 ($3)"; else bad "$1: $3, not $2"; fi
}
# refused WORDS ARGUMENTS...: the last line has WORDS, a status, nothing left.
refused() {
	words=$1
	shift
	ls -A > ../before
	"$tool" "$@" > ../out 2> ../err < /dev/null && status=0 || status=$?
	ls -A > ../after
	if [ $status != 0 ] && [ "$(grep -c '' ../err)" -lt 6 ] &&
	    tail -n 1 ../err | grep -q "^colinux-image: .*\($words\)" && cmp -s ../before ../after; then
		ok "$(tail -n 1 ../err)"
	else
		bad "$* ($words): status $status: $(cat ../err)"
		diff ../before ../after >&2 || :
	fi
}

# formats
head -c 3M /dev/urandom > 'a,b.img'
truncate -s 20M 'a,b.img'
sum=$(md5sum < 'a,b.img')
for format in qcow2 vmdk vdi vhdx vhd; do
	"$tool" convert 'a,b.img' c.$format
	same "info of $format" "format:      $format" \
		"$("$tool" info c.$format | sed -n 1p)"
	"$tool" convert --force c.$format back.img
	same "$format and back" "$sum" "$(head -c 20M back.img | md5sum)"
done
check "info --json is JSON" sh -c "'$tool' info --json 'a,b.img' | python3 -m json.tool"
refused 'exists' convert c.qcow2 back.img
refused 'no such image' convert nope x.img
refused 'not a format' convert --to qcow3 back.img x.img
refused 'in place' convert --force back.img back.img
refused 'needs SOURCE' convert back.img
refused 'no folder' convert back.img nope/x.img
refused 'no partition table' convert --partition 1 back.img x.img
printf 'QFI\373garbage' > bad.qcow2
refused 'cannot convert' convert bad.qcow2 x.img
refused 'not a good' info bad.qcow2

# partitions: the old "strip the first 63 sectors", and a logical one
mke2fs -q -t ext4 -L inner part.img 8M
truncate -s 24M mbr.img
printf 'label: dos\n1 : start=63, size=16384, type=83\n2 : start=20480, size=16384, type=5\n5 : start=22528, size=8192, type=83\n' |
	sfdisk -q mbr.img > ../out 2>&1 || cat ../out >&2
dd if=part.img of=mbr.img bs=512 seek=63 conv=notrunc 2> /dev/null
check "convert --partition 1" "$tool" convert --partition 1 mbr.img p1.img
check "is the file system in it" cmp part.img p1.img
"$tool" convert mbr.img mbr.qcow2
"$tool" convert --partition 1 mbr.qcow2 p1.vdi
"$tool" convert p1.vdi p1b.img
check "from qcow2 to vdi, too" cmp part.img p1b.img
check "a logical one" "$tool" convert --partition 5 mbr.img p5.img
same "its size" $((8192 * 512)) "$(stat -c %s p5.img)"
check "export of a partition" "$tool" export --partition 1 mbr.img inner.tar
same "what is in it" ./ "$(tar -tf inner.tar | paste -sd' ')"
refused 'has no partition 3' convert --partition 3 mbr.img x.img
refused 'give its number' convert --partition one mbr.img x.img

# a disk that is full; an interrupt
mkdir full
mount -t tmpfs -o size=1M tmpfs full
refused 'No space left' convert 'a,b.img' full/x.img
same "nothing is left on it" "" "$(ls full)"
umount full
rmdir full
"$tool" convert --to qcow2 "$BUILD/images/debian.img" x.img 2> ../err &
for _ in $(seq 100); do
	ls x.img.new.* > /dev/null 2>&1 && break
	sleep 0.05
done
check "is at work" ls x.img.new.*
kill -TERM $!
wait $! && status=0 || status=$?
same "the status after a signal" 130 $status
same "left after it" "" "$(ls | grep '^x.img' || :)"

# resize
mke2fs -q -t ext4 fs.img 16M
check "grow" "$tool" resize fs.img 64M
same "the file" $((64 << 20)) "$(stat -c %s fs.img)"
same "its file system" 65536 "$(dumpe2fs -h fs.img 2> /dev/null |
	awk '/^Block count/ { n = $3 } /^Block size/ { print n * $3 / 1024 }')"
check "shrink" "$tool" resize fs.img 24M
check "is whole after that" e2fsck -fn fs.img
same "the file" $((24 << 20)) "$(stat -c %s fs.img)"
refused 'needs' resize fs.img 64K
refused 'only an ext4' resize mbr.img 1M
refused 'give a number' resize fs.img big
check "grow qcow2" "$tool" resize c.qcow2 40M
same "its size" "size:        41943040 (40M)" "$("$tool" info c.qcow2 | sed -n 2p)"
python3 - <<'END' &
import fcntl, struct, time
f = open("fs.img", "r+b")
fcntl.fcntl(f, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0))
open("../locked", "w").close()
time.sleep(60)
END
lock=$!
rm -f ../locked
until [ -e ../locked ]; do sleep 0.1; done
refused 'in use' resize fs.img 32M
kill $lock

# a root tarball of a distribution
tar=$("$TESTS/tools/minbase-tar")
check "import" "$tool" import "$tar" minbase.img --size 1G --hostname imported \
	--root-password secret
same "its label" "label colinux-root" "$("$tool" info minbase.img | sed -n 's/.*, //p')"
check "export" "$tool" export minbase.img out.tar.gz
# Owners, modes and sizes of all are as they were, but for what import does.
list() {
	tar --numeric-owner -tvf "$1" | awk '{ $4 = $5 = ""; print }' |
		sed 's,  *\./, ./,; s,/$,,' | grep -v -E \
		' \./(dev|proc|sys|run|tmp|etc/(fstab|host|machine-id|shadow|systemd|udev|resolv)|usr/sbin/(colinux|mount.cofs)|usr/lib/systemd/system-generators/colinux)' |
		awk '{ if (/^d/) $3 = 0; print }' | sort
}
list "$tar" | grep -v ' \.$' > ../want
list out.tar.gz | grep -v ' \.$' > ../got
check "owners, modes and sizes survive ($(grep -c '' ../want) files)" \
	diff ../want ../got
check "the root's password is set" sh -c 'tar -xzOf out.tar.gz ./etc/shadow |
	grep -q "^root:.6."'
refused 'is 8M enough' import "$tar" x.img --size 8M
refused 'cannot unpack' import bad.qcow2 x.img
tar -cf odd.tar fs.img
refused 'not a root file system' import odd.tar x.img
refused 'no such file' import nope.tar x.img
refused 'cannot mount' export p5.img x.tar
refused 'convert it' export c.qcow2 x.tar
refused 'unknown option' import "$tar" x.img --frobnicate
# Sockets have no place in a tar file; nothing else may be missing.
same "mounts left" 0 "$(grep -c colinux-image /proc/mounts || :)"
same "files left" "" "$(ls -d "${TMPDIR:-/var/tmp}"/colinux-image.* 2> /dev/null || :)"
cd ..
rm -rf work
echo end
