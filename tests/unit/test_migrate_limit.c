#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/migrate/migrate_limit.h"

#define HOST(n)  obj_id_make(KIND_HOST, n)
#define STORE(n) obj_id_make(KIND_DATASTORE, n)

#define MAX_MOVES 40

/* How many such moves go at once. */
static unsigned
at_once(const struct mig_cost *c)
{
	struct slot_set sets[MAX_MOVES];
	const struct slot_set *others[MAX_MOVES];
	unsigned n = 0;

	while (n < MAX_MOVES) {
		migrate_limit(c, &sets[n]);
		others[n] = &sets[n];
		if (slot_set_blocked(&sets[n], others, n))
			return n;
		n++;
	}
	return n;
}

static void
ceilings_are_kept(void **state)
{
	obj_id shared[] = { STORE(1) };
	const struct id_list stores = { shared, 1 };

	const struct {
		struct mig_cost cost;
		unsigned want;
	} rows[] = {
		/* Over the wire: four transfers a host. */
		{ { HOST(1), HOST(2), true, false, stores, OBJ_ID_NONE, 0 }, 4 },
		/* By the book alone: eight moves a host. */
		{ { HOST(1), HOST(2), false, false, stores, OBJ_ID_NONE, 0 }, 8 },
		/* With disks: two a host. */
		{ { HOST(1), HOST(2), true, true, stores, STORE(2), 0 }, 2 },
		{ { HOST(1), HOST(1), false, true, stores, STORE(2), 0 }, 2 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned n = at_once(&rows[i].cost);
		if (n != rows[i].want)
			fail_msg("row %zu: %u at once", i, n);
	}
}

static void
a_datastore_takes_eight_at_once(void **state)
{
	struct slot_set sets[MAX_MOVES];
	const struct slot_set *others[MAX_MOVES];
	obj_id from[MAX_MOVES];
	unsigned n = 0;

	/* Each of a host and a datastore of its own, all into the same one. */
	for (; n < MAX_MOVES; n++) {
		from[n] = STORE(100 + n);
		struct mig_cost c = { HOST(1 + n), HOST(1 + n), false, true,
			{ &from[n], 1 }, STORE(1), HASTE_NORMAL };
		migrate_limit(&c, &sets[n]);
		others[n] = &sets[n];
		if (slot_set_blocked(&sets[n], others, n))
			break;
	}
	assert_int_equal(n, 8);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ceilings_are_kept),
		cmocka_unit_test(a_datastore_takes_eight_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
