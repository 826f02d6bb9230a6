#include "host-agent/fence/beat_io.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/fence/area_file.h"
#include "host-agent/fence/lease_io.h"

#define BEAT_IO_MAGIC 0x42454154u

/* What the thread knows of our block; it lasts as long as a turn is under way. */
struct own {
	_Atomic unsigned users;
	char *path;
	struct lease_area area;
	uint32_t host_id;
	uint64_t writer;

	/* The thread's alone. */
	uint64_t seq;
	bool is_ours; /* one of the two below is what storage should hold */
	uint8_t written[LEASE_BLOCK_BYTES]; /* by the last write that succeeded */
	uint8_t tried[LEASE_BLOCK_BYTES];   /* by the last one, whatever it said */
	bool is_doubled;
};

struct beat_io {
	uint32_t magic;
	struct lease_io *io;
	struct own *own;
};

struct request {
	struct own *own;
	struct beat_wish wish;
	beat_fn done;
	void *arg;
	struct beat_turn turn; /* the thread's until it is done */
};

static void
own_unref(struct own *o)
{
	if (atomic_fetch_sub(&o->users, 1) > 1)
		return;
	free(o->path);
	free(o);
}

static void
request_drop(void *data)
{
	struct request *r = data;

	own_unref(r->own);
	free(r);
}

/* ---- on the thread ---- */

static void
take_beats(const struct own *o, const struct area_file *f, struct beat_turn *t)
{
	for (uint32_t n = 1; n <= f->slots; n++) {
		const uint8_t *block = area_file_block(f, n);

		t->beats[n] = (struct lease_beat){ .host_id = n };
		if (block && lease_beat_decode(&o->area, n, block, &t->beats[n], NULL))
			t->beats[n].known = false;
	}
	t->slots = f->slots;
	t->is_direct = f->is_direct;
	t->read = true;
}

/* Before our first write: what an earlier life, or an earlier host, has left. */
static int
check_first(struct own *o, const struct beat_wish *w, const struct lease_beat *found,
    struct err *e)
{
	if (!found->known)
		return 0;
	if (found->inc > w->inc) {
		return err_set(e, ERR_STALE,
		    "incarnation %" PRIu64
		    " of host %u has been here, this is %" PRIu64,
		    found->inc, o->host_id, w->inc);
	}
	o->seq = found->inc == w->inc ? found->seq : 0;
	return 0;
}

static int
check_own(struct own *o, const struct beat_wish *w, const struct area_file *f,
    struct beat_turn *t, struct err *e)
{
	const struct lease_beat *found = &t->beats[o->host_id];
	const uint8_t *block = area_file_block(f, o->host_id);

	if (!block)
		return err_set(
		    e, ERR_CORRUPT, "%s ends before block %u", o->path, o->host_id);
	if (!o->is_ours)
		return check_first(o, w, found, e);
	if (!memcmp(block, o->written, LEASE_BLOCK_BYTES) ||
	    !memcmp(block, o->tried, LEASE_BLOCK_BYTES))
		return 0;
	if (found->known && found->writer == o->writer)
		return err_set(e, ERR_CORRUPT,
		    "%s: storage has lost a write that it had confirmed", o->path);
	if (found->known) {
		o->is_doubled = true;
		return err_set(e, ERR_EXISTS, "%s: another agent calls itself host %u",
		    o->path, o->host_id);
	}
	t->healed = true;
	return 0;
}

static int
renew(struct own *o, const struct beat_wish *w, struct area_file *f,
    struct beat_turn *t, struct err *e)
{
	const struct lease_beat b = {
		.known = true,
		.host_id = o->host_id,
		.inc = w->inc,
		.seq = ++o->seq,
		.writer = o->writer,
		.lease_ms = w->lease_ms,
		.kill_ms = w->kill_ms,
		.isolated = w->isolated,
	};
	int rc;

