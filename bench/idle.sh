# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: what an idle guest costs, a small one (init only)
# and Debian at its login prompt.
insmod /lib/colinux.ko || exit 1

# idle NAME TEXT OPTIONS...: a guest that is left alone once it has said TEXT.
idle() {
	name=$1
	text=$2
	shift 2
	echo "== $name"
	(sleep 1000) | colinux run --kernel /lib/vmlinux --mem 512M "$@" \
		> /tmp/out 2>&1 &
	tries=0
	until grep -q "$text" /tmp/out; do
		sleep 1
		tries=$((tries + 1))
		[ $tries -lt 300 ] || {
			tail -n 20 /tmp/out
			exit 1
		}
	done
	pid=$(pidof colinux)
	sleep "$settle"
	watch-guest "$pid" 20
	kill -9 "$pid"
	sleep 1
}

idle init_only '^idle' --initrd /lib/bench.initrd --append "quiet bench=idle"
settle=$settle_debian
idle debian 'root@' --cobd /dev/vda --root /dev/cobd0 \
	--append "quiet loglevel=3"
