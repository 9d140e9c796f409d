# SPDX-License-Identifier: GPL-2.0
# Guests in the background and their control sockets: start, list, status,
# console, logs, stop, kill; clients that misbehave; what a killed one leaves.
. "$TESTS/lib.sh"

cat > "$LOGS/script" <<'END'
load_driver
files=$(open_files) chunks=$(free_chunks)
# start NAME [OPTIONS]: a guest that takes commands from its console
start() {
	start_name=$1
	shift
	colinux start --name "$start_name" --kernel $kernel --initrd /lib/initrd \
		--mem 64M --append 'test=shell quiet' "$@"
}
# wait_for SECONDS COMMAND...
wait_for() {
	wait_n=$(($1 * 5))
	shift
	while ! "$@" > /dev/null 2>&1; do
		wait_n=$((wait_n - 1))
		[ $wait_n -gt 0 ] || return 1
		usleep 200000
	done
}
# json NAME COMMAND...: for the test machine, which has a parser
json() {
	json_name=$1
	shift
	"$@" > /tmp/json
	echo "json $json_name $(tr -d '\n' < /tmp/json)"
}
mark() {
	echo "at $(cut -d ' ' -f 1 /proc/uptime) s: $*" >&2
}
ended() {
	! kill -0 "$1"
}
# refused STATUS WORDS COMMAND...: one line that says it
refused() {
	want=$1 words=$2
	shift 2
	"$@" < /dev/null > /tmp/out 2> /tmp/err
	status=$?
	if [ $status = "$want" ] && [ "$(wc -l < /tmp/err)" = 1 ] &&
	    [ ! -s /tmp/out ] && grep -q -e "$words" /tmp/err; then
		ok "$(cat /tmp/err)"
	else
		bad "$* ($words): status $status: $(cat /tmp/err /tmp/out)"
	fi
}

# --- start -----------------------------------------------------------------
refused 1 'unknown option' colinux start --frobnicate
refused 2 '/nope' colinux start --kernel /nope
refused 2 'host has only' start big --mem 64G
refused 1 'not a name' start ../x
refused 2 'no guest of this name' colinux status life
before=$(cojob now)
same "start prints the name" life "$(start life < /dev/null)"
echo "start took $((($(cojob now) - before) / 1000000)) ms" >&2
pid=$(pidof colinux)
check "its directory is its owner's alone" \
	[ "$(stat -c '%a %u' /run/colinux /run/colinux/life | tr '\n' ' ')" = '700 0 700 0 ' ]
refused 2 "'life' is running already" start life
json list colinux list --json
check "list names it" sh -c 'colinux list | grep -q "^life  *running"'
check "status for people" sh -c 'colinux status life | grep -q "^switches  *[1-9]"'

mark "the console under load"
# --- the console under load --------------------------------------------------
mkfifo /tmp/keys /tmp/keys2
colinux console life < /tmp/keys > /tmp/writer 2> /tmp/writer.err &
writer=$!
exec 5> /tmp/keys
check "the boot's words are replayed" wait_for 60 grep -q 'init: ready' /tmp/writer
colinux console --read-only life < /dev/null > /tmp/viewer 2> /tmp/viewer.err &
viewer=$!
colinux console life < /tmp/keys2 > /tmp/second 2> /tmp/second.err &
second=$!
exec 6> /tmp/keys2
wait_for 20 sh -c "colinux status life | grep -q '3 viewers'"
echo 'echo no_$((6 * 7))' >&6
echo 'seq 1 5000 | cat; echo count_$((6 * 7))' >&5
# Others come and go meanwhile.
for n in 1 2 3 4; do
	colinux console --read-only life < /dev/null > /tmp/guest.$n 2>&1 &
	wait_for 30 [ -s /tmp/guest.$n ]
	usleep 200000
	kill $!
	wait $! || bad "detaching by a signal: status $?"
