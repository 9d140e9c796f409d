# SPDX-License-Identifier: GPL-2.0
# make install and uninstall: what is there after one works, nothing is left
# after the other; the driver builds as DKMS builds it.
. "$TESTS/lib.sh"
cd "$TOP"

same() {
	if [ "$2" = "$3" ]; then ok "$1 ($3)"; else bad "$1: $3, not $2"; fi
}
dest=$LOGS/root
rm -rf "$dest" "$LOGS"/dkms*
mkdir -p "$dest/usr/bin" "$dest/etc" "$dest/usr/local/share/man/man1"
touch "$dest/usr/bin/other"
(cd "$dest" && find . ! -name . | sort | paste -sd' ') > "$LOGS/before"

# In another place than /usr: everything must find itself.
check "install" make -s install DESTDIR="$dest" PREFIX=/usr/local
prefix=$dest/usr/local
(cd "$dest" && find . -type f | sort) > "$LOGS/files"
for file in usr/local/bin/colinux usr/local/libexec/colinux/colinux-image \
    usr/local/lib/colinux/vmlinux usr/local/share/man/man1/colinux.1 \
    usr/local/share/man/man5/colinux.conf.5 \
    usr/local/share/bash-completion/completions/colinux \
    usr/local/lib/udev/rules.d/60-colinux.rules \
    usr/src/colinux-0.1/dkms.conf usr/src/colinux-0.1/driver/Kbuild; do
	check "$file is there" grep -qx "./$file" "$LOGS/files"
done
same "what belongs to a test or another host" "" \
	"$(grep -E 'driver/(sim|nt)/|\.o$|@VERSION@' "$LOGS/files" || :)"
same "files of others" 0 "$(find "$dest" ! -user root | grep -c '' || :)"
check "the program runs" "$prefix/bin/colinux" --version
check "it finds its image tool" "$prefix/bin/colinux" image --help
"$prefix/bin/colinux" run < /dev/null 2> "$LOGS/err" || :
check "it finds its kernel: $(cat "$LOGS/err")" grep -q -v 'no kernel' "$LOGS/err"
for page in "$dest"/usr/local/share/man/man?/*; do
	check "${page##*/} is a manual page" grep -q '^\.TH ' "$page"
done
for unit in "$dest"/usr/local/lib/systemd/system/*.service; do
	[ ! -e "$unit" ] || check "${unit##*/} names the installed program" \
		grep -q '^ExecStart=/usr/local/bin/colinux ' "$unit"
done

# Completion: commands, options, the image tool's.
complete() {
	PATH=$prefix/bin:$PATH bash -c '
	. "$1"
	shift
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_colinux
	echo "${COMPREPLY[*]}"' - \
		"$prefix/share/bash-completion/completions/colinux" "$@"
}
same "completes commands" "check" "$(complete colinux che)"
same "completes options" "--kernel" "$(complete colinux run --ker)"
same "completes the image tool's" "convert" "$(complete colinux image con)"
same "completes its options" "--partition" "$(complete colinux image --part)"
same "completes files" "$LOGS/files" "$(complete colinux run "$LOGS/fil")"

# DKMS, in folders of its own. (It makes itself a key to sign with, if this
# machine has none.)
release=$(basename "$(ls -d /usr/src/linux-headers-6.12.*-amd64 | sort -V | tail -n 1)")
release=${release#linux-headers-}
mkdir -p "$LOGS/dkms" "$LOGS/dkms-modules"
run_dkms() {
	dkms "$@" --dkmstree "$LOGS/dkms" --sourcetree "$dest/usr/src" \
		--installtree "$LOGS/dkms-modules"
}
check "dkms add" run_dkms add colinux/0.1
check "dkms build for $release" run_dkms build colinux/0.1 -k "$release"
module=$(find "$LOGS/dkms" -name 'colinux.ko*' | head -n 1)
check "the module is for it" sh -c "modinfo -F vermagic '$module' | grep -q '^$release '"
rm -rf "$LOGS/dkms" "$LOGS/dkms-modules"

check "uninstall" make -s uninstall DESTDIR="$dest" PREFIX=/usr/local
same "left after it" "$(cat "$LOGS/before")" \
	"$(cd "$dest" && find . ! -name . | sort | paste -sd' ')"
check "a second one is no error" make -s uninstall DESTDIR="$dest"
make -s install DESTDIR="$dest" PREFIX=usr 2> "$LOGS/err" && status=0 || status=$?
check "PREFIX must be absolute" [ $status != 0 ]
rm -rf "$dest"
echo end
