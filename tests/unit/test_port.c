/*
 * Taps and bridges, in a network namespace of the test's own.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/network/port.h"

#define SKIPPED 77
#define MAC     "52:54:00:12:34:56"

static void
sh(const char *command)
{
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

static struct nl *
open_nl(void)
{
	struct err e = ERR_INIT;
	struct nl *nl = NULL;

	if (nl_new(&nl, &e))
		fail_msg("nl_new: %s", e.msg);
	return nl;
}

static int
set_up(void **state)
{
	sh("ip link add br0 type bridge && ip link set br0 mtu 1400 up && "
	   "ip link add plain0 type veth peer name plain1");
	*state = open_nl();
	return 0;
}

static int
tear_down(void **state)
{
	nl_free(*state);
	sh("ip link del br0; ip link del plain0");
	return 0;
}

static void
port_joins_its_bridge(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 42, .bridge = "br0", .mac = MAC };
	struct nl_link tap = { 0 }, bridge = { 0 };
	struct err e = ERR_INIT;
	int fd = -1, second = -1;

	if (port_add(nl, &p, &fd, &e))
		fail_msg("port_add: %s", e.msg);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &tap, &e), 0);
	assert_int_equal(nl_link_get(nl, "br0", &bridge, &e), 0);
	assert_true(bridge.is_bridge && !bridge.vlan_filtering);
	assert_int_equal(tap.master, bridge.index);
	assert_int_equal(tap.mtu, 1400);
	assert_true(tap.up);
	sh("ip -o link show dvt42n0 | grep -q fe:54:00:12:34:56");
	sh("! ip -6 -o addr show dev dvt42n0 | grep -q inet6");
	/* Somebody holds it. */
	assert_int_equal(port_add(nl, &p, &second, &e), ERR_BUSY);
	assert_int_equal(second, -1);
	/* It goes with its holder. */
	close(fd);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &tap, &e), ERR_NOT_FOUND);
}

static void
port_is_taken_away(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 42, .nic = 1, .bridge = "br0", .mac = MAC };
	struct nl_link tap;
	struct err e = ERR_INIT;
	int fd = -1;

	assert_int_equal(port_add(nl, &p, &fd, &e), 0);
	assert_int_equal(port_del(nl, 42, 1, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n1", &tap, &e), ERR_NOT_FOUND);
	assert_int_equal(port_del(nl, 42, 1, &e), 0);
	close(fd);
	/* A leftover that nobody holds is taken over. */
	sh("ip tuntap add dev dvt42n1 mode tap vnet_hdr");
	if (port_add(nl, &p, &fd, &e))
		fail_msg("port_add: %s", e.msg);
	close(fd);
	assert_int_equal(port_del(nl, 42, 1, &e), 0);
}

static void
bad_wishes_leave_nothing(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 7, .bridge = "none", .mac = MAC };
	struct nl_link tap;
	struct err e = ERR_INIT;
	int fd = -1;

	assert_int_equal(port_add(nl, &p, &fd, &e), ERR_NOT_FOUND);
	assert_string_equal(e.msg, "this host has no bridge \"none\"");
	p.bridge = "plain0";
	assert_int_equal(port_add(nl, &p, &fd, &e), ERR_INVALID);
	p.bridge = "a-name-that-is-much-too-long";
	assert_int_equal(port_add(nl, &p, &fd, &e), ERR_NOT_FOUND);
	p.bridge = "br0";
	p.vlan = 5;
	assert_int_equal(port_add(nl, &p, &fd, &e), ERR_UNSUPPORTED);
	p.vlan = 4095;
	assert_int_equal(port_add(nl, &p, &fd, &e), ERR_INVALID);
	p.vlan = 0;
	p.mac = "junk";
	assert_int_equal(port_add(nl, &p, &fd, &e), ERR_INVALID);
	assert_int_equal(nl_link_get(nl, "dvt7n0", &tap, &e), ERR_NOT_FOUND);
	assert_int_equal(fd, -1);
}

static void
vlan_is_the_ports_only_one(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 8, .bridge = "brv", .mac = MAC, .vlan = 77 };
	struct err e = ERR_INIT;
	int fd = -1;

	/* NOLINTNEXTLINE(cert-env33-c): our own text */
	if (system("ip link add brv type bridge vlan_filtering 1 2>/dev/null")) {
		print_message("skipped: bridges of this kernel do not filter VLANs\n");
		skip();
	}
	if (port_add(nl, &p, &fd, &e))
		fail_msg("port_add: %s", e.msg);
	sh("bridge vlan show dev dvt8n0 | grep -q '77 PVID Egress Untagged'");
	sh("test \"$(bridge vlan show dev dvt8n0 | grep -cE '[0-9]+ *(PVID|$)')\" = 1");
	close(fd);
	sh("ip link del brv");
}

