/*
 * What a guest sends and its neighbours get, in a network namespace of the test's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/if_ether.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/network/guard.h"
#include "host-agent/network/port.h"

#define SKIPPED     77
#define MAC         "52:54:00:12:34:56"
#define OTHER       "52:54:00:99:99:99"
#define ADDRESS     "10.77.0.9"
#define THEIRS      "10.77.0.1"
#define PATIENCE_MS 5000
#define ROOM        200

struct frame {
	uint8_t b[ROOM];
	size_t n;
};

struct bench {
	struct nl *nl;
	int guest, far; /* where the guest sends, where its neighbour listens */
	uint32_t sent;
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
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(name) };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	int on = 1;

	assert_true(fd >= 0 && at.sll_ifindex > 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(
	    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)), 0);
	return fd;
}

static int
set_up(void **state)
{
	struct bench *b = xcalloc(1, sizeof(*b));
	struct err e = ERR_INIT;

	sh("ip link add br0 type bridge && ip link set br0 up && "
	   "ip link add far0 type veth peer name far1 && "
	   "ip link set far0 master br0 && ip link set far0 up && "
	   "ip link set far1 up");
	if (nl_new(&b->nl, &e))
		fail_msg("nl_new: %s", e.msg);
	b->far = open_wire("far1");
	b->guest = -1;
	*state = b;
	return 0;
}

static int
tear_down(void **state)
{
	struct bench *b = *state;

	(void)!port_del(b->nl, 42, 0, NULL);
	if (b->guest >= 0)
		close(b->guest);
	close(b->far);
	nl_free(b->nl);
	free(b);
	sh("ip link del br0; ip link del far0; nft delete table bridge drover "
	   "2>/dev/null; true");
	return 0;
}

static struct port_spec
port_of(const char *address)
{
	return (struct port_spec){
		.guest = 42, .bridge = "br0", .mac = MAC, .address = address
	};
}

static struct frame
ether(const char *from, uint16_t type)
{
	struct frame f = { .n = sizeof(struct ether_header) };
	struct ether_header h = { .ether_type = htons(type) };
	struct err e = ERR_INIT;

	memset(h.ether_dhost, 0xff, ETH_ALEN);
	assert_int_equal(port_mac_parse(from, h.ether_shost, &e), 0);
	memcpy(f.b, &h, sizeof(h));
	return f;
}

static void
add(struct frame *f, const void *p, size_t n)
{
	assert_true(f->n + n <= sizeof(f->b));
	memcpy(f->b + f->n, p, n);
	f->n += n;
}

static void
give(const struct bench *b, const struct frame *f)
{
	assert_int_equal(send(b->guest, f->b, f->n, 0), (ssize_t)f->n);
}

/* The next frame that the neighbour gets. */
static void
hear(const struct bench *b, struct frame *out)
{
	struct pollfd p = { b->far, POLLIN, 0 };
	ssize_t n;

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
	n = recv(b->far, out->b, sizeof(out->b), 0);
	assert_true(n > 0);
	out->n = (size_t)n;
}

static bool
is_same(const struct frame *a, const struct frame *b)
{
	return a->n == b->n && !memcmp(a->b, b->b, b->n);
}

/* A port that has just come up takes a moment; what the bridge says of it does not. */
static void
await_wire(struct bench *b)
{
	struct frame mark = ether(MAC, ETH_P_RARP), got;
	struct pollfd p = { b->far, POLLIN, 0 };

	add(&mark, "up?", sizeof("up?"));
	for (int i = 0; i < PATIENCE_MS; i++) {
		give(b, &mark);
		while (poll(&p, 1, 1) == 1) {
			hear(b, &got);
			if (is_same(&got, &mark))
				return;
		}
	}
	fail_msg("nothing comes through");
}

/* The guest's wire, open, with its own end in the test's hands. */
static void
plug_in(struct bench *b, const char *address)
{
	struct port_spec p = port_of(address);
	struct err e = ERR_INIT;

	if (port_pair_add(b->nl, &p, NULL, &e))
		fail_msg("port_pair_add: %s", e.msg);
	sh("ip link set dvc42n0 up");
	if (port_gate(b->nl, 42, 0, true, &e))
		fail_msg("port_gate: %s", e.msg);
	b->guest = open_wire("dvc42n0");
	await_wire(b);
}

