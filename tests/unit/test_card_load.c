/* Network cards in a folder that stands for "/". */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/collect/card_load.h"
#include "host-agent/resource/net_dev.h"

#define S  UINT64_C(1000000) /* µs */
#define MB UINT64_C(1000000) /* bytes; a second of 8 Mbit/s */

static char root[] = "/tmp/test-card-load-XXXXXX";

static void
make(const char *path)
{
	AUTO_FREE char *full = xasprintf("%s%s", root, path);

	assert_true(!mkdir(full, 0700) || errno == EEXIST);
}

/* speed NULL: the file cannot be read, as of a card without a link. */
static void
add_card(const char *name, const char *speed, const char *device)
{
	AUTO_FREE char *folder = xasprintf("/sys/class/net/%s", name);
	AUTO_FREE char *real = xasprintf("%s/%s", folder, device);
	AUTO_FREE char *path = xasprintf("%s%s/speed", root, folder);
	FILE *f;

	make(folder);
	make(real);
	if (!speed)
		return;
	f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(speed, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int
setup(void **state)
{
	assert_non_null(mkdtemp(root));
	make("/sys");
	make("/sys/class");
	make("/sys/class/net");
	add_card("fast", "1000\n", "device");
	add_card("slow", "100\n", "device");
	add_card("down", NULL, "device");
	add_card("shy", "-1\n", "device");
	add_card("bridge", "10000\n", "bridge");
	return 0;
}

static int
teardown(void **state)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", root);

	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	return system(line);
}

static void
the_busiest_card_counts(void **state)
{
	struct net_dev d[] = { { .name = "fast" }, { .name = "slow" } };
	struct card_load c = { 0 };

	card_load_look(&c, root, d, 2);
	assert_true(c.is_known);
	assert_int_equal(c.busy_us, 0);
	/* A second of the one, four of the other, in the direction that is more. */
	d[0].in_bytes = 125 * MB;
	d[1].in_bytes = 10 * MB;
	d[1].out_bytes = 50 * MB;
	card_load_look(&c, root, d, 2);
	assert_int_equal(c.busy_us, 4 * S);
	d[0].out_bytes = 250 * MB;
	card_load_look(&c, root, d, 2);
	assert_int_equal(c.busy_us, 6 * S);
	card_load_fini(&c);
}

static void
cards_that_begin_anew_or_tell_nothing_add_nothing(void **state)
{
	struct net_dev d[] = { { .name = "down" }, { .name = "shy" },
		{ .name = "bridge" }, { .name = "fast", .in_bytes = 500 * MB } };
	struct card_load c = { 0 };

	card_load_look(&c, root, d, 3);
	d[0].in_bytes = d[1].in_bytes = d[2].in_bytes = 1000 * MB;
	card_load_look(&c, root, d, 3);
	assert_false(c.is_known);
	card_load_look(&c, root, d, 4);
	assert_true(c.is_known);
	d[3].in_bytes = 0;
	card_load_look(&c, root, d, 4);
	assert_int_equal(c.busy_us, 0);
	card_load_look(&c, root, d, 0);
	assert_false(c.is_known);
	card_load_fini(&c);
}

static void
what_the_kernel_made_up_is_no_card(void **state)
{
	assert_true(card_is_real(root, "down"));
	assert_false(card_is_real(root, "bridge"));
	assert_false(card_is_real(root, "none"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_busiest_card_counts),
		cmocka_unit_test(cards_that_begin_anew_or_tell_nothing_add_nothing),
		cmocka_unit_test(what_the_kernel_made_up_is_no_card),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
