#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Install the packages named in tools/packages that are missing. Costs next to
# nothing when all are there.
set -eu
here=$(dirname "$(readlink -f "$0")")
list=$(grep -v '^#' "$here/packages")

# shellcheck disable=SC2086
have=$(dpkg-query -W -f '${db:Status-Abbrev}${Package}\n' $list 2>/dev/null |
	sed -n 's/^ii //p' | sort -u)
missing=
for p in $list; do
	echo "$have" | grep -qxF "$p" || missing="$missing $p"
done
[ -n "$missing" ] || exit 0

echo "deps: installing$missing" >&2
if [ "$(id -u)" = 0 ]; then
	sudo=
elif command -v sudo >/dev/null; then
	sudo=sudo
else
	echo "deps: not root and no sudo: please install$missing" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
install() {
	$sudo apt-get -q -y --no-install-recommends \
		-o Dpkg::Use-Pty=0 install $missing >&2
}
if ! apt-cache show $missing >/dev/null 2>&1 || ! install; then
	echo "deps: updating apt's lists" >&2
	$sudo apt-get -q update >&2
	install || {
		echo "deps: cannot install$missing" >&2
		echo "deps: this needs the main and security archives of Debian 12" >&2
		exit 1
	}
fi
