#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# How much of the kernel's existing code the patches touch. Fails above the
# budget. A changed line counts twice: as removed and as added.
here=$(cd "$(dirname "$0")" && pwd)

cat "$here"/patches/*.patch | awk -v max_files=20 -v max_lines=250 '
/^diff --git /	{ hunk = 0 }
/^--- \/dev\/null/ { print "a patch adds a file: put it under guest/linux"; bad = 1 }
/^\+\+\+ b\// && !hunk { file = substr($2, 3); if (!(file in lines)) files++; lines[file] += 0; next }
/^--- / && !hunk { next }
/^@@ /		{ hunk = 1; next }
/^-- ?$/	{ hunk = 0 }
hunk && /^[-+]/	{ lines[file]++; total++ }
END {
	for (f in lines)
		printf "%5d %s\n", lines[f], f | "sort -k2"
	close("sort -k2")
	printf "%d files (at most %d), %d lines (at most %d)\n",
		files, max_files, total, max_lines
	exit bad || files > max_files || total > max_lines || !files
}'
