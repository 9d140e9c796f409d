# SPDX-License-Identifier: GPL-2.0
# Stage 1: the world switch with a trivial guest, on every kind of host: both
# kernels, 4- and 5-level paging, KPTI, CPU models, 1 and 2 CPUs. The guest
# checks its registers at each switch; the host's IDT and GDTs are compared.
. "$TESTS/lib.sh"

script() {
	cat <<-END
	switches=$1
	END
	cat <<-'END'
	check "the driver loads" load_driver
	tables > /tmp/before || bad "cannot read the host's tables"
	load_start
	cvm /lib/stage1.elf "switch=$switches fpu=10000" > /tmp/out 2>&1
	status=$?
	load_stop
	cat /tmp/out >&2
	same "the guest ends well" 0 $status
	check "$switches switches, registers compared" \
		grep -q "stage1: ok $switches switches" /tmp/out
	tables > /tmp/after
	check "the host's IDT and GDTs are as before" cmp /tmp/before /tmp/after
	check "the driver unloads" rmmod colinux
	END
}

run() {
	name=$1
	shift
	script 20000 | host "$name" "$@"
}

script 1000000 | host million --kernel 6.12 --cpus 2 --timeout 1800
for kernel in 6.1 6.12; do
	for la57 in off on; do
		for pti in off on; do
			run "$kernel-la57-$la57-pti-$pti" --kernel $kernel \
				--la57 $la57 --pti $pti --cpus 1
		done
	done
	run $kernel-2cpus --kernel $kernel --cpus 2 --pti on
	for cpu in qemu64 Nehalem SandyBridge Haswell; do
		run $kernel-$cpu --kernel $kernel --cpu $cpu
	done
done
echo end
