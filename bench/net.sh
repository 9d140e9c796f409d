# SPDX-License-Identifier: GPL-2.0
#
# Runs in the testbed's host: iperf3 and ping between two network namespaces
# over a veth pair, through slirp4netns if /bin/slirp4netns is there, and
# between this host and a guest by tap (vhost-net, or the daemon) and by nat.
# iperf3 and ip are those of the Debian image, on /dev/vdb; $seconds each.
insmod /lib/colinux.ko || exit 1
for m in ext4 tun veth vhost_net; do modprobe $m; done
mount -t ext4 -o ro,noload /dev/vdb /mnt || exit 1
for dir in dev proc sys; do mount -o rbind /$dir /mnt/$dir; done
mount -t tmpfs tmp /mnt/tmp
sysctl -q -w net.ipv4.ping_group_range='0 2147483647'
# By their full paths: busybox prefers its own of the same name.
debian() {
	chroot /mnt "$@"
}
debian /usr/bin/iperf3 -s > /dev/null 2>&1 &

# Mbit/s that arrived.
rate() {
	awk '/receiver/ { for (i = 2; i <= NF; i++)
		if ($i == "Mbits/sec") v = $(i - 1) } END { print v }'
}
# $1: address of the server; $2...: how to get to where the client runs.
measure() {
	address=$1
	shift
	echo "bench tcp_out $("$@" /usr/bin/iperf3 -f m -t "$seconds" -c "$address" 2>&1 | rate)"
	echo "bench tcp_in $("$@" /usr/bin/iperf3 -f m -t "$seconds" -R -c "$address" 2>&1 | rate)"
	echo "bench ping_us $("$@" /usr/bin/ping -q -i 0.02 -c 100 "$address" 2>&1 |
		sed -n 's,^r.* = [0-9.]*/\([0-9.]*\)/.*,\1,p' |
		awk '{ printf "%d", $1 * 1000 }')"
}
# A namespace in which nothing is; its process is $space.
make_space() {
	unshare -n sleep 100000 &
	space=$!
	sleep 1
}
inside() {
	nsenter -t "$space" -n chroot /mnt "$@"
}

veth() {
	make_space
	debian /usr/bin/ip link add veth0 type veth peer name veth1
	debian /usr/bin/ip link set veth1 netns "$space"
	debian /usr/bin/ip addr add 192.168.8.1/24 dev veth0
	debian /usr/bin/ip link set veth0 up
	inside /usr/bin/ip addr add 192.168.8.2/24 dev veth1
	inside /usr/bin/ip link set veth1 up
	sleep 1
	measure 192.168.8.1 inside
	kill "$space"
	sleep 1			# veth0 goes with its other end
}

slirp() {
	make_space
	slirp4netns --configure --mtu=65520 "$space" tap0 > /tmp/slirp 2>&1 &
	slirp=$!
	sleep 2
	measure 10.0.2.2 inside
	kill "$slirp" "$space"
}

# One guest with three cards: a tap with vhost-net, one without, and nat.
guest() {
	for n in 7 9; do
		debian /usr/bin/ip tuntap add tap$n mode tap
		debian /usr/bin/ip addr add 192.168.$n.1/24 dev tap$n
		debian /usr/bin/ip link set tap$n up
	done
	cojob make /tmp/job <<END
/lib/systemd/systemd-networkd-wait-online -i eth2 --timeout 60
ip addr add 192.168.7.2/24 dev eth0
ip addr add 192.168.9.2/24 dev eth1
seconds=$seconds
$(sed -n '/^rate() {/,/^}/p; /^measure() {/,/^}/p' /job/script)
for at in 192.168.7.1:vhost 192.168.9.1:daemon 10.0.2.2:nat; do
	echo "== \${at#*:}"
	ping -q -c 3 -W 5 \${at%:*} > /dev/null
	measure \${at%:*}
done
END
	colinux run --kernel /lib/vmlinux --mem 512M --root /dev/cobd0 --cobd /dev/vda \
		--cobd /tmp/job,ro --net tap,ifname=tap7 \
		--net tap,ifname=tap9,vhost=off --net nat --append "quiet loglevel=3 \
systemd.show_status=no colinux.job=cobd1" < /dev/null 2> /tmp/colinux |
		cojob read /tmp/console || cat /tmp/colinux /tmp/console
}

echo "== veth"
veth
if [ -e /bin/slirp4netns ]; then
	echo "== slirp4netns"
	slirp
fi
guest
echo "== veth again"
veth
