// SPDX-License-Identifier: GPL-2.0
/* Network cards on the command line and in classic configuration files. */
#include <stdio.h>
#include "say.h"
#include "core/config.h"

static struct config c;

static int setup(void **state)
{
	config_init(&c);
	return forget_said(state);
}

static int teardown(void **state)
{
	config_free(&c);
	return 0;
}

#undef TEST
#define TEST(f)	cmocka_unit_test_setup_teardown(f, setup, teardown)

static void add(const char *value)
{
	if (config_add_net(&c, value, "--net"))
		fail_msg("%s: %s", value, said);
}

static void refuse(const char *value, const char *why)
{
	unsigned int before = c.nets;

	if (!config_add_net(&c, value, "--net"))
		fail_msg("accepted: %s", value);
	assert_said(why);
	assert_int_equal(c.nets, before);
}

static int file(const char *text)
{
	return config_parse_text(&c, "some.conf", text, strlen(text));
}

static void refuse_file(const char *text, const char *why)
{
	config_free(&c);
	config_init(&c);
	if (!file(text))
		fail_msg("accepted: %s", text);
	if (!strstr(said, "some.conf:"))
		fail_msg("no place: %s", said);
	assert_said(why);
}

static void check_forward(const struct net_config *n, unsigned int i, bool udp,
			  const char *host, unsigned int from, unsigned int to)
{
	assert_in_range(i, 0, n->forwards - 1);
	assert_int_equal(n->forward[i].udp, udp);
	assert_string_equal(n->forward[i].host, host);
	assert_int_equal(n->forward[i].host_port, from);
	assert_int_equal(n->forward[i].guest_port, to);
}

/* --- options ------------------------------------------------------------------ */

static void nat(void **state)
{
	const struct net_config *n = &c.net[0];

	add("nat,forward=tcp:8080:80,mac=02:00:00:aB:cd:ef,forward=udp:1:65535");
	assert_int_equal(c.nets, 1);
	assert_int_equal(n->mode, NET_NAT);
	assert_int_equal(n->number, 0);
	assert_true(n->has_mac);
	assert_memory_equal(n->mac, "\2\0\0\xab\xcd\xef", 6);
	assert_int_equal(n->forwards, 2);
	check_forward(n, 0, false, "", 8080, 80);
	check_forward(n, 1, true, "", 1, 65535);
}

static void addresses(void **state)
{
	const struct net_config *n = &c.net[0];

	add("nat,forward=tcp:0.0.0.0:22:22,forward=tcp:[::]:22:22,forward=udp:[::1]:5:6");
	check_forward(n, 0, false, "0.0.0.0", 22, 22);
	check_forward(n, 1, false, "::", 22, 22);
	check_forward(n, 2, true, "::1", 5, 6);
}

static void tap(void **state)
{
	const struct net_config *n = c.net;

	add("tap");
	add("tap,ifname=tap0,bridge=br0,queues=4,vhost=off,mac=52:54:00:00:00:01");
	add("tap,vhost=on,ifname=fifteen.letters");
	assert_int_equal(c.nets, 3);
	assert_int_equal(n[0].mode, NET_TAP);
	assert_string_equal(n[0].ifname, "");
	assert_int_equal(n[0].queues, 0);
	assert_string_equal(n[1].ifname, "tap0");
	assert_string_equal(n[1].bridge, "br0");
	assert_int_equal(n[1].queues, 4);
	assert_true(n[1].no_vhost);
	assert_false(n[2].no_vhost);
	assert_int_equal(n[2].number, 2);
}

