# SPDX-License-Identifier: GPL-2.0
# The driver's core on a simulated host, and the daemon's parts, in user space.
. "$TESTS/lib.sh"
cd "$TOP"

check "the unit tests build" make -s -C tests/unit
make -s -C tests/unit check | tee "$LOGS/unit" | grep -E '^(not )?ok - '
sed -n '/^    #/p' "$LOGS/unit" >&2
check "$(tail -n 1 "$LOGS/unit")" grep -q '^unit: .* 0 failed$' "$LOGS/unit"
echo end
