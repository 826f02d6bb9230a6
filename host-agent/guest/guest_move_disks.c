/*
 * The table that takes a guest's disks to other datastores of the same host, whether it
 * runs or not.
 *
 * The record names the old and the new images before the first is made.  Whatever the
 * spec does not name in the end is deleted, here or after the next start of the agent.
 *
 * Disks go one after the other, and the record has each as soon as it is where it goes.
 * Of a guest that runs the engine holds then, with both images the same, so that the
 * record is never behind what the guest writes to.  When one fails, those before it are
 * taken back by the same steps: in the end all have gone or none, and else the reason
 * names the one that stays.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/stores/stores.h"
#include "loop/timer.h"

#define RECORD_MS 20000u
#define DISK_MS   120000u
#define OVER_MS   300000u

/* How long the engine may take to see that a process which it has lost is gone. */
#define END_MS 5000u

enum copying {
	COPYING_NOTHING,
	COPYING_LIVE,
	COPYING_ENDS, /* the engine has lost the guest: does it end? */
	COPYING_CLEARS,
	COPYING_COLD,
};

struct guest_disks {
	Drover__GuestSpec *before; /* the move */
	size_t n;                  /* disks of the order */
	uint32_t over;             /* bit i: disk i of the order has gone over */
	struct err why;            /* it is taken back; code 0: it goes on */

	/* Of the disk at hand. */
	Drover__GuestSpec *was; /* before its place was noted */
	uint64_t bytes;
	bool made;    /* an empty image waits at its new place */
	bool cleared; /* nothing is there */
	bool copied;  /* both hold the same */
	bool held;    /* by the engine, at that moment */
	bool noted;   /* where it goes */
	bool stays;   /* it did not get there: that is noted now */
	enum copying copying;
	struct wake wake; /* of the copy */
	struct err lost;
};

void
guest_disks_free(struct guest_disks *d)
{
	if (!d)
		return;
	drover__guest_spec__free_unpacked(d->before, NULL);
	drover__guest_spec__free_unpacked(d->was, NULL);
	free(d);
}

static const Drover__GuestMoveDisks *
order_of(const struct guest_job *j)
{
	return j->order->guest_move_disks;
}

static bool
same_place(const Drover__DiskSpec *a, const Drover__DiskSpec *b)
{
	return a->datastore == b->datastore && str_same(a->path, b->path);
}

/* ---- the head of the table ---- */

/* The new images of what is to go; with_old: and where it is. */
static Drover__DiskSpec **
images(const struct guest_job *j, bool with_old, size_t *ret_n)
{
	const Drover__GuestMoveDisks *o = order_of(j);
	Drover__DiskSpec **disks =
	    xcalloc(2 * o->n_disks + 1, sizeof(Drover__DiskSpec *));
	size_t n = 0;

	for (size_t i = 0; i < o->n_disks; i++) {
		const char *name = o->disks[i]->disk;
		const Drover__DiskSpec *now = guest_disk_named(j->g->spec, name);
		const Drover__DiskSpec *to = guest_disk_named(j->spec, name);

		if (same_place(now, to))
			continue;
		disks[n++] = guest_disk_dup(to);
		if (with_old)
			disks[n++] = guest_disk_dup(now);
	}
	*ret_n = n;
	return disks;
}

static enum flow_rc
absent_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	AUTO(guest_spec) Drover__GuestSpec *to = xcalloc(1, sizeof(*to));

	drover__guest_spec__init(to);
	to->guest = j->spec->guest;
	to->name = xstrdup(j->spec->name);
	to->disks = images(j, false, &to->n_disks);
	/* What stands at the new place is there to stand on. */
	for (size_t i = 0; i < to->n_disks; i++) {
		Drover__DiskSpec *d = to->disks[i];

		while (d->n_backing)
			drover__disk_layer__free_unpacked(
			    d->backing[--d->n_backing], NULL);
	}
	return guest_step_images_absent(f, j, to);
}

/* Nobody waits for the copy any more: it ends. */
static void
cancel_copy(struct guest_job *j, const char *why)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_CANCELLED, "%s", why);
	if (j->disks_move->copying == COPYING_LIVE)
		engine_move_cancel(j->g->handle);
	else
		post_wake(j->g->gs->env.loop, j->disks_move->wake, ERR_CANCELLED, &e);
}

