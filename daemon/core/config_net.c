// SPDX-License-Identifier: GPL-2.0
/*
 * Network cards in the configuration: --net, and ethN= as classic coLinux has
 * it. Both are lists of words separated by commas; the first says the kind.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/config.h"
#include "core/log.h"

#define MAX_VALUE	32768		/* of an option */

void config_net_free(struct net_config *net)
{
	free(net->forward);
	net->forward = NULL;
	net->forwards = 0;
}

/* --- single values -------------------------------------------------------- */

static int set_mac(struct net_config *net, const char *value, const char *what)
{
	unsigned int byte[6];
	int end = 0;

	if (sscanf(value, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1],
		   &byte[2], &byte[3], &byte[4], &byte[5], &end) != 6 ||
	    value[end] || strlen(value) != 17) {
		say("%s: '%s' is not a MAC address: use six bytes such as 02:00:00:12:34:56",
		    what, value);
		return -EINVAL;
	}
	if ((byte[0] & 1) || !(byte[0] | byte[1] | byte[2] | byte[3] |
			       byte[4] | byte[5])) {
		say("%s: %s is not the address of one card: use one that starts with 02",
		    what, value);
		return -EINVAL;
	}
	for (int i = 0; i < 6; i++)
		net->mac[i] = byte[i];
	net->has_mac = true;
	return 0;
}

static int set_interface(char name[16], const char *value, const char *what)
{
	size_t len = strlen(value);

	if (len == 0 || len > 15 || strpbrk(value, "/: \t%") ||
	    !strcmp(value, ".") || !strcmp(value, "..")) {
		say("%s: '%s' is not the name of an interface: use up to 15 letters and digits, such as tap0",
		    what, value);
		return -EINVAL;
	}
	memcpy(name, value, len + 1);
	return 0;
}

static int set_queues(struct net_config *net, const char *value,
		      const char *what)
{
	if (!isdigit((unsigned char)value[0]) || value[1] ||
	    value[0] < '1' || value[0] > '0' + CONFIG_MAX_NET_QUEUES) {
		say("%s: queues=%s: use a number from 1 to %d", what, value,
		    CONFIG_MAX_NET_QUEUES);
		return -EINVAL;
	}
	net->queues = value[0] - '0';
	return 0;
}

/* --- port forwards -------------------------------------------------------- */

static bool parse_port(const char *text, uint16_t *port)
{
	size_t len = strlen(text);
	long n;

	if (len < 1 || len > 5 || strspn(text, "0123456789") != len)
		return false;
	n = strtol(text, NULL, 10);
	*port = n;
	return n >= 1 && n <= 65535;
}

/* Takes an address and its colon off the start of *at, if there is one. */
static bool take_host(struct net_forward *f, char **at)
{
	unsigned char address[16];
	bool six = **at == '[';
	char *host = *at + six, *end;

	end = strchr(host, six ? ']' : ':');
	if (!six && end && !strchr(end + 1, ':'))
		return true;		/* two ports, no address */
	if (!end || (six && end[1] != ':'))
		return false;
	*end = '\0';
	*at = end + 1 + six;
	if (strlen(host) >= sizeof(f->host) ||
	    inet_pton(six ? AF_INET6 : AF_INET, host, address) != 1)
		return false;
	strcpy(f->host, host);
	return true;
}

/* PROTOCOL:[HOST:]PORT:PORT; count: classic coLinux' fourth part is allowed. */
static bool parse_forward(struct net_forward *f, char *at, uint16_t *count)
{
	char *port;

	memset(f, 0, sizeof(*f));
	f->udp = !strncmp(at, "udp:", 4);
	if (!f->udp && strncmp(at, "tcp:", 4))
		return false;
	at += 4;
	if (!count && !take_host(f, &at))
		return false;
	port = strsep(&at, ":");
	if (!at || !parse_port(port, &f->host_port))
		return false;
	port = strsep(&at, ":");
	if (!parse_port(port, &f->guest_port))
		return false;
	if (!count || !at)
		return !at;
	return parse_port(at, count) &&
	       f->host_port <= 65536 - *count && f->guest_port <= 65536 - *count;
}

static bool same_port(const struct net_forward *a, const struct net_forward *b)
{
	return a->udp == b->udp && a->host_port == b->host_port &&
	       !strcmp(a->host, b->host);
}

