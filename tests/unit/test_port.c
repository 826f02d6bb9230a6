/*
 * Taps and bridges, in a network namespace of the test's own.
 */
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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
