# SPDX-License-Identifier: GPL-2.0
#
# The network of two guests. "a" has nat with forwarded ports and, second, a tap
# interface served by the daemon; "b" a tap interface with two pairs of queues,
# served by vhost-net where the host has it. Both taps are in one bridge with a
# DHCP server. NET_MIB: how much goes through a forwarded port (128), NET_KERNEL:
# the host (6.12).
. "$TESTS/lib.sh"

# An archive of one package, for apt over http.
deb=$(ls "$BUILD"/images/hello_*.deb | head -n 1)
{
	dpkg-deb -f "$deb"
	echo "Filename: hello.deb"
	echo "Size: $(stat -c %s "$deb")"
	echo "SHA256: $(sha256sum < "$deb" | cut -d ' ' -f 1)"
} > "$LOGS/Packages"

{ echo "mib=${NET_MIB:-128}"; cat <<'END'; } > "$LOGS/script"
load_driver
for m in tun bridge vhost_net; do modprobe $m; done
ls -l /dev/vhost-net /dev/net/tun >&2
brctl addbr br0
ip addr add 192.168.7.1/24 dev br0
ip link set br0 up
cat > /tmp/udhcpd.conf <<'DHCP'
start 192.168.7.100
end 192.168.7.110
interface br0
option subnet 255.255.255.0
lease_file /tmp/leases
pidfile /tmp/udhcpd.pid
static_lease 02:00:00:00:07:0a 192.168.7.10
static_lease 02:00:00:00:07:0b 192.168.7.11
DHCP
touch /tmp/leases
udhcpd -f /tmp/udhcpd.conf 2> /tmp/udhcpd.log &
net dns 127.0.0.1 deb.test 10.0.2.2 &
echo nameserver 127.0.0.1 > /etc/resolv.conf
echo hello from the host > /srv/hello.txt
httpd -p '[::]:8000' -h /srv
dd if=/dev/urandom of=/tmp/random bs=1M count=16 2> /dev/null
# stream MIB: as many numbered blocks, so that none can be lost or exchanged.
stream() {
	i=0
	while [ $i -lt $(($1 / 16)) ]; do
		echo "block $i"
		cat /tmp/random
		i=$((i + 1))
	done
}
sum() {
	sha256sum | cut -d ' ' -f 1
}

# --- bad input ---------------------------------------------------------------

refuse() {
	words=$1
	shift
	colinux run --kernel $kernel "$@" < /dev/null > /tmp/out 2> /tmp/err
	status=$?
	if [ $status -ge 1 ] && [ $status -le 2 ] && [ "$(wc -l < /tmp/err)" = 1 ] &&
	    [ ! -s /tmp/out ] && grep -q -e "$words" /tmp/err; then
		ok "$(cat /tmp/err)"
	else
		bad "$* ($words): status $status: $(cat /tmp/err /tmp/out)"
	fi
}
refuse 'not a kind' --net wlan
refuse 'not a kind' --net ''
refuse 'value is missing' --net
refuse 'nat takes' --net nat,bridge=br0
refuse 'tap takes' --net tap,forward=tcp:1:1
refuse 'MAC address' --net nat,mac=1
refuse 'one card' --net nat,mac=ff:ff:ff:ff:ff:ff
refuse 'forwarded port' --net nat,forward=tcp:80
refuse 'twice' --net nat,forward=tcp:80:80,forward=tcp:80:81
refuse 'one of them' --net none --net nat
refuse 'interface' --net tap,ifname=a-very-long-name
refuse 'queues' --net tap,queues=9
refuse 'cannot forward TCP port 8000' --net nat,forward=tcp:8000:80
refuse 'cannot forward TCP port 80 of 1.2.3.4' --net nat,forward=tcp:1.2.3.4:80:80
refuse 'no such bridge' --net tap,bridge=br7
refuse 'is no bridge\|not supported' --net tap,bridge=lo
refuse 'is no tap' --net tap,ifname=br0
echo "kernel=$kernel eth0=pcap-bridge,LAN" > /tmp/bad.conf
refuse 'bridge=BRIDGE' /tmp/bad.conf
same "interfaces are not left behind" "br0 lo" "$(ls /sys/class/net | xargs)"

