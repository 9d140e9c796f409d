# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: files in a folder on ext4 here, then in a guest in
# another folder beside it, given to it as cofs0, then here again. What the
# guest reads is in the host's page cache, not in its own.
insmod /lib/colinux.ko || exit 1
modprobe ext4
mkdir -p /srv /real
mount -t ext4 /dev/vda /srv || exit 1
mkdir /srv/host /srv/guest /srv/again
# virtiofsd needs a root that is mounted, which an initramfs is not.
mount -o rbind / /real

echo "== host"
files /srv/host $amount
echo "== colinux"
chroot /real /bin/colinux run --kernel /lib/vmlinux --mem 512M \
	--initrd /lib/bench.initrd --cofs "/srv/guest$cofs" \
	--append "quiet bench=files,/mnt,$(echo $amount | tr ' ' ,),drop" \
	< /dev/null
echo "== host again"
files /srv/again $amount
