#include "host-agent/network/outage.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/network/port.h"
#include "loop/timer.h"

#define ASK_MS     5u
#define EARLY_MS   60u   /* no guest comes that soon: who answers is at its old place */
#define HASTE_MS   1u    /* between questions until then: it may leave sooner */
#define AFTER_MS   1000u /* for an answer from the new place */
#define AFTER_MIN  3     /* answers, so that a bridge has not changed its mind */
#define BEFORE_MIN 5     /* more than come between the switch and the word of it */
#define AROUND_US  UINT64_C(2000000)
#define RING       512 /* the last answers: as many as come in that time */
#define READS      64  /* a tick; what comes faster waits */
#define TAG_BYTES  4
#define FRAME_MAX  128
#define MACS_BYTES offsetof(struct ether_header, ether_type)

/* The kernel says when an answer came: this thread may have been busy. */
struct outage {
	struct loop *loop;
	struct timer *timer;
	int fd;
	uint8_t mac[ETH_ALEN];
	struct in_addr address;
	uint8_t frame[FRAME_MAX];
	size_t n_frame;
	uint64_t at_us[RING]; /* wall clock of answer number i, at i % RING */
	uint64_t answers;
	uint64_t begin_us;
	bool in_haste, answered_early;
	uint64_t switch_us; /* 0: not yet */
	uint64_t before;    /* answers at the switch */
	uint64_t end_ms;
	struct wake wake;
};

static int
parse_address(const char *text, struct in_addr *ret_a, struct err *e)
{
	const char *slash = strchr(text, '/');
	AUTO_FREE char *alone =
	    slash ? xstrndup(text, (size_t)(slash - text)) : xstrdup(text);

	if (!*text)
		return err_set(
		    e, ERR_INVALID, "it has no address that it could be asked for");
	if (inet_pton(AF_INET, alone, ret_a) != 1)
		return err_set(
		    e, ERR_INVALID, "address: wants 10.1.2.3/24, got \"%.40s\"", text);
	return 0;
}

static int
open_socket(
    struct outage *o, const char *bridge, uint8_t ret_mac[ETH_ALEN], struct err *e)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP) };
	struct ifreq r = { 0 };
	int on = 1;

	/* No protocol until it is bound: nothing of other links gets in. */
	o->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (o->fd < 0)
		return err_sys(e, errno == EPERM ? ERR_DENIED : ERR_IO, errno,
		    "cannot ask on bridge \"%s\"", bridge);
	at.sll_ifindex = (int)if_nametoindex(bridge);
	if (!at.sll_ifindex)
		return err_set(
		    e, ERR_NOT_FOUND, "this host has no bridge \"%s\"", bridge);
	memcpy(r.ifr_name, bridge, strlen(bridge) + 1);
	if (ioctl(o->fd, SIOCGIFHWADDR, &r) ||
	    setsockopt(o->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) ||
	    bind(o->fd, (struct sockaddr *)&at, sizeof(at)))
		return err_sys(e, ERR_IO, errno, "cannot ask on bridge \"%s\"", bridge);
	memcpy(ret_mac, r.ifr_hwaddr.sa_data, ETH_ALEN);
	return 0;
}

/* From 0.0.0.0: it enters nobody's tables, and needs no address of the host's. */
static void
make_question(struct outage *o, const uint8_t own_mac[ETH_ALEN], uint32_t vlan)
{
	struct ether_header h = { .ether_type = htons(ETH_P_ARP) };
	struct ether_arp a = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				   .ar_pro = htons(ETH_P_IP),
				   .ar_hln = ETH_ALEN,
				   .ar_pln = sizeof(o->address),
				   .ar_op = htons(ARPOP_REQUEST) } };
	const uint16_t tag[] = { htons(ETH_P_8021Q), htons((uint16_t)vlan) };
	uint8_t *p = o->frame;

	memcpy(h.ether_dhost, o->mac, ETH_ALEN);
	memcpy(h.ether_shost, own_mac, ETH_ALEN);
	memcpy(a.arp_sha, own_mac, ETH_ALEN);
	memcpy(a.arp_tpa, &o->address, sizeof(a.arp_tpa));
	memcpy(p, &h, MACS_BYTES);
	p += MACS_BYTES;
	if (vlan) {
		memcpy(p, tag, TAG_BYTES);
		p += TAG_BYTES;
	}
	memcpy(p, &h.ether_type, sizeof(h.ether_type));
	p += sizeof(h.ether_type);
	memcpy(p, &a, sizeof(a));
	o->n_frame = (size_t)(p - o->frame) + sizeof(a);
}

