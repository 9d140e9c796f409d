# SPDX-License-Identifier: GPL-2.0
# Linux in the guest goes wrong in every way that LKDTM knows, while it writes
# to its disk: the host survives, colinux says what happened, its exit status
# says it too, nothing is lost in the host or of what was fsynced.
. "$TESTS/lib.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/guest-init"
rm -f "$LOGS/disk"
mke2fs -q -t ext4 "$LOGS/disk" 128M >&2

cat > "$LOGS/script" <<'END'
load_driver
safe=0
once() {
	timeout 100 colinux run --kernel $kernel --initrd /lib/initrd --mem 128M \
		--cobd $disk --append "quiet oops=panic crash=$1" \
		< /dev/null > /tmp/log 2> /tmp/err
	echo $? > /tmp/status
	sed "s/^/$1: /" /tmp/err >&2
	found=$(sed -n 's/^init: found \([0-9]*\).*/\1/p' /tmp/log)
	last=$(sed -n 's/^init: safe \([0-9]*\).*/\1/p' /tmp/log | tail -n 1)
}
fsck() {
	e2fsck -p $disk > /tmp/fsck 2>&1
	[ $? -le 1 ] && e2fsck -fn $disk >> /tmp/fsck 2>&1 && return
	cat /tmp/fsck >&2
	return 1
}

# What allocates for the first time has done so afterwards.
once PANIC
chunks=$(free_chunks) files=$(open_files) slab=$(slab_kb)

# crash POINT STATUS TEXT [CONSOLE]: what colinux and the guest's console say
crash() {
	safe=${last:-0}
	once "$1"
	same "$1: exit status" "$2" "$(cat /tmp/status)"
	check "$1: colinux says why" grep -q "$3" /tmp/err
	[ -z "${4-}" ] || check "$1: the guest's console says more" grep -q "$4" /tmp/log
	same "$1: lines of colinux" 1 "$(wc -l < /tmp/err)"
	check "$1: the disk was being written, and what was fsynced before is there ($safe, $found)" \
		[ "${found:-0}" -ge "$safe" -a "${last:-0}" -ge $((found + 20)) ]
	check "$1: the file system is whole" fsck
	check "$1: all 2 MiB chunks are back" settle free_chunks $((chunks - 8))
	[ "$2" = "$(cat /tmp/status)" ] || tail -n 40 /tmp/log >&2
}
crash PANIC 4 'panicked: dumptest'
crash sysrq 4 'panicked: sysrq triggered crash'
crash BUG 4 'panicked: Fatal exception'
crash EXEC_NULL 4 'panicked: Fatal exception' 'NULL pointer dereference'
crash EXEC_DATA 4 'panicked: Fatal exception' 'NX-protected page'
crash EXHAUST_STACK 4 'panicked: Fatal exception' 'stack guard page was hit'
crash CORRUPT_STACK_STRONG 4 'panicked: stack-protector: Kernel stack is corrupted'
crash HARDLOCKUP 5 'kept interrupts off for 5 s'
last=
echo "chunks $chunks $(free_chunks) files $files $(open_files)" \
	"slab $slab $(slab_kb)" >&2
check "no open file is left" [ "$(open_files)" -le $((files + 32)) ]
check "no slab memory is lost" [ "$(slab_kb)" -le $((slab + 2048)) ]
check "the driver unloads" rmmod colinux
END
host crash --kernel 6.12 --cpus 2 --timeout 1800 --disk "$LOGS/disk" \
	--add "$LOGS/initrd:/lib/initrd" --add /sbin/e2fsck:/bin/e2fsck < "$LOGS/script"
rm -f "$LOGS/disk"
echo end