static void
guard(struct bench *b)
{
	struct err e = ERR_INIT;

	int rc = guard_on(b->nl, &e);

	if (!rc)
		return;
	if (rc != ERR_UNSUPPORTED)
		fail_msg("guard_on: %s", e.msg);
	print_message("skipped: %s\n", e.msg);
	skip();
}

static struct frame
arp(const char *from, const char *sender_mac, const char *sender)
{
	struct frame f = ether(from, ETH_P_ARP);
	struct ether_arp a = { .ea_hdr = { htons(ARPHRD_ETHER), htons(ETH_P_IP),
				   ETH_ALEN, 4, htons(ARPOP_REPLY) } };
	struct err e = ERR_INIT;

	assert_int_equal(port_mac_parse(sender_mac, a.arp_sha, &e), 0);
	assert_int_equal(inet_pton(AF_INET, sender, a.arp_spa), 1);
	add(&f, &a, sizeof(a));
	return f;
}

static uint16_t
checksum(const void *p, size_t n)
{
	const uint16_t *at = p;
	uint32_t sum = 0;

	for (size_t i = 0; i < n / 2; i++)
		sum += at[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static struct frame
udp(const char *from, const char *sender, uint16_t from_port, uint16_t to_port)
{
	struct frame f = ether(from, ETH_P_IP);
	struct iphdr ip = { .version = 4,
		.ihl = 5,
		.ttl = 64,
		.protocol = IPPROTO_UDP,
		.tot_len = htons(sizeof(ip) + sizeof(struct udphdr)),
		.daddr = INADDR_BROADCAST };
	struct udphdr u = { .source = htons(from_port),
		.dest = htons(to_port),
		.len = htons(sizeof(u)) };

	assert_int_equal(inet_pton(AF_INET, sender, &ip.saddr), 1);
	ip.check = checksum(&ip, sizeof(ip));
	add(&f, &ip, sizeof(ip));
	add(&f, &u, sizeof(u));
	return f;
}

static struct frame
icmp6(const char *sender, uint8_t type, const char *target)
{
	struct frame f = ether(MAC, ETH_P_IPV6);
	struct nd_neighbor_advert what = { .nd_na_type = type };
	struct ip6_hdr ip = { .ip6_flow = htonl(6u << 28),
		.ip6_plen = htons(sizeof(what)),
		.ip6_nxt = IPPROTO_ICMPV6,
		.ip6_hlim = 255 };

	assert_int_equal(inet_pton(AF_INET6, sender, &ip.ip6_src), 1);
	assert_int_equal(inet_pton(AF_INET6, "ff02::1", &ip.ip6_dst), 1);
	assert_int_equal(inet_pton(AF_INET6, target, &what.nd_na_target), 1);
	add(&f, &ip, sizeof(ip));
	add(&f, &what, sizeof(what));
	return f;
}

/*
 * Does the frame come through?  A mark is sent behind it that nothing keeps back: what
 * has not come before the mark does not come.
 */
static bool
passes(struct bench *b, struct frame f)
{
	struct frame mark = ether(MAC, ETH_P_RARP), got;
	bool came = false;

	b->sent++;
	add(&mark, &b->sent, sizeof(b->sent));
	give(b, &f);
	give(b, &mark);
	for (;;) {
		hear(b, &got);
		if (is_same(&got, &mark))
			return came;
		came |= is_same(&got, &f);
	}
}

static void
honest_frames_pass(void **state)
{
	struct bench *b = *state;

	guard(b);
	plug_in(b, ADDRESS "/24");
	assert_true(passes(b, arp(MAC, MAC, ADDRESS)));
	assert_true(passes(b, arp(MAC, MAC, "0.0.0.0")));
	assert_true(passes(b, udp(MAC, ADDRESS, 5000, 53)));
	assert_true(passes(b, udp(MAC, "0.0.0.0", 68, 67)));
	assert_true(passes(b, ether(MAC, ETH_P_RARP)));
	assert_true(passes(b, icmp6("fe80::5054:ff:fe12:3456", ND_NEIGHBOR_ADVERT,
				  "fe80::5054:ff:fe12:3456")));
	assert_true(
	    passes(b, icmp6("2001:db8::5054:ff:fe12:3456", ICMP6_ECHO_REQUEST, "::")));
	assert_true(
	    passes(b, icmp6("::", ND_NEIGHBOR_SOLICIT, "fe80::5054:ff:fe12:3456")));
}

static void
spoofed_frames_do_not(void **state)
{
	struct bench *b = *state;
	struct frame tagged = ether(MAC, ETH_P_8021Q);

	guard(b);
	plug_in(b, ADDRESS "/24");
	assert_false(passes(b, arp(OTHER, OTHER, ADDRESS)));
	assert_false(passes(b, arp(MAC, OTHER, ADDRESS)));
	assert_false(passes(b, arp(MAC, MAC, THEIRS)));
	assert_false(passes(b, udp(OTHER, ADDRESS, 5000, 53)));
	assert_false(passes(b, udp(MAC, THEIRS, 5000, 53)));
	assert_false(passes(b, udp(MAC, "0.0.0.0", 5000, 53)));
	assert_false(passes(b, udp(MAC, ADDRESS, 67, 68)));
	assert_false(passes(b, ether(MAC, ETH_P_PPP_DISC)));
	add(&tagged, "\0\5\10\0abcd", 8);
	assert_false(passes(b, tagged));
	assert_false(passes(b, icmp6("fe80::1", ICMP6_ECHO_REQUEST, "::")));
	assert_false(
	    passes(b, icmp6("fe80::5054:ff:fe12:3456", ND_ROUTER_ADVERT, "::")));
	assert_false(
	    passes(b, icmp6("fe80::5054:ff:fe12:3456", ND_REDIRECT, "fe80::1")));
	assert_false(
	    passes(b, icmp6("fe80::5054:ff:fe12:3456", ND_NEIGHBOR_ADVERT, "fe80::1")));
}

/* A router's, say. */
static void
card_without_address_is_held_to_its_mac(void **state)
{
	struct bench *b = *state;

	guard(b);
	plug_in(b, "");
	assert_true(passes(b, udp(MAC, THEIRS, 5000, 53)));
	assert_true(passes(b, udp(MAC, THEIRS, 67, 68)));
	assert_true(passes(b, arp(MAC, MAC, THEIRS)));
	assert_false(passes(b, udp(OTHER, THEIRS, 5000, 53)));
	assert_false(passes(b, arp(MAC, OTHER, THEIRS)));
}

static void
unguarded_port_passes_all(void **state)
{
	struct bench *b = *state;

	plug_in(b, ADDRESS "/24");
	assert_true(passes(b, udp(OTHER, THEIRS, 5000, 53)));
}

static void
rules_survive_the_agent(void **state)
{
	struct bench *b = *state;
	struct err e = ERR_INIT;

	guard(b);
	plug_in(b, ADDRESS "/24");
	nl_free(b->nl);
	assert_int_equal(nl_new(&b->nl, &e), 0);
	assert_false(passes(b, udp(MAC, THEIRS, 5000, 53)));
	/* It comes again, and lets nothing slip meanwhile. */
	guard(b);
	assert_false(passes(b, udp(MAC, THEIRS, 5000, 53)));
	assert_true(passes(b, udp(MAC, ADDRESS, 5000, 53)));
	/* And is told not to. */
	assert_int_equal(guard_off(b->nl, &e), 0);
	assert_true(passes(b, udp(MAC, THEIRS, 5000, 53)));
	assert_int_equal(guard_off(b->nl, &e), 0);
}

static void
rules_follow_the_card(void **state)
{
	struct bench *b = *state;
	struct port_spec was = port_of(THEIRS "/24"), is = port_of(ADDRESS "/24");
	struct err e = ERR_INIT;

	guard(b);
	plug_in(b, THEIRS "/24");
	if (port_set(b->nl, &was, &is, &e))
		fail_msg("port_set: %s", e.msg);
	assert_false(passes(b, udp(MAC, THEIRS, 5000, 53)));
	/* And people see whom they hold for. */
	sh("nft list table bridge drover | grep -q '\"dvt42n0\" : jump dvt42n0'");
	assert_int_equal(port_del(b->nl, 42, 0, &e), 0);
	sh("! nft list table bridge drover | grep -q dvt42n0");
	/* As a tap that has gone with its holder leaves them. */
	is.address = "300.1.2.3/24";
	assert_int_equal(port_pair_add(b->nl, &is, NULL, &e), ERR_INVALID);
	sh("! ip link show dvt42n0 2>/dev/null");
}

/* Another process makes it, which knows of no rules. */
static void
rules_wait_for_the_wire(void **state)
{
	struct bench *b = *state;
	struct port_spec p = port_of(ADDRESS "/24");
	struct nl *agent = b->nl;
	struct err e = ERR_INIT;

	guard(b);
	if (port_pair_allow(b->nl, &p, &e))
		fail_msg("port_pair_allow: %s", e.msg);
	assert_int_equal(nl_new(&b->nl, &e), 0);
	plug_in(b, ADDRESS "/24");
	nl_free(b->nl);
	b->nl = agent;
	assert_true(passes(b, udp(MAC, ADDRESS, 5000, 53)));
	assert_false(passes(b, udp(MAC, THEIRS, 5000, 53)));
	assert_int_equal(port_del(b->nl, 42, 0, &e), 0);
	sh("! nft list table bridge drover | grep -q dvt42n0");
}

/* Behind the ten bytes of a virtio header. */
static void
give_tap(int fd, const struct frame *f)
{
	uint8_t wire[ROOM] = { 0 };

	memcpy(wire + 10, f->b, f->n);
	assert_int_equal(write(fd, wire, f->n + 10), (ssize_t)f->n + 10);
}

static void
machines_are_guarded_too(void **state)
{
	struct bench *b = *state;
	struct port_spec p = port_of(ADDRESS "/24");
	struct frame honest = arp(MAC, MAC, ADDRESS), lie = arp(MAC, MAC, THEIRS);
	struct frame got = { .n = 0 };
	struct pollfd far = { b->far, POLLIN, 0 };
	struct err e = ERR_INIT;
	int fd = -1;

	guard(b);
	if (access("/dev/net/tun", R_OK | W_OK))
		skip();
	if (port_add(b->nl, &p, &fd, &e))
		fail_msg("port_add: %s", e.msg);
	/* Again and again: the port takes a moment to come up. */
	for (int i = 0; i < PATIENCE_MS && !is_same(&got, &honest); i++) {
		give_tap(fd, &lie);
		give_tap(fd, &honest);
		while (!is_same(&got, &honest) && poll(&far, 1, 1) == 1) {
			hear(b, &got);
			assert_false(is_same(&got, &lie));
		}
	}
	assert_true(is_same(&got, &honest));
	close(fd);
}

static void
limited_port_is_guarded(void **state)
{
	struct bench *b = *state;
	struct port_spec was = port_of(ADDRESS "/24"), is = was;
	struct err e = ERR_INIT;

	guard(b);
	plug_in(b, ADDRESS "/24");
	is.tx_kbit = 100000;
	if (port_set(b->nl, &was, &is, &e)) {
		print_message("skipped: %s\n", e.msg);
		skip();
	}
	assert_true(passes(b, arp(MAC, MAC, ADDRESS)));
	assert_false(passes(b, arp(MAC, MAC, THEIRS)));
}

#define NETNS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		NETNS(honest_frames_pass),
		NETNS(spoofed_frames_do_not),
		NETNS(card_without_address_is_held_to_its_mac),
		NETNS(unguarded_port_passes_all),
		NETNS(rules_survive_the_agent),
		NETNS(rules_follow_the_card),
		NETNS(rules_wait_for_the_wire),
		NETNS(machines_are_guarded_too),
		NETNS(limited_port_is_guarded),
	};

	if (unshare(CLONE_NEWNET)) {
		fprintf(stderr, "skipped: no network namespace: %s\n", strerror(errno));
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
