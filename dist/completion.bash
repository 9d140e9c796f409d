# SPDX-License-Identifier: GPL-2.0
# Completion of colinux(1) for bash: what the program itself tells.

_colinux_guests() {
	colinux list --json 2> /dev/null |
		grep -o '"name": *"[^"]*"' | sed 's/.*"\(.*\)"/\1/'
}

_colinux() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
	local command=${COMP_WORDS[1]} words

	if [ "$COMP_CWORD" = 1 ]; then
		words=$(colinux --help 2> /dev/null |
			sed -n 's/^  \([a-z][a-z]*\) .*/\1/p; s/^  \([a-z][a-z]*\)$/\1/p')
		words="$words --help --version"
	elif [ "$command" = image ] && [ "$COMP_CWORD" = 2 ] &&
	    [[ $cur != -* ]]; then
		words="create convert resize import export info --help"
	elif [[ $cur == -* ]]; then
		words=$(colinux "$command" --help 2> /dev/null |
			grep -o -E -e '--[a-z][a-z-]+' | sort -u)
		words="$words --help"
	else
		case $prev in
		--mem|--cpus|--name|--cocon|--size|--hostname) return ;;
		--to|--from) words="raw qcow2 vmdk vhdx vdi vhd" ;;
		esac
		case $command in
		console|exec|gui|shell|stop|kill|status|logs)
			words=$(_colinux_guests) ;;
		esac
	fi
	# shellcheck disable=SC2207
	COMPREPLY=($(compgen -W "$words" -- "$cur"))
	if [ -z "$words" ]; then
		# Options of a disk come behind its name.
		compopt -o filenames 2> /dev/null
		# shellcheck disable=SC2207
		COMPREPLY=($(compgen -f -- "$cur"))
	fi
}
complete -F _colinux colinux
