#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/ops/net_plan.h"

static void
sound_networks_pass(void **state)
{
	static const struct net_texts rows[] = {
		{ 0 },
		{ .cidr = "10.1.2.0/24" },
		{ "10.1.2.0/24", "10.1.2.1", "10.1.2.10", "10.1.2.20", "10.1.2.1" },
		{ "10.0.0.0/8", "10.255.255.254", "10.0.0.1", "10.0.0.1",
		    "1.1.1.1,8.8.8.8" },
		{ .dns = "192.0.2.1" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_plan p;
		struct err e = ERR_INIT;
		if (net_plan_check(&rows[i], &p, &e))
			fail_msg("row %zu: %s", i, e.msg);
	}
}

static void
unsound_ones_are_refused_by_field(void **state)
{
	static const struct {
		struct net_texts n;
		const char *part;
	} rows[] = {
		{ { .cidr = "10.1.2.0" }, "cidr" },
		{ { .cidr = "10.1.2.0/33" }, "cidr" },
		{ { .cidr = "10.1.2.0/x" }, "cidr" },
		{ { .cidr = "10.1.2.3/24" }, "bits beyond" },
		{ { .cidr = "fd00::/64" }, "cidr" },
		{ { .gateway = "10.1.2.1" }, "gateway: needs a cidr" },
		{ { "10.1.2.0/24", "10.1.3.1", NULL, NULL, NULL }, "gateway" },
		{ { "10.1.2.0/24", "10.1.2.0", NULL, NULL, NULL }, "gateway" },
		{ { "10.1.2.0/24", "10.1.2.255", NULL, NULL, NULL }, "gateway" },
		{ { "10.1.2.0/24", NULL, "10.1.2.9", NULL, NULL }, "go together" },
		{ { "10.1.2.0/24", NULL, "10.1.2.9", "10.1.2.8", NULL }, "beyond" },
		{ { "10.1.2.0/24", NULL, "10.1.2.9", "10.1.4.8", NULL }, "range_last" },
		{ { .dns = "one.one.one.one" }, "dns" },
		{ { .dns = "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4" }, "dns" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct net_plan p;
		struct err e = ERR_INIT;
		int rc = net_plan_check(&rows[i].n, &p, &e);
		if (rc != ERR_INVALID || !strstr(e.msg, rows[i].part))
			fail_msg("row %zu: \"%s\"", i, e.msg);
	}
}

static void
the_lowest_free_address_is_picked(void **state)
{
	struct net_plan p;
	struct err e = ERR_INIT;
	struct net_texts n = { "10.1.2.0/24", "10.1.2.11", "10.1.2.10", "10.1.2.13",
		NULL };
	uint32_t used[8], ip;
	size_t n_used = 0;
	static const char *const want[] = { "10.1.2.10", "10.1.2.12", "10.1.2.13" };
	char text[IPV4_TEXT];

	assert_int_equal(net_plan_check(&n, &p, &e), 0);
	used[n_used++] = 1;
	used[n_used++] = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		assert_int_equal(net_plan_pick(&p, used, n_used, &ip, &e), 0);
		assert_string_equal(ipv4_text(ip, text), want[i]);
		used[n_used++] = ip;
	}
	used[n_used++] = ip;
	assert_int_equal(net_plan_pick(&p, used, n_used, &ip, &e), ERR_NO_CAPACITY);
	assert_string_equal(e.msg, "no free address in 10.1.2.10-10.1.2.13");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_networks_pass),
		cmocka_unit_test(unsound_ones_are_refused_by_field),
		cmocka_unit_test(the_lowest_free_address_is_picked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
