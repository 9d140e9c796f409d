# SPDX-License-Identifier: GPL-2.0
# colinux exec and shell: first the agent and the client alone, on this machine
# over a Unix socket; then through a guest.
. "$TESTS/lib.sh"

# --- alone --------------------------------------------------------------------

export COLINUX_RUN_DIR="$LOGS/run"
mkdir -p "$COLINUX_RUN_DIR/alone"
"$BUILD/colinux-agent" --unix "$COLINUX_RUN_DIR/alone/vsock" &
agent=$!
for i in $(seq 50); do
	[ -S "$COLINUX_RUN_DIR/alone/vsock" ] && break
	sleep 0.1
done
x="$BUILD/colinux exec alone --"
fds=$(ls "/proc/$agent/fd" | wc -l)

# said STATUS OUTPUT COMMAND...: its status, its output (errors, too).
said() {
	want=$1 text=$2
	shift 2
	got=$("$@" 2>&1 < /dev/null) && status=0 || status=$?
	if [ "$status" = "$want" ] && [ "$got" = "$text" ]; then
		ok "alone: ${*#*/build/} ($status)"
	else
		bad "alone: ${*#*/build/}: $status, not $want: $got"
	fi
}
said 0 hello $x echo hello
said 3 '' $x sh -c 'exit 3'
said 255 '' $x sh -c 'exit 255'
said 137 '' $x sh -c 'kill -9 $$'
said 143 '' $x sh -c 'kill -TERM $$'
said 127 'colinux: exec: alone: nosuch: No such file or directory' $x nosuch
said 126 'colinux: exec: alone: /etc/passwd: Permission denied' $x /etc/passwd
said 125 'colinux: exec: alone: /nope: No such file or directory' \
	"$BUILD/colinux" exec -w /nope alone -- true
said 125 'colinux: exec: alone: no such user in the guest' \
	"$BUILD/colinux" exec -u nosuch alone -- true
said 125 'colinux: exec: nope: no guest of this name is running' \
	"$BUILD/colinux" exec nope -- true
said 125 'colinux: exec: no command: use colinux exec NAME -- COMMAND...' \
	"$BUILD/colinux" exec alone
said 125 "colinux: exec: which guest? use colinux exec NAME ..." "$BUILD/colinux" exec
said 125 "colinux: exec: '../x' is not the name of a guest" \
	"$BUILD/colinux" exec ../x -- true
said 125 "colinux: exec: --wait: 'soon' is not a number of seconds: use 0 to 86400" \
	"$BUILD/colinux" exec --wait soon alone -- true
said 125 'colinux: shell: ls: takes no command: use colinux exec' \
	"$BUILD/colinux" shell alone ls
said 0 '65534 /tmp 1 x y' "$BUILD/colinux" exec -u nobody -w /tmp -e A=1 \
	alone --env "B=x y" -- sh -c 'echo $(id -u) $PWD $A $B'
said 0 'a  b*' $x echo 'a  b*'
said 5 'caught' $x sh -c 'trap "echo caught; exit 5" HUP; kill -HUP $$; sleep 9'
said 0 'not waited for' $x sh -c 'sleep 98765 & echo not waited for'
printf 'echo "a script $1"\n' > "$LOGS/s"
chmod +x "$LOGS/s"
said 0 'a script without #!' $x "$LOGS/s" 'without #!'

head -c 100000000 /dev/urandom > "$LOGS/data"
check "alone: 100 MB through standard input and output" \
	sh -c "$x cat < '$LOGS/data' | cmp - '$LOGS/data'"
check "alone: a reader that is slow" \
	sh -c "$x cat '$LOGS/data' | (sleep 1; cmp - '$LOGS/data')"