/* The kernel has taken the tag away already, if there was one. */
static bool
is_answer(const struct outage *o, const uint8_t *frame, size_t n)
{
	struct ether_header h;
	struct ether_arp a;

	if (n < sizeof(h) + sizeof(a))
		return false;
	memcpy(&h, frame, sizeof(h));
	memcpy(&a, frame + sizeof(h), sizeof(a));
	return h.ether_type == htons(ETH_P_ARP) &&
	       a.ea_hdr.ar_op == htons(ARPOP_REPLY) &&
	       !memcmp(a.arp_sha, o->mac, ETH_ALEN) &&
	       !memcmp(a.arp_spa, &o->address, sizeof(a.arp_spa));
}

static uint64_t
stamp_us(struct msghdr *m)
{
	struct timespec t = { 0 };

	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&t, CMSG_DATA(c), sizeof(t));
	}
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void
note_answer(struct outage *o, uint64_t at_us)
{
	if (!o->switch_us && at_us <= o->begin_us + EARLY_MS * UINT64_C(1000))
		o->answered_early = true;
	o->at_us[o->answers++ % RING] = at_us;
}

static void
hear(struct outage *o)
{
	uint8_t frame[FRAME_MAX], control[CMSG_SPACE(sizeof(struct timespec))];

	for (int i = 0; i < READS; i++) {
		struct iovec v = { frame, sizeof(frame) };
		struct msghdr m = { .msg_iov = &v,
			.msg_iovlen = 1,
			.msg_control = control,
			.msg_controllen = sizeof(control) };
		ssize_t n = recvmsg(o->fd, &m, MSG_DONTWAIT);

		if (n < 0)
			return;
		if (is_answer(o, frame, (size_t)n))
			note_answer(o, stamp_us(&m));
	}
}

static uint64_t
wall_us(const struct outage *o)
{
	return clock_wall_ms(loop_clock(o->loop)) * 1000;
}

static void
on_tick(void *arg)
{
	struct outage *o = arg;

	hear(o);
	if (o->switch_us && (o->answers >= o->before + AFTER_MIN ||
				loop_now_ms(o->loop) >= o->end_ms)) {
		timer_stop(o->timer);
		post_wake(o->loop, o->wake, 0, NULL);
		return;
	}
	if (o->in_haste && wall_us(o) > o->begin_us + EARLY_MS * UINT64_C(1000)) {
		o->in_haste = false;
		timer_every(o->timer, ASK_MS);
	}
	/* One that is not sent is one that is not answered. */
	(void)!send(o->fd, o->frame, o->n_frame, MSG_DONTWAIT);
}

int
outage_new(
    struct loop *l, const struct outage_guest *g, struct outage **ret_o, struct err *e)
{
	struct outage *o = xcalloc(1, sizeof(*o));
	uint8_t own_mac[ETH_ALEN];
	int rc = parse_address(g->address, &o->address, e);

	o->loop = l;
	o->fd = -1;
	if (!rc)
		rc = port_mac_parse(g->mac, o->mac, e);
	if (!rc && strlen(g->bridge) >= IFNAMSIZ)
		rc = err_set(
		    e, ERR_NOT_FOUND, "this host has no bridge \"%.40s\"", g->bridge);
	if (!rc)
		rc = open_socket(o, g->bridge, own_mac, e);
	if (rc) {
		outage_free(o);
		return rc;
	}
	make_question(o, own_mac, g->vlan);
	o->timer = timer_new(l, on_tick, o);
	o->begin_us = wall_us(o);
	o->in_haste = true;
	timer_every(o->timer, HASTE_MS);
	on_tick(o);
	*ret_o = o;
	return 0;
}

void
outage_free(struct outage *o)
{
	if (!o)
		return;
	timer_free(o->timer);
	if (o->fd >= 0)
		close(o->fd);
	free(o);
}

void
outage_end(struct outage *o, struct wake w)
{
	hear(o);
	o->switch_us = wall_us(o);
	o->before = o->answers;
	o->end_ms = loop_now_ms(o->loop) + AFTER_MS;
	o->wake = w;
}

int
outage_us(const struct outage *o, uint64_t *ret_us, struct err *e)
{
	uint64_t first = o->answers > RING ? o->answers - RING : 0;
	uint64_t longest = 0;

	if (o->before < BEFORE_MIN && !o->answered_early)
		return err_set(e, ERR_LOST, "it did not answer before the switch");
	if (o->answers == o->before)
		return err_set(
		    e, ERR_LOST, "it has not answered since, for %u ms", AFTER_MS);
	/* What it did long before does not count. */
	for (uint64_t i = first + 1; i < o->answers; i++) {
		uint64_t at = o->at_us[i % RING];
		uint64_t last = o->at_us[(i - 1) % RING];

		/* A clock may be set back. */
		if (at > last && at - last > longest && at + AROUND_US >= o->switch_us)
			longest = at - last;
	}
	*ret_us = longest;
	return 0;
}
