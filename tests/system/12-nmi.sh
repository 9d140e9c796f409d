# SPDX-License-Identifier: GPL-2.0
# NMIs and machine checks while the guest runs and while the worlds change: all
# that are taken off the host are given to it.
. "$TESTS/lib.sh"

cat > "$LOGS/injected" <<'END'
load_driver
# So many, they would fill the log at a speed the serial line cannot follow.
dmesg -n 1
nmis() {
	awk '/^ *NMI:/ { for (i = 2; i <= NF && $i ~ /^[0-9]+$/; i++) n += $i
		print n }' /proc/interrupts
}
before=$(nmis)
ctl nmi 0.002
load_start
for work in 0 1 20 1000; do
	cvm /lib/stage1.elf "switch=$((200000 / (work + 1))) work=$work" > /tmp/out 2>&1
	same "guest with $work of work between switches" 0 $?
	counts=$(sed -n 's,.*nmis \([0-9]*\)/\([0-9]*\) .*,\1 \2,p' /tmp/out)
	echo "work $work: $counts" >&2
	taken=$((taken + ${counts% *})) replayed=$((replayed + ${counts#* }))
done
load_stop
ctl nmi off
sleep 1
same "NMIs taken off the host are replayed" $taken $replayed
check "some NMI came while in the guest ($taken)" [ $taken -gt 20 ]
echo "nmis seen by the host: $(($(nmis) - before))"
END
for kernel in 6.1 6.12; do
	host $kernel-injected --kernel $kernel --pti on < "$LOGS/injected"
	sent=$(sed -n 's/.*NMIs injected: //p' "$LOGS/stderr" | tail -n 1)
	got=$(sed -n 's/^nmis seen by the host: //p' "$LOGS/$kernel-injected/out")
	# Injected while one is pending, they become one.
	check "$kernel: the host got the NMIs ($sent sent, $got arrived)" \
		[ "$got" -gt $((sent / 10)) -a "$got" -le "$sent" ]
done

cat > "$LOGS/storm" <<'END'
mount -t debugfs debug /sys/kernel/debug
load_driver
storm=/sys/kernel/debug/colinux/storm
tables > /tmp/before
(
	while [ ! -e /tmp/stop ]; do
		cvm /lib/stage1.elf 'switch=50000 work=1 fpu=1000' > /tmp/out 2>&1 ||
			echo "$? $(cat /tmp/out)" >> /tmp/wrong
		cat /tmp/out >> /tmp/all
	done
) &
sleep 2
echo 10000 > $storm
for i in $(seq 600); do
	sleep 1
	grep -q 'left 0' $storm && break
done
sleep 1		# for the last one
result=$(cat $storm)
touch /tmp/stop
wait
echo "$result" >&2
set -- $result
same "storm: NMIs sent are handled" "$2" "$4"
same "storm: all were sent" 0 "$6"
check "storm: every guest ended well" [ ! -e /tmp/wrong ]
[ ! -e /tmp/wrong ] || head /tmp/wrong >&2
sed -n 's,.*nmis \([0-9]*\)/\([0-9]*\) .*,\1 \2,p' /tmp/all > /tmp/counts
same "storm: taken off the host = replayed" \
	$(awk '{ t += $1; r += $2 } END { print t, r }' /tmp/counts)
check "storm: NMIs hit the passage" [ "$(wc -l < /sys/kernel/debug/colinux/hits)" -gt 10 ]
tables > /tmp/after
check "storm: the host's IDT and GDTs are as before" cmp /tmp/before /tmp/after
END
DRIVER=-debug
host 6.12-storm --kernel 6.12 --cpus 2 --timeout 1800 < "$LOGS/storm"
host 6.1-storm --kernel 6.1 --cpus 2 --la57 on --pti on --timeout 1800 < "$LOGS/storm"

check "an NMI at every instruction of the passage" \
	"$TESTS/long/every-instruction" --no-singlestep
check "a machine check at every instruction of the passage" \
	"$TESTS/long/every-instruction" --no-singlestep --mce
echo end
