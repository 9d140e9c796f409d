# SPDX-License-Identifier: GPL-2.0
# The testbed itself: what it reports is true.
. "$TESTS/lib.sh"

run() {
	"$TOP/testbed/host" --kernel 6.12 "$@" --log "$LOGS/plain" 2>> "$LOGS/run.err"
}

host clean < /dev/null
out=$(run --cmd 'echo one; echo two >&2; exit 42') && status=0 || status=$?
check "exit status is carried out" [ "$status" = 42 ]
check "standard output is the job's only" [ "$out" = one ]
run --cmd 'echo c > /proc/sysrq-trigger; sleep 60' && status=0 || status=$?
check "a panic of the host is a failure" [ "$status" = 125 ]
run --timeout 8 --cmd 'sleep 60' && status=0 || status=$?
check "a hang is a failure" [ "$status" = 124 ]
run --cmd 'reboot -f; sleep 60' && status=0 || status=$?
check "a reset is a failure" [ "$status" = 125 ]
run --nmi 0.05 --cmd 'sleep 2; ctl nmi off; sleep 0.5
	grep NMI: /proc/interrupts' > "$LOGS/nmi"
sent=$(sed -n 's/.*NMIs injected: //p' "$LOGS/run.err" | tail -n 1)
got=$(awk '{ print $2 }' "$LOGS/nmi")
check "every injected NMI arrives ($sent sent, $got arrived)" \
	[ "$sent" -gt 10 -a "$sent" = "$got" ]
echo end