done
for v in writer viewer second; do
	check "$v: the count came to its end" wait_for 90 grep -q count_42 /tmp/$v
	tr -d '\r' < /tmp/$v | grep -x -E '[0-9]+' > /tmp/numbers
	seq 1 5000 > /tmp/want
	check "$v: nothing was lost or added" cmp /tmp/numbers /tmp/want
	check "$v: who is not the writer does not type" sh -c "! grep -q no_42 /tmp/$v"
done
gaps=0
for n in 1 2 3 4; do
	# The first and the last line may be parts.
	tr -d '\r' < /tmp/guest.$n | grep -x -E '[0-9]+' | sed '1d;$d' |
		awk 'NR > 1 && $1 != last + 1 { bad++ } { last = $1 } END { exit bad }' ||
		gaps=$((gaps + 1))
done
same "those who came and went saw no gaps" 0 $gaps

json status colinux status --json life
mark "the next writer"

# --- the next writer -----------------------------------------------------------
exec 5>&-
kill $writer
wait $writer
same "the writer detached: exit status" 0 $?
check "who waited may type now" wait_for 20 grep -q 'may type now' /tmp/second.err
echo 'echo next_$((6 * 7))' >&6
check "and does" wait_for 30 grep -q next_42 /tmp/viewer
exec 6>&-
kill $second
wait $second

# --- as a person: keys, the terminal's size --------------------------------------
mkfifo /tmp/keys3
pty colinux console life < /tmp/keys3 > /tmp/person &
person=$!
exec 7> /tmp/keys3
check "a person is told how to leave" wait_for 20 grep -q 'ctrl-\] d detaches' /tmp/person
printf 'stty size < /dev/console\n' >&7
check "the guest knows the terminal's size" wait_for 30 grep -q '41 123' /tmp/person
printf '\035d' >&7
wait $person
same "ctrl-] d: exit status" 0 $?
check "ctrl-] d: it says so" grep -q 'life: detached' /tmp/person
exec 7>&-

mark "a viewer that does not read"
# --- a viewer that does not read ----------------------------------------------
colinux console --read-only life < /dev/null > /tmp/stuck.out 2> /tmp/stuck.err &
stuck=$!
wait_for 20 [ -s /tmp/stuck.out ]
kill -STOP $stuck
echo 'seq 1 32000 | cat; echo wide_$((6 * 7))' | colinux console life > /dev/null 2>&1 &
typist=$!
check "it does not stop the guest" wait_for 150 grep -q wide_42 /tmp/viewer
kill -CONT $stuck
wait $stuck
same "it was disconnected: exit status" 2 $?
check "and told why" grep -q 'nothing was read for too long' /tmp/stuck.err /tmp/stuck.out
tr -d '\r' < /tmp/viewer | grep -x -E '[0-9]+' > /tmp/numbers
{ seq 1 5000; seq 1 32000; } > /tmp/want
check "who reads has lost nothing" cmp /tmp/numbers /tmp/want
kill $typist
wait $typist

mark "clients that misbehave"
# --- clients that misbehave ------------------------------------------------------
request() {
	colinux request life "$1" > /tmp/out 2>&1
	[ $? = 2 ] && grep -q "$2" /tmp/out && ok "request: $(cat /tmp/out)" ||
		bad "request $1: $(cat /tmp/out)"
}
request 'hello' 'not JSON'
request '[1]' 'not a JSON object'
request '{"request": "frobnicate"}' 'unknown request'
request '{"request": "status", "x": 1}' 'does not know'
request '{"request": "resize"}' 'needs'
request "$(head -c 10000 /dev/zero | tr '\0' x)" 'longer than 4096'
open_now() {
	ls /proc/$pid/fd | wc -l
}
# Those of before may just be leaving.
wait_for 20 sh -c "colinux status life | grep -q ' 1 viewers'"
fds=$(open_now)
rss=$(awk '/^RssAnon/ { print $2 }' /proc/$pid/status)
for n in $(seq 80); do
	colinux request life '{"request":"events"}' > /tmp/many.$n 2>&1 &
	last=$!
	echo $! >> /tmp/many