# --- the guests --------------------------------------------------------------

# wait_for TEXT FILE: up to ten minutes; machines may be slow
wait_for() {
	for _ in $(seq 3000); do
		! grep -q "$1" "$2" 2> /dev/null || return 0
		usleep 200000
	done
	echo "no '$1' in $2" >&2
	return 1
}

guest_checks a --net nat,forward=tcp:8080:80,forward=udp:5000:5000,forward=tcp:127.0.0.1:81:81 \
	--net tap,ifname=tapa,bridge=br0,vhost=off,mac=02:00:00:00:07:0a \
	<<'GUEST' > /tmp/a.result &
wait_ip() {
	for _ in $(seq 600); do
		! ip -o addr show dev $1 | grep -q "$2" || return 0
		sleep 0.2
	done
	ip addr >&2
	return 1
}
check "an address by DHCP" wait_ip eth0 'inet 10.0.2.15/24'
check "an address by router advertisement" wait_ip eth0 'inet6 fec0:'
same "the card's MTU" 65520 "$(cat /sys/class/net/eth0/mtu)"
same "systemd reaches" running "$(systemctl is-system-running --wait)"
for _ in $(seq 100); do
	[ -z "$(getent ahostsv4 deb.test)" ] || break
	sleep 0.2
done
same "a name is looked up" 10.0.2.2 "$(getent ahostsv4 deb.test | awk 'NR == 1 { print $1 }')"
check "the gateway answers ping" ping -q -c 2 -W 20 10.0.2.2
echo 'deb [trusted=yes] http://deb.test:8000/ ./' > /etc/apt/sources.list
check "apt-get update" apt-get -q update
check "apt-get install" apt-get -q -y install hello
same "hello from apt" "Hello, world!" "$(hello)"
same "the host's loopback over IPv6" "hello from the host" "$(printf 'GET /hello.txt HTTP/1.0\r\n\r\n' |
	socat -t 30 - 'TCP6:[fec0::2]:8000' | tail -n 1)"

# Ports are forwarded to these.
socat -u TCP4-LISTEN:80,reuseaddr SYSTEM:'sha256sum > /tmp/v4' &
v4=$!
# -t: the peer stops to send at once, and the shell is slow to answer
socat -t 60 TCP6-LISTEN:80,ipv6only=1,reuseaddr SYSTEM:'read x; echo "guest got $x"' &
socat UDP4-LISTEN:5000 SYSTEM:'read x; echo "guest got $x"' &
socat -U TCP4-LISTEN:81,reuseaddr FILE:/srv/hello.deb &
# and to this from the other guest
check "an address on the bridge by DHCP" wait_ip eth1 'inet 192.168.7.10/24'
socat -u TCP4-LISTEN:90,reuseaddr SYSTEM:'sha256sum > /tmp/bridge' &
bridge=$!
echo "a is ready"
wait $v4
echo "sum of a: $(cut -d ' ' -f 1 /tmp/v4)"
wait $bridge
echo "sum of the bridge: $(cut -d ' ' -f 1 /tmp/bridge)"
same "offloads of the tap" "on on on" "$(ethtool -k eth1 | awk '/^tx-checksumming:|^tcp-segmentation-offload:|^rx-checksumming:/ { print $2 }' | xargs)"
same "kernel log: trouble" "" "$(dmesg | grep -E 'WARNING:|BUG:|Call Trace|Oops|lockup')"
GUEST
pid_a=$!

guest_disk=/dev/vdb guest_checks b \
	--net tap,bridge=br0,queues=2,mac=02:00:00:00:07:0b <<'GUEST' > /tmp/b.result &
for _ in $(seq 600); do
	! ip -o addr show dev eth0 | grep -q 192.168.7.11 || break
	sleep 0.2