/* Between two disks, and on the way back, there is nothing to be given up. */
static void
cancel_move(struct guest_job *j, const char *why)
{
	const struct guest_disks *d = j->disks_move;

	if (!d)
		flow_cancel(j->flow, why);
	else if (d->copying != COPYING_NOTHING && !d->why.code)
		cancel_copy(j, why);
}

static enum flow_rc
claim_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest *g = j->g;
	Drover__MoveRecord *m = xcalloc(1, sizeof(*m));

	drover__move_record__init(m);
	m->spare_disks = images(j, true, &m->n_spare_disks);
	g->restart = (struct order_name){ 0 };
	guest_set_move(g, m);
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

enum flow_rc
guest_step_forget_disks(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (!j->g->move || j->g->move->generation)
		return FLOW_NEXT;
	guest_set_move(j->g, NULL);
	guest_save(j->g, flow_wake(f));
	return FLOW_WAIT;
}

/* From here on it ends by its own steps alone. */
static enum flow_rc
begin_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	j->disks_move = xcalloc(1, sizeof(*j->disks_move));
	j->disks_move->n = order_of(j)->n_disks;
	j->disks_move->before = guest_spec_dup(j->g->spec);
	return FLOW_NEXT;
}

static const struct flow_step head[] = {
	{ "absent", absent_start, NULL, NULL, DISK_MS },
	{ "claim", claim_start, NULL, guest_step_forget_disks, RECORD_MS },
	{ "begin", begin_start, NULL, NULL, 0 },
};

/* ---- one disk, there or back ---- */

#define LEG_STEPS 7u

struct leg {
	size_t i; /* disk of the order */
	bool is_back;
	const Drover__DiskSpec *now, *to; /* the same when it is noted */
	bool is_on;                       /* there is something to be done */
};

static struct leg
leg_of(const struct flow *f, const struct guest_job *j)
{
	const struct guest_disks *d = j->disks_move;
	size_t turn = (flow_step_index(f) - ARRAY_SIZE(head)) / LEG_STEPS;
	struct leg l = { .i = turn, .is_back = turn >= d->n };
	const char *name;

	if (l.is_back)
		l.i = 2 * d->n - 1 - turn;
	name = order_of(j)->disks[l.i]->disk;
	l.now = guest_disk_named(j->g->spec, name);
	l.to = guest_disk_named(l.is_back ? d->before : j->spec, name);
	l.is_on = l.is_back ? d->why.code && d->over >> l.i & 1
			    : !d->why.code && !same_place(l.now, l.to);
	return l;
}

/* The others go back; on the way back it stays where it has got to. */
static enum flow_rc
give_up(struct flow *f, struct guest_job *j)
{
	struct guest_disks *d = j->disks_move;
	const struct leg l = leg_of(f, j);
	struct err e = *flow_err(f);

	d->copied = false;
	if (l.is_back) {
		d->over &= ~(1u << l.i);
		err_set(&e, d->why.code, "%s; disk %s has moved all the same: %s",
		    d->why.msg, order_of(j)->disks[l.i]->disk, flow_err(f)->msg);
		d->why = e;
	} else {
		d->why = e;
		err_wrap(&d->why, "vm %s, disk %s", j->g->spec->name,
		    order_of(j)->disks[l.i]->disk);
	}
	return FLOW_NEXT;
}

static enum flow_rc
or_give_up(struct flow *f, void *arg, int rc)
{
	return rc ? give_up(f, arg) : FLOW_NEXT;
}

/* A blocking call on that disk of the guest alone. */
static enum flow_rc
call_on(struct flow *f, struct guest_job *j, const Drover__DiskSpec *disk,
    int (*run)(struct guest_work *k),
    void (*ended)(struct guest *g, struct guest_work *k))
{
	Drover__GuestSpec one = DROVER__GUEST_SPEC__INIT;
	Drover__DiskSpec *list[] = { guest_disk_dup(disk) };
	struct guest_work *k;
	int rc;

	one.guest = j->g->number;
	one.name = j->g->spec->name;
	one.disks = list;
	one.n_disks = 1;
	rc = guest_work_new(j->g, &one, &k, flow_err(f));
	drover__disk_spec__free_unpacked(list[0], NULL);
	if (rc)
		return give_up(f, j);
	k->run = run;
	k->ended = ended;
	return guest_work_start(k, j, flow_wake(f), flow_err(f)) ? give_up(f, j)
								 : FLOW_WAIT;
}

