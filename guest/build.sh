#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Build the guest kernel: Debian's linux-source-6.12, our patches and new files.
#
#   guest/build.sh [--clean]
#
# Result: build/guest/vmlinux (what the guest boots), build/guest/vmlinux.debug
# (with symbols) and build/guest/System.map. A result is kept in build/cache
# under the hash of everything that goes into it; the source tree is kept too,
# so that a change of our files costs an incremental build.
#
# Environment: LINUX_SOURCE (the tarball), JOBS (default: number of CPUs).
set -eu -o pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/.." && pwd)
tarball=${LINUX_SOURCE:-/usr/src/linux-source-6.12.tar.xz}
jobs=${JOBS:-$(nproc)}
out=$root/build/guest
cache=$root/build/cache
objects=2150		# about what a full build prints, for the progress line

die() { echo "guest/build.sh: $*" >&2; exit 1; }

check_needs() {
	local missing=() tool
	[ -r "$tarball" ] || missing+=(linux-source-6.12)
	for tool in gcc make flex bison bc patch xz perl; do
		command -v $tool >/dev/null ||
			missing+=("$(echo $tool | sed 's/^xz$/xz-utils/')")
	done
	echo '#include <gelf.h>' | gcc -E - >/dev/null 2>&1 ||
		missing+=(libelf-dev)
	[ ${#missing[@]} = 0 ] ||
		die "missing: apt-get install ${missing[*]}"
}

# The tarball by what identifies it cheaply, the rest by content.
hash_of() {
	{
		stat -L -c '%s %Y' "$tarball"
		for path in "$@"; do
			find "$path" -type f -print0 | LC_ALL=C sort -z |
				xargs -0 sha256sum | sed "s|$root/||"
		done
		gcc --version | head -n 1
		declare -f unpack
	} | sha256sum | cut -c1-16
}

# Unpack what an x86-64 build reads.
unpack() {
	local tree=$1 arch kind
	local skip=(--exclude='*/Documentation/*/*' --exclude='*/tools/testing/*'
		--exclude='*/drivers/gpu/drm/amd/include/*')
	# Their Kconfig files are read all the same.
	for arch in alpha arc arm arm64 csky hexagon loongarch m68k microblaze \
		mips nios2 openrisc parisc powerpc riscv s390 sh sparc xtensa; do
		for kind in c h S dts dtsi json defconfig; do
			skip+=(--exclude="*/arch/$arch/*$kind")
		done
	done

	rm -rf "$tree.new"
	mkdir -p "$tree.new"
	echo "guest kernel: unpacking $(basename "$tarball")"
	tar -C "$tree.new" --strip-components=1 "${skip[@]}" -xf "$tarball"
	mv "$tree.new" "$tree"
}

# Patch copies of the files as they were (.orig), so that a changed series
# makes make compile only what that changes.
apply_patches() {
	local tree=$1 file patch
	mkdir -p "$tree/.orig"
	cat "$here"/patches/*.patch | sed -n 's|^+++ b/||p' | sort -u |
	while read -r file; do
		[ ! -f "$tree/.orig/$file" ] || continue
		[ -f "$tree/$file" ] || die "no $file in this kernel"
		mkdir -p "$(dirname "$tree/.orig/$file")"
		cp -p "$tree/$file" "$tree/.orig/$file"
	done
	rm -rf "$tree/.patched"
	cp -a "$tree/.orig" "$tree/.patched"
	for patch in "$here"/patches/*.patch; do
		patch -d "$tree/.patched" -p1 -s --no-backup-if-mismatch \
			<"$patch" || die "$(basename "$patch") does not apply"
	done
	copy_changed "$tree/.patched" "$tree"
}

# Copy only what differs, so that make sees what changed.
copy_changed() {
	local from=$1 to=$2 file
	(cd "$from" && find . -type f) | while read -r file; do
		cmp -s "$from/$file" "$to/$file" && continue
		mkdir -p "$(dirname "$to/$file")"
		cp "$from/$file" "$to/$file"
	done
}

# One line for every 10 s, or a moving one on a terminal.
progress() {
	local n=0 last=$SECONDS line every=10
	[ -t 1 ] && every=1
	while read -r line; do
		echo "$line" >>"$out/build.log"
		case $line in
		*warning:*|*error:*|*Error*|*undefined*) echo "$line" ;;
		esac
		n=$((n + 1))
		[ $((SECONDS - last)) -ge $every ] || continue
		last=$SECONDS
		if [ -t 1 ]; then
			printf '\rguest kernel: %d of about %d, %d s ' \
				$n $objects $SECONDS
		else
			echo "guest kernel: $n of about $objects, $SECONDS s"
		fi
	done
	[ ! -t 1 ] || echo
}

configure() {
	local tree=$1 new=$1/.config.colinux
	cp "$here/configs/colinux.config" "$new"
	if [ ! -f "$tree/.config" ] || ! cmp -s "$new" "$new.done"; then
		KCONFIG_ALLCONFIG=$new make -s -C "$tree" allnoconfig
		cp "$new" "$new.done"
	fi
	grep -q '^CONFIG_COLINUX=y' "$tree/.config" ||
		die "the configuration lost CONFIG_COLINUX"
}

compile() {
	local tree=$1
	: >"$out/build.log"
	make -C "$tree" -j"$jobs" vmlinux 2>&1 | progress ||
		die "the compile failed, see $out/build.log"
}

export ARCH=x86 LC_ALL=C
export KBUILD_BUILD_USER=colinux KBUILD_BUILD_HOST=colinux
export KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP='@0'
unset MAKEFLAGS MFLAGS MAKELEVEL

check_needs
mkdir -p "$out" "$cache"
exec 9>"$cache/guest.lock"
flock 9		# one build at a time
[ "${1:-}" != --clean ] || rm -rf "$cache"/guest-* "$cache"/linux-*

key=$(hash_of "$here/patches" "$here/linux" "$here/configs" \
	"$root/include/colinux/abi.h" "$here/build.sh")
done_dir=$cache/guest-$key

if [ ! -f "$done_dir/vmlinux" ]; then
	tree=$cache/linux-$(hash_of)
	if [ ! -d "$tree" ]; then
		rm -rf "$cache"/linux-*
		unpack "$tree"
	fi
	apply_patches "$tree"
	copy_changed "$here/linux" "$tree"
	mkdir -p "$tree/include/colinux"
	cmp -s "$root/include/colinux/abi.h" "$tree/include/colinux/abi.h" ||
		cp "$root/include/colinux/abi.h" "$tree/include/colinux/"
	configure "$tree"
	compile "$tree"

	rm -rf "$done_dir.new"
	mkdir -p "$done_dir.new"
	strip -o "$done_dir.new/vmlinux" "$tree/vmlinux"
	cp "$tree/vmlinux" "$done_dir.new/vmlinux.debug"
	cp "$tree/System.map" "$tree/.config" "$done_dir.new/"
	mv "$done_dir.new" "$done_dir"
	echo "guest kernel: built in $SECONDS s"
fi

for file in vmlinux vmlinux.debug System.map .config; do
	cmp -s "$done_dir/$file" "$out/$file" ||
		cp "$done_dir/$file" "$out/$file"
done
# Two results are kept: this one and the one before.
ls -dt "$cache"/guest-* | tail -n +3 | xargs -r rm -rf
touch "$done_dir"
