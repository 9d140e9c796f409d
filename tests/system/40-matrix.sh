# SPDX-License-Identifier: GPL-2.0
# Debian on every kind of host, which works meanwhile and stays right.
. "$TESTS/lib.sh"

cat > "$LOGS/script" <<'END'
load_driver
tables > /tmp/before
load_start
guest_checks debian <<'GUEST'
same "systemd reaches" running "$(systemctl is-system-running --wait)"
# Floating point and vectors in several processes at once, each checked.
for i in 1 2 3; do
	openssl speed -seconds 1 -evp aes-128-gcm > /dev/null 2>&1 &
done
want=$(echo 'scale=300; 4*a(1)' | bc -l | sha256sum)
for i in 1 2 3 4 5; do
	got=$(echo 'scale=300; 4*a(1)' | bc -l | sha256sum)
	[ "$got" = "$want" ] || bad "bc computes $got"
	[ "$(perl -e 'my $s = 0; $s += sqrt($_) for 1 .. 20000; printf "%.3f", $s')" = \
	  1885688.586 ] || bad "floating point is wrong"
done
wait
same "kernel log: trouble" "" "$(dmesg | grep -E 'WARNING:|BUG:|Call Trace|[^n]stall|Oops|lockup')"
GUEST
load_stop
tables > /tmp/after
check "the host's IDT and GDTs are as before" cmp /tmp/before /tmp/after
check "the driver unloads" rmmod colinux
END

run() {
	name=$1
	shift
	host "$name" --timeout 1800 --disk "$BUILD/images/debian.img,snapshot" "$@" < "$LOGS/script"
}

# Each kernel with each paging, KPTI and number of CPUs, all pairs of them;
# then the CPU models: without AVX and XSAVE, with XSAVE, with AVX2.
run 6.1 --kernel 6.1 --la57 off --pti off --cpus 1
run 6.1-la57-pti-2cpus --kernel 6.1 --la57 on --pti on --cpus 2
run 6.12-la57-pti --kernel 6.12 --la57 on --pti on --cpus 1
run 6.12-pti-2cpus --kernel 6.12 --la57 off --pti on --cpus 2
run 6.12-la57-2cpus --kernel 6.12 --la57 on --pti off --cpus 2
run 6.12-qemu64 --kernel 6.12 --cpu qemu64
run 6.1-Nehalem-pti --kernel 6.1 --cpu Nehalem --pti on
run 6.12-SandyBridge --kernel 6.12 --cpu SandyBridge
run 6.1-Haswell --kernel 6.1 --cpu Haswell --cpus 2 --pti on
echo end
