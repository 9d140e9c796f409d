# SPDX-License-Identifier: GPL-2.0
#
# For the cases with host folders, on the test machine: $virtiofsd is the
# program; cofs_prelude prints what their hosts' scripts begin with.
virtiofsd=
for file in /usr/libexec/virtiofsd /usr/lib/virtiofsd /usr/bin/virtiofsd \
    /usr/lib/qemu/virtiofsd; do
	[ ! -x $file ] || { virtiofsd=$file; break; }
done
[ -n "$virtiofsd" ] || { bad "virtiofsd is installed"; exit 1; }

cofs_prelude() {
	echo "virtiofsd=$virtiofsd"
	cat <<'END'
# virtiofsd changes its root with pivot_root(2), which an initramfs does not
# allow: give colinux a root that is mounted. After all other mounts.
mounted_root() {
	mkdir /real
	mount -o rbind / /real
	mv /bin/colinux /bin/colinux.real
	printf '#!/bin/sh\nexec chroot /real /bin/colinux.real "$@"\n' > /bin/colinux
	chmod +x /bin/colinux
}

# The servers of a folder: the program and its child in namespaces of its own.
servers() {
	for dir in /proc/[0-9]*; do
		tr '\0' ' ' < $dir/cmdline 2> /dev/null |
			grep -q "virtiofsd.*$1" && echo "${dir#/proc/}"
	done
}
servers_ended() {
	echo $((1000 - $(servers . | wc -l)))
}
END
}
