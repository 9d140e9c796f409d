# SPDX-License-Identifier: GPL-2.0
# Debian from a qcow2 image whose changes are thrown away, and one imported from
# a tarball.
. "$TESTS/lib.sh"

images=$LOGS/disks
rm -rf "$images"
mkdir -p "$images"
qemu-img convert -f raw -O qcow2 "$BUILD/images/debian.img" "$images/debian.qcow2"
"$TOP/tools/colinux-image" import "$("$TESTS/tools/minbase-tar")" \
	"$LOGS/minbase" --size 1G --autologin --hostname imported >&2

cat > "$LOGS/script" <<'END'
load_driver
PATH=$PATH:/usr/bin:/usr/sbin
mkdir -p /var/tmp
# Debian from qcow2, what it writes is thrown away
guest_disk=/images/debian.qcow2,snapshot
guest_checks qcow2 <<'GUEST'
same "systemd reaches" running "$(systemctl is-system-running --wait)"
same "files survive" "$(seq 200000 | sha256sum)" "$(seq 200000 > f; sync
	echo 3 > /proc/sys/vm/drop_caches; sha256sum < f)"
fstrim /
check "the disk is whole after a discard" sh -c 'find /usr/bin -type f -exec md5sum {} + > /dev/null'
GUEST

# Debian imported from a tarball: to a shell, which powers it off
mkfifo /tmp/keys
colinux run --kernel $kernel --mem 256M --cobd /dev/vda --append 'quiet' \
	< /tmp/keys > /tmp/log 2> /tmp/err &
pid=$!
exec 9> /tmp/keys
for i in $(seq 120); do
	grep -q 'root@imported' /tmp/log && break
	kill -0 $pid || break
	sleep 1
done
if grep -q 'root@imported' /tmp/log; then
	echo 'findmnt -n -o SOURCE / | sed s/^/root-/;' \
		'systemctl is-system-running --wait; systemctl poweroff' >&9
else
	kill -9 $pid
fi
wait $pid
same "import: colinux's status" 0 $?
exec 9>&-
check "import: a shell, the root is cobd0" grep -q 'root-/dev/vda' /tmp/log
check "import: systemd reaches running" grep -q '^running' /tmp/log
tail -n 30 /tmp/log >&2
END
host formats --kernel 6.12 --timeout 1800 --share /usr:/usr \
	--share "$images:/images" --disk "$LOGS/minbase,snapshot" < "$LOGS/script"
rm -rf "$images" "$LOGS/minbase"
echo end