static void
port_changes_its_vlan(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 9, .bridge = "brv", .mac = MAC, .vlan = 77 };
	struct port_spec next = p;
	struct err e = ERR_INIT;
	int fd = -1;

	/* NOLINTNEXTLINE(cert-env33-c): our own text */
	if (system("ip link add brv type bridge vlan_filtering 1 2>/dev/null")) {
		print_message("skipped: bridges of this kernel do not filter VLANs\n");
		skip();
	}
	assert_int_equal(port_add(nl, &p, &fd, &e), 0);
	next.vlan = 78;
	if (port_set(nl, &p, &next, &e))
		fail_msg("port_set: %s", e.msg);
	sh("bridge vlan show dev dvt9n0 | grep -q '78 PVID Egress Untagged'");
	sh("! bridge vlan show dev dvt9n0 | grep -q 77");
	p = next;
	next.vlan = 0;
	assert_int_equal(port_set(nl, &p, &next, &e), 0);
	sh("bridge vlan show dev dvt9n0 | grep -q ' 1 PVID Egress Untagged'");
	close(fd);
	sh("ip link del brv");
}

static void
port_moves_to_another_bridge(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 10, .bridge = "br0", .mac = MAC };
	struct port_spec next = p;
	struct err e = ERR_INIT;
	int fd = -1;

	sh("ip link add br1 type bridge && ip link set br1 mtu 1300 up");
	assert_int_equal(port_set(nl, &p, &p, &e), ERR_NOT_FOUND);
	assert_int_equal(port_add(nl, &p, &fd, &e), 0);
	next.bridge = "br1";
	if (port_set(nl, &p, &next, &e))
		fail_msg("port_set: %s", e.msg);
	sh("ip -o link show dvt10n0 | grep 'master br1' | grep -q 'mtu 1300'");
	p = next;
	next.bridge = "none";
	assert_int_equal(port_set(nl, &p, &next, &e), ERR_NOT_FOUND);
	next.bridge = "br1";
	next.vlan = 5;
	assert_int_equal(port_set(nl, &p, &next, &e), ERR_UNSUPPORTED);
	sh("ip -o link show dvt10n0 | grep -q 'master br1'");
	close(fd);
	sh("ip link del br1");
}

static void
limits_come_and_go(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 11, .bridge = "br0", .mac = MAC };
	struct port_spec next = p;
	struct err e = ERR_INIT;
	int fd = -1;

	next.rx_kbit = 8000;
	next.tx_kbit = 4000;
	assert_int_equal(port_add(nl, &next, &fd, &e), 0);
	sh("tc qdisc show dev dvt11n0 | grep -q 'tbf .* rate 8Mbit'");
	sh("tc qdisc show dev dvi11n0 | grep -q 'tbf .* rate 4Mbit'");
	sh("tc filter show dev dvt11n0 ingress | grep -q 'Redirect to device dvi11n0'");
	p = next;
	next.rx_kbit = 80000000;
	next.tx_kbit = 2000;
	if (port_set(nl, &p, &next, &e))
		fail_msg("port_set: %s", e.msg);
	sh("tc qdisc show dev dvt11n0 | grep -q 'tbf .* rate 80Gbit'");
	sh("tc qdisc show dev dvi11n0 | grep -q 'tbf .* rate 2Mbit'");
	p = next;
	next.rx_kbit = next.tx_kbit = 0;
	assert_int_equal(port_set(nl, &p, &next, &e), 0);
	sh("! tc qdisc show dev dvt11n0 | grep -qE 'tbf|ingress'");
	sh("! ip -o link show dvi11n0 2>/dev/null");
	p.rx_kbit = p.tx_kbit = 0;
	next.tx_kbit = 1000;
	assert_int_equal(port_set(nl, &p, &next, &e), 0);
	close(fd);
	/* What held it back goes with the port. */
	sh("ip -o link show dvi11n0 >/dev/null");
	assert_int_equal(port_del(nl, 11, 0, &e), 0);
	sh("! ip -o link show dvi11n0 2>/dev/null");
}

static void
make_pair(struct nl *nl, const struct port_spec *p)
{
	struct err e = ERR_INIT;

	if (port_pair_add(nl, p, NULL, &e))
		fail_msg("port_pair_add: %s", e.msg);
}