done
wait_for 30 grep -q 'too many connections' /tmp/many.*
check "too many connections are refused" grep -q 'too many connections' /tmp/many.*
kill $(cat /tmp/many) 2> /dev/null
wait $(cat /tmp/many) 2> /dev/null
check "and do no harm" wait_for 20 colinux status life
for n in $(seq 20); do
	colinux status life > /dev/null
done
wait_for 20 [ "$(open_now)" -le $fds ]
same "the daemon's open files" $fds "$(open_now)"
grown=$(($(awk '/^RssAnon/ { print $2 }' /proc/$pid/status) - rss))
check "the daemon's memory has not grown by much ($grown KiB)" [ $grown -lt 1500 ]

mark "stop, logs"
# --- stop, logs --------------------------------------------------------------------
colinux logs -f life > /tmp/follow 2>&1 &
follow=$!
wait_for 30 [ -s /tmp/follow ]
json stop colinux stop --json --timeout 120 life
wait $follow
same "logs -f ends with the guest: exit status" 0 $?
check "the log has the console" grep -q wide_42 /tmp/follow
check "and the messages" grep -q 'guest powered off' /tmp/follow
wait $viewer
same "a viewer's exit status is the guest's" 0 $?
check "logs, when it has gone" sh -c 'colinux logs life | grep -q wide_42'
check "nothing is left in /run" [ ! -e /run/colinux/life ]
check "the daemon is gone" ended $pid
refused 2 'no guest of this name' colinux stop life

# --- killed ones ------------------------------------------------------------------
start kill < /dev/null > /dev/null
kill -9 $(pidof colinux)
wait_for 20 sh -c '! pidof colinux'
check "kill -9 leaves its directory" [ -e /run/colinux/kill/control ]
same "which list does not show" 1 "$(colinux list | wc -l)"
refused 2 'no guest of this name' colinux console kill
same "the name is free" kill "$(start kill < /dev/null)"
json kill colinux kill --json kill
check "kill leaves nothing" [ ! -e /run/colinux/kill ]

mark "in the foreground"
# --- in the foreground; a made name -----------------------------------------------
cp /lib/initrd "/tmp/my disk.img"
truncate -s 16M "/tmp/my disk.img"
colinux run --kernel $kernel --initrd /lib/initrd --mem 64M --root /dev/ram0 \
	--cobd "/tmp/my disk.img" --append 'test=shell quiet' < /dev/null > /tmp/run.out 2> /tmp/run.err &
run=$!
check "run has a control socket, the name is the image's" \
	wait_for 60 sh -c 'colinux status my_disk | grep -q "^state  *running"'
check "logs, without a file" wait_for 60 sh -c 'colinux logs my_disk | grep -q "init: ready"'
printf 'echo typed_$((6 * 7))\n' | colinux console my_disk > /tmp/typed 2> /dev/null &
check "and a console that types" wait_for 60 grep -q typed_42 /tmp/run.out
colinux stop --timeout 120 my_disk
same "stop: exit status" 0 $?
wait $run
same "run: exit status" 0 $?

mark "serial ports"
# --- serial ports and programs ------------------------------------------------------
cat > /tmp/ports.conf <<-'CONF'
kernel=/lib/vmlinux initrd=/lib/initrd mem=64 name=ports
ttys0=pty ttys1=unix:/tmp/ports.sock ttys3=/tmp/ports.file
exec0="sh, -c 'echo $COLINUX_NAME $$ > /tmp/exec0; exec sleep 1000'"
exec1="sh -c 'while [ ! -e /tmp/go ]; do usleep 100000; done; exit 5'"
append="test=shell quiet"
CONF
colinux start /tmp/ports.conf < /dev/null > /dev/null
same "start with ports and programs" 0 $?
# do_in_guest COMMANDS
do_in_guest() {
	printf '%s\n' "$1" | colinux console ports > /dev/null 2>&1 &
	wait_for 30 sh -c "colinux status ports | grep -q ' 1 viewers'"
}
pty=/run/colinux/ports/ttys0
check "the pty has a name" [ -c $pty ]
cat $pty > /tmp/pty.out &
cat=$!
do_in_guest 'echo port_$((6 * 7)) > /dev/hvc1; read -r line < /dev/hvc1; echo "got_$line" > /dev/hvc1; echo file_$((6 * 7)) > /dev/hvc3; cat /proc/cmdline > /dev/hvc3'
wait_for 30 grep -q port_42 /tmp/pty.out
echo hello > $pty
check "ttys0: a pty, both ways" wait_for 30 grep -q got_hello /tmp/pty.out
check "ttys3: a file" wait_for 30 grep -q file_42 /tmp/ports.file
check "udev is told the names" wait_for 30 \
	grep -q 'colinux.hvc1=ttyS0 colinux.hvc2=ttyS1 colinux.hvc3=ttyS3' /tmp/ports.file
