#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "host-agent/fence/beat_io.h"
#include "host-agent/fence/lease_io.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/disk_bed.h"

#define SLOTS 8

static const struct lease_area area = { .cluster = "one cluster",
	.store = "one datastore",
	.slots = SLOTS };

struct host {
	struct world *world;
	struct beat_io *io;
	unsigned done;
	int rc;
	struct err e;
	bool answered;
	struct beat_turn turn;
};

struct world {
	struct bed *bed;
	struct lease_io *io;
	struct disk_bed disk;
	char path[160];
	struct host one, two;
};

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->bed = bed_new();
	w->io = lease_io_new(w->bed->loop, 2);
	w->one.world = w->two.world = w;
	snprintf(w->path, sizeof(w->path), "%s", bed_path(w->bed, "beats"));
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	beat_io_free(w->one.io);
	beat_io_free(w->two.io);
	lease_io_free(w->io);
	if (w->disk.dir[0])
		disk_bed_unmount(&w->disk);
	bed_free(w->bed);
	free(w);
	return 0;
}

static void
on_turn(void *arg, int rc, const struct err *e, const struct beat_turn *t)
{
	struct host *h = arg;

	h->rc = rc;
	h->e = *e;
	h->answered = t != NULL;
	if (t)
		h->turn = *t;
	h->done++;
}

static struct beat_wish
wish(uint64_t inc)
{
	return (struct beat_wish){
		.renew = true, .inc = inc, .lease_ms = 6000, .kill_ms = 3000
	};
}

static void
submit(struct host *h, const struct beat_wish *w)
{
	assert_int_equal(beat_io_turn(h->io, w, 2000, on_turn, h, NULL), 0);
}

static int
turn(struct host *h, struct beat_wish w)
{
	unsigned was = h->done;

	h->turn = (struct beat_turn){ .read = false };
	submit(h, &w);
	bed_until_count(h->world->bed, &h->done, was + 1);
	return h->rc;
}

static int
renew(struct host *h)
{
	return turn(h, wish(1));
}

static int
look(struct host *h)
{
	return turn(h, (struct beat_wish){ .renew = false });
}

static void
join(struct world *w, struct host *h, uint32_t host_id, uint64_t writer)
{
	unsigned was = h->done;

	h->io = beat_io_new(w->io, w->path, &area, host_id, writer);
	assert_int_equal(beat_io_make(h->io, 2000, on_turn, h, NULL), 0);
	bed_until_count(w->bed, &h->done, was + 1);
	assert_int_equal(h->rc, 0);
}

