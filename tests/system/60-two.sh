# SPDX-License-Identifier: GPL-2.0
# Two CVMs at once from two images; the same image twice is refused; signals.
. "$TESTS/lib.sh"

cat > "$LOGS/script" <<'END'
load_driver
chunks=$(free_chunks)
for n in a b; do
	disk=/dev/vda
	[ $n = a ] || disk=/dev/vdb
	guest_checks $n <<-'GUEST' > /tmp/$n.result &
	same "systemd reaches" running "$(systemctl is-system-running --wait)"
	same "sum" 20000100000 "$(seq 200000 | paste -sd+ | bc)"
	GUEST
	eval "pid_$n=\$!"
done
sleep 8
colinux run --kernel $kernel --mem 64M --cobd /dev/vda < /dev/null \
	> /tmp/out 2> /tmp/err
same "the same image twice: exit status" 2 $?
same "the same image twice: one line" 1 "$(wc -l < /tmp/err)"
cat /tmp/err >&2
colinux run --kernel $kernel --mem 64M --cobd /dev/vda,ro < /dev/null \
	> /tmp/out 2> /tmp/err
same "the same image twice, read-only: exit status" 2 $?
wait $pid_a $pid_b
cat /tmp/a.result /tmp/b.result

# SIGTERM: the guest powers off in good order; a second one ends it.
term() {
	disk=/dev/vda
	echo 'echo ready; sleep 1000' | guest $1 &
	for i in $(seq 90); do
		grep -q ready /tmp/$1.out 2> /dev/null && break
		sleep 1
	done
	check "$1: the guest is up" grep -q ready /tmp/$1.out
	kill -TERM $(pidof colinux)
	if [ "$2" = 2 ]; then
		usleep 300000
		kill -TERM $(pidof colinux)
	fi
	wait $!
	cat /tmp/$1.co >&2
}
term once 1
same "SIGTERM: the guest powered off" 0 "$(cat /tmp/once.status)"
term twice 2
same "SIGTERM twice: the guest was ended" 6 "$(cat /tmp/twice.status)"
check "all 2 MiB chunks are back" settle free_chunks $((chunks - 8))
END
host two --kernel 6.12 --cpus 2 --timeout 1800 \
	--disk "$BUILD/images/debian.img,snapshot" \
	--disk "$BUILD/images/debian.img,snapshot" < "$LOGS/script"
echo end