	lease_beat_encode(&o->area, &b, o->tried);
	rc = area_file_write(f, o->host_id, o->tried, &t->sent_us, e);
	if (rc)
		return rc;
	memcpy(o->written, o->tried, sizeof(o->written));
	o->is_ours = true;
	t->beats[o->host_id] = b;
	t->renewed = true;
	return 0;
}

static int
run_turn(void *data, struct err *e)
{
	struct request *r = data;
	struct own *o = r->own;
	struct area_file f;
	int rc;

	r->turn.begun_us = clock_mono_us(clock_system());
	rc = area_file_open(o->path, &o->area, &f, e);
	r->turn.ended_us = clock_mono_us(clock_system());
	if (rc)
		return rc;
	take_beats(o, &f, &r->turn);
	if (r->wish.renew && o->is_doubled)
		rc = err_set(e, ERR_EXISTS, "%s: another agent called itself host %u",
		    o->path, o->host_id);
	if (r->wish.renew && !rc)
		rc = check_own(o, &r->wish, &f, &r->turn, e);
	if (r->wish.renew && !rc)
		rc = renew(o, &r->wish, &f, &r->turn, e);
	area_file_close(&f);
	return rc;
}

static int
run_make(void *data, struct err *e)
{
	const struct request *r = data;

	return area_file_make(r->own->path, &r->own->area, e);
}

/* ---- on the loop ---- */

struct beat_io *
beat_io_new(struct lease_io *io, const char *path, const struct lease_area *a,
    uint32_t host_id, uint64_t writer)
{
	struct beat_io *b = xcalloc(1, sizeof(*b));
	struct own *o = xcalloc(1, sizeof(*o));

	ASSERT(a->guest == 0 && host_id >= 1 && host_id <= LEASE_MAX_SLOTS);
	o->users = 1;
	o->path = xstrdup(path);
	o->area = *a;
	o->host_id = host_id;
	o->writer = writer;
	b->magic = BEAT_IO_MAGIC;
	b->io = io;
	b->own = o;
	return b;
}

void
beat_io_free(struct beat_io *b)
{
	if (!b)
		return;
	ASSERT(b->magic == BEAT_IO_MAGIC);
	lease_io_forget(b->io, b);
	own_unref(b->own);
	b->magic = 0;
	free(b);
}

static void
on_turn(void *data, int rc, const struct err *e)
{
	struct request *r = data;

	r->done(r->arg, rc, e, rc == ERR_TIMEOUT ? NULL : &r->turn);
}

static void
on_made(void *data, int rc, const struct err *e)
{
	struct request *r = data;

	r->done(r->arg, rc, e, NULL);
}

static int
submit(struct beat_io *b, struct request *r_take, const struct lease_job *like,
    uint32_t deadline_ms, struct err *e)
{
	struct lease_job job = *like;
	int rc;

	r_take->own = b->own;
	atomic_fetch_add(&b->own->users, 1);
	job.data = r_take;
	job.drop = request_drop;
	job.owner = b;
	rc = lease_io_run(b->io, &job, deadline_ms, e);
	if (rc)
		request_drop(r_take);
	return rc;
}

int
beat_io_turn(struct beat_io *b, const struct beat_wish *w, uint32_t deadline_ms,
    beat_fn done, void *arg, struct err *e)
{
	static const struct lease_job turn = { .run = run_turn, .done = on_turn };
	struct request *r = xcalloc(1, sizeof(*r));

	r->wish = *w;
	r->done = done;
	r->arg = arg;
	return submit(b, r, &turn, deadline_ms, e);
}

int
beat_io_make(
    struct beat_io *b, uint32_t deadline_ms, beat_fn done, void *arg, struct err *e)
{
	static const struct lease_job make = { .run = run_make, .done = on_made };
	struct request *r = xcalloc(1, sizeof(*r));

	r->done = done;
	r->arg = arg;
	return submit(b, r, &make, deadline_ms, e);
}