static int add_one(struct net_config *net, const struct net_forward *f,
		   const char *what)
{
	struct net_forward *more;

	for (unsigned int i = 0; i < net->forwards; i++) {
		if (!same_port(&net->forward[i], f))
			continue;
		say("%s: %s port %u is forwarded twice: remove one", what,
		    f->udp ? "UDP" : "TCP", f->host_port);
		return -EINVAL;
	}
	if (net->forwards == CONFIG_MAX_FORWARDS) {
		say("%s: too many ports are forwarded: use at most %d", what,
		    CONFIG_MAX_FORWARDS);
		return -EINVAL;
	}
	more = realloc(net->forward, (net->forwards + 1) * sizeof(*more));
	if (!more) {
		say("%s: out of memory", what);
		return -ENOMEM;
	}
	net->forward = more;
	more[net->forwards++] = *f;
	return 0;
}

/* classic: a fourth part says how many ports there are from the first on. */
static int add_forward(struct net_config *net, char *value, bool classic,
		       const char *what)
{
	uint16_t count = 1;
	struct net_forward f;
	char copy[96];
	int err = 0;

	snprintf(copy, sizeof(copy), "%s", value);
	if (!parse_forward(&f, value, classic ? &count : NULL)) {
		say("%s: '%s' is not a forwarded port: use %s", what, copy,
		    classic ? "tcp:8080:80 or udp:5000:5000, several with a slash between" :
		    "tcp:8080:80, udp:5000:5000 or tcp:ADDRESS:8080:80");
		return -EINVAL;
	}
	for (unsigned int i = 0; i < count && !err; i++) {
		err = add_one(net, &f, what);
		f.host_port++;
		f.guest_port++;
	}
	return err;
}

/* --- kinds ---------------------------------------------------------------- */

static int set_option(struct net_config *net, char *word, const char *what)
{
	char *value = strchr(word, '=');
	bool nat = net->mode == NET_NAT;

	if (!value) {
		say("%s: '%s' has no value: see colinux --help", what, word);
		return -EINVAL;
	}
	*value++ = '\0';
	if (!strcmp(word, "mac"))
		return set_mac(net, value, what);
	if (nat && !strcmp(word, "forward"))
		return add_forward(net, value, false, what);
	if (!nat && !strcmp(word, "ifname"))
		return set_interface(net->ifname, value, what);
	if (!nat && !strcmp(word, "bridge"))
		return set_interface(net->bridge, value, what);
	if (!nat && !strcmp(word, "queues"))
		return set_queues(net, value, what);
	if (!nat && !strcmp(word, "vhost") &&
	    (!strcmp(value, "on") || !strcmp(value, "off"))) {
		net->no_vhost = value[1] == 'f';
		return 0;
	}
	say("%s: '%s=%s' is not known: %s", what, word, value,
	    nat ? "nat takes mac= and forward=" :
	    "tap takes ifname=, bridge=, mac=, queues= and vhost=on or off");
	return -EINVAL;
}

static int parse_options(struct net_config *net, char *rest, const char *what)
{
	int err = 0;

	while (rest && !err)
		err = set_option(net, strsep(&rest, ","), what);
	return err;
}

static int parse_slirp(struct net_config *net, char *rest, const char *what)
{
	char *mac = strsep(&rest, ","), *list = strsep(&rest, ",");
	int err = 0;

	if (rest) {
		say("%s: too many commas: use slirp,MAC,PORTS", what);
		return -EINVAL;
	}
	if (mac && *mac)
		err = set_mac(net, mac, what);
	if (list && !*list)
		list = NULL;
	while (list && !err)
		err = add_forward(net, strsep(&list, "/"), true, what);
	return err;
}

static int parse_tuntap(struct net_config *net, char *rest, const char *what)
{
	char *name = strsep(&rest, ","), *mac = strsep(&rest, ",");
	int err = 0;

	if (rest) {
		say("%s: too many commas: use tuntap,INTERFACE,MAC", what);
		return -EINVAL;
	}
	net->mode = NET_TAP;
	if (name && *name)
		err = set_interface(net->ifname, name, what);
	if (mac && *mac && !err)
		err = set_mac(net, mac, what);
	return err;
}

