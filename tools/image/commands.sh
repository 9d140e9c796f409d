# SPDX-License-Identifier: GPL-2.0
#
# colinux-image's commands for images that exist, and import. Sourced by it.

# need PROGRAM PACKAGE
need() {
	command -v "$1" > /dev/null || die "$1 is missing: install the package $2"
}

# What is made has the name $new until it is complete.
new=
tmp=
cleanup() {
	trap - EXIT
	[ -z "$new" ] || rm -f "$new"
	if [ -n "$tmp" ]; then
		umount "$tmp/mnt" 2> /dev/null || :
		rm -rf --one-file-system "$tmp"
	fi
}

# start_making FILE: FILE may be made now.
start_making() {
	[ "$force" = 1 ] || [ ! -e "$1" ] || die "$1 exists (--force replaces it)"
	[ ! -e "$1" ] || [ -f "$1" ] || die "$1 is no file: it is not replaced"
	[ -d "$(dirname "$1")" ] || die "no folder $(dirname "$1")"
	new=$1.new.$$
	trap cleanup EXIT
	trap 'cleanup; exit 130' INT TERM HUP
}

end_making() {
	mv -f "$new" "$1"
	new=
}

make_tmp() {
	tmp=$(mktemp -d "${TMPDIR:-/var/tmp}/$me.XXXXXX")
	trap cleanup EXIT
	trap 'cleanup; exit 130' INT TERM HUP
}

# The last line of what a tool said, without its name.
last_words() {
	sed -n '$s/^[a-z0-9-]*: //p' "$1"
}

image_there() {
	[ -e "$1" ] || die "$1: no such image"
	[ -f "$1" ] || [ -b "$1" ] || die "$1 is neither a file nor a block device"
	[ -b "$1" ] || [ -s "$1" ] || die "$1 is empty"
}

# format_of FILE: by what it begins with, as colinux itself has it.
format_of() {
	[ ! -b "$1" ] || { echo raw; return; }
	case $(head -c 8 "$1" | od -An -tx1 | tr -d ' \n') in
	514649fb*) echo qcow2 ;;
	4b444d56*|434f5744*|2320446973*) echo vmdk ;;
	7668647866696c65) echo vhdx ;;
	636f6e6563746978) echo vpc ;;
	*)
		case $(head -c 68 "$1" | tail -c 4 | od -An -tx1 | tr -d ' \n') in
		7f10dabe) echo vdi ;;
		*) echo raw ;;
		esac ;;
	esac
}

# qemu_format NAME: QEMU's name of a format.
qemu_format() {
	case $1 in
	raw|qcow2|vmdk|vhdx|vdi) echo "$1" ;;
	vhd|vpc) echo vpc ;;
	*) die "'$1' is not a format: use raw, qcow2, vmdk, vhdx, vdi or vhd" ;;
	esac
}

format_for_name() {
	case $1 in
	*.qcow2|*.vmdk|*.vhdx|*.vdi|*.vhd) qemu_format "${1##*.}" ;;
	*) echo raw ;;
	esac
}

# size_of TEXT OPTION: bytes.
size_of() {
	case $1 in
	''|*[!0-9KMGT]*|*[KMGT]?*|[KMGT]*)
		die "$2 $1: give a number with K, M, G or T" ;;
	esac
	numfmt --from=iec "$1"
}

virtual_size() {
	qemu-img info -U -f "$2" --output=json "$1" 2> /dev/null |
		sed -n 's/^    "virtual-size": \([0-9]*\),*/\1/p'
}

# escape FILE: for an option of QEMU, absolute.
escape() {
	readlink -f "$1" | sed 's/,/,,/g'
}

