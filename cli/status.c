// SPDX-License-Identifier: GPL-2.0
/* `colinux list`, `status` and `request`. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli.h"
#include "client.h"
#include "core/log.h"
#include "core/rundir.h"

static void print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
	puts("");
}

/* 3 d 04:05:06 */
static void format_uptime(char *text, size_t size, double uptime)
{
	unsigned long s = uptime > 0 ? (unsigned long)uptime : 0;
	int n = 0;

	if (s >= 86400)
		n = snprintf(text, size, "%lu d ", s / 86400);
	snprintf(text + n, size - n, "%02lu:%02lu:%02lu", s / 3600 % 24,
		 s / 60 % 60, s % 60);
}

/* --- list ------------------------------------------------------------------- */

static int is_name(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* NULL: nothing of this name runs (any more). */
static json_t *status_of(const char *name)
{
	struct client c;
	json_t *status;
	int err = client_open(&c, name);

	if (err == -ENOENT || err == -ENOTDIR)
		return NULL;
	if (err) {
		say("%s: cannot reach the guest's daemon: %s", name,
		    strerror(-err));
		return NULL;
	}
	status = client_ask(&c, json_pack("{s:s}", "request", "status"));
	client_close(&c);
	return status;
}

static json_t *all_guests(void)
{
	char base[RUNDIR_PATH_MAX];
	struct dirent **entry;
	json_t *guests = json_array();
	int n = -1;

	if (rundir_base(base, sizeof(base)) == 0)
		n = scandir(base, &entry, is_name, alphasort);
	for (int i = 0; i < n; i++) {
		json_t *status = status_of(entry[i]->d_name);

		if (status)
			json_array_append_new(guests, status);
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return guests;
}

static void print_line(const json_t *s)
{
	char uptime[40];

	format_uptime(uptime, sizeof(uptime),
		      json_number_value(json_object_get(s, "uptime")));
	printf("%-20s %-9s %8lld %14s %7lld\n", client_string(s, "name"),
	       client_string(s, "state"), (long long)client_number(s, "pid"),
	       uptime, (long long)client_number(s, "memory") >> 20);
}

enum exit_code cli_list(int argc, char **argv)
{
	struct name_args a = { 0 };
	json_t *guests, *status;
	size_t i;

	if (cli_name_args(&a, argc, argv, 0, "j"))
		return EXIT_USAGE;
	guests = all_guests();
	if (a.json) {
		print_json(guests);
	} else {
		printf("%-20s %-9s %8s %14s %7s\n", "NAME", "STATE", "PID",
		       "UPTIME", "MEM/MiB");
		json_array_foreach(guests, i, status)
			print_line(status);
	}
	json_decref(guests);
	return 0;
}

/* --- status ------------------------------------------------------------------- */

static void print_device(const json_t *device)
{
	size_t i;
	json_t *queue;

	printf("%-12s", client_string(device, "name"));
	if (!json_array_size(json_object_get(device, "queues")))
		printf(" no queue");
	json_array_foreach(json_object_get(device, "queues"), i, queue) {
		if (json_is_true(json_object_get(queue, "ready")))
			printf(" %lld/%lld",
			       (long long)client_number(queue, "used"),
			       (long long)client_number(queue, "size"));
		else
			printf(" off");
	}
	puts("");
}

static void print_counters(const json_t *driver)
{
	static const char * const keys[] = {
		"switches", "forwards", "idles", "virqs", "notifies",
		"nmis_taken", "nmis_replayed",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		printf("%-12s %lld\n", keys[i],
		       (long long)client_number(driver, keys[i]));
}

static void print_status(const json_t *s)
{
	const json_t *console = json_object_get(s, "console");
	char uptime[40];
	json_t *device;
	size_t i;

	format_uptime(uptime, sizeof(uptime),
		      json_number_value(json_object_get(s, "uptime")));
	printf("name         %s\nstate        %s\npid          %lld\n",
	       client_string(s, "name"), client_string(s, "state"),
	       (long long)client_number(s, "pid"));
	printf("uptime       %s\nmemory       %lld MiB\ncpus         %lld\n",
	       uptime, (long long)client_number(s, "memory") >> 20,
	       (long long)client_number(s, "cpus"));
	printf("kernel       %s\n", client_string(s, "kernel"));
	if (*client_string(s, "log"))
		printf("log          %s\n", client_string(s, "log"));
	printf("console      %lldx%lld, %lld viewers\n",
	       (long long)client_number(console, "columns"),
	       (long long)client_number(console, "rows"),
	       (long long)client_number(console, "viewers"));
	print_counters(json_object_get(s, "driver"));
	json_array_foreach(json_object_get(s, "devices"), i, device)
		print_device(device);
}

enum exit_code cli_status(int argc, char **argv)
{
	struct name_args a = { 0 };
	struct client c;
	json_t *status;

	if (cli_name_args(&a, argc, argv, 1, "j"))
		return EXIT_USAGE;
	if (client_connect(&c, a.name))
		return EXIT_STARTUP;
	status = client_ask(&c, json_pack("{s:s}", "request", "status"));
	client_close(&c);
	if (!status)
		return EXIT_STARTUP;
	if (a.json)
		print_json(status);
	else
		print_status(status);
	json_decref(status);
	return 0;
}

/* --- request ------------------------------------------------------------------ */

/* Whatever comes back, also the console's bytes. 1: it was a refusal. */
static int copy_answer(struct client *c)
{
	char buf[4096], head[16] = "";
	size_t len = 0;
	ssize_t n;

	while ((n = read(c->fd, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n && len < sizeof(head) - 1; i++)
			head[len++] = buf[i];
		fwrite(buf, 1, n, stdout);
		fflush(stdout);
	}
	return strncmp(head, "{\"ok\":true", 10) != 0;
}

/* Passes on one line as it is; prints all that comes back. */
enum exit_code cli_request(int argc, char **argv)
{
	struct name_args a = { 0 };
	struct client c;
	int err;

	if (cli_name_args(&a, argc, argv, 2, ""))
		return EXIT_USAGE;
	if (client_connect(&c, a.name))
		return EXIT_STARTUP;
	err = client_send_text(&c, a.text);
	if (!err)
		err = client_send_text(&c, "\n");
	shutdown(c.fd, SHUT_WR);
	/* A daemon that refuses us says why before it closes. */
	if (err && err != -EPIPE)
		say("%s: cannot send: %s", a.name, strerror(-err));
	else
		err = copy_answer(&c);
	client_close(&c);
	return err ? EXIT_STARTUP : 0;
}