check "alone: standard error is apart" sh -c \
	"$x sh -c 'cat \"$LOGS/data\"; echo e >&2' 2> '$LOGS/e' | cmp - '$LOGS/data' &&
	[ \"\$(cat '$LOGS/e')\" = e ]"
rm "$LOGS/data"
check "alone: a command that does not read" sh -c "yes | $x sh -c 'exec <&-; sleep 1'"
said 141 '' sh -c "{ $x yes; echo \$? > '$LOGS/st'; } | head -n 1 > '$LOGS/y'; exit \$(cat '$LOGS/st')"

# A client that is killed takes its command with it, full pipes or not.
(yes | $x sh -c "echo \$\$ > '$LOGS/pid'; exec sleep 1000") &
for i in $(seq 100); do
	[ -s "$LOGS/pid" ] && break
	sleep 0.1
done
client=$(ps -eo pid,args | awk -v x="$x" 'index($0, x) && !/awk/ && !/sh -eu/ && !/yes/ { print $1; exit }')
kill -9 "$client"
for i in $(seq 100); do
	kill -0 "$(cat "$LOGS/pid")" 2> /dev/null || break
	sleep 0.1
done
check "alone: its command ends with a killed client" \
	sh -c "! kill -0 $(cat "$LOGS/pid") 2> /dev/null"

for i in $(seq 60); do
	$x sh -c "sleep 1; echo $i; exit $i" > "$LOGS/p$i" 2>&1 &
	eval "p$i=\$!"
done
wrong=
for i in $(seq 60); do
	eval "wait \$p$i" && status=0 || status=$?
	[ $status = $i ] && [ "$(cat "$LOGS/p$i")" = $i ] || wrong="$wrong $i"
done
rm "$LOGS"/p[0-9]*
check "alone: 60 at once$wrong" [ -z "$wrong" ]

cat > "$LOGS/steps" <<'END'
expect 10 ready
send stty size; echo tty-$(tty)\n
expect 10 41 123
expect 10 tty-/dev/pts
send sleep 1000\n
wait 1
send \x03
send echo still-$((40 + 2))\n
expect 10 still-42
send exit 7\n
expect 10 status-7
expect 10 restored
END
"$TESTS/tools/terminal" "$LOGS/steps" -- sh -c "stty -a > '$LOGS/tty1'
	'$BUILD/colinux' exec -e PS1= alone -- sh -c 'echo ready; exec sh -i'
	echo status-\$?; stty -a > '$LOGS/tty2'
	cmp '$LOGS/tty1' '$LOGS/tty2' && echo restored" > "$LOGS/times" && status=0 || status=$?
cat "$LOGS/times" >&2
check "alone: a terminal: size, ^C, status, restored" [ $status = 0 ]

# Windows, on an X server that wants a cookie.
python3 - "$LOGS/cookie" <<'END'
import struct, sys
def field(data):
    return struct.pack(">H", len(data)) + data
with open(sys.argv[1], "wb") as f:
    f.write(struct.pack(">H", 256) + field(b"host") + field(b"")
            + field(b"MIT-MAGIC-COOKIE-1") + field(b"0123456789abcdef"))
END
Xvfb -displayfd 1 -screen 0 640x480x24 -fbdir "$LOGS" -auth "$LOGS/cookie" \
	> "$LOGS/display" 2> /dev/null &
xserver=$!
for i in $(seq 100); do
	[ -s "$LOGS/display" ] && break
	sleep 0.1
done
DISPLAY=:$(cat "$LOGS/display")
export DISPLAY
XAUTHORITY=/dev/null "$BUILD/colinux" gui alone -- xterm -e true 2> "$LOGS/e" &&
	status=0 || status=$?
check "alone: no window without the cookie ($status)" \
	sh -c "[ $status = 1 ] && grep -q 'Authorization required' '$LOGS/e'"
XAUTHORITY=$LOGS/cookie "$BUILD/colinux" gui alone -- \
	xterm -e 'echo alone; exec sleep 100' 2> "$LOGS/e" &
client=$!
for i in $(seq 100); do
	colours=$("$TESTS/tools/screenshot" "$LOGS/Xvfb_screen0" "$LOGS/alone.png")
	[ "$colours" -lt 2 ] || break
	sleep 0.1
done
check "alone: a window, see alone.png ($colours colours)" [ "$colours" -ge 2 ]
kill $client
wait $client || :
for i in $(seq 50); do
	ls /run/colinux-agent.X* > /dev/null 2>&1 || break
	sleep 0.1
done
check "alone: nothing is left of the display" \
	sh -c '! ls /run/colinux-agent.X* 2> /dev/null'
kill $xserver
said 125 'colinux: gui: DISPLAY is not set: run it where X programs run' \
	env -u DISPLAY "$BUILD/colinux" gui alone -- true
unset DISPLAY
sleep 1

now=$(ls "/proc/$agent/fd" | wc -l)
check "alone: the agent keeps no descriptor ($fds, $now)" [ "$fds" = "$now" ]
children=$(ps -o pid= --ppid $agent | wc -l)
check "alone: the agent keeps no child but what was left in the background ($children)" \
	[ "$children" -le 1 ]
# It was left to itself above, and is nobody's now.
kill "$(ps -eo pid,args | awk '$2 == "sleep" && $3 == 98765 { print $1 }')" || :
$x sleep 100 2> "$LOGS/e" &
client=$!
sleep 1
kill -9 $agent
wait $client && status=0 || status=$?
check "alone: the agent is gone: status $status, $(cat "$LOGS/e")" \
	sh -c "[ $status = 125 ] && grep -q 'connection broke' '$LOGS/e'"
unset COLINUX_RUN_DIR

# --- in a guest ---------------------------------------------------------------

cat > "$LOGS/script" <<'END'
load_driver
# boot NAME MORE-PARAMETERS: in the background.
boot() {
	colinux run --name $1 --kernel $kernel --mem 256M --cobd $disk \
		--append "quiet loglevel=3 systemd.show_status=no $2" \
		< /dev/null > /tmp/$1.console 2> /tmp/$1.co &
	eval "$1=\$!"
	for i in $(seq 600); do
		[ -S /run/colinux/$1/vsock ] && return
		usleep 100000
	done
}
boot g
# Not up: it waits as long as it was told, and says so.
colinux exec --wait 0 g -- true > /tmp/out 2> /tmp/err
same "not up: exit status" 125 $?
same "not up: lines" 1 "$(cat /tmp/out /tmp/err | wc -l)"
check "not up: $(cat /tmp/err)" grep -q 'within 0 s' /tmp/err
same "a command as soon as the guest is up" hello "$(colinux exec --wait 200 g -- echo hello)"
colinux exec g -- sh -c 'systemctl is-system-running --wait' > /tmp/out
same "the guest is" running "$(cat /tmp/out)"

for want in 0 1 3 255; do
	colinux exec g -- sh -c "exit $want"
	same "exit status" $want $?
done
colinux exec g -- nosuch 2> /tmp/err
same "exit status of what is not there" 127 $?
colinux exec g -- /etc/passwd 2> /tmp/err
same "exit status of what is no program" 126 $?
colinux exec g -- sh -c 'kill -SEGV $$'
same "exit status after signal 11" 139 $?
colinux exec g -- sh -c 'echo out; echo err >&2' > /tmp/out 2> /tmp/err
same "standard output" out "$(cat /tmp/out)"
same "standard error" err "$(cat /tmp/err)"
same "a login shell" "/root -bash 0" \
	"$(echo 'echo $PWD $0 $UID' | colinux shell g)"
same "another user" "nobody nogroup /tmp" \
	"$(colinux exec -u nobody -w /tmp g -- sh -c 'echo $(id -un) $(id -gn) $PWD')"

head -c ${MB}000000 /dev/urandom > /tmp/data
start=$(cojob now)
same "$MB MB through standard input and output" "$(sha256sum < /tmp/data)" \
	"$(colinux exec g -- cat < /tmp/data | sha256sum)"
echo "$(($(cojob now) / 1000000 - start / 1000000)) ms for that" >&2
start=$(cojob now)
same "$MB MB of standard output" \
	"$(head -c ${MB}000000 /dev/zero | sha256sum)" \
	"$(colinux exec g -- head -c ${MB}000000 /dev/zero | sha256sum)"
echo "$(($(cojob now) / 1000000 - start / 1000000)) ms for that" >&2
rm /tmp/data

# A terminal: its size, a new one, ^C, and ours as it was.
mkfifo /tmp/keys
cat > /tmp/person <<'PERSON'
stty rows 41 cols 123
stty -a > /tmp/before
tty > /tmp/tty
colinux exec g -- sh -c 'trap "stty size" WINCH; trap : INT; stty size; echo ready
	(trap - INT; exec sleep 1000); echo "sleep $?"; stty size; exit 9'
echo "status $?"
stty -a > /tmp/after
PERSON
script -q -f -c 'sh /tmp/person' /tmp/typed < /tmp/keys > /dev/null 2>&1 &
person=$!
exec 9> /tmp/keys
wait_for() {
	for i in $(seq 300); do
		grep -q "$1" /tmp/typed 2> /dev/null && return
		usleep 100000
	done
	return 1
}
check "terminal: a command on it" wait_for ready
check "terminal: its size" grep -q '^41 123' /tmp/typed
stty -F "$(cat /tmp/tty)" rows 30 cols 90
sed -i 's/rows 41; columns 123/rows 30; columns 90/' /tmp/before
usleep 500000
printf '\003' >&9
check "terminal: ^C ends what is in the foreground there" wait_for 'sleep 130'
check "terminal: the new size" wait_for '^30 90'
check "terminal: exit status" wait_for 'status 9'
exec 9>&-
wait $person
check "terminal: ours is as it was" cmp /tmp/before /tmp/after

for i in $(seq 20); do
	colinux exec g -- sh -c "echo $i; sleep 2; exit $i" > /tmp/p$i 2>&1 &
	eval "p$i=\$!"
done
wrong=
for i in $(seq 20); do
	eval "wait \$p$i"
	[ $? = $i ] && [ "$(cat /tmp/p$i)" = $i ] || wrong="$wrong $i"
done
same "20 at once, those that went wrong" "" "$wrong"

# Windows of the guest on the host's X server.
Xvfb :5 -screen 0 640x480x24 -fbdir /tmp > /tmp/xserver 2>&1 &
xserver=$!
for i in $(seq 300); do
	[ -S /tmp/.X11-unix/X5 ] && break
	usleep 100000
done
DISPLAY=:5 colinux gui g -- xterm -e 'uname -a; tty > /tmp/window; exec sleep 100' &
client=$!
for i in $(seq 300); do
	colinux exec g -- test -s /tmp/window && break
	usleep 300000
done
same "a window of the guest" /dev/pts/0 "$(colinux exec g -- cat /tmp/window)"
sleep 2
cp /tmp/Xvfb_screen0 /out/
kill $client
kill $xserver

# gone TEXT PATTERN: no such process in the guest (any more).
gone() {
	for i in $(seq 60); do
		colinux exec g -- pgrep -f "$2" > /dev/null || break
		usleep 300000
	done
	check "$1" sh -c "! colinux exec g -- pgrep -f '$2'"
}
colinux exec g -- sleep 4321 &
client=$!
until colinux exec g -- pgrep -f 'sleep 432[1]' > /dev/null; do usleep 300000; done
kill -9 $client
gone "a killed client's command ends" 'sleep 432[1]'
colinux exec g -- sh -c 'trap "echo term; exit 6" TERM; echo r; sleep 4322 & wait' > /tmp/out &
client=$!
until grep -q r /tmp/out; do usleep 300000; done
kill -TERM $client
wait $client
same "a signal is passed on" 6 $?
colinux exec g -- pkill -f 'sleep 432[2]'

# Other programs may use the socket of the host; the guest may use nothing.
colinux exec g -- sh -c 'socat VSOCK-LISTEN:2222,fork EXEC:"tr a-z A-Z" > /dev/null 2>&1 &'
for i in $(seq 50); do
	printf 'CONNECT 2222\nhello\n' | socat -t 60 - UNIX:/run/colinux/g/vsock > /tmp/out
	grep -q ERROR /tmp/out || break
	usleep 200000
done
same "a port of the guest by hand" "OK HELLO" "$(tr '\n' ' ' < /tmp/out | sed 's/ $//')"
same "a port where nobody listens" "ERROR the guest refuses: nothing listens there" \
	"$(echo 'CONNECT 999' | socat -t 60 - UNIX:/run/colinux/g/vsock)"
same "what is no port" "ERROR expected CONNECT and a port" \
	"$(echo 'HELLO' | socat -t 60 - UNIX:/run/colinux/g/vsock)"
hello='\004\000\000\000\001\000\000\000\001\000\000\000'
check "the host reaches the agent" sh -c "{ echo CONNECT 1000; printf '$hello'
	sleep 2; } | socat - UNIX:/run/colinux/g/vsock | grep -q '0\.1'"