static int
run_measure(struct guest_work *k)
{
	const Drover__DiskSpec *d = k->spec->disks[0];
	enum img_format format;
	struct img_facts facts;
	int rc = disk_open(k->stores[0], d, &k->disks[0], &k->e);

	if (!rc)
		rc = img_format_parse(d->format, &format, &k->e);
	if (!rc)
		rc = img_check_fd(
		    k->disks[0].fd, format, IMG_BACKING_ALLOWED, &facts, &k->e);
	if (!rc)
		k->bytes = facts.virtual_bytes;
	return rc;
}

static void
measured(struct guest *g, struct guest_work *k)
{
	g->job->disks_move->bytes = k->bytes;
}

static bool
goes_live(const struct guest_job *j, const struct leg *l)
{
	return l->is_on && guest_is_live(j->g) && !guest_spec_invented(j->g->spec);
}

static enum flow_rc
measure_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct leg l = leg_of(f, j);

	if (!goes_live(j, &l))
		return FLOW_NEXT;
	return call_on(f, j, l.now, run_measure, measured);
}

/* On the way back it is there still: what it holds is older, and is written over. */
static enum flow_rc
make_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guests_env *env = &j->g->gs->env;
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };
	const struct leg l = leg_of(f, j);
	Drover__DiskSpec to;

	j->disks_move->made = false;
	if (!goes_live(j, &l) || l.is_back)
		return FLOW_NEXT;
	if (stores_get(env->stores, l.to->datastore, &at.ds, flow_err(f)))
		return give_up(f, j);
	to = *l.to;
	to.source = NULL;
	to.size_bytes = j->disks_move->bytes;
	j->disks_move->made = true;
	disk_create(&at, &to, flow_wake(f));
	return FLOW_WAIT;
}

static int
run_open(struct guest_work *k)
{
	return disk_open(k->stores[0], k->spec->disks[0], &k->disks[0], &k->e);
}

static void
opened(struct guest *g, struct guest_work *k)
{
	struct guest_job *j = g->job;

	guest_job_close_fds(j);
	j->disks = MOVE(k->disks);
	j->n_disks = 1;
}

static enum flow_rc
open_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct leg l = leg_of(f, j);

	if (!goes_live(j, &l))
		return FLOW_NEXT;
	return call_on(f, j, l.to, run_open, opened);
}

static enum flow_rc
copy_live(struct flow *f, struct guest_job *j, const struct leg *l)
{
	static const struct engine_disk none = { .fd = -1 };
	const Drover__GuestSpec *spec = j->g->spec;
	struct engine_disk_move m = {
		.spec = spec,
		.to = j->n_disks ? &j->disks[0] : &none,
		.to_spec = l->to,
		.bytes_per_s = order_of(j)->bytes_per_s,
		.flatten = l->to->n_backing == 0 || l->now->n_backing == 0,
	};

	while (spec->disks[m.i] != l->now)
		m.i++;
	j->disks_move->copying = COPYING_LIVE;
	guest_job_tick_progress(j);
	engine_disk_move(j->g->handle, &m, flow_wake(f));
	guest_job_close_fds(j);
	return FLOW_WAIT;
}

static int
run_clear(struct guest_work *k)
{
	return disk_delete(k->stores[0], k->spec->disks[0], &k->e);
}

