# SPDX-License-Identifier: GPL-2.0
# Debian boots to running, and programs run in it as anywhere.
. "$TESTS/lib.sh"

cat > "$LOGS/script" <<'END'
load_driver
before=$(cojob now)
guest_checks debian --mem 512M --ttys /tmp/serial <<'GUEST'
same "systemd reaches" running "$(systemctl is-system-running --wait)"
same "failed units" "" "$(systemctl --failed --no-legend)"
echo "$(systemd-analyze | tr '\n' ' ')"
echo "guest clock $(date +%s%N)"
same "root is cobd0" "$(readlink -f /dev/cobd0)" "$(findmnt -n -o SOURCE /)"
same "ttyS0 is the serial port" hvc1 "$(readlink /dev/ttyS0)"
echo "hello from a port" > /dev/ttyS0
check "cobd1 is read-only" sh -c '! dd if=/dev/zero of=/dev/cobd1 bs=4k count=1 oflag=direct'

# apt, and what it installed
apt-get -q -y install /srv/hello.deb > /tmp/apt 2>&1 || cat /tmp/apt
same "hello from apt" "Hello, world!" "$(hello)"
same "sqlite3" 5050 "$(sqlite3 :memory: 'with recursive n(i) as (select 1 union all
	select i + 1 from n where i < 100) select sum(i) from n')"
same "perl" 3628800 "$(perl -e '$n = 1; $n *= $_ for 1 .. 10; print $n')"
same "bc: pi" 3.14159265358979323844 "$(echo 'scale=20; 4*a(1)' | bc -l)"
printf '#include <stdio.h>\n#include <math.h>\nint main(int c, char **v) {
	printf("%%d bits, %%.6f\\n", (int)sizeof(long) * 8, sqrt(c + 1.0)); }\n' > a.c
same "compiled here" "64 bits, 1.414214" "$(gcc a.c -o a64 -lm && ./a64)"
same "32-bit program" "32 bits, 1.414214" "$(gcc -m32 a.c -o a32 -lm && ./a32)"

# memory, files, processes
same "files survive" "$(seq 200000 | sha256sum)" "$(seq 200000 > f; sync
	echo 3 > /proc/sys/vm/drop_caches; sha256sum < f)"
same "200 processes" 200 "$(for i in $(seq 200); do /bin/true && echo; done | wc -l)"
check "100 MiB of memory, written and read" perl -e \
	'$x = "ab" x (50 << 20); exit(substr($x, -2) ne "ab")'
same "random numbers from the host" "virtio_rng.0 64" \
	"$(cat /sys/class/misc/hw_random/rng_current) $(head -c 64 /dev/hwrng | wc -c)"
echo "clock source $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
a=$(date +%s%N); sleep 1; b=$(date +%s%N)
check "sleep 1 takes one second ($(((b - a) / 1000000)) ms)" \
	[ $((b - a)) -gt 1000000000 -a $((b - a)) -lt 1500000000 ]
same "kernel log: trouble" "" "$(dmesg | grep -E 'WARNING:|BUG:|Call Trace|[^n]stall|Oops|lockup')"
# last: what the kernel says about it would be trouble above
same "out of memory: who asked for it dies, all else goes on" "137 1 running" "$(
	perl -e '$x = "ab" x (150 << 20); $y = $x . $x'; echo "$?" \
	"$(sed -n 's/^oom_kill //p' /proc/vmstat) $(systemctl is-system-running)")"
GUEST
after=$(cojob now)
check "the serial port's file" grep -q 'hello from a port' /tmp/serial
clock=$(sed -n 's/^guest clock //p' /tmp/debian.out)
check "the guest's wall clock is the host's" \
	[ "$clock" -gt $before -a "$clock" -lt $after ]
cat /tmp/debian.out >&2
case $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource) in
tsc) source=colinux-tsc ;;
*) source=colinux ;;
esac
same "clock source" "$source" "$(sed -n 's/^clock source //p' /tmp/debian.out)"
same "message of colinux" "colinux: debian: guest powered off" "$(tail -n 1 /tmp/debian.co)"
END
host boot --kernel 6.12 --timeout 1800 --disk "$BUILD/images/debian.img,snapshot" < "$LOGS/script"
echo end
