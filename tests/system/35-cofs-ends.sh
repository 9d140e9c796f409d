# SPDX-License-Identifier: GPL-2.0
# Host folders whose virtiofsd dies, or whose daemon does; and bad input.
. "$TESTS/lib.sh"
. "$TESTS/cofs.sh"

"$TESTS/tools/mkinitrd" "$LOGS/initrd" "$TESTS/guest-init"

cat > "$LOGS/script" <<'END'
load_driver
mkdir /srv
mount -t tmpfs srv /srv
mkdir /srv/rw /srv/ro
echo small > /srv/rw/file
mounted_root

# start: a guest that reads and writes in /srv/rw, with four processes.
start() {
	rm -f /tmp/log		# the one before must not be taken for this one
	colinux run --kernel $kernel --initrd /lib/initrd --mem 64M --net none \
		--cofs /srv/rw --append 'quiet test=cofs' \
		< /dev/null > /tmp/log 2> /tmp/err &
	pid=$!
	until grep -q 'init: writing' /tmp/log 2> /dev/null; do
		kill -0 $pid 2> /dev/null || break
		usleep 100000
	done
	usleep $((RANDOM * 20))
}

# The server is killed: every process in the guest gets its error, at once.
start
kill -9 $(servers /srv/rw)
wait $pid
same "a guest whose virtiofsd was killed ends in good order" 0 $?
cat /tmp/log /tmp/err >&2
for who in 'reader 1' 'reader 2' 'writer 1' 'writer 2' later; do
	check "it says: $who: not connected" \
		grep -q "^init: $who: .*Transport endpoint is not connected" /tmp/log
done
check "the folder can be unmounted" grep -q 'init: unmounted' /tmp/log
check "... and gives errors when it is mounted again" \
	grep -q '^init: mounted again: .*Connection refused' /tmp/log
check "colinux says why: $(head -n 1 /tmp/err)" grep -q \
	'cofs0: virtiofsd .*: the guest gets errors for /srv/rw until' /tmp/err
check "no server is left" settle servers_ended 1000

# The daemon is killed: nothing stays.
chunks=$(free_chunks) files=$(open_files) wrote=0
for i in 1 2 3; do
	start
	kill -9 $pid
	wait $pid 2> /dev/null
	if grep -q 'init: writing' /tmp/log; then
		wrote=$((wrote + 1))
	else
		cat /tmp/log /tmp/err >&2
	fi
done
same "guests that were killed while they wrote" 3 $wrote
check "no server outlives its daemon" settle servers_ended 1000
check "all 2 MiB chunks are back" settle free_chunks $((chunks - 8))
check "no open file is left" [ "$(open_files)" -le $((files + 32)) ]
same "references to the driver" 0 "$(awk '$1 == "colinux" { print $3 }' /proc/modules)"
same "nothing stays in /tmp" "" "$(find /tmp -name 'colinux-*')"

# Bad input.
elf=/lib/stage1.elf
refuse() {
	want=$1 words=$2
	shift 2
	colinux run --kernel $elf --mem 64M --net none "$@" < /dev/null > /tmp/out 2> /tmp/err
	status=$?
	if [ $status = "$want" ] && [ "$(wc -l < /tmp/err)" = 1 ] &&
	    [ ! -s /tmp/out ] && grep -q -i -e "$words" /tmp/err; then
		ok "$(cat /tmp/err)"
	else
		bad "$* ($words): status $status: $(cat /tmp/err /tmp/out)"
	fi
}
refuse 2 'no such folder' --cofs /nope:/mnt
refuse 2 'not a folder' --cofs /srv/rw/file:/mnt
refuse 1 'no host folder' --cofs :/mnt
refuse 1 'empty' --cofs ''
refuse 1 "begin with '/'" --cofs /srv/rw:mnt
refuse 1 "begin with '/'" --cofs /srv/rw:/
refuse 1 'no option' --cofs /srv/rw:/mnt,rx
refuse 1 'auto, always or never' --cofs /srv/rw:/mnt,cache=some
refuse 1 'plain' --cofs '/srv/rw:/m nt'
refuse 1 'cofs0 already' --cofs /srv/rw:/mnt --cofs /srv/ro:/mnt
set --
for i in $(seq 17); do set -- "$@" --cofs /srv/rw; done
refuse 1 'too many' "$@"
echo "kernel=$elf cofs0=/nope" > /tmp/test.conf
refuse 2 'no such folder' /tmp/test.conf
echo "kernel=$elf cofs300=/srv/rw" > /tmp/test.conf
refuse 1 'too many' /tmp/test.conf
mv $virtiofsd /tmp/real
refuse 2 'not installed' --cofs /srv/rw:/mnt
printf '#!/bin/sh\necho "it hurts" >&2\nexit 3\n' > $virtiofsd
chmod +x $virtiofsd
refuse 2 'status 3: it hurts' --cofs /srv/rw:/mnt
printf '#!/bin/sh\nkill -9 $$\n' > $virtiofsd
refuse 2 'killed by signal 9' --cofs /srv/rw:/mnt
rm $virtiofsd
touch $virtiofsd
chmod +x $virtiofsd
refuse 2 'cannot start it' --cofs /srv/rw:/mnt,ro
check "no server is left" settle servers_ended 1000
END
cofs_prelude | cat - "$LOGS/script" |
	host ends --kernel 6.12 --timeout 1800 --add "$virtiofsd:$virtiofsd" \
	--add "$LOGS/initrd:/lib/initrd"
echo end