kill $cat
read -r who exec_pid < /tmp/exec0
same "exec0 knows the guest's name" ports "$who"
check "exec0 lives" [ -d /proc/$exec_pid ]
touch /tmp/go
check "exec1's death is reported" wait_for 30 \
	sh -c "colinux logs ports | grep -q 'exec1: sh has ended with status 5'"
kill -9 $(pidof colinux)
check "exec0 ends with a daemon that is killed" wait_for 20 [ ! -d /proc/$exec_pid ]
colinux start /tmp/ports.conf < /dev/null > /dev/null
same "a socket that was left is no trouble" 0 $?
read -r who exec_pid < /tmp/exec0
colinux kill ports
check "exec0 ends with the guest" [ ! -d /proc/$exec_pid ]
check "the port's socket is gone" [ ! -e /tmp/ports.sock ]

mark "many lives"
# --- many lives -----------------------------------------------------------------------
lives=${LIVES:-12}
before=$(cojob now)
for n in 1 2; do
	for life in $(seq $((lives / 2))); do
		start again$n < /dev/null > /dev/null || echo start >> /tmp/failed
		colinux kill again$n || echo kill >> /tmp/failed
	done &
	eval "lives_$n=\$!"
done
wait $lives_1 $lives_2
failed=$(cat /tmp/failed 2> /dev/null | wc -l)
echo "$lives lives: $((($(cojob now) - before) / 1000000)) ms" >&2
same "of $lives starts and ends failed" 0 $failed
check "no daemon is left" sh -c '! pidof colinux'
check "all 2 MiB chunks are back" settle free_chunks $((chunks - 32))
check "no open file is left ($files, $(open_files))" [ "$(open_files)" -le $((files + 64)) ]
END
"$TESTS/tools/mkinitrd" "$BUILD/tests/initrd-life" "$TESTS/guest-init"
sed -i "1i LIVES=${LIVES:-12}" "$LOGS/script"
host life --kernel 6.12 --cpus 2 --add "$BUILD/tests/initrd-life:/lib/initrd" \
	--add "$BUILD/tests/pty" --timeout "${HOST_TIMEOUT:-1800}" < "$LOGS/script"

sed -n 's/^json //p' "$LOGS/life/out" > "$LOGS/json"
python3 - "$LOGS/json" > "$LOGS/json.out" <<'END' || bad "the JSON was looked at"
import json, sys
seen = {}
for line in open(sys.argv[1]):
    name, text = line.split(" ", 1)
    seen[name] = json.loads(text)
def check(text, good):
    print(("ok - " if good else "not ok - ") + text)
status = seen["status"]
check("list --json", [g["name"] for g in seen["list"]] == ["life"])
check("status --json", status["name"] == "life" and status["state"] == "running")
check("... memory, switches, queues", status["memory"] == 64 << 20
      and status["driver"]["switches"] > 100
      and any(d["name"] == "cocon0" and d["queues"][1]["used"] > 0
              for d in status["devices"]))
check("stop --json", seen["stop"]["code"] == 0)
check("kill --json", seen["kill"]["code"] == 6)
END
cat "$LOGS/json.out"
echo end
