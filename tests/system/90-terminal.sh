# SPDX-License-Identifier: GPL-2.0
# What a person sees: make run, the shell's prompt in time, the size of the
# terminal, keys, power-off. And make run CMD=.
. "$TESTS/lib.sh"

cat > "$LOGS/steps" <<'END'
expect 400 root@colinux:~#
send stty size; echo $((6 * 7))-$(tty)\n
expect 120 41 123
expect 120 42-/dev/hvc0
expect 120 root@colinux:~#
send sleep 100\n
wait 2
send \x03
expect 120 root@colinux:~#
send poweroff\n
expect 200 guest powered off
END
HOST=qemu "$TESTS/tools/terminal" "$LOGS/steps" -- testbed/run > "$LOGS/times" &&
	status=0 || status=$?
cat "$LOGS/times" >&2
check "a shell for a person ($(sed -n '1s/ expect.*/ s to the prompt/p' "$LOGS/times"))" \
	[ $status = 0 ]
out=$(HOST=qemu CMD='echo out; echo err >&2; exit 42' testbed/run 2> "$LOGS/err") &&
	status=0 || status=$?
cat "$LOGS/err" >&2
check "CMD: the exit status is the command's" [ $status = 42 ]
check "CMD: standard output is the command's" [ "$out" = out ]
check "CMD: standard error, too" grep -qx err "$LOGS/err"
echo end
