# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: time to init, and what an idle guest costs, a
# small one (init only) and Debian at its login prompt.
insmod /lib/colinux.ko || exit 1
dmesg | sed -n 's/^\[ *\([0-9.]*\)\] Run \/init.*/bench host_kernel_seconds \1/p'

# Time from the command to the first line of init, three times.
for _ in 1 2 3; do
	start=$(cojob now)
	colinux run --kernel /lib/vmlinux --initrd /lib/bench.initrd --mem 512M \
		--append "quiet bench=start" < /dev/null > /tmp/out 2>&1
	end=$(sed -n 's/^now \([0-9]*\).*/\1/p' /tmp/out)
	echo "bench to_init_ms $(((end - start) / 1000000))"
	grep '^bench' /tmp/out
done

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