static void
pair_is_made_shut(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 42, .bridge = "br0", .mac = MAC };
	struct nl_link outer, inner, bridge, left;
	struct err e = ERR_INIT;

	make_pair(nl, &p);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &outer, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvc42n0", &inner, &e), 0);
	assert_int_equal(nl_link_get(nl, "br0", &bridge, &e), 0);
	assert_int_equal(outer.master, bridge.index);
	assert_false(outer.up || inner.up || inner.master);
	assert_int_equal(inner.mtu, 1400);
	assert_int_equal(outer.mtu, 1400);
	sh("ip -o link show dvc42n0 | grep -q 52:54:00:12:34:56");
	sh("ip -o link show dvt42n0 | grep -q fe:54:00:12:34:56");
	/* A leftover is replaced, and a change leaves it shut. */
	make_pair(nl, &p);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &left, &e), 0);
	assert_int_not_equal(left.index, outer.index);
	assert_int_equal(port_set(nl, &p, &p, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &left, &e), 0);
	assert_false(left.up);
	assert_int_equal(port_del(nl, 42, 0, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &left, &e), ERR_NOT_FOUND);
	assert_int_equal(nl_link_get(nl, "dvc42n0", &left, &e), ERR_NOT_FOUND);
	p.bridge = "none";
	assert_int_equal(port_pair_add(nl, &p, NULL, &e), ERR_NOT_FOUND);
}

static void
pair_is_born_far(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 42, .bridge = "br0", .mac = MAC };
	struct port_far far = { .name = "eth0" };
	struct nl_link outer, bridge, left;
	struct err e = ERR_INIT;
	AUTO_CLOSE int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int there = -1;

	assert_int_equal(unshare(CLONE_NEWNET), 0);
	there = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	far.netns = there;
	/* What is in its way goes first. */
	make_pair(nl, &p);
	assert_int_equal(port_pair_allow(nl, &p, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &left, &e), ERR_NOT_FOUND);
	assert_int_equal(port_pair_add(nl, &p, &far, &e), 0);
	assert_int_equal(nl_link_get(nl, "br0", &bridge, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &outer, &e), 0);
	assert_int_equal(outer.master, bridge.index);
	assert_false(outer.up);
	assert_int_equal(nl_link_get(nl, "dvc42n0", &left, &e), ERR_NOT_FOUND);
	assert_int_equal(setns(there, CLONE_NEWNET), 0);
	sh("ip link show eth0 | grep -q 52:54:00:12:34:56");
	sh("ip link show eth0 | grep -q 'mtu 1400.*state DOWN'");
	assert_int_equal(setns(here, CLONE_NEWNET), 0);
	assert_int_equal(port_del(nl, 42, 0, &e), 0);
	p.bridge = "none";
	assert_int_equal(port_pair_allow(nl, &p, &e), ERR_NOT_FOUND);
}

/* What a neighbour's bridge learns from, and who knew the address before. */
static void
hear_place(int fd, const void *frame_type, const void *address)
{
	uint8_t frame[128];
	struct pollfd p = { fd, POLLIN, 0 };

	do {
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_true(recv(fd, frame, sizeof(frame), 0) > 12);
	} while (memcmp(frame + 6, "\x52\x54\x00\x12\x34\x56", 6) != 0 ||
		 memcmp(frame + 12, frame_type, 2) != 0);
	assert_memory_equal(frame + 22, "\x52\x54\x00\x12\x34\x56", 6);
	assert_memory_equal(frame + 28, address, 4);
	assert_memory_equal(frame + 38, address, 4);
}

static void
gate_opens_and_shuts(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 42, .bridge = "br0", .mac = MAC };
	struct sockaddr_ll at = { .sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL) };
	struct nl_link l;
	struct err e = ERR_INIT;
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	/* A bridge that has nobody else takes up to a second to say anything. */
	sh("ip link add up0 type veth peer name up1 && ip link set up1 up && "
	   "ip link set up0 master br0 up");
	at.sll_ifindex = (int)if_nametoindex("br0");
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(port_gate(nl, 42, 0, true, &e), ERR_NOT_FOUND);
	make_pair(nl, &p);
	assert_int_equal(port_gate(nl, 42, 0, true, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &l, &e), 0);
	assert_true(l.up);
	hear_place(fd, "\x80\x35", "\0\0\0\0");
	sh("bridge fdb show dev dvt42n0 | grep -q '52:54:00:12:34:56.*master br0 static'");
	/* Open or shut, twice is once. */
	assert_int_equal(port_gate(nl, 42, 0, true, &e), 0);
	assert_int_equal(port_gate(nl, 42, 0, false, &e), 0);
	assert_int_equal(port_gate(nl, 42, 0, false, &e), 0);
	assert_int_equal(nl_link_get(nl, "dvt42n0", &l, &e), 0);
	assert_false(l.up);
	sh("! bridge fdb show dev dvt42n0 | grep -q 52:54:00:12:34:56");
	assert_int_equal(port_del(nl, 42, 0, &e), 0);
	p.address = "10.1.2.3/24";
	make_pair(nl, &p);
	assert_int_equal(port_gate(nl, 42, 0, true, &e), 0);
	hear_place(fd, "\x08\x06", "\x0a\x01\x02\x03");
	close(fd);
	assert_int_equal(port_del(nl, 42, 0, &e), 0);
}

