# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: /lib/work here, in a chroot of the Debian image,
# then in a guest from the same image on the same disk /dev/vdb, then, if there
# is one, in User-mode Linux, then here.
insmod /lib/colinux.ko || exit 1
modprobe ext4

here() {
	mount -t ext4 -o ro,noload /dev/vda /mnt || exit 1
	mount -o rbind /dev /mnt/dev
	mount -o bind /proc /mnt/proc
	cp /lib/micro.c /dev/shm/
	cp /lib/work /dev/shm/
	chroot /mnt /bin/bash /dev/shm/work /dev/vdb "$seconds" /dev/shm/micro.c
	umount /mnt/proc
	umount /mnt/dev/pts /mnt/dev/shm /mnt/dev
	umount /mnt || exit 1
}

echo "== host"
here
echo "== colinux"
{
	echo "cat > /dev/shm/micro.c <<'END_OF_SOURCE'"
	cat /lib/micro.c
	echo END_OF_SOURCE
	echo "cat > /dev/shm/work <<'END_OF_WORK'"
	cat /lib/work
	echo END_OF_WORK
	echo "bash /dev/shm/work /dev/cobd2 $seconds /dev/shm/micro.c"
} | cojob make /tmp/job
colinux run --kernel /lib/vmlinux --mem 1G --root /dev/cobd0 --cobd /dev/vda \
	--cobd /tmp/job,ro --cobd /dev/vdb --append "quiet loglevel=3 \
systemd.show_status=no colinux.job=cobd1" < /dev/null 2> /tmp/colinux |
	cojob read /tmp/console || cat /tmp/colinux /tmp/console
if [ -x /bin/linux.uml ]; then
	echo "== uml"
	TMPDIR=/dev/shm linux.uml mem=1G initrd=/lib/bench.initrd quiet \
		ubd0r=/dev/vda ubd1=/dev/vdb con=null con0=null,fd:1 \
		root=/dev/ram0 "bench=work,$seconds" < /dev/null
fi
echo "== host again"
here
