// SPDX-License-Identifier: GPL-2.0
/*
 * What the tests of the network need and busybox does not have:
 *	net dns ADDRESS NAME RESULT	a name server on UDP port 53 of ADDRESS
 *					that knows one name, and its IPv4 address
 *	net udp ADDRESS PORT TEXT	sends the line TEXT until there is an answer, up to
 *					20 times, and prints the answer
 */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEADER	12

static union {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
} peer;
static socklen_t peer_len;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int open_socket(const char *address, int port)
{
	int fd;

	if (inet_pton(AF_INET, address, &peer.in.sin_addr) == 1) {
		peer.in.sin_family = AF_INET;
		peer.in.sin_port = htons(port);
		peer_len = sizeof(peer.in);
	} else if (inet_pton(AF_INET6, address, &peer.in6.sin6_addr) == 1) {
		peer.in6.sin6_family = AF_INET6;
		peer.in6.sin6_port = htons(port);
		peer_len = sizeof(peer.in6);
	}
	fd = socket(peer.any.sa_family, SOCK_DGRAM, 0);
	if (fd < 0)
		fail(address);
	return fd;
}

/* The name in a question as text with dots; its end in the message. */
static size_t read_name(const unsigned char *m, size_t len, char *name)
{
	size_t at = HEADER, out = 0;

	while (at < len && m[at] && at + m[at] + 1 < len && out + m[at] < 250) {
		memcpy(name + out, m + at + 1, m[at]);
		out += m[at];
		name[out++] = '.';
		at += m[at] + 1;
	}
	name[out ? out - 1 : 0] = '\0';
	return at + 5;		/* the final zero, type and class */
}

static size_t answer(unsigned char *m, size_t len, const char *known,
		     const char *result)
{
	static const unsigned char head[] = { 0xc0, HEADER, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4 };
	char name[256];
	size_t end;

	if (len < HEADER + 5)
		return 0;
	end = read_name(m, len, name);
	if (end > len)
		return 0;
	m[2] = 0x84 | (m[2] & 1);
	m[3] = strcasecmp(name, known) ? 3 : 0;		/* no such name */
	memset(m + 6, 0, 6);
	if (m[3] == 0 && m[end - 3] == 1) {		/* type A */
		m[7] = 1;
		memcpy(m + end, head, sizeof(head));
		end += sizeof(head);
		inet_pton(AF_INET, result, m + end);
		end += 4;
	}
	return end;
}

static void serve_names(const char *address, const char *name,
			const char *result)
{
	int fd = open_socket(address, 53);
	unsigned char m[1024];

	if (bind(fd, &peer.any, peer_len) < 0)
		fail("bind");
	for (;;) {
		socklen_t from_len = peer_len;
		ssize_t n = recvfrom(fd, m, 512, 0, &peer.any, &from_len);
		size_t len = n > 0 ? answer(m, n, name, result) : 0;

		if (len)
			sendto(fd, m, len, 0, &peer.any, from_len);
	}
}

static int ask(const char *address, int port, const char *text)
{
	int fd = open_socket(address, port);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char line[512], reply[512];
	ssize_t n;

	snprintf(line, sizeof(line), "%s\n", text);
	for (int i = 0; i < 20; i++) {
		sendto(fd, line, strlen(line), 0, &peer.any, peer_len);
		if (poll(&p, 1, 1000) != 1)
			continue;
		n = recv(fd, reply, sizeof(reply), 0);
		if (n < 0) {
			sleep(1);
			continue;
		}
		printf("%.*s", (int)n, reply);
		return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "dns"))
		serve_names(argv[2], argv[3], argv[4]);
	if (argc == 5 && !strcmp(argv[1], "udp"))
		return ask(argv[2], atoi(argv[3]), argv[4]);
	fprintf(stderr, "usage: net dns ADDRESS NAME RESULT | net udp ADDRESS PORT TEXT\n");
	return 2;
}
