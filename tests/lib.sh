# SPDX-License-Identifier: GPL-2.0
#
# For the cases in tests/system, on the test machine.

. "$TESTS/checks.sh"

# What no host may say, whatever happens to its guests.
host_trouble='WARNING:|BUG:|Oops|soft lockup|hard LOCKUP|rcu.*stall'
host_trouble="$host_trouble"'|blocked for more than|general protection'
host_trouble="$host_trouble"'|unable to handle|Call Trace|refcount_t|UBSAN'
host_trouble="$host_trouble"'|Bad page|scheduling while atomic|Kernel panic'
host_trouble="$host_trouble"'|double fault|invalid opcode|corrupt|leak'

# host NAME [OPTIONS OF testbed/host] < SCRIPT: run SCRIPT (after checks.sh and
# tests/host-lib.sh) in a host with the driver, the daemon and the guest kernel.
# DRIVER=-debug takes the debug build of the driver.
# The script's checks are ours; that it came to its end and that the host's
# kernel log is clean are two more.
host() {
	host_name=$1
	shift
	host_kernel=6.12
	case " $* " in *" --kernel 6.1 "*) host_kernel=6.1 ;; esac
	host_log=$LOGS/$host_name
	mkdir -p "$host_log"
	host_add=
	for host_file in "$BUILD/colinux" "$BUILD/cojob" \
	    "$BUILD/driver/$host_kernel${DRIVER-}/colinux.ko" \
	    "$BUILD/tests/cvm" "$BUILD/tests/tables" \
	    "$BUILD/tests/stage1.elf:/lib/stage1.elf" \
	    ${VMLINUX:-$BUILD/guest/vmlinux}:/lib/vmlinux; do
		[ ! -e "${host_file%%:*}" ] || host_add="$host_add --add $host_file"
	done
	host_status=0
	# shellcheck disable=SC2086
	{ cat "$TESTS/checks.sh" "$TESTS/host-lib.sh" -; echo 'echo "reached the end"'; } |
		"$TOP/testbed/host" --kernel $host_kernel "$@" $host_add \
		--log "$host_log" --cmd - > "$host_log/out" || host_status=$?
	sed -n "s/^\(\(not \)\{0,1\}ok\) - /\1 - $host_name: /p" "$host_log/out"
	grep -v -E '^(not )?ok - ' "$host_log/out" >&2 || :
	if [ $host_status = 0 ] && grep -q '^reached the end$' "$host_log/out"; then
		ok "$host_name: the host ran to the end"
	else
		bad "$host_name: the host ran to the end (status $host_status)"
	fi
	if cat "$host_log"/serial "$host_log"/dmesg.txt 2>/dev/null |
	    grep -E "$host_trouble" > "$host_log/trouble"; then
		cat "$host_log/trouble" >&2
		bad "$host_name: the host's kernel log is clean"
	elif [ -s "$host_log/dmesg.txt" ]; then
		ok "$host_name: the host's kernel log is clean"
	else
		bad "$host_name: the host's kernel log is clean (there is none)"
	fi
}
