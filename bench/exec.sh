# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: what a command in the guest costs when the host
# asks for it, beside what it costs in the guest, and what crosses a second.
insmod /lib/colinux.ko || exit 1
colinux run --name bench --kernel /lib/vmlinux --mem 512M --cobd /dev/vda \
	--append "quiet loglevel=3 systemd.show_status=no" \
	< /dev/null > /tmp/console 2> /tmp/colinux &
until [ -S /run/colinux/bench/vsock ]; do usleep 100000; done
colinux exec --wait 300 bench -- systemctl is-system-running --wait
colinux exec bench -- systemctl stop systemd-timesyncd systemd-journald.socket \
	systemd-journald 2> /dev/null

now() {
	cojob now
}

# each NAME COUNT COMMAND...: ns for one, the best of five rounds.
each() {
	name=$1 count=$2
	shift 2
	best=0
	for round in 1 2 3 4 5; do
		start=$(now)
		i=0
		while [ $i -lt "$count" ]; do
			"$@" > /dev/null
			i=$((i + 1))
		done
		ns=$((($(now) - start) / count))
		[ $best != 0 ] && [ $best -lt $ns ] || best=$ns
	done
	echo "bench $name $best"
}

# The guest's own, by its shell: the program, and one that is static and small.
guest() {
	colinux exec bench -- bash -c 'best=0
	for round in 1 2 3 4 5; do
		start=$(date +%s%N)
		for ((i = 0; i < 50; i++)); do '"$2"'; done
		ns=$((($(date +%s%N) - start) / 50))
		[ $best != 0 ] && [ $best -lt $ns ] || best=$ns
	done
	echo "bench '"$1"' $best"'
}
guest guest_ns /bin/true
each exec_ns 20 colinux exec bench -- /bin/true
each command_ns 20 colinux --version
each host_ns 50 /bin/busybox true

# throughput NAME COMMAND...: MB/s of $mb MB.
mb=50
throughput() {
	name=$1
	start=$(now)
	shift
	"$@"
	echo "bench $name $((mb * 1000000000 / (($(now) - start) / 1000)))"
}
to_guest() {
	head -c ${mb}000000 /dev/zero | colinux exec bench -- sh -c 'cat > /dev/null'
}
from_guest() {
	colinux exec bench -- head -c ${mb}000000 /dev/zero > /dev/null
}
throughput to_guest_KB/s to_guest
throughput from_guest_KB/s from_guest
colinux exec bench -- poweroff
wait
cat /tmp/colinux