# partition IMAGE FORMAT N: "OFFSET SIZE" in bytes.
partition() {
	need sfdisk fdisk
	case $3 in
	''|*[!0-9]*|0*) die "--partition $3: give its number, from 1" ;;
	esac
	[ -n "$tmp" ] || make_tmp
	if [ "$2" = raw ]; then
		ln -s "$(readlink -f "$1")" "$tmp/disk"
	else
		# Its first MiB has the table; the rest only has to be there.
		[ "$3" -lt 5 ] || qemu-img info -U "$1" > /dev/null ||
			die "$1 cannot be read"
		qemu-img dd -U -f "$2" -O raw bs=1M count=1 "if=$1" "of=$tmp/disk" \
			> /dev/null 2> "$tmp/error" ||
			die "$1: $(last_words "$tmp/error")"
		truncate -s "$(virtual_size "$1" "$2")" "$tmp/disk"
	fi
	sfdisk -d "$tmp/disk" > "$tmp/table" 2> /dev/null ||
		die "$1 has no partition table"
	unit=$(sed -n 's/^sector-size: *//p' "$tmp/table")
	found=$(sed -n "s,^$tmp/disk$3 : start= *\([0-9]*\)\, size= *\([0-9]*\).*,\1 \2,p" \
		"$tmp/table")
	[ -n "$found" ] ||
		die "$1 has no partition $3 (it has $(grep -c "^$tmp/disk[0-9]* :" "$tmp/table"))"
	echo "$((${found% *} * ${unit:-512})) $((${found#* } * ${unit:-512}))"
}

# source_options IMAGE FORMAT [OFFSET SIZE]
source_options() {
	driver=file
	[ ! -b "$1" ] || driver=host_device
	if [ $# = 2 ]; then
		echo "driver=$2,file.driver=$driver,file.filename=$(escape "$1")"
	elif [ "$2" = raw ]; then
		echo "driver=raw,offset=$3,size=$4,file.driver=$driver,file.filename=$(escape "$1")"
	else
		echo "driver=raw,offset=$3,size=$4,file.driver=$2,file.file.driver=$driver,file.file.filename=$(escape "$1")"
	fi
}

# run_with_progress COMMAND...: its own progress, if somebody looks.
run_with_progress() {
	[ -n "$tmp" ] || make_tmp
	if [ -t 2 ]; then
		"$@" -p 2> "$tmp/error" >&2
	else
		"$@" 2> "$tmp/error" > /dev/null
	fi
}

# --- convert -----------------------------------------------------------------

convert() {
	from='' to='' part='' force=0
	while [ $# -gt 0 ]; do
		case $1 in
		--from|--to|--partition)
			[ $# -ge 2 ] || die "$1 needs a value" ;;
		esac
		case $1 in
		--from) from=$(qemu_format "$2"); shift ;;
		--to) to=$(qemu_format "$2"); shift ;;
		--partition) part=$2; shift ;;
		--force) force=1 ;;
		-*) die "unknown option $1 (see $me --help)" ;;
		*) break ;;
		esac
		shift
	done
	[ $# = 2 ] || die "convert needs SOURCE and TARGET (see $me --help)"
	need qemu-img qemu-utils
	image_there "$1"
	[ -n "$from" ] || from=$(format_of "$1")
	[ -n "$to" ] || to=$(format_for_name "$2")
	[ ! "$1" -ef "$2" ] || die "$1 cannot be converted in place"
	start_making "$2"
	where=
	if [ -n "$part" ]; then
		make_tmp
		where=$(partition "$1" "$from" "$part")
	fi
	[ ! -t 2 ] || say "$1 ($from${part:+, partition $part}) to $2 ($to)"
	# shellcheck disable=SC2086
	run_with_progress qemu-img convert --image-opts -O "$to" \
		"$(source_options "$1" "$from" $where)" "$new" ||
		die "cannot convert $1: $(last_words "$tmp/error")"
	end_making "$2"
	say "$2 is ready ($(du -h "$2" | cut -f1) used)"
}

# --- resize ------------------------------------------------------------------

# True: a file system without partitions that we can change.
is_ext4() {
	[ "$2" = raw ] && [ "$(blkid -p -o value -s TYPE "$1" 2> /dev/null)" = ext4 ]
}

check_fs() {
	status=0
	e2fsck -f -p "$1" > "$tmp/fsck" 2>&1 || status=$?
	[ $status -le 1 ] || {
		cat "$tmp/fsck" >&2
		die "$1: its file system has errors: repair it with e2fsck first"
	}
}

resize_fs() {
	resize2fs "$1" ${2:+"$2"} > "$tmp/error" 2>&1 ||
		die "$1: cannot resize the file system: $(tail -n 1 "$tmp/error")"
}

# The least its file system needs, in bytes.
least() {
	block=$(dumpe2fs -h "$1" 2> /dev/null | sed -n 's/^Block size: *//p')
	echo $(($(resize2fs -P "$1" 2> /dev/null | sed 's/.*: *//') * block))
}

in_use() {
	! grep -q -i 'lock' "$tmp/error" ||
		die "$1 is in use: stop the guest that has it"
	die "$1 cannot be written: $(last_words "$tmp/error")"
}

