# SPDX-License-Identifier: GPL-2.0
# Programs of the host and of the guest that keep values in the x87, SSE and AVX
# registers and in MXCSR, at the same time on the same CPU, with NMIs: each
# finds its own. CPU models without XSAVE, with it, and with all QEMU knows.
. "$TESTS/lib.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/guest-init" \
	"$BUILD/tests/fpu:/bin/fpu"
cat > "$LOGS/script" <<'END'
load_driver
(
	seed=0
	while [ ! -e /tmp/stop ]; do
		seed=$((seed + 1))
		fpu 2 $seed >> /tmp/fpu.out 2>&1 || echo "seed $seed" >> /tmp/wrong
	done
) &
ctl nmi 0.02
colinux run --kernel $kernel --initrd /lib/initrd --mem 128M \
	--append 'quiet test=fpu' < /dev/null > /tmp/log 2> /tmp/err
status=$?
ctl nmi off
touch /tmp/stop
wait
cat /tmp/log /tmp/err /tmp/fpu.out >&2
same "exit status of colinux" 0 $status
for seed in 11 12; do
	check "the guest's program $seed kept its registers" \
		grep -q "^init: program $seed: 0 fpu: [0-9]* rounds, $(cat /lib/kind)" /tmp/log
done
check "the host's programs kept theirs ($(wc -l < /tmp/fpu.out) runs)" \
	[ ! -e /tmp/wrong -a "$(grep -c "rounds, $(cat /lib/kind)" /tmp/fpu.out)" -gt 2 ]
END
echo SSE > "$LOGS/SSE"
echo AVX > "$LOGS/AVX"
run() {
	name=$1 kind=$2
	shift 2
	host "$name" "$@" --cpus 1 --add "$BUILD/tests/fpu" \
		--add "$LOGS/initrd:/lib/initrd" --add "$LOGS/$kind:/lib/kind" \
		< "$LOGS/script"
}
run qemu64 SSE --kernel 6.12 --cpu qemu64
run SandyBridge AVX --kernel 6.1 --cpu SandyBridge --pti on
run max AVX --kernel 6.12 --cpu max
echo end
