/*
 * A runtime that waits for a CRIU which is dead: one that started it, and one that was
 * brought into a guard's namespaces first.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_criu_watch.h"
#include "tests/lib/agent_bed.h"

/* One child of its has ended, and it waits for none. */
#define WAITS_FOR_THE_DEAD "(exit 1) & exec sleep 1000"

#define TURN_MS 20

struct ground {
	struct bed *bed;
	struct child *child;
	int status;
};

static int
setup(void **state)
{
	struct ground *g = xcalloc(1, sizeof(*g));

	g->bed = bed_new();
	*state = g;
	return 0;
}

static int
teardown(void **state)
{
	struct ground *g = *state;

	child_free(g->child);
	bed_free(g->bed);
	free(g);
	return 0;
}

static void
on_end(struct child *c, const struct child_result *r, void *arg)
{
	struct ground *g = arg;

	g->child = NULL;
	g->status = r->status;
}

static bool
has_ended(void *arg)
{
	const struct ground *g = arg;

	clock_advance(g->bed->clock, TURN_MS);
	return !g->child;
}

static void
expect_killed(struct ground *g, const char *script, enum oci_runtime_is is)
{
	const char *const argv[] = { "/bin/sh", "-c", script, NULL };
	const struct child_opts o = { .argv = argv };
	struct oci_criu_watch *w;

	assert_int_equal(child_start(g->bed->loop, &o, on_end, g, &g->child, NULL), 0);
	w = oci_criu_watch_new(g->bed->loop, &g->child, is);
	bed_until(g->bed, has_ended, g);
	assert_true(WIFSIGNALED(g->status) && WTERMSIG(g->status) == SIGKILL);
	assert_true(oci_criu_is_dead(w));
	oci_criu_watch_free(w);
}

static void
a_runtime_is_not_left_to_wait(void **state)
{
	expect_killed(*state, WAITS_FOR_THE_DEAD, OCI_RUNTIME_ITSELF);
}

static void
one_that_was_brought_in_is_not_either(void **state)
{
	expect_killed(
	    *state, "sh -c '" WAITS_FOR_THE_DEAD "'; true", OCI_RUNTIME_ENTERED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_runtime_is_not_left_to_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    one_that_was_brought_in_is_not_either, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
