#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "host-agent/fence/watchdog.h"

/* A device that writes down what is done to it. */
struct fake {
	int least_s; /* it rounds up to this */
	int set_rc, feed_rc, disarm_rc;
	char log[32];
};

static void
note(struct fake *f, char what)
{
	size_t n = strlen(f->log);

	assert_true(n + 1 < sizeof(f->log));
	f->log[n] = what;
}

static int
fake_set(void *dev, int *inout_s)
{
	struct fake *f = dev;

	note(f, 's');
	if (*inout_s < f->least_s)
		*inout_s = f->least_s;
	return f->set_rc;
}

static int
fake_feed(void *dev)
{
	struct fake *f = dev;

	note(f, 'f');
	return f->feed_rc;
}

static int
fake_disarm(void *dev)
{
	struct fake *f = dev;

	note(f, 'V');
	return f->disarm_rc;
}

static void
fake_close(void *dev)
{
	note(dev, 'c');
}

static const struct watchdog_ops ops = { fake_set, fake_feed, fake_disarm, fake_close };

static void
one_that_is_fast_enough_is_used(void **state)
{
	struct fake f = { .least_s = 1 };
	struct watchdog *w = NULL;
	char text[64];

	assert_int_equal(watchdog_open_ops(&ops, &f, 5, 6000, &w, NULL), 0);
	assert_int_equal(watchdog_timeout_ms(w), 5000);
	assert_string_equal(watchdog_text(w, text), "hardware watchdog, 5 s");
	assert_int_equal(watchdog_feed(w, NULL), 0);
	assert_int_equal(watchdog_disarm(w, NULL), 0);
	assert_string_equal(f.log, "sfVc");
}

/* W < K, and not W <= K: others start the guest when K is over. */
static void
one_that_is_too_slow_is_left_off(void **state)
{
	static const int least[] = { 6, 60 };

	for (size_t i = 0; i < 2; i++) {
		struct fake f = { .least_s = least[i] };
		struct watchdog *w = NULL;
		struct err e = ERR_INIT;

		assert_int_equal(
		    watchdog_open_ops(&ops, &f, 5, 6000, &w, &e), ERR_INVALID);
		assert_non_null(strstr(e.msg, "the kill bound only 6000 ms"));
		assert_null(w);
		assert_string_equal(f.log, "sVc");
	}
}

static void
one_that_cannot_be_set_is_left_off(void **state)
{
	struct fake f = { .set_rc = -EOPNOTSUPP };
	struct watchdog *w = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(watchdog_open_ops(&ops, &f, 5, 6000, &w, &e), ERR_UNSUPPORTED);
	assert_string_equal(
	    e.msg, "its timeout cannot be set: Operation not supported");
	assert_string_equal(f.log, "sVc");
}

static void
what_does_not_obey_is_told(void **state)
{
	struct fake f = { .feed_rc = -EIO, .disarm_rc = -EIO };
	struct watchdog *w = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(watchdog_open_ops(&ops, &f, 5, 6000, &w, NULL), 0);
	assert_int_equal(watchdog_feed(w, &e), ERR_IO);
	assert_int_equal(watchdog_disarm(w, &e), ERR_IO);
	assert_non_null(strstr(e.msg, "it will reset the host"));
	assert_string_equal(f.log, "sfVc");
}

static void
an_abandoned_one_stays_armed(void **state)
{
	struct fake f = { .least_s = 1 };
	struct watchdog *w = NULL;

	assert_int_equal(watchdog_open_ops(&ops, &f, 5, 6000, &w, NULL), 0);
	watchdog_abandon(w);
	assert_string_equal(f.log, "sc");
}

static void
a_host_without_one_says_so(void **state)
{
	struct watchdog *w = NULL;
	struct err e = ERR_INIT;
	char text[64];

	assert_int_equal(
	    watchdog_open("/no/such/watchdog", 5, 6000, &w, &e), ERR_UNSUPPORTED);
	assert_non_null(strstr(e.msg, "/no/such/watchdog"));
	/* A file that is no device takes no timeout. */
	assert_int_equal(watchdog_open("/dev/null", 5, 6000, &w, &e), ERR_UNSUPPORTED);
	assert_null(w);
	assert_string_equal(watchdog_text(NULL, text), "software fencing");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_fast_enough_is_used),
		cmocka_unit_test(one_that_is_too_slow_is_left_off),
		cmocka_unit_test(one_that_cannot_be_set_is_left_off),
		cmocka_unit_test(what_does_not_obey_is_told),
		cmocka_unit_test(an_abandoned_one_stays_armed),
		cmocka_unit_test(a_host_without_one_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
