# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: time to init.
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
