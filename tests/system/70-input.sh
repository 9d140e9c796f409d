# SPDX-License-Identifier: GPL-2.0
# Bad input: each has its one line that names what is wrong, and a status.
. "$TESTS/lib.sh"

# Kernels that are none, made from the trivial guest.
python3 - "$BUILD/tests/stage1.elf" "$LOGS" <<'END'
import sys
good = open(sys.argv[1], "rb").read()
at = good.index(b"colinux\0") + 8
def put(name, data):
    with open(sys.argv[2] + "/" + name, "wb") as f:
        f.write(data)
put("revision", good[:at] + b"\x63\0\0\0" + good[at + 4:])
put("truncated", good[:len(good) // 2])
put("head", good[:40])
put("nonote", good.replace(b"colinux\0", b"colonix\0"))
put("entry", good[:at + 8] + b"\x10" * 8 + good[at + 16:])
END

cat > "$LOGS/script" <<'END'
elf=/lib/stage1.elf
# refuse STATUS WORDS OPTIONS...: one line on standard error, with WORDS in it.
refuse() {
	want=$1 words=$2
	shift 2
	colinux run "$@" < /dev/null > /tmp/out 2> /tmp/err
	status=$?
	if [ $status = "$want" ] && [ "$(wc -l < /tmp/err)" = 1 ] &&
	    [ ! -s /tmp/out ] && grep -q -i -e "$words" /tmp/err; then
		ok "$(cat /tmp/err)"
	else
		bad "$* ($words): status $status: $(cat /tmp/err /tmp/out)"
	fi
}
refuse 2 'driver is not loaded' --kernel $elf
load_driver
echo 'nobody:x:65534:65534::/:/bin/sh' > /etc/passwd
cp /bin/colinux /bin/colinux.real
printf '#!/bin/sh\nexec /bin/setpriv --reuid 65534 --clear-groups /bin/colinux.real "$@"\n' > /bin/colinux
refuse 2 'root' --kernel $elf
mv /bin/colinux.real /bin/colinux

refuse 1 'no kernel'
refuse 2 '/nope' --kernel /nope
refuse 2 'not an elf' --kernel /etc/passwd
refuse 2 'head' --kernel /lib/bad/head
refuse 2 'truncated' --kernel /lib/bad/truncated
refuse 2 'colinux' --kernel /lib/bad/nonote
refuse 2 'colinux' --kernel /bin/busybox
refuse 2 'revision' --kernel /lib/bad/revision
refuse 2 'entry' --kernel /lib/bad/entry

touch /tmp/empty
refuse 2 '/nope' --kernel $elf --cobd /nope
refuse 2 'empty' --kernel $elf --cobd /tmp/empty
refuse 2 '/tmp' --kernel $elf --cobd /tmp
dd if=/dev/zero of=/tmp/disk bs=1M count=4 2> /dev/null
refuse 2 '/tmp/disk' --kernel $elf --cobd /tmp/disk --cobd /tmp/disk
refuse 1 'not a format' --kernel $elf --cobd /tmp/disk,format=qcow3
refuse 1 'exclude' --kernel $elf --cobd /tmp/disk,ro,snapshot
refuse 2 'libnbd0' --kernel $elf --cobd /tmp/disk --snapshot
refuse 2 'libnbd0' --kernel $elf --cobd nbd://localhost/x
mkdir /tmp/ro
mount -t tmpfs -o size=8M tmpfs /tmp/ro
cp /tmp/disk /tmp/ro/disk
mount -o remount,ro /tmp/ro
refuse 2 'writable' --kernel $elf --cobd /tmp/ro/disk
colinux run --kernel $elf --mem 64M --cobd /tmp/disk --append switch=1000000000 \
	< /dev/null > /dev/null 2>&1 &
sleep 2
refuse 2 'locked' --kernel $elf --cobd /tmp/disk
kill -9 $!
wait $! 2> /dev/null

refuse 1 'small' --kernel $elf --mem 16M
refuse 1 'big' --kernel $elf --mem 1000G
refuse 1 'not a size' --kernel $elf --mem lots
refuse 1 'not a size' --kernel $elf --mem ''
refuse 1 'not a size' --kernel $elf --mem -5
refuse 1 'multiple' --kernel $elf --mem 65M
refuse 2 'host has only' --kernel $elf --mem 64G
refuse 1 'number of CPUs' --kernel $elf --cpus many
refuse 1 'not supported' --kernel $elf --cpus 2
refuse 1 'unknown option' --kernel $elf --frobnicate
refuse 1 'value is missing' --kernel
refuse 1 'only one' --kernel $elf a.conf b.conf
refuse 1 '/nope.conf' /nope.conf

dd if=/dev/zero of=/tmp/initrd bs=1M count=100 2> /dev/null
refuse 2 'larger than memory' --kernel $elf --initrd /tmp/initrd --mem 64M
refuse 2 'empty' --kernel $elf --initrd /tmp/empty

echo "kernel=$elf
scsi0=disk" > /tmp/test.conf
refuse 1 'scsi0' /tmp/test.conf
echo "kernel=$elf mem=12x" > /tmp/test.conf
refuse 1 'mem' /tmp/test.conf
echo "kernel=$elf cobd0=/nope" > /tmp/test.conf
refuse 2 '/nope' /tmp/test.conf
echo "kernel=$elf cobd0=/tmp/disk cobd0=/tmp/disk" > /tmp/test.conf
refuse 1 'twice' /tmp/test.conf

# Host memory that is free, but in pieces. Compaction can still make chunks of
# what others have (the programs in memory, say), so ask for nearly all of it.
echo 0 > /proc/sys/vm/compact_unevictable_allowed
echo 1000000 > /proc/sys/vm/max_map_count
fragment $(($(free_kb) / 1024 - 150)) > /tmp/fragment &
until grep -q ready /tmp/fragment 2> /dev/null; do
	kill -0 $! || break
	sleep 1
done
grep -q ready /tmp/fragment || bad "the host's memory could not be broken up"
cat /proc/buddyinfo >&2
check "the host has free memory ($(($(free_kb) / 1024)) MiB)" [ "$(free_kb)" -gt 500000 ]
refuse 2 'host has only' --kernel $elf --mem $(($(free_kb) / 2048 * 2 - 40))M
kill $!
cvm $elf switch=10 > /dev/null
same "a guest runs after all that" 0 $?
END
host input --kernel 6.12 --mem 1G --add "$BUILD/tests/fragment" \
	--add /usr/bin/setpriv --add "$LOGS/revision:/lib/bad/revision" \
	--add "$LOGS/truncated:/lib/bad/truncated" --add "$LOGS/head:/lib/bad/head" \
	--add "$LOGS/nonote:/lib/bad/nonote" --add "$LOGS/entry:/lib/bad/entry" \
	< "$LOGS/script"
echo end
