# SPDX-License-Identifier: GPL-2.0
# Disks that fail below the guest: it gets errors, nothing hangs, and nothing
# is lost that was fsynced.
. "$TESTS/lib.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/disk-init"
cat > "$LOGS/script" <<'END'
load_driver
PATH=$PATH:/usr/bin:/usr/sbin
mkdir -p /var/tmp
# small TEST DISK: start a guest in the background; the console is /tmp/TEST.
small() {
	colinux run --kernel $kernel --initrd /lib/initrd --mem 64M --cobd "$2" \
		--append test=${1%-*} < /dev/null > /tmp/$1 2> /tmp/$1.err &
	pid=$!
}
# seen TEST PATTERN: wait for it.
seen() {
	for i in $(seq 120); do
		grep -q "$2" /tmp/$1 && return
		kill -0 $pid 2> /dev/null || break
		sleep 1
	done
	tail -n 5 /tmp/$1 >&2
	return 1
}
# failed TEST: the guest saw an error and powered off.
failed() {
	check "$1: the guest gets an error" seen $1 '^init: error: .*[Ee]rror'
	wait $pid
	same "$1: the guest powers off" 0 $?
	cat /tmp/$1.err >&2
	check "$1: colinux says so" grep -q 'cobd0' /tmp/$1.err
}
# The numbers that were safe, as the guest said, are in FILE.
check_numbers() {
	n=$(sed -n 's/^init: safe \([0-9]*\)\r*$/\1/p' /tmp/$1 | tail -n 1)
	missing=0
	for i in $(seq $((n > 20 ? n - 20 : 1)) $n); do
		[ "$(dd if=$2 bs=4096 skip=$((i % 4000)) count=1 2> /dev/null |
			tr -d '\0')" = "number $i" ] || missing=$((missing + 1))
	done
	same "$1: safe numbers that are missing (of $n)" 0 $missing
}

# the host's file system is full
mkdir -p /mnt/full
mount -t tmpfs -o size=1M tmpfs /mnt/full
truncate -s 64M /mnt/full/disk
small write-full /mnt/full/disk
failed write-full
check_numbers write-full /mnt/full/disk

# the device below begins to fail, after it was slow
modprobe loop
modprobe dm_flakey
modprobe dm_delay
truncate -s 32M /tmp/disk
losetup /dev/loop0 /tmp/disk
# table "LINE": load it, as the running guest's disk.
table() {
	dmsetup $1 test --table "$2" --noudevrules --noudevsync
}
table create '0 65536 delay /dev/loop0 0 100'
dmsetup mknodes
small write-flakey /dev/mapper/test
check "write-flakey: slow is not wrong" seen write-flakey 'safe 5'
dmsetup load test --table '0 65536 flakey /dev/loop0 0 0 100 1 error_writes'
dmsetup suspend --noflush test
dmsetup resume --noudevrules --noudevsync test
failed write-flakey
dmsetup remove --noudevrules --noudevsync test
check_numbers write-flakey /dev/loop0
losetup -d /dev/loop0

# a server goes away, with requests under way
qemu-nbd -t -f raw -k /tmp/nbd /tmp/disk &
server=$!
until [ -e /tmp/nbd ]; do sleep 1; done
sleep 1
small read-nbd 'nbd+unix:///?socket=/tmp/nbd'
check "read-nbd: it reads" seen read-nbd 'reading'
sleep 1
kill -9 $server
failed read-nbd

# our own helper goes away
small read-helper /tmp/disk,snapshot
check "read-helper: it reads" seen read-helper 'reading'
sleep 1
kill -9 $(pidof qemu-nbd)
failed read-helper
END
host errors --kernel 6.12 --timeout 1800 --add "$LOGS/initrd:/lib/initrd" \
	--share /usr:/usr < "$LOGS/script"
echo end
