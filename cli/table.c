// SPDX-License-Identifier: GPL-2.0
/* The commands of `colinux`. */
#include <string.h>

#include "cli.h"

static const char run_help[] =
"Options (they win over FILE.conf):\n"
"  --kernel FILE      the guest's kernel: a vmlinux made for colinux\n"
"  --mem SIZE         guest memory in MiB, or with a unit: 512M, 2G\n"
"                     (default 512M; a multiple of 2 MiB, 64M to 256G)\n"
"  --cobd FILE[,ro][,snapshot][,format=FORMAT]\n"
"                     a disk: a raw, qcow2, vmdk, vhdx, vdi or vhd image, a\n"
"                     block device, or nbd://HOST/NAME; may be repeated\n"
"                     (the guest has them as cobd0, cobd1, ...)\n"
"  --snapshot         throw away at the end what is written to any disk\n"
"  --net nat[,mac=MAC][,forward=tcp:8080:80]...\n"
"                     a network card behind the host's address (default); port\n"
"                     8080 of the host's loopback is port 80 of the guest\n"
"  --net tap[,ifname=tap0][,bridge=br0][,mac=MAC][,queues=N][,vhost=off]\n"
"                     a network card that is an interface of the host\n"
"  --net none         no network; the others may be repeated\n"
"  --root DEV         root device, such as /dev/cobd0 or /dev/cobd0p1\n"
"                     (default: the first cobd)\n"
"  --initrd FILE      initial RAM disk\n"
"  --append WORDS     more parameters for the guest's kernel\n"
"  --cpus N           virtual CPUs (1 for now)\n"
"  --name NAME        the guest's name, in messages and for other commands\n"
"  --log FILE         append all console output to FILE, too\n"
"  --cocon COLSxROWS  size of the console (default: the terminal's)\n"
"  --no-console       neither read standard input nor write standard output\n"
"\n"
"FILE.conf is a classic coLinux configuration: words of the form kernel=FILE,\n"
"mem=MIB, cobdN=FILE[,ro], root=DEV, initrd=FILE, cocon=COLSxROWS, cpus=,\n"
"name=, log=, ethN=slirp or tuntap, append=\"WORDS\"; other words are kernel\n"
"parameters; # starts a comment. Without ethN there is no network.\n"
"Paths are relative to the current directory.\n"
"\n"
"Keys: ctrl-] q ends the guest at once, ctrl-] p asks it to power off,\n"
"ctrl-] ctrl-] types ctrl-]. SIGTERM, SIGINT and SIGHUP ask it to power off,\n"
"a second one ends it at once.\n";

const struct command cli_commands[] = {
	{ "run", "[OPTION]... [FILE.conf]", "run a guest in this terminal",
	  run_help, cli_run, false },
	{ "check", "", "is the driver there, and does it fit?", NULL,
	  cli_check, false },
	{ "image", "COMMAND ...", "make, convert, resize disk images: --help", NULL,
	  cli_image, true },
	{ NULL, NULL, NULL, NULL, NULL, false },
};

const struct command *cli_find(const char *name)
{
	for (const struct command *c = cli_commands; c->name; c++)
		if (!strcmp(c->name, name))
			return c;
	return NULL;
}
