# SPDX-License-Identifier: GPL-2.0
# A guest's kernel goes wrong in every way the trivial guest knows: the host
# survives, the driver says what it was, all memory comes back.
. "$TESTS/lib.sh"

cat > "$LOGS/script" <<'END'
load_driver
tables > /tmp/before
cvm /lib/stage1.elf switch=10 > /dev/null
chunks=$(free_chunks) files=$(open_files) slab=$(slab_kb)

# end WORD STATUS TEXT: reasons of enum co_exit are the status of cvm.
end() {
	cvm /lib/stage1.elf "$1" > /tmp/out 2>&1
	same "$1: how it ended" "$2" $?
	check "$1: the reason is readable" grep -q "$3" /tmp/out
	sed "s/^/$1: /" /tmp/out >&2
}
end panic 5 'asked to panic'
end wild 6 .
end badop 6 .
end badforward 6 .
# With one CPU only NMIs from outside (a lockup detector's, here the monitor's)
# get through to it.
[ "$(nproc)" -gt 1 ] || ctl nmi 0.1
end spin 6 .
[ "$(nproc)" -gt 1 ] || ctl nmi off

# In the stub of an interrupt of the host's that the guest accepted and never
# forwards: it must not stay in service. Each CPU's timer goes on afterwards.
timer_ticks() {
	sed -n "s/^ *LOC: *//p" /proc/interrupts | awk -v n=$(($1 + 1)) '{ print $n }'
}
timers_run() {
	for cpu in $(seq 0 $(($(nproc) - 1))); do
		ticks=$(timer_ticks "$cpu")
		taskset $((1 << cpu)) sh -c 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done'
		[ "$(timer_ticks "$cpu")" -gt "$ticks" ] || return 1
	done
}
end stubpanic 5 'panic in the stub'
check "stubpanic: what was in service was run" grep -q 'drained [1-9]' /tmp/out
check "stubpanic: the timers run" timers_run
end stubfault 6 'exception 14'
check "stubfault: what was in service was run" grep -q 'drained [1-9]' /tmp/out
check "stubfault: the timers run" timers_run
end stubprint 0 'interrupt 100'
check "stubprint: the timers run" timers_run
[ "$(nproc)" -gt 1 ] || ctl nmi 0.1
end stubspin 6 'kept interrupts off'
[ "$(nproc)" -gt 1 ] || ctl nmi off
check "stubspin: what was in service was run" grep -q 'drained [1-9]' /tmp/out
check "stubspin: the timers run" timers_run

load_start
sleep 2
load_stop
# A guest has 32. A few may be broken up by what the host does meanwhile.
check "all 2 MiB chunks are back" settle free_chunks $((chunks - 8))
echo "chunks $chunks $(free_chunks) files $files $(open_files)" \
	"slab $slab $(slab_kb)" >&2
check "no open file is left" [ "$(open_files)" -le $((files + 32)) ]
check "no slab memory is lost" [ "$(slab_kb)" -le $((slab + 2048)) ]
tables > /tmp/after
check "the host's IDT and GDTs are as before" cmp /tmp/before /tmp/after
check "the driver unloads" rmmod colinux
END
host 6.12-1cpu --kernel 6.12 --cpus 1 < "$LOGS/script"
host 6.12-2cpus --kernel 6.12 --cpus 2 --pti on < "$LOGS/script"
host 6.1-2cpus --kernel 6.1 --cpus 2 --la57 on < "$LOGS/script"
echo end
