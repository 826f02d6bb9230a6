#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "host-agent/channel/channel.h"
#include "host-agent/channel/channel_int.h"

static void
test_greeting_is_checked(void **state)
{
	struct greeting g = { .name = "disk-0" }, got;
	uint8_t said[GREETING_BYTES];
	struct err e = ERR_INIT;

	memset(g.key, 7, sizeof(g.key));
	greeting_pack(&g, said);
	assert_int_equal(greeting_unpack(said, &got, &e), 0);
	assert_memory_equal(&g, &got, sizeof(g));
	said[4] = 2;
	assert_int_equal(greeting_unpack(said, &got, &e), ERR_UNSUPPORTED);
	said[4] = 1;
	said[5] = 0;
	assert_int_equal(greeting_unpack(said, &got, &e), ERR_INVALID);
	said[5] = CHANNEL_NAME_MAX + 1;
	assert_int_equal(greeting_unpack(said, &got, &e), ERR_INVALID);
	said[5] = 20;
	assert_int_equal(greeting_unpack(said, &got, &e), ERR_INVALID);
	said[0] = 'X';
	assert_int_equal(greeting_unpack(said, &got, &e), ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_greeting_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
