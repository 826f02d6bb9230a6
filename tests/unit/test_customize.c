#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/template/custom_check.h"
#include "server/template/customize.h"

#define KEY            \
	"ssh-ed25519 " \
	"AAAAC3NzaC1lZDI1NTE5AAAAIJwdPHx6kQ0J2pQ9mJ0xk5n8dXq7l3X6Z0e5c4b3a2A9"

static const struct custom_nic nic = {
	.mac = "52:54:00:00:00:01",
	.address = "10.1.0.10/24",
	.gateway = "10.1.0.1",
};
static const struct custom_guest guest = {
	.uuid = "11112222-3333-4444-8555-666677778888",
	.name = "Web 01",
	.nics = &nic,
	.n_nics = 1,
};

static int
check_one(const char *field, const char *value, struct err *e)
{
	AUTO(json) json *j = json_new_object();
	struct custom_spec s = { 0 };

	err_clear(e);
	json_set_str(j, field, value);
	int rc = custom_spec_overlay(&s, j, e);
	return rc ? rc : custom_spec_check(&s, e);
}

static void
good_values_are_taken(void **state)
{
	static const char *const rows[][2] = {
		{ "host_name", "web-01" },
		{ "host_name", "{name}-db" },
		{ "domain", "example.org" },
		{ "address_mode", "dhcp" },
		{ "address", "10.1.2.3" },
		{ "dns", "10.0.0.1,fd00::1" },
		{ "ssh_keys", KEY },
		{ "ssh_keys", "\n" KEY " ann@desk\n\n" KEY " \"quoted\\\n" },
		{ "user_name", "ops_1" },
		{ "user_data", "#cloud-config\npackages: [vim]\n" },
		{ "user_data", "#!/bin/sh\necho hi\n" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		if (check_one(rows[i][0], rows[i][1], &e))
			fail_msg("%s", e.msg);
	}
}

static void
bad_values_name_their_field(void **state)
{
	static const char *const rows[][2] = {
		{ "host_name", "web.example" },
		{ "host_name", "-web" },
		{ "host_name", "web-" },
		{ "host_name", "web\nruncmd: [reboot]" },
		{ "host_name", "{nom}" },
		{ "host_name",
		    "0123456789012345678901234567890123456789012345678901234567890123" },
		{ "domain", "example..org" },
		{ "domain", ".org" },
		{ "domain", "a b" },
		{ "address_mode", "static" },
		{ "address", "10.1.2" },
		{ "address", "fd00::1" },
		{ "dns", "10.0.0.1;10.0.0.2" },
		{ "dns", "1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4" },
		{ "ssh_keys", "ssh-ed25519" },
		{ "ssh_keys", "ssh-dss AAAA" },
		{ "ssh_keys", "command=\"reboot\" " KEY },
		{ "ssh_keys", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIJwdPHx6kQ0J2pQ9mJ0xk5n8"
			      "dXq7l3X6Z0e5c4b3a2A9" },
		{ "ssh_keys", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5!AAA" },
		{ "ssh_keys", KEY " tab\there" },
		{ "user_name", "Root" },
		{ "user_name", "0ops" },
		{ "user_name", "ops: x" },
		{ "user_data", "packages: [vim]" },
		{ "user_data", "#include http://example.org" },
		{ "user_data", "#!/bin/sh\r\n" },
		{ "user_data", "#!/bin/sh\n\x1b[2J" },
		{ "colour", "blue" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct err e = ERR_INIT;
		if (check_one(rows[i][0], rows[i][1], &e) != ERR_INVALID ||
		    !strstr(e.msg, rows[i][0]))
			fail_msg("%s %s: %s", rows[i][0], rows[i][1], e.msg);
	}
}

static void
long_user_data_is_refused(void **state)
{
	AUTO(str) struct str text = STR_INIT;
	struct err e = ERR_INIT;

	str_add(&text, "#!/bin/sh\n");
	while (text.len < CUSTOM_TEXT_MAX)
		str_addc(&text, '#');
	assert_int_equal(check_one("user_data", str_cstr(&text), &e), 0);
	str_addc(&text, '#');
	assert_int_not_equal(check_one("user_data", str_cstr(&text), &e), 0);
}

static void
an_address_goes_with_its_mode_only(void **state)
{
	struct custom_spec s = { .address = "10.1.0.9", .address_mode = "dhcp" };
	struct err e = ERR_INIT;

	assert_int_equal(custom_spec_check(&s, &e), ERR_INVALID);
	s.address_mode = "network";
	assert_int_equal(custom_spec_check(&s, &e), 0);
}

static void
user_data_alone_is_passed_as_it_is(void **state)
{
	const char *text = "#!/bin/sh\necho \"$HOSTNAME\"\n";
	struct custom_spec s = { .user_data = text };
	struct custom_seed seed;
	struct err e = ERR_INIT;

	assert_int_equal(customize_make(&s, &guest, &seed, &e), 0);
	assert_string_equal(str_cstr(&seed.user_data), text);
	custom_seed_fini(&seed);
}

static void
a_boundary_is_in_neither_part(void **state)
{
	struct custom_spec s = { .user_data = "#!/bin/sh\n--==drover-0==\n==drover-1==",
		.domain = "example.org" };
	struct custom_seed seed;
	struct err e = ERR_INIT;

	assert_int_equal(customize_make(&s, &guest, &seed, &e), 0);
	assert_non_null(strstr(str_cstr(&seed.user_data), "boundary=\"==drover-2==\""));
	custom_seed_fini(&seed);
}

static void
a_name_that_becomes_too_long_names_the_machine(void **state)
{
	struct custom_spec s = { .host_name = "{name}-{name}-{name}" };
	struct custom_guest g = guest;
	struct custom_seed seed;
	struct err e = ERR_INIT;

	g.name = "a-machine-with-a-very-long-name";
	assert_int_equal(custom_spec_check(&s, &e), 0);
	assert_int_equal(customize_make(&s, &g, &seed, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, g.name));
	s.host_name = NULL;
	g.name = "\xc3\xa9";
	assert_int_equal(customize_make(&s, &g, &seed, &e), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_values_are_taken),
		cmocka_unit_test(bad_values_name_their_field),
		cmocka_unit_test(long_user_data_is_refused),
		cmocka_unit_test(an_address_goes_with_its_mode_only),
		cmocka_unit_test(user_data_alone_is_passed_as_it_is),
		cmocka_unit_test(a_boundary_is_in_neither_part),
		cmocka_unit_test(a_name_that_becomes_too_long_names_the_machine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