resize() {
	[ $# = 2 ] || die "resize needs IMAGE and SIZE (see $me --help)"
	need qemu-img qemu-utils
	image_there "$1"
	[ -f "$1" ] || die "$1 is a device: its size cannot be changed"
	size=$(size_of "$2" resize)
	format=$(format_of "$1")
	make_tmp
	now=$(virtual_size "$1" "$format")
	[ -n "$now" ] || die "$1 is not a good $format image"
	[ $((size % 512)) = 0 ] || die "resize $2: not a multiple of 512 bytes"
	# Also finds out whether a guest has it.
	qemu-io -f "$format" -c 'read -q 0 512' "$1" > /dev/null 2> "$tmp/error" ||
		in_use "$1"
	if is_ext4 "$1" "$format"; then
		resize_ext4 "$1" "$size" "$now" "$2"
	else
		[ "$size" -ge "$now" ] ||
			die "$1 has $now bytes: only an ext4 image without partitions can shrink"
		qemu-img resize -q -f "$format" "$1" "$size" 2> "$tmp/error" ||
			die "$1: $(last_words "$tmp/error")"
		say "$1 has $2 now; what is in it grows when the guest says so (growpart, resize2fs)"
	fi
}

resize_ext4() {
	need resize2fs e2fsprogs
	check_fs "$1"
	if [ "$2" -lt "$3" ]; then
		least=$(least "$1")
		[ "$2" -ge "$least" ] ||
			die "$1 cannot shrink to $4: what it holds needs $((least / 1048576 + 1))M"
		resize_fs "$1" $(($2 / 1024))K
		truncate -s "$2" "$1"
	else
		truncate -s "$2" "$1" || die "$1 cannot grow to $4"
		resize_fs "$1"
	fi
	say "$1 and its file system have $4 now"
}

# --- import ------------------------------------------------------------------

import() {
	[ $# -ge 2 ] || die "import needs TAR and IMAGE (see $me --help)"
	tar=$1 image=$2
	shift 2
	size='' hostname='' hash='' autologin=0 force=0
	while [ $# -gt 0 ]; do
		case $1 in
		--size|--hostname|--root-password|--root-password-hash)
			[ $# -ge 2 ] || die "$1 needs a value" ;;
		esac
		case $1 in
		--size) size=$2; shift ;;
		--hostname) hostname=$2; shift ;;
		--root-password) hash=$(printf %s "$2" | openssl passwd -6 -stdin) ||
			die "cannot hash the password: is openssl installed?"
			shift ;;
		--root-password-hash) hash=$2; shift ;;
		--autologin) autologin=1 ;;
		--force) force=1 ;;
		*) die "unknown option $1 (see $me --help)" ;;
		esac
		shift
	done
	[ -f "$tar" ] || die "$tar: no such file"
	[ "$(id -u)" = 0 ] || die "must run as root, to make files owned by root"
	need mke2fs e2fsprogs
	[ -z "$size" ] || bytes=$(size_of "$size" --size)
	start_making "$image"
	make_tmp
	unpack
	if [ -z "$size" ]; then
		# As much again, and a little for the file system's own.
		size=$(($(du -sm "$tmp/root" | cut -f1) * 2 + 256))M
		bytes=$(size_of "$size" --size)
	fi
	HOSTNAME_=$hostname HASH=$hash AUTOLOGIN=$autologin \
		sh "$libdir/glue" "$tmp/root" || die "configuring failed"
	say "[2/2] file system of $size"
	mke2fs -q -t ext4 -L colinux-root -E lazy_itable_init=0,root_owner=0:0 \
		-d "$tmp/root" "$new" "$((bytes / 1024))K" 2> "$tmp/error" ||
		die "cannot make the file system (is $size enough for $(du -sh "$tmp/root" | cut -f1)?): $(tail -n 1 "$tmp/error")"
	end_making "$image"
	say "$image is ready ($(du -h "$image" | cut -f1) used of $size)"
}