static void bad_options(void **state)
{
	static const struct { const char *value, *why; } bad[] = {
		{ "", "not a kind" }, { "slirp", "not a kind" },
		{ "tuntap", "not a kind" }, { "pcap-bridge", "bridge=" },
		{ "nat,", "no value" }, { "nat,forward", "no value" },
		{ "nat,ifname=tap0", "nat takes" },
		{ "tap,forward=tcp:1:1", "tap takes" },
		{ "tap,vhost=maybe", "tap takes" }, { "nat,=", "nat takes" },
		{ "tap,ifname=", "interface" },
		{ "tap,ifname=sixteen.letters.", "interface" },
		{ "tap,ifname=a/b", "interface" }, { "tap,ifname=..", "interface" },
		{ "tap,ifname=tap%d", "interface" },
		{ "tap,bridge=my bridge", "interface" },
		{ "tap,queues=0", "queues" }, { "tap,queues=8", "queues" },
		{ "tap,queues=2x", "queues" }, { "tap,queues=", "queues" },
		{ "nat,mac=", "MAC" }, { "nat,mac=1:2:3:4:5:6", "MAC" },
		{ "nat,mac=02:00:00:00:00:0", "MAC" },
		{ "nat,mac=02:00:00:00:00:0g", "MAC" },
		{ "nat,mac=02:00:00:00:00:001", "MAC" },
		{ "nat,mac=02:00:00:00:00:00:00", "MAC" },
		{ "nat,mac=01:00:00:00:00:00", "one card" },
		{ "nat,mac=00:00:00:00:00:00", "one card" },
		{ "nat,forward=", "forwarded port" },
		{ "nat,forward=tcp", "forwarded port" },
		{ "nat,forward=tcp:80", "forwarded port" },
		{ "nat,forward=icmp:1:1", "forwarded port" },
		{ "nat,forward=tcp:0:80", "forwarded port" },
		{ "nat,forward=tcp:80:65536", "forwarded port" },
		{ "nat,forward=tcp:80:80:", "forwarded port" },
		{ "nat,forward=tcp:80:80:3", "forwarded port" },
		{ "nat,forward=tcp:-1:80", "forwarded port" },
		{ "nat,forward=tcp:1.2.3:80:80", "forwarded port" },
		{ "nat,forward=tcp:localhost:80:80", "forwarded port" },
		{ "nat,forward=tcp:::1:80:80", "forwarded port" },
		{ "nat,forward=tcp:[::1:80:80", "forwarded port" },
		{ "nat,forward=tcp:[::1]80:80", "forwarded port" },
		{ "nat,forward=tcp:[1.2.3.4]:80:80", "forwarded port" },
		{ "nat,forward=tcp:8:8,forward=tcp:8:9", "twice" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(bad[i].value, bad[i].why);
}

static void how_many(void **state)
{
	add("nat,mac=02:00:00:00:00:01");
	refuse("tap,mac=02:00:00:00:00:01", "MAC address already");
	refuse("none", "one of them");
	for (int i = 1; i < CONFIG_MAX_NET; i++)
		add("nat");
	refuse("nat", "too many");
}

static void none(void **state)
{
	add("none");
	assert_int_equal(config_default_net(&c), 0);
	assert_int_equal(c.nets, 0);
	refuse("nat", "one of them");
}

static void the_default_is_nat(void **state)
{
	assert_int_equal(config_default_net(&c), 0);
	assert_int_equal(c.nets, 1);
	assert_int_equal(c.net[0].mode, NET_NAT);
}

static void one_is_enough(void **state)
{
	add("tap");
	assert_int_equal(config_default_net(&c), 0);
	assert_int_equal(c.nets, 1);
}

/* --- classic files ---------------------------------------------------------------- */

static void classic_files(void **state)
{
	assert_int_equal(file("eth1=tuntap,tap3,00:FF:00:00:00:02\n"
			      "eth0=slirp,,tcp:10022:22/udp:69:69\n"
			      "eth2=slirp\n"
			      "eth3=slirp,02:00:00:00:00:07\n"
			      "eth4=tuntap\neth5=tuntap,,02:00:00:00:00:08\n"
			      "eth6=tap,bridge=br0\n"), 0);
	assert_int_equal(c.nets, 7);
	for (unsigned int i = 0; i < 7; i++)
		assert_int_equal(c.net[i].number, i);
	check_forward(&c.net[0], 0, false, "", 10022, 22);
	check_forward(&c.net[0], 1, true, "", 69, 69);
	assert_string_equal(c.net[1].ifname, "tap3");
	assert_memory_equal(c.net[1].mac, "\0\xff\0\0\0\2", 6);
	assert_int_equal(c.net[2].mode, NET_NAT);
	assert_false(c.net[2].has_mac);
	assert_true(c.net[3].has_mac);
	assert_int_equal(c.net[4].mode, NET_TAP);
	assert_true(c.net[5].has_mac);
	assert_string_equal(c.net[6].bridge, "br0");
}

static void ranges_of_ports(void **state)
{
	assert_int_equal(file("eth0=slirp,,tcp:6000:7000:3/udp:1:1:1"), 0);
	assert_int_equal(c.net[0].forwards, 4);
	check_forward(&c.net[0], 2, false, "", 6002, 7002);
	check_forward(&c.net[0], 3, true, "", 1, 1);
	refuse_file("eth0=slirp,,tcp:1:1:2000", "too many ports");
	refuse_file("eth0=slirp,,tcp:65000:1:1000", "forwarded port");
	refuse_file("eth0=slirp,,tcp:1:1:0", "forwarded port");
}

static void a_file_alone_says_it(void **state)
{
	assert_int_equal(file("kernel=k"), 0);
	assert_int_equal(config_default_net(&c), 0);
	assert_int_equal(c.nets, 0);
	add("nat");		/* an option adds to it */
	assert_int_equal(c.nets, 1);
}

static void bad_files(void **state)
{
	refuse_file("eth0=pcap-bridge,\"Local Area Connection\"", "pcap-bridge");
	refuse_file("eth0=ndis-bridge,x", "ndis-bridge");
	refuse_file("eth0=bridge", "not a kind");
	refuse_file("eth0=", "not a kind");
	refuse_file("eth0=slirp\neth0=tuntap", "eth0 is given twice");
	refuse_file("eth0=slirp,,tcp:1:1,x", "too many commas");
	refuse_file("eth0=tuntap,a,02:00:00:00:00:01,x", "too many commas");
	refuse_file("eth0=tuntap,\"TAP-Win32 Adapter V8\"", "interface");
	refuse_file("eth0=slirp,xx", "MAC");
	refuse_file("eth100=slirp", "0 to 99");
}

/* --- MAC addresses -------------------------------------------------------------------- */

static void mac_of(const char *name, unsigned int number, uint8_t mac[6])
{
	struct net_config net = { .number = number };

	c.name = (char *)name;
	config_net_mac(&c, &net, mac);
	c.name = NULL;
}

static void macs_are_stable_and_differ(void **state)
{
	uint8_t a[6], b[6];

	mac_of("debian", 0, a);
	mac_of("debian", 0, b);
	assert_memory_equal(a, b, 6);
	assert_int_equal(a[0] & 3, 2);
	mac_of("debian", 1, b);
	assert_memory_not_equal(a, b, 6);
	mac_of("debiao", 0, b);
	assert_memory_not_equal(a, b, 6);
	add("nat,mac=02:00:00:00:00:01");
	config_net_mac(&c, &c.net[0], a);
	assert_memory_equal(a, "\2\0\0\0\0\1", 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nat), TEST(addresses), TEST(tap), TEST(bad_options),
		TEST(how_many), TEST(none), TEST(the_default_is_nat),
		TEST(one_is_enough), TEST(classic_files),
		TEST(ranges_of_ports), TEST(a_file_alone_says_it),
		TEST(bad_files), TEST(macs_are_stable_and_differ),
	};

	return cmocka_run_group_tests_name("net_config", tests, NULL, NULL);
}
