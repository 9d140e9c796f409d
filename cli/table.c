// SPDX-License-Identifier: GPL-2.0
/* The commands of `colinux`. */
#include <string.h>

#include "cli.h"

static const char run_help[] =
"Options (they win over FILE.conf):\n"
"  --kernel FILE      the guest's kernel: a vmlinux made for colinux\n"
"                     (default: the one installed with this program)\n"
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
"  --cofs HOSTDIR:GUESTDIR[,ro][,cache=auto|always|never]\n"
"                     a host folder, mounted there in the guest; repeatable\n"
"  --root DEV         root device, such as /dev/cobd0 or /dev/cobd0p1\n"
"                     (default: the first cobd)\n"
"  --initrd FILE      initial RAM disk\n"
"  --append WORDS     more parameters for the guest's kernel\n"
"  --cpus N           virtual CPUs (1 for now)\n"
"  --name NAME        the guest's name, in messages and for other commands\n"
"                     (default: made from FILE.conf or the first cobd)\n"
"  --log FILE         append all console output to FILE, too\n"
"  --cocon COLSxROWS  size of the console (default: the terminal's)\n"
"  --ttys WHERE       a serial port of the guest (/dev/hvc1, ...): pty, unix:PATH,\n"
"                     a tty of the host (/dev/ttyS0[,SPEED]) or a file\n"
"  --exec COMMAND     a program that is started and ended with the guest\n"
"  --no-console       neither read standard input nor write standard output\n"
"\n"
"FILE.conf is a classic coLinux configuration: words of the form kernel=FILE,\n"
"mem=MIB, cobdN=FILE[,ro], cofsN=DIR, root=DEV, initrd=FILE,\n"
"cocon=COLSxROWS, cpus=, name=, log=, ethN=slirp or tuntap,\n"
"append=\"WORDS\"; other words are kernel parameters; # starts a comment.\n"
"Without ethN there is no network.\n"
"Paths are relative to the current directory.\n"
"\n"
"Keys: ctrl-] q ends the guest at once, ctrl-] p asks it to power off,\n"
"ctrl-] ctrl-] types ctrl-]. SIGTERM, SIGINT and SIGHUP ask it to power off,\n"
"a second one ends it at once.\n";

static const char start_help[] =
"Options are those of run, and:\n"
"  --json             print the guest's name and process as JSON\n"
"\n"
"Returns when the guest's kernel is up, and prints the guest's name; or with\n"
"the exit status of run and its message. Console and messages are logged to\n"
"--log FILE, by default /var/log/colinux/NAME.log.\n";

static const char console_help[] =
"  --read-only        never type\n"
"\n"
"Shows the last 64 KiB and all that follows. The first console that is not\n"
"read-only types; others may when it has left. The terminal of colinux run\n"
"comes before all of them.\n"
"\n"
"Keys: ctrl-] d detaches, ctrl-] p asks the guest to power off, ctrl-] q ends\n"
"it at once, ctrl-] ctrl-] types ctrl-]. The exit status is 0 after detaching,\n"
"else how the guest ended.\n";

static const char stop_help[] =
"  --timeout SECONDS  how long to wait for it (default 90)\n"
"  --json             print how it ended as JSON\n"
"\n"
"Asks the guest to power off and waits until all of it is gone.\n";

static const char json_help[] =
"  --json             as JSON\n";

static const char kill_help[] =
"  --json             print how it ended as JSON\n"
"\n"
"The guest ends at once, as if its power had failed.\n";

static const char logs_help[] =
"  -f, --follow       go on until the guest has ended\n"
"\n"
"Shows the guest's log file: --log of run and start, /var/log/colinux/NAME.log\n"
"of start, also after its end. Of a guest without one: the last 64 KiB of the\n"
"console.\n";

static const char request_help[] =
"Sends one line to the guest's control socket and prints all that comes back:\n"
"  colinux request NAME '{\"request\": \"status\"}'\n"
"docs/control.md describes the requests.\n";

#define EXEC_OPTIONS \
"Options:\n" \
"  -u, --user USER    run it as USER of the guest (default: root)\n" \
"  -w, --workdir DIR  in this directory (default: the user's home)\n" \
"  -e, --env VAR[=VALUE]  with this variable, or with ours of this name\n" \
"  -t, --tty          on a terminal of its own; --no-tty: not. Default: if\n" \
"                     standard input and output are terminals\n" \
"  --wait SECONDS     for a guest that is not up yet (default 30)\n" \
"\n"

static const char exec_help[] =
EXEC_OPTIONS
"The exit status is the command's, 128+N if signal N ended it, 127 if there is\n"
"no such command, 126 if it cannot be run, 125 if colinux failed.\n";

static const char shell_help[] =
EXEC_OPTIONS
"A login shell of the user. The exit status is the shell's, see colinux exec.\n";

static const char gui_help[] =
EXEC_OPTIONS
"Like exec, and X programs of the guest show their windows on this DISPLAY.\n";

const struct command cli_commands[] = {
	{ "run", "[OPTION]... [FILE.conf]", "run a guest in this terminal",
	  run_help, cli_run, false },
	{ "start", "[--json] [OPTION]... [FILE.conf]",
	  "run a guest in the background", start_help, cli_start, false },
	{ "list", "[--json]", "which guests are running", json_help, cli_list,
	  false },
	{ "status", "[--json] NAME", "all about a guest that is running",
	  json_help, cli_status, false },
	{ "console", "[--read-only] NAME", "attach to a guest's console",
	  console_help, cli_console, false },
	{ "logs", "[-f] NAME", "what a guest's console showed", logs_help,
	  cli_logs, false },
	{ "stop", "[--timeout S] [--json] NAME", "power a guest off", stop_help,
	  cli_stop, false },
	{ "kill", "[--json] NAME", "end a guest at once", kill_help, cli_kill,
	  false },
	{ "request", "NAME JSON", "talk to a guest's control socket",
	  request_help, cli_request, false },
	{ "exec", "[OPTION]... NAME -- COMMAND...",
	  "run a command in a running guest", exec_help, cli_exec, true },
	{ "shell", "[OPTION]... NAME", "a shell in a running guest",
	  shell_help, cli_shell, true },
	{ "gui", "[OPTION]... NAME -- COMMAND...",
	  "the same for a program with windows", gui_help, cli_gui, true },
	{ "check", "[--json]", "can this host run guests, and why not?", NULL,
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