unpack() {
	say "[1/2] unpacking $tar"
	mkdir "$tmp/root"
	set -- --numeric-owner --xattrs --xattrs-include='*' --acls \
		--same-owner --same-permissions -C "$tmp/root" -xf "$tar"
	[ ! -t 2 ] || set -- --checkpoint=2000 --checkpoint-action=dot "$@"
	tar "$@" 2> "$tmp/error" >&2 ||
		die "cannot unpack $tar: $(grep -v 'Exiting with' "$tmp/error" | tail -n 1)"
	[ -d "$tmp/root/etc" ] && [ -d "$tmp/root/usr" ] ||
		die "$tar is not a root file system: it has no etc or usr"
	mkdir -p "$tmp/root/dev" "$tmp/root/proc" "$tmp/root/sys" \
		"$tmp/root/run" "$tmp/root/tmp"
}

# --- export ------------------------------------------------------------------

export_image() {
	part='' force=0
	while [ $# -gt 0 ]; do
		case $1 in
		--partition) [ $# -ge 2 ] || die "$1 needs a value"
			part=$2; shift ;;
		--force) force=1 ;;
		-*) die "unknown option $1 (see $me --help)" ;;
		*) break ;;
		esac
		shift
	done
	[ $# = 2 ] || die "export needs IMAGE and TAR (see $me --help)"
	[ "$(id -u)" = 0 ] || die "must run as root, to mount the image"
	image_there "$1"
	format=$(format_of "$1")
	[ "$format" = raw ] ||
		die "$1 is $format: convert it to raw first ($me convert $1 FILE.img)"
	start_making "$2"
	make_tmp
	mkdir "$tmp/mnt"
	options=ro,loop
	if [ -n "$part" ]; then
		where=$(partition "$1" raw "$part")
		options=$options,offset=${where% *},sizelimit=${where#* }
	fi
	# ext4 would replay its journal, into the image.
	mount -o "$options,noload" "$1" "$tmp/mnt" 2> "$tmp/error" ||
		mount -o "$options" "$1" "$tmp/mnt" 2> "$tmp/error" ||
		die "cannot mount $1: $(tail -n 1 "$tmp/error")"
	case $2 in
	*.gz|*.tgz) pack=--gzip ;;
	*.xz|*.txz) pack=--xz ;;
	*.zst) pack=--zstd ;;
	*) pack= ;;
	esac
	say "$1 to $2"
	tar --numeric-owner --xattrs --xattrs-include='*' --acls --sparse $pack \
		-C "$tmp/mnt" --exclude=./lost+found -cf "$new" . 2> "$tmp/error" || {
		[ ! -s "$tmp/error" ] || grep -qv 'socket ignored' "$tmp/error" &&
			die "cannot write $2: $(grep -v 'Exiting with' "$tmp/error" | tail -n 1)"
	}
	end_making "$2"
	say "$2 is ready ($(du -h "$2" | cut -f1))"
}

# --- info --------------------------------------------------------------------

info() {
	json=0
	if [ "${1-}" = --json ]; then
		json=1
		shift
	fi
	[ $# = 1 ] || die "info needs IMAGE (see $me --help)"
	need qemu-img qemu-utils
	image_there "$1"
	format=$(format_of "$1")
	bytes=$(virtual_size "$1" "$format")
	[ -n "$bytes" ] || die "$1 is not a good $format image"
	used=$(($(stat -L -c '%b * %B' "$1")))
	[ "$format" != vpc ] || format=vhd
	fs='' label='' table=''
	if [ "$format" = raw ] && command -v blkid > /dev/null; then
		fs=$(blkid -p -o value -s TYPE "$1" 2> /dev/null || :)
		label=$(blkid -p -o value -s LABEL "$1" 2> /dev/null || :)
		table=$(blkid -p -o value -s PTTYPE "$1" 2> /dev/null || :)
	fi
	if [ $json = 1 ]; then
		name=$(printf %s "$1" | sed 's/[\\"]/\\&/g')
		label=$(printf %s "$label" | sed 's/[\\"]/\\&/g')
		printf '{"image": "%s", "format": "%s", "bytes": %s, "used_bytes": %s, "filesystem": "%s", "label": "%s", "partition_table": "%s"}\n' \
			"$name" "$format" "$bytes" "$used" "$fs" "$label" "$table"
		return
	fi
	echo "format:      $format"
	echo "size:        $bytes ($(numfmt --to=iec "$bytes"))"
	echo "used:        $used ($(numfmt --to=iec $used))"
	[ -z "$fs" ] || echo "file system: $fs${label:+, label $label}"
	[ -z "$table" ] || {
		echo "partitions:  $table"
		sfdisk -q -l -o Device,Size,Type "$1" 2> /dev/null | sed 's/^/  /'
	}
}
