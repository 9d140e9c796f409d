# SPDX-License-Identifier: GPL-2.0
# kill -9 of the daemon at random moments, under disk load, 100 times in a row:
# the host loses nothing, the filesystem stays whole, what was fsynced is there.
. "$TESTS/lib.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/guest-init"
rm -f "$LOGS/disk"
mke2fs -q -t ext4 "$LOGS/disk" 256M >&2

cat > "$LOGS/script" <<'END'
load_driver
safe=0 boots=0 lost=0 unmounted=0
start() {
	colinux run --kernel $kernel --initrd /lib/initrd --mem 64M \
		--cobd $disk --append 'quiet test=fsync' \
		< /dev/null > /tmp/log 2> /tmp/err &
	pid=$!
}
# until_safe: the time, in us, until a guest has fsynced something
until_safe() {
	begin=$(cojob now)
	until grep -q '^init: safe' /tmp/log || ! kill -0 $pid; do
		usleep 50000
	done
	echo $((($(cojob now) - begin) / 1000))
}
stop() {
	kill -9 $pid
	wait $pid 2> /dev/null
	found=$(sed -n 's/^init: found \([0-9]*\).*/\1/p' /tmp/log | tail -n 1)
	if grep -q 'init: cannot mount' /tmp/log; then
		unmounted=$((unmounted + 1))
		cat /tmp/log >&2
	fi
	[ -n "$found" ] || return
	boots=$((boots + 1))
	if [ "$found" -lt $safe ]; then
		lost=$((lost + 1))
		echo "$safe was safe, $found was found" >&2
	fi
	last=$(sed -n 's/^init: safe \([0-9]*\)\r*$/\1/p' /tmp/log | tail -n 1)
	safe=${last:-$found}
}
# Twice to warm up: caches fill, slabs grow.
start; until_safe > /dev/null; stop
start; span=$(until_safe); stop
echo "a guest needs $span us until it has fsynced something" >&2
chunks=$(free_chunks) files=$(open_files) slab=$(slab_kb) boots=0
for i in $(seq 100); do
	# RANDOM is up to 32767: before, in and after the boot.
	start; usleep $((span / 10 + RANDOM * (span / 25000))); stop
done
sleep 2
same "boots that found their disk damaged" 0 $unmounted
same "boots that missed fsynced data" 0 $lost
check "some got as far as the disk ($boots), numbers were written ($safe)" \
	[ $boots -gt 20 -a $safe -gt 100 ]
echo "chunks $chunks $(free_chunks) files $files $(open_files)" \
	"slab $slab $(slab_kb) kB" >&2
# A guest has 32 chunks: one lost would be 3200.
check "all 2 MiB chunks are back" settle free_chunks $((chunks - 8))
check "no open file is left" [ "$(open_files)" -le $((files + 32)) ]
check "no slab memory is lost" [ "$(slab_kb)" -le $((slab + 4096)) ]
same "references to the driver" 0 "$(awk '$1 == "colinux" { print $3 }' /proc/modules)"
e2fsck -p /dev/vda > /tmp/fsck 2>&1
status=$?
cat /tmp/fsck >&2
check "e2fsck replays the journal ($status)" [ $status -le 1 ]
e2fsck -fn /dev/vda > /tmp/fsck 2>&1
status=$?
cat /tmp/fsck >&2
same "e2fsck finds no error" 0 $status
check "the driver unloads" rmmod colinux
END
host kill --kernel 6.12 --cpus 2 --timeout 2000 --disk "$LOGS/disk" \
	--add "$LOGS/initrd:/lib/initrd" --add /sbin/e2fsck:/bin/e2fsck < "$LOGS/script"
rm -f "$LOGS/disk"
echo end
