# SPDX-License-Identifier: GPL-2.0
# The guest's clocks when the host's are set, the daemon was stopped, and the
# host's TSC turns out to be no good.
. "$TESTS/lib.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/guest-init"
cat > "$LOGS/script" <<'END'
mount -t debugfs debug /sys/kernel/debug
load_driver
source=$(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)
same "the host trusts its TSC" tsc "$source"
mkfifo /tmp/in
colinux run --kernel $kernel --initrd /lib/initrd --mem 128M \
	--append 'test=shell' < /tmp/in > /tmp/log 2> /tmp/err &
pid=$!
exec 3> /tmp/in
for _ in $(seq 300); do
	grep -q "^init: ready" /tmp/log && break
	usleep 200000
done

# What a command prints in the guest goes to $answer.
questions=0
ask() {
	questions=$((questions + 1))
	echo "echo answer $questions: \$($*)" >&3
	for _ in $(seq 300); do
		answer=$(sed -n "s/\r*$//; s/^answer $questions: //p" /tmp/log)
		[ -z "$answer" ] || return 0
		usleep 100000
	done
}

# follows TEXT SECONDS: the guest's clock is so far ahead of the host's, soon.
uptime=0
follows() {
	for _ in $(seq 50); do
		before=$(date +%s)
		ask date +%s
		off=$((answer - before - $2)) took=$(($(date +%s) - before))
		[ $off -lt -1 ] || [ $off -gt $((took + 1)) ] || break
		usleep 200000
	done
	check "$1 (off by $off s, it took $took s to ask)" \
		[ "$off" -ge -1 -a "$off" -le $((took + 1)) ]
	ask cut -d. -f1 /proc/uptime
	[ "$answer" -ge $uptime ] ||
		bad "its monotonic clock went back from $uptime to $answer"
	uptime=$answer
}

step() {
	date -s "@$(($(date +%s) + $1))" > /dev/null
}

clocksource='cat /sys/devices/system/clocksource/clocksource0/current_clocksource'
follows "the guest's clock is the host's" 0
ask "$clocksource"
same "clock source where the TSC is trusted" colinux-tsc "$answer"
step 3600
follows "it follows when the host's is set an hour ahead" 0
kill -STOP $pid
sleep 5
kill -CONT $pid
follows "it is right after the daemon was stopped for 5 s" 0
ask 'date -s @$(($(date +%s) + 86400))'
follows "set by its own user it keeps that" 86400
step -7200
follows "and follows the host's steps from there" 86400
echo Y > /sys/kernel/debug/colinux/distrust_tsc
for _ in $(seq 50); do
	ask "$clocksource"
	[ "$answer" != colinux ] || break
	usleep 300000
done
same "clock source where the TSC is not trusted any more" colinux "$answer"
follows "its clock is right with that" 86400
step 1800
follows "and follows the host's" 86400
check "the guest said what was done" grep -q 'clock set by -7[0-9]* ms' /tmp/log
kill -9 $pid
wait $pid
cat /tmp/log >&2
END
DRIVER=-debug
host clock --kernel 6.12 --cpus 1 --add "$LOGS/initrd:/lib/initrd" < "$LOGS/script"
echo end