done
same "an address by DHCP through the bridge" 192.168.7.11/24 \
	"$(ip -o -4 addr show dev eth0 | awk '{ print $4 }')"
same "the card's MTU" 1500 "$(cat /sys/class/net/eth0/mtu)"
check "the host answers ping" ping -q -c 2 -W 20 192.168.7.1
for _ in $(seq 600); do
	! ping -q -c 1 -W 1 192.168.7.10 > /dev/null || break
done
echo "b is ready"
# The other guest listens once this port is open.
until [ -e /tmp/sent ]; do
	head -c 32M /dev/urandom > /tmp/data
	socat -u FILE:/tmp/data TCP4:192.168.7.10:90,retry=600,interval=0.2 && touch /tmp/sent
done
echo "sum of b: $(sha256sum < /tmp/data | cut -d ' ' -f 1)"
check "ping of the other guest" ping -q -c 3 -W 20 192.168.7.10
check "two pairs of queues" ethtool -L eth0 combined 2
same "queues in use" 2 "$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)"
# Each connection goes to one of the pairs: eight find both, all but always.
same "eight downloads on two pairs" 8 "$(for n in 1 2 3 4 5 6 7 8; do
	printf 'GET /hello.txt HTTP/1.0\r\n\r\n' |
		socat -t 30 - TCP4:192.168.7.1:8000 | grep '^hello from the host'
done | wc -l)"
check "back to one pair" ethtool -L eth0 combined 1
check "ping with one pair" ping -q -c 3 -W 20 192.168.7.1
same "no other network card" eth0 "$(ls /sys/class/net | grep '^[ew]' | xargs)"
same "kernel log: trouble" "" "$(dmesg | grep -E 'WARNING:|BUG:|Call Trace|Oops|lockup')"
GUEST
pid_b=$!

# --- forwarded ports, from the host --------------------------------------------

wait_for 'b is ready' /tmp/b.out
same "vhost-net serves guest b, both pairs" 2 "$(for p in $(pidof colinux); do
	ls -l /proc/$p/fd; done | grep -c /dev/vhost-net)"
want=$(stream $mib | sum)
if wait_for 'a is ready' /tmp/a.out; then
	same "UDP through a forwarded port" "guest got one" "$(net udp 127.0.0.1 5000 one)"
	same "TCP over IPv6 loopback" "guest got six" "$(echo six | nc -w 60 ::1 8080)"
	same "a port below 1024, guest to host" "$(sum < /srv/hello.deb)" \
		"$(nc 127.0.0.1 81 < /dev/null | sum)"
	start=$(cojob now)
	stream $mib | nc 127.0.0.1 8080
	wait_for 'sum of a' /tmp/a.out
	echo "$mib MiB in $((($(cojob now) - start) / 1000000)) ms" >&2
	same "$mib MiB through a forwarded port" "$want" \
		"$(awk '/^sum of a:/ { print $4 }' /tmp/a.out)"
fi
wait_for 'sum of b' /tmp/b.out
wait_for 'sum of the bridge' /tmp/a.out
same "32 MiB from guest to guest" "$(awk '/^sum of b:/ { print $4 }' /tmp/b.out)" \
	"$(awk '/^sum of the bridge:/ { print $5 }' /tmp/a.out)"
wait $pid_a $pid_b
cat /tmp/a.result /tmp/b.result
cat /tmp/[ab].co >&2
same "interfaces are gone with their guests" "br0 lo" "$(ls /sys/class/net | xargs)"
END
host net --kernel "${NET_KERNEL:-6.12}" --cpus 2 --timeout $((1200 + 3 * ${NET_MIB:-128})) \
	--add "$BUILD/tests/net" --add "$deb:/srv/hello.deb" \
	--add "$LOGS/Packages:/srv/Packages" \
	--disk "$BUILD/images/debian.img,snapshot" \
	--disk "$BUILD/images/debian.img,snapshot" < "$LOGS/script"
echo end