static void
pair_is_limited(void **state)
{
	struct nl *nl = *state;
	struct port_spec p = { .guest = 12,
		.bridge = "br0",
		.mac = MAC,
		.rx_kbit = 8000,
		.tx_kbit = 4000 };
	struct err e = ERR_INIT;

	make_pair(nl, &p);
	sh("tc qdisc show dev dvt12n0 | grep -q 'tbf .* rate 8Mbit'");
	sh("tc filter show dev dvt12n0 ingress | grep -q 'Redirect to device dvi12n0'");
	/* Anew, as when it comes back after a move. */
	make_pair(nl, &p);
	sh("tc qdisc show dev dvi12n0 | grep -q 'tbf .* rate 4Mbit'");
	assert_int_equal(port_del(nl, 12, 0, &e), 0);
	sh("! ip -o link show dvi12n0 2>/dev/null");
}

static void
bridges_are_listed(void **state)
{
	char **names = NULL;
	struct err e = ERR_INIT;
	unsigned n = 0, found = 0;

	assert_int_equal(port_bridges(*state, &names, &e), 0);
	for (; names[n]; n++) {
		found += str_same(names[n], "br0");
		free(names[n]);
	}
	free(names);
	assert_int_equal(n, 1);
	assert_int_equal(found, 1);
}

static void
names_fit_and_differ(void **state)
{
	char name[PORT_NAME_MAX], other[PORT_NAME_MAX];

	port_name(42, 0, name);
	assert_string_equal(name, "dvt42n0");
	port_inner_name(42, 1, name);
	assert_string_equal(name, "dvc42n1");
	port_inner_name(UINT64_MAX, 7, name);
	port_intake_name(UINT64_MAX, 7, other);
	assert_true(strlen(name) < IFNAMSIZ);
	assert_string_not_equal(name, other);
	port_name(9999999, 99, name);
	assert_true(strlen(name) < IFNAMSIZ);
	port_name(UINT64_MAX, 7, name);
	assert_true(strlen(name) < IFNAMSIZ);
	port_name(UINT64_MAX - 1, 7, other);
	assert_string_not_equal(name, other);
}

static void
macs_are_read(void **state)
{
	static const char *const bad[] = { "", "52:54:00:12:34", "52:54:00:12:34:5g",
		"52-54-00-12-34-56", "52:54:00:12:34:56:", "00:00:00:00:00:00",
		"01:00:00:00:00:00", "ff:ff:ff:ff:ff:ff" };
	uint8_t mac[6];
	struct err e = ERR_INIT;

	assert_int_equal(port_mac_parse("52:54:00:aB:34:56", mac, &e), 0);
	assert_int_equal(mac[3], 0xab);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(port_mac_parse(bad[i], mac, &e), ERR_INVALID);
}

#define NETNS(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest pure[] = {
		cmocka_unit_test(names_fit_and_differ),
		cmocka_unit_test(macs_are_read),
	};
	static const struct CMUnitTest tests[] = {
		NETNS(port_joins_its_bridge),
		NETNS(port_is_taken_away),
		NETNS(bad_wishes_leave_nothing),
		NETNS(vlan_is_the_ports_only_one),
		NETNS(port_changes_its_vlan),
		NETNS(port_moves_to_another_bridge),
		NETNS(limits_come_and_go),
		NETNS(pair_is_made_shut),
		NETNS(pair_is_born_far),
		NETNS(gate_opens_and_shuts),
		NETNS(pair_is_limited),
		NETNS(bridges_are_listed),
	};
	int failed = cmocka_run_group_tests(pure, NULL, NULL);

	if (failed)
		return 1;
	if (access("/dev/net/tun", R_OK | W_OK) || unshare(CLONE_NEWNET)) {
		fprintf(stderr, "skipped: no network namespace: %s\n", strerror(errno));
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
