/*
 * A guest moves from one bridge to another that a wire joins, in a network namespace of
 * the test's own; the test answers in its place.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/if_ether.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/network/outage.h"
#include "loop/flow.h"
#include "loop/loop.h"

#define SKIPPED     77
#define MAC         "52:54:00:12:34:56"
#define ADDRESS     "10.77.0.9/24"
#define PATIENCE_MS 10000u
#define PAUSE_MS    120u
#define SLACK_MS    100u /* of a busy machine */

enum place { NOWHERE, SOURCE, TARGET };

struct bench {
	struct loop *loop;
	struct flows *flows;
	struct outage *outage;
	int fds[TARGET + 1]; /* the guest's end of its wire at each place */
	enum place at;
	uint8_t mac[ETH_ALEN]; /* under which the test answers */
	unsigned answers, questions;
	bool ended, succeeded;
};

static void
sh(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

static int
open_wire(const char *name)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ARP),
		.sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0 && at.sll_ifindex > 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

static int
set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));

	sh("ip link add brs type bridge && ip link add brt type bridge && "
	   "ip link add wires type veth peer name wiret && "
	   "ip link add taps type veth peer name guests && "
	   "ip link add tapt type veth peer name guestt && "
	   "ip link set wires master brs && ip link set taps master brs && "
	   "ip link set wiret master brt && ip link set tapt master brt && "
	   "for l in brs brt wires wiret taps tapt guests guestt; do "
	   "ip link set $l up || exit 1; done");
	b->loop = loop_new(clock_system());
	b->flows = flows_new(b->loop);
	b->fds[SOURCE] = open_wire("guests");
	b->fds[TARGET] = open_wire("guestt");
	memcpy(b->mac, "\x52\x54\x00\x12\x34\x56", ETH_ALEN);
	*state = b;
	return 0;
}

static int
tear_down(void **state)
{
	struct bench *b = *state;

	outage_free(b->outage);
	flows_free(b->flows);
	loop_free(b->loop);
	close(b->fds[SOURCE]);
	close(b->fds[TARGET]);
	free(b);
	sh("for l in brs brt wires taps tapt; do ip link del $l; done");
	return 0;
}

static void
answer(struct bench *b, int fd, struct ether_header *h, struct ether_arp *a)
{
	uint8_t asked[4], frame[sizeof(*h) + sizeof(*a)];

	memcpy(asked, a->arp_tpa, sizeof(asked));
	memcpy(h->ether_dhost, h->ether_shost, ETH_ALEN);
	memcpy(h->ether_shost, b->mac, ETH_ALEN);
	memcpy(a->arp_tha, a->arp_sha, ETH_ALEN);
	memcpy(a->arp_tpa, a->arp_spa, sizeof(a->arp_tpa));
	memcpy(a->arp_sha, b->mac, ETH_ALEN);
	memcpy(a->arp_spa, asked, sizeof(asked));
	a->ea_hdr.ar_op = htons(ARPOP_REPLY);
	memcpy(frame, h, sizeof(*h));
	memcpy(frame + sizeof(*h), a, sizeof(*a));
	assert_int_equal(send(fd, frame, sizeof(frame), 0), sizeof(frame));
	b->answers++;
}

/* What comes where the guest is not is lost. */
static void
serve(struct bench *b)
{
	uint8_t frame[128];

	for (enum place p = SOURCE; p <= TARGET; p++) {
		ssize_t n;

		while ((n = recv(b->fds[p], frame, sizeof(frame), 0)) > 0) {
			struct ether_header h;
			struct ether_arp a;

			assert_true(n >= (ssize_t)(sizeof(h) + sizeof(a)));
			memcpy(&h, frame, sizeof(h));
			memcpy(&a, frame + sizeof(h), sizeof(a));
			if (a.ea_hdr.ar_op != htons(ARPOP_REQUEST))
				continue;
			b->questions++;
			if (p == b->at)
				answer(b, b->fds[p], &h, &a);
		}
	}
}

/* As a machine does that has come: the bridges learn where it is. */
static void
announce(const struct bench *b)
{
	struct ether_header h = { .ether_type = htons(ETH_P_ARP) };
	struct ether_arp a = { .ea_hdr = { .ar_hrd = htons(ARPHRD_ETHER),
				   .ar_pro = htons(ETH_P_IP),
				   .ar_hln = ETH_ALEN,
				   .ar_pln = 4,
				   .ar_op = htons(ARPOP_REPLY) } };
	uint8_t frame[sizeof(h) + sizeof(a)];

	memset(h.ether_dhost, 0xff, ETH_ALEN);
	memcpy(h.ether_shost, b->mac, ETH_ALEN);
	memcpy(frame, &h, sizeof(h));
	memcpy(frame + sizeof(h), &a, sizeof(a));
	assert_int_equal(send(b->fds[b->at], frame, sizeof(frame), 0), sizeof(frame));
}

static void
turn(struct bench *b)
{
	loop_turn(b->loop, 1);
	serve(b);
}

static void
for_ms(struct bench *b, uint64_t ms)
{
	uint64_t end = clock_mono_ms(clock_system()) + ms;

	while (clock_mono_ms(clock_system()) < end)
		turn(b);
}

static void
until_answers(struct bench *b, unsigned n)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (b->answers < n) {
		assert_true(clock_mono_ms(clock_system()) < end);
		turn(b);
	}
}

static int
begin(struct bench *b, const char *bridge, const char *address, struct err *e)
{
	const struct outage_guest g = { bridge, MAC, address, 0 };

	return outage_new(b->loop, &g, &b->outage, e);
}