for cid in 1 3; do
	check "the guest reaches no agent (CID $cid)" colinux exec g -- sh -c \
		"! { printf '$hello'; sleep 2; } | socat - VSOCK-CONNECT:$cid:1000 |
		grep '0\.1'"
done
check "the guest is refused by the host" colinux exec g -- sh -c \
	'! socat -u VSOCK-CONNECT:2:1000 - 2> /dev/null'

before=$(ls /proc/$g/fd | wc -l)
for i in $(seq 10); do colinux exec g -- true; done
same "descriptors of the daemon" $before "$(ls /proc/$g/fd | wc -l)"

colinux exec g -- sleep 1000 2> /tmp/err &
client=$!
sleep 2
kill -9 $g
wait $client
same "the daemon is killed: exit status" 125 $?
check "the daemon is killed: $(cat /tmp/err)" grep -q 'connection broke' /tmp/err
colinux exec g -- true 2> /tmp/err
same "no daemon: exit status" 125 $?
check "no daemon: $(cat /tmp/err)" grep -q 'no guest of this name' /tmp/err

# The guest is up but has no agent.
boot n "systemd.mask=colinux-agent.service"
for i in $(seq 40); do
	colinux exec --wait 5 n -- true > /tmp/out 2> /tmp/err
	status=$?
	! grep -q 'nothing listens' /tmp/err || break
done
same "no agent: exit status" 125 $status
same "no agent: lines" 1 "$(cat /tmp/out /tmp/err | wc -l)"
check "no agent: $(cat /tmp/err)" grep -q 'nothing listens.*colinux-agent installed' /tmp/err
kill -9 $n
END
sed -i "1i MB=${MB:-20}" "$LOGS/script"
mkdir "$LOGS/out"
host exec --kernel 6.12 --cpus 2 --timeout 1800 \
	--disk "$BUILD/images/debian.img,snapshot" --add /usr/bin/Xvfb --add /usr/bin/socat --add /usr/bin/script \
	--add /usr/bin/xkbcomp --share /usr/share/X11/xkb:/usr/share/X11/xkb \
	--share "$LOGS/out:/out:rw" < "$LOGS/script"
colours=$("$TESTS/tools/screenshot" "$LOGS/out/Xvfb_screen0" "$LOGS/guest.png") || colours=0
check "a window of the guest, see guest.png ($colours colours)" [ "$colours" -ge 2 ]
echo end
