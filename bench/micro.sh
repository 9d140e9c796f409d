# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: micro here, in each of $guests (colinux, uml), and
# if $again is not empty here once more, to see how much the machine under all
# of them has changed. $args is what micro gets. The disk is memory, so that
# nothing waits for it.
insmod /lib/colinux.ko || exit 1
modprobe brd rd_nr=1 rd_size=16384
dd if=/dev/zero of=/dev/ram0 bs=1M count=16 2> /dev/null
words=$(echo "$args" | tr ' ' ,)
sleep 2		# the host's own start is over

echo "== host"
about
micro -d /dev/ram0 $args
for guest in $guests; do
	echo "== $guest"
	case $guest in
	colinux)
		colinux run --kernel /lib/vmlinux --initrd /lib/bench.initrd \
			--mem 1G --cobd /dev/ram0 \
			--append "quiet bench=-d,/dev/vda,$words" < /dev/null ;;
	uml)
		TMPDIR=/dev/shm linux.uml mem=1G initrd=/lib/bench.initrd quiet \
			ubd0=/dev/ram0 con=null con0=null,fd:1 root=/dev/ram0 \
			"bench=-d,/dev/ubda,$words" < /dev/null ;;
	esac
	echo "status $?"
done
[ -z "$again" ] || {
	echo "== host again"
	micro -d /dev/ram0 $args
}
