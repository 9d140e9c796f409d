# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host, which counts instructions: how many a round trip
# into the trivial guest takes, from the difference between two numbers of them.
insmod /lib/colinux.ko || exit 1

cost() {
	start=$(cojob now)
	cvm /lib/stage1.elf "switch=$1" > /tmp/out || exit 1
	echo $(($(cojob now) - start))
}

cost 1000 > /dev/null
few=$(cost 10000)
many=$(cost 210000)
echo "bench switch $(((many - few) / 200000)) $(((many - few) / 200000))"
