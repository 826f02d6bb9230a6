#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/claim_io.h"
#include "host-agent/fence/lease_io.h"
#include "tests/lib/agent_bed.h"

#define SLOTS 4

struct world {
	struct bed *bed;
	struct lease_io *io;
	struct claim_file file; /* as host 1 sees it */
	unsigned done;
	int rc;
	struct err e;
	bool answered;
	struct claim_turn turn;
};

static void
on_turn(void *arg, int rc, const struct err *e, const struct claim_turn *t)
{
	struct world *w = arg;

	w->rc = rc;
	w->e = *e;
	w->answered = t != NULL;
	w->turn = t ? *t : (struct claim_turn){ .read = false };
	w->done++;
}

static int
await(struct world *w, int submitted)
{
	assert_int_equal(submitted, 0);
	bed_until_count(w->bed, &w->done, w->done + 1);
	return w->rc;
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->bed = bed_new();
	w->io = lease_io_new(w->bed->loop, 4);
	w->file = (struct claim_file){ .path = bed_path(w->bed, "claim"),
		.area = { .cluster = "c", .store = "s", .guest = 42, .slots = SLOTS },
		.host_id = 1 };
	assert_int_equal(await(w, claim_io_make(w->io, &w->file, 2000,
				      (struct claim_asker){ on_turn, w, w }, NULL)),
	    0);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	lease_io_free(w->io);
	bed_free(w->bed);
	free(w);
	return 0;
}

static int
put_as(struct world *w, uint32_t host, enum claim_phase phase, uint64_t inc,
    uint64_t run_gen)
{
	struct lease_claim c = { phase, host, inc, run_gen };
	struct claim_file f = w->file;

	f.host_id = host;
	return await(w, claim_io_turn(w->io, &f, &c, 2000,
			    (struct claim_asker){ on_turn, w, w }, NULL));
}

static int
look(struct world *w)
{
	return await(w, claim_io_turn(w->io, &w->file, NULL, 2000,
			    (struct claim_asker){ on_turn, w, w }, NULL));
}

static void
nobody_claims_a_new_guest(void **state)
{
	struct world *w = *state;

	assert_int_equal(look(w), 0);
	assert_true(w->turn.read && !w->turn.written);
	assert_int_equal(w->turn.slots, SLOTS);
	for (uint32_t n = 1; n <= SLOTS; n++)
		assert_int_equal(w->turn.claims[n].phase, CLAIM_NONE);
}

/* Each wrote before it looked, so the later one at least sees both. */
static void
claims_are_seen_by_who_claims_later(void **state)
{
	struct world *w = *state;

	assert_int_equal(put_as(w, 1, CLAIM_CLAIM, 3, 7), 0);
	assert_true(w->turn.written && w->turn.sent_us <= w->turn.begun_us);
	assert_int_equal(put_as(w, 2, CLAIM_CLAIM, 1, 8), 0);
	assert_int_equal(w->turn.claims[1].phase, CLAIM_CLAIM);
	assert_int_equal(w->turn.claims[1].run_gen, 7);
	assert_int_equal(w->turn.claims[2].run_gen, 8);
	assert_int_equal(look(w), 0);
	assert_int_equal(w->turn.claims[2].phase, CLAIM_CLAIM);
	assert_int_equal(put_as(w, 1, CLAIM_NONE, 3, 7), 0);
	assert_int_equal(put_as(w, 2, CLAIM_RUN, 1, 8), 0);
	assert_int_equal(w->turn.claims[1].phase, CLAIM_NONE);
	assert_int_equal(w->turn.claims[2].phase, CLAIM_RUN);
}

static void
an_old_word_replaces_no_new_one(void **state)
{
	struct world *w = *state;

	assert_int_equal(put_as(w, 1, CLAIM_RUN, 3, 7), 0);
	assert_int_equal(put_as(w, 1, CLAIM_CLAIM, 3, 6), ERR_STALE);
	assert_false(w->turn.written);
	assert_int_equal(put_as(w, 1, CLAIM_NONE, 2, 9), ERR_STALE);
	assert_non_null(strstr(w->e.msg, "generation 7 of our incarnation 3"));
	assert_int_equal(look(w), 0);
	assert_int_equal(w->turn.claims[1].phase, CLAIM_RUN);
	assert_int_equal(put_as(w, 1, CLAIM_NONE, 4, 1), 0);
}

static void
damage_is_unknown(void **state)
{
	struct world *w = *state;
	int fd = open(w->file.path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(put_as(w, 2, CLAIM_RUN, 1, 8), 0);
	/* "run " as "none" and nothing else: only the checksum knows. */
	assert_int_equal(pwrite(fd, "none", 4, (off_t)2 * LEASE_BLOCK_BYTES + 60), 4);
	assert_int_equal(fsync(fd), 0);
	close(fd);
	assert_int_equal(look(w), 0);
	assert_int_equal(w->turn.claims[2].phase, CLAIM_UNKNOWN);
	assert_int_equal(truncate(w->file.path, (off_t)2 * LEASE_BLOCK_BYTES), 0);
	assert_int_equal(look(w), 0);
	assert_int_equal(w->turn.claims[2].phase, CLAIM_UNKNOWN);
	assert_int_equal(w->turn.claims[3].phase, CLAIM_UNKNOWN);
	/* The owner of a damaged block knows what belongs there. */
	assert_int_equal(put_as(w, 2, CLAIM_RUN, 1, 8), ERR_CORRUPT);
	assert_false(w->turn.written);
}

static void
another_guests_file_is_no_free_one(void **state)
{
	struct world *w = *state;

	w->file.area.guest = 43;
	assert_int_equal(look(w), ERR_CHANGED);
	assert_false(w->turn.read);
	assert_int_equal(put_as(w, 1, CLAIM_CLAIM, 1, 1), ERR_CHANGED);
	assert_false(w->turn.written);
	assert_int_equal(unlink(w->file.path), 0);
	assert_int_equal(look(w), ERR_NOT_FOUND);
	assert_false(w->turn.read);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(nobody_claims_a_new_guest),
		TEST(claims_are_seen_by_who_claims_later),
		TEST(an_old_word_replaces_no_new_one),
		TEST(damage_is_unknown),
		TEST(another_guests_file_is_no_free_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