static enum flow_rc
copy_cold(struct flow *f, struct guest_job *j, const struct leg *l)
{
	const struct guests_env *env = &j->g->gs->env;
	struct disk_source from = { NULL, env->progress, j->name,
		order_of(j)->bytes_per_s };
	struct disk_place at = { env->loop, env->blockers, env->disk, NULL };
	Drover__DiskSource source = DROVER__DISK_SOURCE__INIT;
	Drover__DiskSpec to = *l->to;

	if (stores_get(env->stores, to.datastore, &at.ds, flow_err(f)) ||
	    stores_get(env->stores, l->now->datastore, &from.ds, flow_err(f)))
		return give_up(f, j);
	source.datastore = l->now->datastore;
	source.path = l->now->path;
	source.format = l->now->format;
	source.backing = l->now->backing;
	source.n_backing = l->now->n_backing;
	to.source = &source;
	to.size_bytes = 0; /* the source's */
	j->disks_move->copying = COPYING_COLD;
	disk_copy(&at, &to, &from, flow_wake(f));
	return FLOW_WAIT;
}

void
guest_disks_on_event(const struct guest_job *j)
{
	const struct guest_disks *d = j->disks_move;

	if (d && d->copying == COPYING_ENDS)
		post_wake(j->g->gs->env.loop, d->wake, 0, NULL);
}

/* A guest that has ended meanwhile goes on as one that is down. */
static enum flow_rc
copy_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;
	const struct leg l = leg_of(f, j);

	if (!l.is_on)
		return FLOW_NEXT;
	d->wake = flow_wake(f);
	if (guest_is_live(j->g) && d->copying == COPYING_ENDS) {
		flow_set_timeout(f, END_MS);
		return FLOW_WAIT;
	}
	if (guest_is_live(j->g))
		return copy_live(f, j, &l);
	guest_job_close_fds(j);
	if (guest_spec_invented(j->g->spec)) {
		d->copied = true;
		return FLOW_NEXT;
	}
	if (d->cleared || (!d->made && !l.is_back))
		return copy_cold(f, j, &l);
	/* An image that is there would be taken for the copy. */
	d->copying = COPYING_CLEARS;
	return call_on(f, j, l.to, run_clear, NULL);
}

static enum flow_rc
copy_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;
	enum copying was = d->copying;

	timer_free(MOVE(j->ticker));
	d->copying = COPYING_NOTHING;
	if (was == COPYING_LIVE && rc && rc != ERR_CANCELLED &&
	    (rc == ERR_LOST || !guest_is_live(j->g))) {
		d->lost = *flow_err(f);
		d->copying = COPYING_ENDS;
		return FLOW_AGAIN;
	}
	if (was == COPYING_ENDS && rc != ERR_CANCELLED) {
		if (!guest_is_live(j->g))
			return FLOW_AGAIN;
		*flow_err(f) = d->lost;
		return give_up(f, j);
	}
	if (rc)
		return give_up(f, j);
	if (was == COPYING_CLEARS) {
		d->cleared = true;
		return FLOW_AGAIN;
	}
	d->copied = true;
	d->held = was == COPYING_LIVE;
	return FLOW_NEXT;
}

/* ---- where it is from now on ---- */

static enum flow_rc
note(struct flow *f, struct guest *g, const Drover__GuestSpec *spec)
{
	guest_set_spec(g, spec);
	guest_save(g, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
note_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;
	const struct leg l = leg_of(f, j);
	AUTO(guest_spec) Drover__GuestSpec *after = NULL;
	size_t at = 0;

	if (d->stays)
		return note(f, j->g, d->was);
	if (!d->copied)
		return FLOW_NEXT;
	d->was = guest_spec_dup(j->g->spec);
	after = guest_spec_dup(j->g->spec);
	while (j->g->spec->disks[at] != l.now)
		at++;
	drover__disk_spec__free_unpacked(after->disks[at], NULL);
	after->disks[at] = guest_disk_dup(l.to);
	return note(f, j->g, after);
}

/* It stays: that comes first, before the guest writes on. */
static enum flow_rc
stays(struct flow *f, struct guest_job *j)
{
	give_up(f, j);
	j->disks_move->noted = false;
	j->disks_move->stays = true;
	return FLOW_AGAIN;
}

/* What cannot be noted back is logged by who writes; the engine has the last word. */
static bool
has_noted_back(struct guest_disks *d)
{
	bool was = d->stays;

	d->stays = false;
	return was;
}

static enum flow_rc
note_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;

	if (has_noted_back(d))
		return FLOW_NEXT;
	if (rc)
		return stays(f, j);
	d->noted = true;
	return FLOW_NEXT;
}

