#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build the driver for one kernel: linux/build.sh HEADERS OUT
# HEADERS is a kernel's build folder (/lib/modules/VERSION/build or
# /usr/src/linux-headers-VERSION), OUT gets colinux.ko. DEBUG=1: test hooks.
set -eu
[ $# -eq 2 ] || { echo "usage: build.sh HEADERS OUT" >&2; exit 1; }
headers=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
[ -e "$headers/Makefile" ] || {
	echo "build.sh: no kernel headers in $headers: install linux-headers" >&2
	exit 1
}
mkdir -p "$out/src"
cp -au "$top/driver" "$top/include" "$out/src/"
make -s -C "$headers" M="$out/src/driver" ${DEBUG:+CO_DEBUG=1} modules
cp "$out/src/driver/colinux.ko" "$out/colinux.ko"
