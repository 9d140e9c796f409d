# SPDX-License-Identifier: GPL-2.0
# Completion of colinux(1) for fish: what the program itself tells.
complete -c colinux -n __fish_use_subcommand -f -a \
	"(colinux --help 2>/dev/null | string match -rg '^  ([a-z]+)(?: |\$)') --help --version"
complete -c colinux -n '__fish_seen_subcommand_from image' -a \
	'create convert resize import export info'
complete -c colinux -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' -f -a \
	"(colinux (commandline -opc)[2] --help 2>/dev/null | string match -ra -- '--[a-z][a-z-]+')"
