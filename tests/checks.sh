# SPDX-License-Identifier: GPL-2.0
# checks, here, in the testbed's host and in its guests: one line for each, see
# tests/run.

ok() {
	echo "ok - $*"
}

bad() {
	echo "not ok - $*"
}

# check TEXT COMMAND...: it must succeed; its output is for the log.
check() {
	text=$1
	shift
	if "$@" >&2; then ok "$text"; else bad "$text"; fi
}

# same TEXT WANTED GOT: both are the same word.
same() {
	if [ "$2" = "$3" ]; then ok "$1 ($3)"; else bad "$1: $3, not $2"; fi
}

# end of checks
