# SPDX-License-Identifier: GPL-2.0
# The sources: headers compile alone, checkpatch, sparse, the patch budget.
. "$TESTS/lib.sh"
cd "$TOP"

for header in include/colinux/*.h; do
	check "$header compiles alone" sh -c "echo '#include \"$header\"' |
		gcc -std=c11 -Wall -Wextra -Werror -Iinclude -fsyntax-only -xc -"
done
check "abi.h is for assembly, too" sh -c "echo '#include <colinux/abi.h>' |
	gcc -D__ASSEMBLY__ -Iinclude -E -xassembler-with-cpp - > /dev/null"
for header in $(find daemon cli agent -name '*.h'); do
	check "$header compiles alone" sh -c "echo '#include \"$header\"' |
		gcc -std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Iinclude \
		-Idaemon -Icli -I. -fsyntax-only -xc -"
done
for header in driver/include/*.h driver/core/*.h driver/sim/*.h driver/x86/*.h; do
	check "$header compiles alone" sh -c "echo '#include \"$header\"' |
		gcc -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Werror \
		-Iinclude -Idriver/include -Idriver/sim -I. -fsyntax-only -xc -"
done

# Complaints of checkpatch about things that our style decides otherwise, or
# that it cannot know out of the kernel's tree.
ignore=FILE_PATH_CHANGES,SPDX_LICENSE_TAG,MAINTAINERS,VOLATILE,AVOID_EXTERNS
ignore=$ignore,PREFER_KERNEL_TYPES,NEW_TYPEDEFS,SPLIT_STRING,CONST_STRUCT
ignore=$ignore,LONG_LINE_STRING,COMMIT_LOG_LONG_LINE,INCLUDE_LINUX,SSCANF_TO_KSTRTO
ignore=$ignore,EMBEDDED_FUNCTION_NAME,BLOCK_COMMENT_STYLE,LINUX_VERSION_CODE
ignore=$ignore,CONSTANT_COMPARISON,COMPLEX_MACRO,ARRAY_SIZE,STRCPY,STRNCPY
ignore=$ignore,MULTISTATEMENT_MACRO_USE_DO_WHILE,MACRO_ARG_UNUSED
ignore=$ignore,PREFER_DEFINED_ATTRIBUTE_MACRO,FUNCTION_ARGUMENTS
tool=$BUILD/cache/checkpatch
if [ ! -f "$tool/checkpatch.pl" ]; then
	mkdir -p "$tool"
	tar -C "$tool" --strip-components=2 -xf /usr/src/linux-source-6.12.tar.xz \
		--wildcards '*/scripts/checkpatch.pl' '*/scripts/spelling.txt' \
		'*/scripts/const_structs.checkpatch'
fi
# It must find what is there to be found, else its silence means nothing.
checkpatch() {
	perl "$tool/checkpatch.pl" --no-tree --no-summary --terse --file --quiet \
		--max-line-length=100 --ignore "$ignore" "$@" 2>&1 || :
}
printf '// SPDX-License-Identifier: GPL-2.0\nint main(){\n  return(0);\n}\n' > "$LOGS/bad.c"
check "checkpatch works" [ "$(checkpatch "$LOGS/bad.c" | grep -c ERROR:)" -gt 0 ]
# annotate.h is assembler, which checkpatch takes for C in headers.
findings=$LOGS/checkpatch
find driver include daemon cli agent guest/linux tests/tools tests/guest tests/unit \
	tests/fuzz testbed \
	-name '*.[chS]' ! -path 'driver/nt/*' ! -name annotate.h |
	sort > "$LOGS/files"
# shellcheck disable=SC2046
checkpatch $(cat "$LOGS/files") > "$findings"
cat "$findings" >&2
n=$(grep -c -E ': (ERROR|WARNING):' "$findings" || :)
check "checkpatch finds no error or warning ($n)" [ "$n" = 0 ]

if [ -x guest/budget.sh ]; then
	budget=$(guest/budget.sh) && status=0 || status=$?
	check "patch budget: $(echo "$budget" | tail -n 1)" [ $status = 0 ]
else
	bad "patch budget: there is no guest/budget.sh"
fi
if [ -f guest/patches/series ]; then
	check "every patch of the series is there" sh -c '
		cd guest/patches && ls $(grep -v "^#" series) > /dev/null'
fi

# sparse, through the kernel build for the driver.
release=$(ls -d /usr/src/linux-headers-6.12.*-amd64 | sort -V | tail -n 1)
release=${release##*headers-}
copy=$LOGS/sparse
mkdir -p "$copy"
cp -r driver include "$copy/"
# One finding is planted: sparse must report that, and nothing else.
echo 'int co_planted;' >> "$copy/driver/linux/os.c"
make -s -C "/usr/src/linux-headers-$release" M="$copy/driver" C=2 \
	CHECK="sparse -D__CHECK_ENDIAN__" modules > "$LOGS/sparse.log" 2>&1 &&
	status=0 || status=$?
grep "$copy" "$LOGS/sparse.log" | sed "s,$copy/,," >&2 || :
check "sparse works" grep -q 'co_planted.*not declared' "$LOGS/sparse.log"
n=$(grep -v co_planted "$LOGS/sparse.log" | grep -c -E '(warning|error):' || :)
check "sparse finds nothing in the driver ($n)" [ "$n" = 0 -a $status = 0 ]
rm -rf "$copy"
echo end
