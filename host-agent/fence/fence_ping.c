#include "host-agent/fence/fence_ping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/rng.h"
#include "loop/fd_watch.h"

#define ROUTES        "/proc/net/route"
#define PACKET_MAX    512
#define READS_AT_ONCE 64
#define ROUTE_UP      1ul
#define TAG_BYTES     8

/* Of both families the same: type, code, checksum, identifier, sequence, our tag. */
struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint8_t tag[TAG_BYTES];
};

struct fence_ping {
	struct loop *loop;
	int fd4, fd6; /* -1: none */
	struct fd_watch *watch4, *watch6;
	uint8_t tag[TAG_BYTES]; /* others send echo requests, too */
	uint16_t sequence;
	uint64_t heard_ms;
};

/* ---- answers ---- */

static bool
is_ours(const struct fence_ping *p, const uint8_t *packet, size_t n, uint8_t type)
{
	struct echo echo;

	if (n < sizeof(echo))
		return false;
	memcpy(&echo, packet, sizeof(echo));
	return echo.type == type && !memcmp(echo.tag, p->tag, TAG_BYTES);
}

static void
read_answers(struct fence_ping *p, int fd)
{
	uint8_t packet[PACKET_MAX];

	for (int i = 0; i < READS_AT_ONCE; i++) {
		ssize_t n = recv(fd, packet, sizeof(packet), MSG_DONTWAIT);
		size_t head = fd == p->fd4 ? (packet[0] & 0x0fu) * 4u : 0;
		uint8_t type = fd == p->fd4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;

		if (n <= 0)
			return;
		if ((size_t)n > head &&
		    is_ours(p, packet + head, (size_t)n - head, type))
			p->heard_ms = clock_mono_ms(loop_clock(p->loop));
	}
}

static void
on_answer4(void *arg)
{
	struct fence_ping *p = arg;

	read_answers(p, p->fd4);
	fd_watch_once(p->watch4);
}

static void
on_answer6(void *arg)
{
	struct fence_ping *p = arg;

	read_answers(p, p->fd6);
	fd_watch_once(p->watch6);
}

/* ---- questions ---- */

static uint16_t
checksum(const struct echo *echo)
{
	uint16_t words[sizeof(*echo) / 2];
	uint32_t sum = 0;

	memcpy(words, echo, sizeof(*echo));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	sum = (sum >> 16) + (sum & 0xffff);
	sum += sum >> 16;
	return (uint16_t)~sum;
}

static void
ask(struct fence_ping *p, const char *address)
{
	struct sockaddr_in to4 = { .sin_family = AF_INET };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6 };
	struct echo echo = { .sequence = htons(p->sequence) };
	ssize_t n = -1;

	memcpy(echo.tag, p->tag, TAG_BYTES);
	if (inet_pton(AF_INET, address, &to4.sin_addr) == 1 && p->fd4 >= 0) {
		echo.type = ICMP_ECHO;
		echo.checksum = checksum(&echo);
		n = sendto(p->fd4, &echo, sizeof(echo), MSG_DONTWAIT,
		    (struct sockaddr *)&to4, sizeof(to4));
	} else if (inet_pton(AF_INET6, address, &to6.sin6_addr) == 1 && p->fd6 >= 0) {
		/* The kernel fills in the checksum of these. */
		echo.type = ICMP6_ECHO_REQUEST;
		n = sendto(p->fd6, &echo, sizeof(echo), MSG_DONTWAIT,
		    (struct sockaddr *)&to6, sizeof(to6));
	}
	if (n < 0)
		log_debug("fence", "%s was not asked whether it is there", address);
}

/* Of a line: interface, destination, gateway, flags, … */
char *
fence_ping_gateway(const char *line)
{
	AUTO_FREE char *copy = xstrdup(line);
	char *rest = copy;
	unsigned long fields[3] = { 0 };
	struct in_addr a = { 0 };
	char text[INET_ADDRSTRLEN];

	(void)strsep(&rest, "\t");
	for (size_t i = 0; i < 3; i++) {
		char *field = strsep(&rest, "\t"), *end = NULL;

		if (!field)
			return NULL;
		fields[i] = strtoul(field, &end, 16);
		if (end == field || *end)
			return NULL;
	}
	if (fields[0] || !fields[1] || !(fields[2] & ROUTE_UP))
		return NULL;
	a.s_addr = (in_addr_t)fields[1];
	return inet_ntop(AF_INET, &a, text, sizeof(text)) ? xstrdup(text) : NULL;
}

static void
ask_gateways(struct fence_ping *p)
{
	FILE *routes = fopen(ROUTES, "re");
	char line[256];

	while (routes && fgets(line, sizeof(line), routes)) {
		AUTO_FREE char *gateway = fence_ping_gateway(line);

		if (gateway)
			ask(p, gateway);
	}
	if (routes)
		fclose(routes);
}

void
fence_ping_send(struct fence_ping *p, const char *const *addresses, size_t n)
{
	p->sequence++;
	for (size_t i = 0; i < n; i++)
		ask(p, addresses[i]);
	if (!n)
		ask_gateways(p);
}

uint64_t
fence_ping_heard_ms(const struct fence_ping *p)
{
	return p->heard_ms;
}

/* ---- life ---- */

int
fence_ping_new(struct loop *l, struct fence_ping **ret_p, struct err *e)
{
	struct fence_ping *p = xcalloc(1, sizeof(*p));
	int kind = SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK;

	p->loop = l;
	p->fd6 = -1;
	p->fd4 = socket(AF_INET, kind, IPPROTO_ICMP);
	if (p->fd4 < 0) {
		err_sys(e, errno == EPERM ? ERR_DENIED : ERR_UNSUPPORTED, errno,
		    "cannot send echo requests");
		fence_ping_free(p);
		return e->code;
	}
	/* A host may be without IPv6. */
	p->fd6 = socket(AF_INET6, kind, IPPROTO_ICMPV6);
	rng_secret(p->tag, sizeof(p->tag));
	p->heard_ms = clock_mono_ms(loop_clock(l));
	p->watch4 = fd_watch_new(l, p->fd4, FD_READ, on_answer4, p);
	fd_watch_once(p->watch4);
	if (p->fd6 >= 0) {
		p->watch6 = fd_watch_new(l, p->fd6, FD_READ, on_answer6, p);
		fd_watch_once(p->watch6);
	}
	*ret_p = p;
	return 0;
}

void
fence_ping_free(struct fence_ping *p)
{
	if (!p)
		return;
	fd_watch_free(p->watch4);
	fd_watch_free(p->watch6);
	if (p->fd4 >= 0)
		close(p->fd4);
	if (p->fd6 >= 0)
		close(p->fd6);
	free(p);
}
