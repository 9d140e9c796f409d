# SPDX-License-Identifier: GPL-2.0
# Disks that are not simply a raw file: partitioned ones, other formats,
# snapshots, real devices in use.
. "$TESTS/lib.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/disk-init"
images=$LOGS/disks
rm -rf "$images"
mkdir -p "$images"

# A small disk in every format, and with a partition.
head -c 8M /dev/urandom > "$LOGS/small"
for format in qcow2 vmdk vdi vhdx; do
	qemu-img convert -f raw -O $format "$LOGS/small" "$images/small.$format"
done
cp "$LOGS/small" "$images/small.raw"
sum=$(md5sum < "$LOGS/small")

# Debian on a disk with a GPT. Only what is used is copied.
debian=$BUILD/images/debian.img
bytes=$(stat -L -c %s "$debian")
rm -f "$LOGS/gpt"
truncate -s $((bytes + (2 << 20))) "$LOGS/gpt"
printf 'label: gpt\nstart=2048, size=%d, type=linux\n' $((bytes / 512)) |
	sfdisk -q "$LOGS/gpt" >&2
dd if="$debian" of="$LOGS/gpt" bs=1M seek=1 conv=notrunc,sparse 2>/dev/null
cat > "$LOGS/script" <<END
sum='$sum'
END
cat >> "$LOGS/script" <<'END'
colinux check > /tmp/out
same "check, without the driver: status" 2 $?
check "it says what to do" grep -q '^problem  module: .*: ' /tmp/out
load_driver
colinux check > /tmp/out
same "check, with it" 0 $?
cat /tmp/out >&2
PATH=$PATH:/usr/bin:/usr/sbin
mkdir -p /var/tmp
refuse() {
	want=$1
	shift
	colinux run --kernel $kernel "$@" < /dev/null > /tmp/out 2> /tmp/err
	status=$?
	if [ $status = 2 ] && [ "$(wc -l < /tmp/err)" = 1 ] &&
	    grep -q -e "$want" /tmp/err; then
		ok "$(cat /tmp/err)"
	else
		bad "$*: status $status: $(cat /tmp/err /tmp/out)"
	fi
}

# every format, in one small guest
set --
for format in qcow2 vmdk vdi vhdx raw; do
	set -- "$@" --cobd /images/small.$format,ro
done
files=$(open_files)
colinux run --kernel $kernel --initrd /lib/initrd --mem 64M "$@" \
	--append test=sums < /dev/null > /tmp/log 2> /tmp/err
same "formats: exit status" 0 $?
cat /tmp/err >&2
for d in a:qcow2 b:vmdk c:vdi d:vhdx e:raw; do
	same "${d#*:}: what the guest reads" "init: /dev/vd${d%:*} $sum" \
		"$(grep "^init: /dev/vd${d%:*} " /tmp/log | tr -d '\r')"
done
same "helpers left" "" "$(pidof qemu-nbd)"

# a snapshot: the guest writes, the file stays; however it ends
cp /images/small.raw /tmp/small
colinux run --kernel $kernel --initrd /lib/initrd --mem 64M --snapshot \
	--cobd /tmp/small --append test=write < /dev/null > /tmp/log 2>&1 &
pid=$!
for i in $(seq 60); do
	grep -q 'safe 5' /tmp/log && break
	kill -0 $pid || break
	sleep 1
done
check "snapshot: the guest writes" grep -q 'safe 5' /tmp/log
refuse 'locked' --cobd /tmp/small
kill -9 $pid
wait $pid 2> /dev/null
same "snapshot: the file after kill -9" "$sum" "$(md5sum < /tmp/small)"
for i in $(seq 10); do
	pidof qemu-nbd > /dev/null || break
	sleep 1
done
same "helpers left after kill -9" "" "$(pidof qemu-nbd)"
same "files left" "" "$(ls /var/tmp /tmp | grep -E '^vl|colinux-')"

# devices that the host uses
mkdir -p /mnt/p
mount -t ext4 -o ro /dev/vda1 /mnt/p
refuse 'in use by the host' --cobd /dev/vda
refuse 'in use by the host' --cobd /dev/vda1
refuse 'in use by the host' --cobd /dev/vda,ro
refuse 'in use by the host' --cobd /dev/vda,snapshot
umount /mnt/p
modprobe loop
dd if=/dev/zero of=/tmp/swap bs=1M count=8 2> /dev/null
losetup /dev/loop0 /tmp/swap
mkswap /dev/loop0 > /dev/null
swapon /dev/loop0
refuse 'in use by the host' --cobd /dev/loop0
swapoff /dev/loop0
dmsetup create test --table '0 8192 linear /dev/loop0 0' --noudevrules --noudevsync
refuse 'in use by the host' --cobd /dev/loop0,ro
dmsetup remove --noudevrules --noudevsync test
losetup -d /dev/loop0
echo 'QFI' > /tmp/bad
printf 'QFI\373rubbish%4096s' ' ' > /tmp/bad
refuse '/tmp/bad: ' --cobd /tmp/bad
refuse 'cannot connect' --cobd 'nbd+unix:///?socket=/nowhere'

# Debian from a partition of a disk of the host
guest_checks gpt --root /dev/cobd0p1 <<'GUEST'
same "root is a partition" /dev/vda1 "$(findmnt -n -o SOURCE /)"
same "and has its name" /dev/vda1 "$(readlink -f /dev/cobd0p1)"
same "systemd reaches" running "$(systemctl is-system-running --wait)"
GUEST
END
host images --kernel 6.12 --timeout 1800 --add "$LOGS/initrd:/lib/initrd" \
	--share /usr:/usr --share "$images:/images" \
	--disk "$LOGS/gpt,snapshot" < "$LOGS/script"
rm -rf "$images" "$LOGS/gpt" "$LOGS/small"
echo end
