# SPDX-License-Identifier: GPL-2.0
# Stage 2 and 3: the guest's kernel, and an init of a few lines.
. "$TESTS/lib.sh"

cat > "$LOGS/script" <<'END'
dmesg -n 1
load_driver
chunks=$(free_chunks)
start=$(cojob now)
colinux run --kernel $kernel --initrd /lib/initrd --mem 128M \
	--append 'test=hello' < /dev/null > /tmp/out 2> /tmp/err
same "exit status of colinux" 0 $?
ctl nmi off
echo "$((($(cojob now) - start) / 1000000)) ms" >&2
cat /tmp/out /tmp/err >&2
check "the kernel says its first words" grep -q 'Linux version 6\.12' /tmp/out
check "init runs" grep -q '^init: ok' /tmp/out
same "one line of colinux" 1 "$(wc -l < /tmp/err)"
check "that says the guest powered off" grep -q 'guest powered off' /tmp/err
trouble=$(grep -c -E 'WARNING:|BUG:|Oops|Call Trace|[^n]stall|lockup' /tmp/out)
same "no trouble in the guest's log" 0 $trouble
# Of the guest's 256; the host itself breaks up some meanwhile.
check "all 2 MiB chunks are back" settle free_chunks $((chunks - 32))
END
"$TESTS/tools/mkinitrd" "$BUILD/tests/initrd" "$TESTS/guest-init"
for kernel in 6.1 6.12; do
	host $kernel --kernel $kernel --add "$BUILD/tests/initrd:/lib/initrd" \
		< "$LOGS/script"
	host $kernel-la57-pti-2cpus --kernel $kernel --la57 on --pti on --cpus 2 \
		--add "$BUILD/tests/initrd:/lib/initrd" < "$LOGS/script"
done
# The same with NMIs from the guest's first instruction on.
{ echo "ctl nmi 0.003"; cat "$LOGS/script"; } |
	host 6.12-nmi --kernel 6.12 --add "$BUILD/tests/initrd:/lib/initrd"
echo end
