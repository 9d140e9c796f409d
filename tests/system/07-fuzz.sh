# SPDX-License-Identifier: GPL-2.0
# A bounded run of each fuzzer; make -C tests/fuzz long is the long one.
. "$TESTS/lib.sh"
cd "$TOP"

check "the fuzzers build" make -s -C tests/fuzz
make -s -C tests/fuzz check > "$LOGS/fuzz" && status=0 || status=$?
grep -E '^(not )?ok - ' "$LOGS/fuzz" || :
sed -n '/^    #/p' "$LOGS/fuzz" >&2
check "every fuzzer came to its end" [ $status = 0 ]
echo end