static void
patch(const struct world *w, uint32_t block, size_t at, uint8_t value)
{
	int fd = open(w->path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(
	    pwrite(fd, &value, 1, (off_t)block * LEASE_BLOCK_BYTES + (off_t)at), 1);
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static void
hosts_see_each_other(void **state)
{
	struct world *w = *state;
	uint64_t before = clock_mono_us(clock_system());

	join(w, &w->one, 1, 11);
	join(w, &w->two, 2, 22);
	assert_int_equal(renew(&w->one), 0);
	assert_true(w->one.turn.renewed && w->one.turn.read);
	assert_true(w->one.turn.sent_us >= before);
	assert_true(w->one.turn.ended_us <= w->one.turn.sent_us);
	assert_int_equal(w->one.turn.slots, SLOTS);
	assert_true(w->one.turn.beats[2].known);
	assert_int_equal(w->one.turn.beats[2].inc, 0);
	assert_int_equal(renew(&w->one), 0);
	assert_int_equal(turn(&w->two, (struct beat_wish){ .renew = true,
					   .inc = 9,
					   .lease_ms = 30000,
					   .kill_ms = 6000,
					   .isolated = true }),
	    0);
	assert_int_equal(w->two.turn.beats[1].seq, 2);
	assert_int_equal(w->two.turn.beats[1].inc, 1);
	assert_int_equal(w->two.turn.beats[1].lease_ms, 6000);
	assert_int_equal(look(&w->one), 0);
	assert_false(w->one.turn.renewed);
	assert_true(w->one.turn.beats[2].isolated);
	assert_int_equal(w->one.turn.beats[2].inc, 9);
	assert_int_equal(w->one.turn.beats[2].kill_ms, 6000);
}

static void
a_new_life_goes_on_counting(void **state)
{
	struct world *w = *state;

	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	assert_int_equal(renew(&w->one), 0);
	beat_io_free(w->one.io);
	join(w, &w->one, 1, 12);
	assert_int_equal(renew(&w->one), 0);
	assert_int_equal(w->one.turn.beats[1].seq, 3);
	assert_int_equal(turn(&w->one, wish(2)), 0);
	assert_int_equal(w->one.turn.beats[1].inc, 2);
}

static void
a_later_incarnation_is_not_written_over(void **state)
{
	struct world *w = *state;

	join(w, &w->one, 1, 11);
	assert_int_equal(turn(&w->one, wish(5)), 0);
	beat_io_free(w->one.io);
	join(w, &w->one, 1, 12);
	assert_int_equal(turn(&w->one, wish(4)), ERR_STALE);
	assert_false(w->one.turn.renewed);
	assert_int_equal(w->one.turn.beats[1].inc, 5);
}

/* The same key and the same number on two hosts: a disk was cloned. */
static void
a_second_writer_is_seen(void **state)
{
	struct world *w = *state;

	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	join(w, &w->two, 1, 22);
	assert_int_equal(renew(&w->two), 0);
	assert_int_equal(renew(&w->one), ERR_EXISTS);
	assert_non_null(strstr(w->one.e.msg, "another agent calls itself host 1"));
	assert_false(w->one.turn.renewed);
	assert_int_equal(w->one.turn.beats[1].writer, 22);
	/* And it is not forgotten when the other has gone. */
	assert_int_equal(renew(&w->one), ERR_EXISTS);
}

static void
damage_is_unknown_and_ones_own_is_mended(void **state)
{
	struct world *w = *state;

	join(w, &w->one, 1, 11);
	join(w, &w->two, 2, 22);
	assert_int_equal(renew(&w->one), 0);
	assert_int_equal(renew(&w->two), 0);
	patch(w, 2, 72, 0x55);
	assert_int_equal(renew(&w->one), 0);
	assert_false(w->one.turn.beats[2].known);
	assert_int_equal(renew(&w->two), 0);
	assert_true(w->two.turn.healed);
	assert_int_equal(renew(&w->one), 0);
	assert_true(w->one.turn.beats[2].known);
}

static void
a_write_that_storage_lost_is_seen(void **state)
{
	struct world *w = *state;
	AUTO_FREE uint8_t *old = NULL;
	size_t n;

	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	old = bed_read(w->path, &n);
	assert_int_equal(renew(&w->one), 0);
	bed_write(w->path, old, n);
	assert_int_equal(renew(&w->one), ERR_CORRUPT);
	assert_non_null(strstr(w->one.e.msg, "lost a write"));
	assert_false(w->one.turn.renewed);
}

static void
another_datastore_in_its_place_is_no_free_one(void **state)
{
	struct world *w = *state;
	struct lease_area other = area;
	struct beat_io *io;

	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(renew(&w->one), ERR_NOT_FOUND);
	assert_false(w->one.turn.read);
	memcpy(other.store, "another store..", 16);
	io = beat_io_new(w->io, w->path, &other, 1, 1);
	assert_int_equal(beat_io_make(io, 2000, on_turn, &w->two, NULL), 0);
	bed_until_count(w->bed, &w->two.done, 1);
	beat_io_free(io);
	assert_int_equal(renew(&w->one), ERR_CHANGED);
	assert_non_null(strstr(w->one.e.msg, "another datastore"));
	assert_false(w->one.turn.read || w->one.turn.renewed);
}

static void
a_file_that_ends_early_is_unknown(void **state)
{
	struct world *w = *state;

	join(w, &w->one, 1, 11);
	join(w, &w->two, 2, 22);
	assert_int_equal(renew(&w->two), 0);
	assert_int_equal(truncate(w->path, 2 * LEASE_BLOCK_BYTES + 100), 0);
	assert_int_equal(renew(&w->one), 0);
	assert_int_equal(w->one.turn.slots, SLOTS);
	assert_false(w->one.turn.beats[2].known);
	assert_int_equal(renew(&w->two), ERR_CORRUPT);
	assert_int_equal(truncate(w->path, 100), 0);
	assert_int_equal(renew(&w->one), ERR_CORRUPT);
	assert_int_equal(unlink(w->path), 0);
	assert_int_equal(mkdir(w->path, 0700), 0);
	assert_int_equal(renew(&w->one), ERR_IO);
	assert_int_equal(rmdir(w->path), 0);
}

static void
what_is_there_is_not_made_again(void **state)
{
	struct world *w = *state;

	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	join(w, &w->two, 2, 22);
	assert_int_equal(look(&w->two), 0);
	assert_int_equal(w->two.turn.beats[1].seq, 1);
}

/* ---- on a disk of its own ---- */

static void
use_disk(struct world *w)
{
	if (!disk_bed_mount(&w->disk, w->bed->dir, 16)) {
		w->disk.dir[0] = '\0';
		skip();
	}
	snprintf(w->path, sizeof(w->path), "%s/beats", w->disk.dir);
}

static void
a_full_disk_hurts_no_lease(void **state)
{
	struct world *w = *state;
	struct lease_area large = area;

	large.slots = LEASE_MAX_SLOTS;
	use_disk(w);
	join(w, &w->one, 1, 11);
	disk_bed_fill(&w->disk);
	for (int i = 0; i < 3; i++)
		assert_int_equal(renew(&w->one), 0);
	assert_true(w->one.turn.is_direct);
	/* But there is no place for another. */
	beat_io_free(w->one.io);
	snprintf(w->path, sizeof(w->path), "%s/more", w->disk.dir);
	w->one.io = beat_io_new(w->io, w->path, &large, 1, 1);
	assert_int_equal(beat_io_make(w->one.io, 2000, on_turn, &w->one, NULL), 0);
	bed_until_count(w->bed, &w->one.done, w->one.done + 1);
	assert_int_equal(w->one.rc, ERR_NO_CAPACITY);
	assert_int_not_equal(access(w->path, F_OK), 0);
}

static void
a_stalled_disk_stops_no_loop(void **state)
{
	struct world *w = *state;
	struct beat_wish on = wish(1);
	struct err e = ERR_INIT;

	use_disk(w);
	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	disk_bed_freeze(&w->disk);
	submit(&w->one, &on);
	bed_settle(w->bed);
	clock_advance(w->bed->clock, 2000);
	bed_settle(w->bed);
	assert_int_equal(w->one.rc, ERR_TIMEOUT);
	assert_false(w->one.answered);
	while (!beat_io_turn(w->one.io, &on, 2000, on_turn, &w->one, &e))
		;
	assert_int_equal(e.code, ERR_BUSY);
	disk_bed_thaw(&w->disk);
	while (beat_io_turn(w->one.io, &on, 60000, on_turn, &w->one, NULL))
		loop_turn(w->bed->loop, 5);
	w->one.turn.renewed = false;
	while (!w->one.turn.renewed || w->one.turn.beats[1].seq < 4)
		loop_turn(w->bed->loop, 5);
	assert_int_equal(w->one.rc, 0);
}

static void
an_unmounted_disk_is_no_free_one(void **state)
{
	struct world *w = *state;

	use_disk(w);
	join(w, &w->one, 1, 11);
	assert_int_equal(renew(&w->one), 0);
	disk_bed_unmount(&w->disk);
	w->disk.dir[0] = '\0';
	assert_int_equal(renew(&w->one), ERR_NOT_FOUND);
	assert_false(w->one.turn.read);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hosts_see_each_other),
		TEST(a_new_life_goes_on_counting),
		TEST(a_later_incarnation_is_not_written_over),
		TEST(a_second_writer_is_seen),
		TEST(damage_is_unknown_and_ones_own_is_mended),
		TEST(a_write_that_storage_lost_is_seen),
		TEST(another_datastore_in_its_place_is_no_free_one),
		TEST(a_file_that_ends_early_is_unknown),
		TEST(what_is_there_is_not_made_again),
		TEST(a_full_disk_hurts_no_lease),
		TEST(a_stalled_disk_stops_no_loop),
		TEST(an_unmounted_disk_is_no_free_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
