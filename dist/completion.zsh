#compdef colinux
# SPDX-License-Identifier: GPL-2.0
# Completion of colinux(1) for zsh: what the program itself tells.

local -a names
if (( CURRENT == 2 )); then
	names=(${(f)"$(colinux --help 2> /dev/null |
		sed -n 's/^  \([a-z][a-z]*\)\( .*\)*$/\1/p')"} --help --version)
	compadd -a names
elif [[ ${words[2]} == image && $CURRENT == 3 ]]; then
	compadd create convert resize import export info
elif [[ $PREFIX == -* ]]; then
	compadd -- $(colinux ${(Q)words[2]} --help 2> /dev/null |
		grep -o -E -e '--[a-z][a-z-]+' | sort -u)
else
	_files
fi