static enum flow_rc
over_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;

	if (d->stays)
		return note(f, j->g, d->was);
	/* One that has ended while both held the same is where the record has it. */
	if (!d->held || !guest_is_live(j->g))
		return FLOW_NEXT;
	engine_disk_move_end(
	    j->g->handle, d->noted ? ENGINE_DISK_TAKE : ENGINE_DISK_KEEP, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
over_finish(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;

	if (has_noted_back(d))
		return FLOW_NEXT;
	d->held = false;
	/* One that is lost has gone over, or has ended with both the same. */
	if (rc && rc != ERR_LOST && d->noted && guest_is_live(j->g))
		return stays(f, j);
	return FLOW_NEXT;
}

static enum flow_rc
next_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_disks *d = j->disks_move;
	const struct leg l = leg_of(f, j);

	if (d->noted && l.is_back)
		d->over &= ~(1u << l.i);
	else if (d->noted)
		d->over |= 1u << l.i;
	drover__guest_spec__free_unpacked(MOVE(d->was), NULL);
	d->made = d->cleared = d->copied = d->held = d->noted = false;
	return FLOW_NEXT;
}

static const struct flow_step one_disk[] = {
	{ "measure", measure_start, or_give_up, NULL, DISK_MS },
	{ "make", make_start, or_give_up, NULL, DISK_MS },
	{ "open", open_start, or_give_up, NULL, DISK_MS },
	{ "copy", copy_start, copy_finish, NULL, 0 },
	{ "note", note_start, note_finish, NULL, RECORD_MS },
	{ "over", over_start, over_finish, NULL, OVER_MS },
	{ "next", next_start, NULL, NULL, 0 },
};
_Static_assert(ARRAY_SIZE(one_disk) == LEG_STEPS, "leg_of counts them");

/* ---- the tail ---- */

static enum flow_rc
there_start(struct flow *f, void *arg)
{
	struct guest_job *j = arg;

	if (j->disks_move->why.code || guest_spec_same(j->g->spec, j->spec))
		return FLOW_NEXT;
	return note(f, j->g, j->spec);
}

enum flow_rc
guest_step_drop_spare(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;
	const Drover__MoveRecord *m = j->g->move;

	return m && !m->generation ? guest_step_delete_spare(f, arg) : FLOW_NEXT;
}

static enum flow_rc
told_start(struct flow *f, void *arg)
{
	const struct guest_job *j = arg;

	if (!j->disks_move->why.code)
		return FLOW_NEXT;
	*flow_err(f) = j->disks_move->why;
	return FLOW_FAIL;
}

static const struct flow_step tail[] = {
	{ "there", there_start, guest_finish_any, NULL, RECORD_MS },
	{ "drop-old", guest_step_drop_spare, guest_finish_delete_images, NULL,
	    DISK_MS },
	{ "forget", guest_step_forget_disks, guest_finish_any, NULL, RECORD_MS },
	{ "told", told_start, NULL, NULL, 0 },
	{ NULL },
};

const struct flow_step *
guest_move_disks_steps(struct guest_job *j)
{
	size_t n = 2 * order_of(j)->n_disks, at = 0;
	struct flow_step *steps = xreallocarray(NULL,
	    ARRAY_SIZE(head) + n * ARRAY_SIZE(one_disk) + ARRAY_SIZE(tail),
	    sizeof(*steps));

	for (size_t k = 0; k < ARRAY_SIZE(head); k++)
		steps[at++] = head[k];
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(one_disk); k++)
			steps[at++] = one_disk[k];
	for (size_t k = 0; k < ARRAY_SIZE(tail); k++)
		steps[at++] = tail[k];
	j->cancel = cancel_move;
	j->own_steps = steps;
	return steps;
}

/* The agent ended in the middle: the spec in the book says which images count. */
const struct flow_step guest_tidy_disks_steps[] = {
	{ "drop-old", guest_step_drop_spare, guest_finish_delete_images, NULL,
	    DISK_MS },
	{ "forget", guest_step_forget_disks, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};
