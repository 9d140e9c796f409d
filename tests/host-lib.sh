# SPDX-License-Identifier: GPL-2.0
#
# For scripts that run in the testbed's host (busybox), after tests/checks.sh.

kernel=/lib/vmlinux
disk=/dev/vda

load_driver() {
	insmod /lib/colinux.ko && [ -c /dev/colinux ]
}

# --- guests ----------------------------------------------------------------

# guest NAME [OPTIONS OF colinux run] < SCRIPT: run SCRIPT as root in a Debian
# guest. What it prints goes to /tmp/NAME.out and .err, the console to
# /tmp/NAME.log, what colinux said to /tmp/NAME.co, its status to
# /tmp/NAME.status. The status is the script's (125: it did not get to an end).
guest() {
	name=$1
	shift
	cojob make "/tmp/$name.job"
	{
		colinux run --name "$name" --kernel $kernel --mem 256M \
			--cobd "${guest_disk:-$disk}" --cobd "/tmp/$name.job,ro" \
			--root /dev/cobd0 "$@" --append "quiet loglevel=3 \
systemd.show_status=no colinux.job=cobd1 ${guest_append-}" \
			2> "/tmp/$name.co"
		echo $? > "/tmp/$name.status"
	} < /dev/null | cojob read "/tmp/$name.log" > "/tmp/$name.out" 2> "/tmp/$name.err"
}

# Say what a guest left behind, for the log of a failed check.
guest_said() {
	for file in out err co status; do
		sed "s/^/$1.$file| /" "/tmp/$1.$file"
	done >&2
	tail -n 30 "/tmp/$1.log" | sed "s/^/$1.log| /" >&2
}

# guest_checks NAME [OPTIONS OF colinux run] < SCRIPT: as guest; SCRIPT has ok,
# bad, check and same, too, and what it says with them counts. The guest must
# power off in good order.
guest_checks() {
	{
		sed -n '/^# checks, here/,/^# end of checks/p' /job/script
		cat
		echo 'echo "end of the guest"'
	} | guest "$@" || :
	sed -n "s/^\(\(not \)\{0,1\}ok\) - /\1 - /p" "/tmp/$1.out"
	if grep -q '^end of the guest$' "/tmp/$1.out"; then
		ok "$1: the guest's script ran to its end"
	else
		bad "$1: the guest's script ran to its end"
		guest_said "$1"
	fi
	same "$1: exit status of colinux" 0 "$(cat "/tmp/$1.status")"
}

# --- the host's own work meanwhile -------------------------------------------

# Checksums in a loop, each compared with the first.
load_start() {
	rm -f /tmp/load.*
	sha256sum < /bin/busybox > /tmp/load.want
	(
		while [ ! -e /tmp/load.stop ]; do
			if sha256sum < /bin/busybox | cmp -s - /tmp/load.want; then
				echo >> /tmp/load.good
			else
				echo >> /tmp/load.wrong
			fi
		done
	) &
	load_pid=$!
}

load_stop() {
	touch /tmp/load.stop
	wait $load_pid
	if [ ! -e /tmp/load.wrong ] && [ -e /tmp/load.good ]; then
		ok "the host's checksums were right ($(wc -l < /tmp/load.good))"
	else
		bad "the host's checksums were right ($(cat /tmp/load.good \
			2>/dev/null | wc -l) right, $(cat /tmp/load.wrong \
			2>/dev/null | wc -l) wrong)"
	fi
}

# --- what the host owns -------------------------------------------------------

# Free memory in chunks of 2 MiB (order 9 and 10).
free_chunks() {
	echo 3 > /proc/sys/vm/drop_caches
	echo 1 > /proc/sys/vm/compact_memory
	awk '{ n += $14 + 2 * $15 } END { print n }' /proc/buddyinfo
}

# Bytes of the chunks' memory may come back a moment later (RCU, work items).
# settle COMMAND WANTED: wait up to 10 s until COMMAND prints at least WANTED.
settle() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		[ "$($1)" -lt "$2" ] || return 0
		sleep 1
	done
	return 1
}

free_kb() {
	echo 3 > /proc/sys/vm/drop_caches
	awk '/^MemFree:/ { print $2 }' /proc/meminfo
}

slab_kb() {
	awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo
}

open_files() {
	awk '{ print $1 }' /proc/sys/fs/file-nr
}