static enum flow_rc
end_start(struct flow *f, void *arg)
{
	struct bench *b = arg;

	outage_end(b->outage, flow_wake(f));
	return FLOW_WAIT;
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct bench *b = owner;

	b->ended = true;
	b->succeeded = rc == 0;
}

static int
end(struct bench *b, uint64_t *ret_us, struct err *e)
{
	static const struct flow_step steps[] = {
		{ "end", end_start, NULL, NULL, PATIENCE_MS }, { NULL }
	};
	static const struct flow_hooks hooks = { NULL, on_ended };
	uint64_t give_up = clock_mono_ms(clock_system()) + PATIENCE_MS;

	flow_start(flow_new(b->flows, "end", steps, b, &hooks, b));
	while (!b->ended) {
		assert_true(clock_mono_ms(clock_system()) < give_up);
		turn(b);
	}
	assert_true(b->succeeded);
	return outage_us(b->outage, ret_us, e);
}

static void
pause_is_measured(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;
	uint64_t us = 0;

	b->at = SOURCE;
	assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
	until_answers(b, 20);
	b->at = NOWHERE;
	for_ms(b, PAUSE_MS);
	b->at = TARGET;
	announce(b);
	if (end(b, &us, &e))
		fail_msg("outage: %s", e.msg);
	print_message("a pause of %u ms: %llu us\n", PAUSE_MS, (unsigned long long)us);
	assert_in_range(us, PAUSE_MS * 1000, (PAUSE_MS + SLACK_MS) * 1000);
	/* It costs nothing any more. */
	b->questions = 0;
	for_ms(b, 50);
	assert_int_equal(b->questions, 0);
}

/* The pause is over, but the packets still go to the old place. */
static void
slow_bridge_counts(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;
	uint64_t us = 0;

	b->at = SOURCE;
	assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
	until_answers(b, 20);
	b->at = TARGET;
	for_ms(b, PAUSE_MS);
	announce(b);
	if (end(b, &us, &e))
		fail_msg("outage: %s", e.msg);
	assert_in_range(us, PAUSE_MS * 1000, (PAUSE_MS + SLACK_MS) * 1000);
}

/* Its disks need not be copied: it stands still as soon as its target is ready. */
static void
one_that_leaves_at_once_is_measured(void **state)
{
	struct bench *b = *state;
	uint64_t give_up = clock_mono_ms(clock_system()) + PATIENCE_MS, began;
	struct err e = ERR_INIT;
	uint64_t us = 0;

	/* On a busy machine it may answer too late for that. */
	do {
		outage_free(MOVE(b->outage));
		b->at = SOURCE;
		b->answers = 0;
		began = clock_mono_ms(clock_system());
		assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
		until_answers(b, 2);
		turn(b);
		assert_true(began < give_up);
	} while (clock_mono_ms(clock_system()) > began + 40);
	b->at = NOWHERE;
	for_ms(b, PAUSE_MS);
	b->at = TARGET;
	announce(b);
	if (end(b, &us, &e))
		fail_msg("outage: %s", e.msg);
	assert_in_range(us, PAUSE_MS * 1000, (PAUSE_MS + SLACK_MS) * 1000);
}

static void
trouble_long_before_does_not_count(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;
	uint64_t us = 0;

	b->at = SOURCE;
	assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
	until_answers(b, 20);
	b->at = NOWHERE;
	for_ms(b, 500);
	b->at = SOURCE;
	for_ms(b, 2200);
	b->at = TARGET;
	announce(b);
	if (end(b, &us, &e))
		fail_msg("outage: %s", e.msg);
	assert_true(us > 0 && us < 400000);
}

static void
silence_is_told(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;
	uint64_t us = 0;

	assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
	for_ms(b, 50);
	assert_true(b->questions > 0);
	b->at = TARGET;
	announce(b);
	assert_int_equal(end(b, &us, &e), ERR_LOST);
	assert_non_null(strstr(e.msg, "before"));
	outage_free(MOVE(b->outage));

	b->answers = 0;
	b->ended = false;
	assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
	until_answers(b, 20);
	b->at = NOWHERE;
	for_ms(b, 20);
	assert_int_equal(end(b, &us, &e), ERR_LOST);
	assert_non_null(strstr(e.msg, "since"));
	assert_int_equal(us, 0);
}

static void
somebody_else_does_not_count(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;
	uint64_t us;

	memcpy(b->mac, "\x52\x54\x00\x12\x34\x57", ETH_ALEN);
	b->at = SOURCE;
	assert_int_equal(begin(b, "brt", ADDRESS, &e), 0);
	until_answers(b, 20);
	assert_int_equal(end(b, &us, &e), ERR_LOST);
}

static void
bad_wishes_are_refused(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;

	assert_int_equal(begin(b, "brt", "", &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "no address"));
	assert_int_equal(begin(b, "brt", "10.77.0/24", &e), ERR_INVALID);
	assert_int_equal(begin(b, "none", ADDRESS, &e), ERR_NOT_FOUND);
	assert_int_equal(
	    begin(b, "a-name-that-is-much-too-long", ADDRESS, &e), ERR_NOT_FOUND);
	assert_null(b->outage);
}

#define NETNS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		NETNS(pause_is_measured),
		NETNS(slow_bridge_counts),
		NETNS(one_that_leaves_at_once_is_measured),
		NETNS(trouble_long_before_does_not_count),
		NETNS(silence_is_told),
		NETNS(somebody_else_does_not_count),
		NETNS(bad_wishes_are_refused),
	};

	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "skipped: no network namespace: %s\n", strerror(errno));
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