static int parse_kind(struct net_config *net, char *value, bool classic,
		      const char *what)
{
	char *kind = strsep(&value, ",");

	if (!strcmp(kind, "nat"))
		return parse_options(net, value, what);
	if (!strcmp(kind, "tap")) {
		net->mode = NET_TAP;
		return parse_options(net, value, what);
	}
	if (classic && !strcmp(kind, "slirp"))
		return parse_slirp(net, value, what);
	if (classic && !strcmp(kind, "tuntap"))
		return parse_tuntap(net, value, what);
	if (!strcmp(kind, "pcap-bridge") || !strcmp(kind, "ndis-bridge")) {
		say("%s: '%s' does not exist here: use tap,bridge=BRIDGE with a bridge that has the adapter",
		    what, kind);
		return -EINVAL;
	}
	say("%s: '%s' is not a kind of network: use %s", what, kind,
	    classic ? "slirp, tuntap, nat or tap" : "nat, tap or none");
	return -EINVAL;
}

/* --- the list of cards ---------------------------------------------------- */

static int insert(struct config *c, const struct net_config *new,
		  const char *what)
{
	unsigned int at = 0;

	if (c->nets == CONFIG_MAX_NET) {
		say("%s: too many network cards: use at most %d", what,
		    CONFIG_MAX_NET);
		return -EINVAL;
	}
	for (unsigned int i = 0; i < c->nets; i++) {
		const struct net_config *n = &c->net[i];

		if (n->number == new->number) {
			say("%s: eth%u is given twice: remove one", what,
			    n->number);
			return -EINVAL;
		}
		if (n->has_mac && new->has_mac && !memcmp(n->mac, new->mac, 6)) {
			say("%s: eth%u has this MAC address already: use another",
			    what, n->number);
			return -EINVAL;
		}
		at += n->number < new->number;
	}
	memmove(&c->net[at + 1], &c->net[at],
		(c->nets - at) * sizeof(c->net[0]));
	c->net[at] = *new;
	c->nets++;
	return 0;
}

static int add(struct config *c, unsigned int number, const char *value,
	       bool classic, const char *what)
{
	struct net_config new = { .number = number };
	char *copy;
	int err;

	if (strlen(value) > MAX_VALUE) {
		say("%s: the value is too long", what);
		return -EINVAL;
	}
	copy = strdup(value);
	if (!copy) {
		say("%s: out of memory", what);
		return -ENOMEM;
	}
	err = parse_kind(&new, copy, classic, what);
	free(copy);
	if (!err)
		err = insert(c, &new, what);
	if (err)
		config_net_free(&new);
	return err;
}

int config_add_net(struct config *c, const char *value, const char *what)
{
	unsigned int number = c->nets ? c->net[c->nets - 1].number + 1 : 0;
	bool none = !strcmp(value, "none");

	if (c->no_net || (none && c->nets)) {
		say("%s: there is 'none' and a network: use one of them", what);
		return -EINVAL;
	}
	if (none) {
		c->no_net = true;
		return 0;
	}
	return add(c, number, value, false, what);
}

int config_add_eth(struct config *c, unsigned int number, const char *value,
		   const char *what)
{
	return add(c, number, value, true, what);
}

int config_default_net(struct config *c)
{
	if (c->nets || c->no_net || c->has_file)
		return 0;
	return config_add_net(c, "nat", "--net");
}

/* --- MAC addresses -------------------------------------------------------- */

/* FNV-1a: short, and the same for ever. */
static uint64_t hash(uint64_t h, const void *bytes, size_t len)
{
	const uint8_t *b = bytes;

	while (len--)
		h = (h ^ *b++) * 0x100000001b3;
	return h;
}

/* Two hosts may well have CVMs of one name on one network. */
static uint64_t hash_host(uint64_t h)
{
	char id[64];
	int fd = open("/etc/machine-id", O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return h;
	n = read(fd, id, sizeof(id));
	close(fd);
	return n > 0 ? hash(h, id, n) : h;
}

static uint64_t hash_name(const struct config *c, uint64_t h)
{
	char path[PATH_MAX];
	const char *name = c->name;

	/* Nameless ones differ by what they boot. */
	if (!name && c->cobds)
		name = realpath(c->cobd[0].spec.path, path);
	if (!name && c->cobds)
		name = c->cobd[0].spec.path;	/* a URI */
	return name ? hash(h, name, strlen(name)) : h;
}

void config_net_mac(const struct config *c, const struct net_config *net,
		    uint8_t mac[6])
{
	const uint8_t number = net->number;
	uint64_t h = 0xcbf29ce484222325;

	if (net->has_mac) {
		memcpy(mac, net->mac, 6);
		return;
	}
	h = hash(hash_name(c, hash_host(h)), &number, 1);
	for (int i = 0; i < 6; i++)
		mac[i] = h >> (8 * i);
	mac[0] = (mac[0] & ~1) | 2;	/* of one card, locally administered */
}
