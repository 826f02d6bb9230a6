#include "host-agent/fence/claim_io.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "host-agent/fence/area_file.h"
#include "host-agent/fence/lease_io.h"

struct request {
	char *path;
	struct lease_area area;
	uint32_t host_id;
	struct lease_claim put;

	enum request_kind { LOOK, PUT } kind;
	struct claim_asker asker;
	struct claim_turn turn; /* the thread's until it is done */
};

static void
request_drop(void *data)
{
	struct request *r = data;

	free(r->path);
	free(r);
}

/* ---- on the thread ---- */

/* An order that was late must not put an old word over a new one. */
static int
check_newer(const struct request *r, const struct area_file *f, struct err *e)
{
	const uint8_t *block = area_file_block(f, r->host_id);
	const struct lease_claim *put = &r->put;
	struct lease_claim was;

	if (!block)
		return err_set(
		    e, ERR_CORRUPT, "%s ends before block %u", r->path, r->host_id);
	/* Whatever damaged our own block, we know what belongs there. */
	if (lease_claim_decode(&r->area, r->host_id, block, &was, NULL))
		return 0;
	if (was.inc < put->inc || (was.inc == put->inc && was.run_gen <= put->run_gen))
		return 0;
	return err_set(e, ERR_STALE,
	    "%s holds generation %" PRIu64 " of our incarnation %" PRIu64
	    ", later than %" PRIu64 " of %" PRIu64,
	    r->path, was.run_gen, was.inc, put->run_gen, put->inc);
}

static int
put_own(struct request *r, struct err *e)
{
	uint8_t block[LEASE_BLOCK_BYTES];
	struct area_file f;
	int rc = area_file_open(r->path, &r->area, &f, e);

	if (rc)
		return rc;
	rc = check_newer(r, &f, e);
	if (!rc) {
		lease_claim_encode(&r->area, &r->put, block);
		rc = area_file_write(&f, r->host_id, block, &r->turn.sent_us, e);
	}
	r->turn.written = !rc;
	area_file_close(&f);
	return rc;
}

static int
look(struct request *r, struct err *e)
{
	struct claim_turn *t = &r->turn;
	struct area_file f;
	int rc;

	t->begun_us = clock_mono_us(clock_system());
	rc = area_file_open(r->path, &r->area, &f, e);
	t->ended_us = clock_mono_us(clock_system());
	if (rc)
		return rc;
	for (uint32_t n = 1; n <= f.slots; n++) {
		const uint8_t *block = area_file_block(&f, n);

		t->claims[n] = (struct lease_claim){ .host_id = n };
		if (block &&
		    lease_claim_decode(&r->area, n, block, &t->claims[n], NULL))
			t->claims[n].phase = CLAIM_UNKNOWN;
	}
	t->slots = f.slots;
	t->is_direct = f.is_direct;
	t->read = true;
	area_file_close(&f);
	return 0;
}

static int
run_turn(void *data, struct err *e)
{
	struct request *r = data;
	int rc = r->kind == PUT ? put_own(r, e) : 0;

	return rc ? rc : look(r, e);
}

static int
run_make(void *data, struct err *e)
{
	const struct request *r = data;

	return area_file_make(r->path, &r->area, e);
}

/* ---- on the loop ---- */

static void
on_turn(void *data, int rc, const struct err *e)
{
	const struct request *r = data;

	r->asker.done(r->asker.arg, rc, e, rc == ERR_TIMEOUT ? NULL : &r->turn);
}

static void
on_made(void *data, int rc, const struct err *e)
{
	const struct request *r = data;

	r->asker.done(r->asker.arg, rc, e, NULL);
}

static struct request *
request_new(const struct claim_file *f, const struct claim_asker *asker)
{
	struct request *r = xcalloc(1, sizeof(*r));

	ASSERT(f->area.guest != 0);
	r->path = xstrdup(f->path);
	r->area = f->area;
	r->host_id = f->host_id;
	r->asker = *asker;
	return r;
}

static int
submit(struct lease_io *io, struct request *r_take, const struct lease_job *like,
    uint32_t deadline_ms, struct err *e)
{
	struct lease_job job = *like;
	int rc;

	job.data = r_take;
	job.drop = request_drop;
	job.owner = r_take->asker.owner;
	rc = lease_io_run(io, &job, deadline_ms, e);
	if (rc)
		request_drop(r_take);
	return rc;
}

int
claim_io_turn(struct lease_io *io, const struct claim_file *f,
    const struct lease_claim *put, uint32_t deadline_ms, struct claim_asker asker,
    struct err *e)
{
	static const struct lease_job turn = { .run = run_turn, .done = on_turn };
	struct request *r = request_new(f, &asker);

	if (put) {
		r->kind = PUT;
		r->put = *put;
	}
	return submit(io, r, &turn, deadline_ms, e);
}

int
claim_io_make(struct lease_io *io, const struct claim_file *f, uint32_t deadline_ms,
    struct claim_asker asker, struct err *e)
{
	static const struct lease_job make = { .run = run_make, .done = on_made };

	return submit(io, request_new(f, &asker), &make, deadline_ms, e);
}
