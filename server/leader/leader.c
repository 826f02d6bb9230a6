#include "server/leader/leader.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/lease.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/db/db_migrate.h"
#include "server/leader/leader_decide.h"
#include "server/leader/process_mark.h"

#define STEP_MS       100u /* between looks at what is due */
#define LOCK_RETRY_MS 500u

enum leader_state {
	LD_AWAY,      /* no connection */
	LD_LOOKING,   /* is the schema one that we know? */
	LD_FOLLOWING, /* reads the row, campaigns */
	LD_LOCKING,   /* wants to migrate */
	LD_MIGRATING,
	LD_PROVING, /* the epoch was taken: is it still ours? */
	LD_LEADING,
	LD_RESUMING, /* new connection, same epoch */
	LD_OVER,
	LD_COUNT_
};

static const char *const state_texts[LD_COUNT_] = {
	[LD_AWAY] = "away",
	[LD_LOOKING] = "looking",
	[LD_FOLLOWING] = "following",
	[LD_LOCKING] = "locking",
	[LD_MIGRATING] = "migrating",
	[LD_PROVING] = "proving",
	[LD_LEADING] = "leading",
	[LD_RESUMING] = "resuming",
	[LD_OVER] = "over",
};

#define MAY(s) (1u << (s))
static const unsigned may[LD_COUNT_] = {
	[LD_AWAY] = MAY(LD_LOOKING) | MAY(LD_RESUMING) | MAY(LD_OVER),
	[LD_LOOKING] =
	    MAY(LD_AWAY) | MAY(LD_FOLLOWING) | MAY(LD_LOCKING) | MAY(LD_OVER),
	[LD_FOLLOWING] =
	    MAY(LD_AWAY) | MAY(LD_LOCKING) | MAY(LD_RESUMING) | MAY(LD_OVER),
	[LD_LOCKING] = MAY(LD_AWAY) | MAY(LD_MIGRATING) | MAY(LD_OVER),
	[LD_MIGRATING] =
	    MAY(LD_AWAY) | MAY(LD_FOLLOWING) | MAY(LD_PROVING) | MAY(LD_OVER),
	[LD_PROVING] =
	    MAY(LD_AWAY) | MAY(LD_LEADING) | MAY(LD_FOLLOWING) | MAY(LD_OVER),
	[LD_LEADING] = MAY(LD_AWAY) | MAY(LD_OVER),
	[LD_RESUMING] = MAY(LD_AWAY) | MAY(LD_LEADING) | MAY(LD_LOCKING) |
			MAY(LD_FOLLOWING) | MAY(LD_OVER),
	[LD_OVER] = 0,
};

struct leader {
	uint32_t magic;
	enum leader_state state;
	struct loop *loop;
	struct db *db;
	char *name, *migrations, *api, *agents;
	char process[PROCESS_MARK_TEXT];
	enum leader_patience patience;
	struct leader_hooks hooks;
	void *arg;
	struct lease_terms terms;
	struct leader_view view;
	struct leader_seen seen;
	uint64_t epoch, session; /* that we took, 0: none */
	uint64_t before_end_ms;
	bool opened; /* hooks.leading was called */
	bool released;
	void (*release_done)(void *arg);
	void *release_arg;
	struct timer *step, *relock;
};

#define LEADER_MAGIC 0x6c656164u

static void take_step(struct leader *ld);
static void resume(struct leader *ld, const char *why);

static void
leader_set_state(struct leader *ld, enum leader_state to, const char *why)
{
	ASSERT(may[ld->state] & MAY(to));
	log_info(
	    "leader", "%s -> %s (%s)", state_texts[ld->state], state_texts[to], why);
	ld->state = to;
}

static void
over(struct leader *ld, const struct err *e)
{
	if (ld->state == LD_OVER)
		return;
	leader_set_state(ld, LD_OVER, e->msg);
	timer_stop(ld->relock);
	timer_stop(ld->step);
	ld->hooks.over(ld->arg, e->code, e);
}

static void
lost_to(struct leader *ld, const char *holder)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_STALE, "epoch %llu is over: %s leads",
	    (unsigned long long)ld->epoch, holder);
	over(ld, &e);
}

/*
 * An answer is for us only in the state that asked; a failure while the connection is
 * gone is no answer, the next connection starts again.
 */
static bool
is_answer(struct leader *ld, enum leader_state asked, int rc, const struct err *e)
{
	if (ld->state != asked)
		return false;
	if (rc == 0)
		return true;
	if (rc == ERR_UNAVAILABLE)
		db_pg_reset(ld->db, e->msg);
	else
		over(ld, e);
	return false;
}

static void
follow(struct leader *ld, const char *why)
{
	leader_set_state(ld, LD_FOLLOWING, why);
	timer_every(ld->step, STEP_MS);
	take_step(ld);
}

/* ---- the schema ---- */

static void
proved(struct leader *ld, const char *why)
{
	leader_set_state(ld, LD_LEADING, why);
	ld->opened = true;
	ld->seen.epoch = ld->epoch;
	ld->seen.since_ms = clock_wall_ms(loop_clock(ld->loop));
	snprintf(ld->seen.holder, sizeof(ld->seen.holder), "%s", ld->name);
	snprintf(ld->seen.api, sizeof(ld->seen.api), "%s", ld->api);
	snprintf(ld->seen.agents, sizeof(ld->seen.agents), "%s", ld->agents);
	timer_every(ld->step, STEP_MS);
	log_notice("leader", "leading with epoch %llu", (unsigned long long)ld->epoch);
	db_pg_admit(ld->db, ld->epoch, ld->session);
	ld->hooks.leading(ld->arg);
}

/* Another took the epoch while we migrated: nothing has been begun with it. */
static void
forgo(struct leader *ld)
{
	ld->epoch = ld->session = 0;
	ld->view = (struct leader_view){ 0 };
	follow(ld, "another server was faster");
}

static void
on_proved(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!is_answer(ld, LD_PROVING, rc, e))
		return;
	if (db_rows_count(rows) == 0) {
		forgo(ld);
		return;
	}
	ld->view.proved_ms = ld->view.wrote_ms;
	proved(ld, "the epoch is ours");
}

static void
ask_renewal(struct leader *ld, db_rows_fn done)
{
	char epoch[24];

	ld->view.wrote_ms = loop_now_ms(ld->loop);
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)ld->epoch);
	db_pg_now(ld->db, STMT_LEADER_RENEW, 2,
	    (const char *const[]){ epoch, ld->name }, done, ld);
}

static void
on_unlocked(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!is_answer(ld, LD_MIGRATING, rc, e))
		return;
	if (!ld->epoch) {
		follow(ld, "schema is up to date");
		return;
	}
	leader_set_state(ld, LD_PROVING, "schema is up to date");
	ask_renewal(ld, on_proved);
}

static void
on_migrated(void *arg, int rc, const struct err *e)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (is_answer(ld, LD_MIGRATING, rc, e))
		db_pg_now(ld->db, STMT_LOCK_FREE, 0, NULL, on_unlocked, ld);
}

static void
on_lock_tried(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	struct err busy = ERR_INIT;

	if (!is_answer(ld, LD_LOCKING, rc, e))
		return;
	if (db_value(rows, 0, 0)[0] == 't') {
		leader_set_state(ld, LD_MIGRATING, "lock taken");
		db_migrate(ld->db, ld->migrations, on_migrated, ld);
	} else if (ld->patience == LEADER_REFUSE) {
		err_set(&busy, ERR_BUSY,
		    "a server of an older release leads this database, or one is "
		    "bringing its schema up to date");
		over(ld, &busy);
	} else {
		timer_after(ld->relock, LOCK_RETRY_MS);
	}
}

static void
try_lock(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (ld->state == LD_LOCKING)
		db_pg_now(ld->db, STMT_LOCK_TRY, 0, NULL, on_lock_tried, ld);
}

/* Two servers must not migrate at once; and a server of a release before the row had a
 * beat holds this lock for as long as it leads. */
static void
lock(struct leader *ld, const char *why)
{
	leader_set_state(ld, LD_LOCKING, why);
	timer_stop(ld->step);
	try_lock(ld);
}

static void
on_checked(void *arg, int rc, const struct err *e)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (is_answer(ld, LD_LOOKING, rc, e))
		follow(ld, "schema is known");
}

static void
on_ready_known(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!is_answer(ld, LD_LOOKING, rc, e))
		return;
	if (db_value(rows, 0, 0)[0] == 't')
		db_migrate_check(ld->db, ld->migrations, on_checked, ld);
	else
		lock(ld, "schema is older than we can read");
}

/* ---- taking the lead ---- */

static void
became(struct leader *ld, uint64_t epoch, uint64_t session)
{
	ld->epoch = epoch;
	ld->session = session;
	ld->view.leading = true;
	ld->view.epoch = epoch;
	ld->view.proved_ms = ld->view.wrote_ms;
}

static void
on_taken(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (ld->state != LD_FOLLOWING)
		return;
	ld->view.busy = false;
	if (!is_answer(ld, LD_FOLLOWING, rc, e))
		return;
	ld->view.unknown = false;
	if (!db_value(rows, 0, 0))
		return; /* it has moved: read again */
	became(ld, db_value_u64(rows, 0, 0), db_value_u64(rows, 0, 1));
	lock(ld, "epoch taken");
}

static void
campaign(struct leader *ld)
{
	const struct leader_row *row = &ld->view.watch.row;
	char epoch[24], beat[24];

	ld->view.busy = ld->view.unknown = true;
	ld->view.wrote_ms = loop_now_ms(ld->loop);
	ld->before_end_ms = ld->view.wrote_ms;
	if (row->vacant)
		ld->before_end_ms = lease_end(
		    ld->view.wrote_ms, lease_wait_ms(&ld->terms, LEADER_LEASE_MS, 0));
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)row->epoch);
	snprintf(beat, sizeof(beat), "%llu", (unsigned long long)row->beat);
	log_notice("leader", "taking the lead: epoch %s %s", epoch,
	    row->epoch == 0 ? "was never held"
	    : row->vacant   ? "was given up"
			    : "is not renewed any more");
	db_pg_now(ld->db, STMT_LEADER_TAKE, 6,
	    (const char *const[]){
		epoch, beat, ld->name, ld->process, ld->api, ld->agents },
	    on_taken, ld);
}

static bool
note_seen(struct leader *ld, const struct db_rows *rows, bool vacant)
{
	struct leader_seen now = { 0 };

	if (!vacant) {
		now.epoch = db_value_u64(rows, 0, 0);
		now.since_ms = db_value_u64(rows, 0, 7);
		snprintf(now.holder, sizeof(now.holder), "%s", db_value(rows, 0, 2));
		snprintf(now.api, sizeof(now.api), "%s", db_value(rows, 0, 5));
		snprintf(now.agents, sizeof(now.agents), "%s", db_value(rows, 0, 6));
	}
	bool changed =
	    now.epoch != ld->seen.epoch || strcmp(now.holder, ld->seen.holder) != 0;
	ld->seen = now;
	if (changed && now.epoch && ld->state == LD_FOLLOWING)
		log_notice("leader", "following epoch %llu of \"%s\"%s%s",
		    (unsigned long long)now.epoch, now.holder, *now.api ? " at " : "",
		    now.api);
	return changed;
}

/* A server that comes back on the same machine need not wait for its own past. */
static bool
is_own_past(const struct leader *ld, const struct db_rows *rows)
{
	return *ld->api && str_same(db_value(rows, 0, 5), ld->api) &&
	       str_same(db_value(rows, 0, 6), ld->agents) &&
	       process_mark_gone(db_value(rows, 0, 4));
}

static void
refuse_to_wait(struct leader *ld)
{
	struct err busy = ERR_INIT;

	err_set(&busy, ERR_BUSY, "\"%s\"%s%s is at work on this database",
	    ld->seen.holder, *ld->seen.api ? " at " : "", ld->seen.api);
	over(ld, &busy);
}

static void
take_row(struct leader *ld, const struct db_rows *rows)
{
	bool moved = ld->view.watch.seen;
	uint64_t beat = ld->view.watch.row.beat;
	struct leader_row row = {
		.epoch = db_value_u64(rows, 0, 0),
		.beat = db_value_u64(rows, 0, 1),
		.mine = str_same(db_value(rows, 0, 2), ld->name),
		.vacant = db_value(rows, 0, 3)[0] == 't' || is_own_past(ld, rows),
	};

	leader_watch_note(
	    &ld->view.watch, &row, ld->view.read_ms, loop_now_ms(ld->loop));
	ld->view.unknown = false;
	bool changed = note_seen(ld, rows, row.vacant || row.epoch == 0);
	if (moved && row.beat != beat && !row.vacant && !row.mine &&
	    ld->patience == LEADER_REFUSE)
		refuse_to_wait(ld);
	else if (changed && ld->hooks.seen)
		ld->hooks.seen(ld->arg);
}

static void
on_read(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	enum leader_state state = ld->state;

	if (state != LD_FOLLOWING && state != LD_LEADING)
		return;
	ld->view.busy = false;
	if (!is_answer(ld, state, rc, e))
		return;
	take_row(ld, rows);
	if (ld->state == state)
		take_step(ld);
}

static void
read_row(struct leader *ld)
{
	ld->view.busy = true;
	ld->view.read_ms = loop_now_ms(ld->loop);
	db_pg_now(ld->db, STMT_LEADER_READ, 0, NULL, on_read, ld);
}

/* ---- keeping it ---- */

static void
on_renewed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (ld->state != LD_LEADING)
		return;
	ld->view.busy = false;
	if (!is_answer(ld, LD_LEADING, rc, e))
		return;
	if (db_rows_count(rows) == 0) {
		lost_to(ld, "another server");
		return;
	}
	ld->view.unknown = false;
	ld->view.proved_ms = ld->view.wrote_ms;
}

static void
renew(struct leader *ld)
{
	ld->view.busy = ld->view.unknown = true;
	ask_renewal(ld, on_renewed);
}

static void
step_down(struct leader *ld)
{
	if (ld->view.watch.seen && ld->view.watch.row.epoch > ld->epoch) {
		lost_to(ld, ld->seen.holder);
		return;
	}
	/* Nothing is granted until the row has been found unmoved. */
	db_pg_reset(ld->db, "the lead was not renewed in time");
}

static void
take_step(struct leader *ld)
{
	if ((ld->state != LD_FOLLOWING && ld->state != LD_LEADING) || ld->released)
		return;
	switch (leader_decide(&ld->view, &ld->terms, loop_now_ms(ld->loop))) {
	case LEADER_IDLE:
		break;
	case LEADER_READ:
		read_row(ld);
		break;
	case LEADER_CAMPAIGN:
		campaign(ld);
		break;
	case LEADER_RENEW:
		renew(ld);
		break;
	case LEADER_LEAD:
		became(ld, ld->view.watch.row.epoch, 0);
		resume(ld, "an earlier take-over was done");
		break;
	case LEADER_STEP_DOWN:
		step_down(ld);
		break;
	}
}

static void
on_step(void *arg)
{
	take_step(CAST_OBJ(leader, arg, LEADER_MAGIC));
}

/* ---- over a new connection ---- */

static void
on_resumed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!is_answer(ld, LD_RESUMING, rc, e))
		return;
	if (!db_value(rows, 0, 0)) {
		if (ld->opened)
			lost_to(ld, "another server");
		else
			forgo(ld);
		return;
	}
	ld->session = db_value_u64(rows, 0, 0);
	ld->view.busy = ld->view.unknown = false;
	ld->view.proved_ms = ld->view.wrote_ms;
	if (!ld->opened) {
		lock(ld, "the epoch is ours");
		return;
	}
	leader_set_state(ld, LD_LEADING, "the epoch is still ours");
	log_notice("leader", "the database is back, epoch %llu goes on",
	    (unsigned long long)ld->epoch);
	timer_every(ld->step, STEP_MS);
	db_pg_admit(ld->db, ld->epoch, ld->session);
}

static void
on_old_ended(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	char epoch[24];

	if (!is_answer(ld, LD_RESUMING, rc, e))
		return;
	ld->view.wrote_ms = loop_now_ms(ld->loop);
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)ld->epoch);
	db_pg_now(ld->db, STMT_LEADER_RESUME, 2,
	    (const char *const[]){ epoch, ld->name }, on_resumed, ld);
}

/* The far end of the broken connection may not have noticed yet, and work on. */
static void
resume(struct leader *ld, const char *why)
{
	char backend[16];

	leader_set_state(ld, LD_RESUMING, why);
	timer_stop(ld->step);
	snprintf(backend, sizeof(backend), "%d", db_pg_backend(ld->db));
	db_pg_now(ld->db, STMT_BACKEND_END, 2,
	    (const char *const[]){ backend, ld->name }, on_old_ended, ld);
}

static void
on_connected(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (ld->state == LD_OVER || ld->released)
		return;
	if (ld->epoch) {
		resume(ld, "connected again");
		return;
	}
	leader_set_state(ld, LD_LOOKING, "connected");
	db_pg_now(ld->db, STMT_LEADER_READY, 0, NULL, on_ready_known, ld);
}

static void
release_over(struct leader *ld)
{
	void (*done)(void *arg) = ld->release_done;

	ld->release_done = NULL;
	if (done)
		done(ld->release_arg);
}

static void
on_lost(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	timer_stop(ld->relock);
	timer_stop(ld->step);
	ld->view.busy = false;
	if (ld->state != LD_OVER && ld->state != LD_AWAY)
		leader_set_state(ld, LD_AWAY, "connection lost");
}

static void
on_stale(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!ld->released)
		lost_to(ld, "another server");
}

static void
on_released(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (rc < 0)
		log_warn("leader", "cannot give up the lead: %s", e->msg);
	else
		log_notice(
		    "leader", "epoch %llu is given up", (unsigned long long)ld->epoch);
	release_over(ld);
}

bool
leader_release(struct leader *ld, void (*done)(void *arg), void *arg)
{
	char epoch[24];

	if (ld->state != LD_LEADING || ld->released)
		return false;
	ld->released = true;
	ld->release_done = done;
	ld->release_arg = arg;
	timer_stop(ld->step);
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)ld->epoch);
	db_pg_now(ld->db, STMT_LEADER_RELEASE, 2,
	    (const char *const[]){ epoch, ld->name }, on_released, ld);
	return true;
}

struct leader *
leader_new(struct loop *l, struct db *db, const struct leader_conf *conf,
    const struct leader_hooks *hooks, void *arg)
{
	struct leader *ld = xcalloc(1, sizeof(*ld));

	ld->magic = LEADER_MAGIC;
	ld->loop = l;
	ld->db = db;
	ld->name = xstrdup(conf->name);
	ld->migrations = xstrdup(conf->migrations);
	ld->api = xstrdup(conf->api);
	ld->agents = xstrdup(conf->agents);
	process_mark_own(ld->process);
	ld->patience = conf->patience;
	ld->hooks = *hooks;
	ld->arg = arg;
	ld->terms = lease_preset(LEASE_SOFTWARE);
	ld->step = timer_new(l, on_step, ld);
	ld->relock = timer_new(l, try_lock, ld);
	return ld;
}

void
leader_start(struct leader *ld)
{
	static const struct db_pg_hooks hooks = {
		.connected = on_connected,
		.lost = on_lost,
		.stale = on_stale,
	};

	db_pg_start(ld->db, &hooks, ld);
}

void
leader_free(struct leader *ld)
{
	if (!ld)
		return;
	timer_free(ld->step);
	timer_free(ld->relock);
	free(ld->name);
	free(ld->migrations);
	free(ld->api);
	free(ld->agents);
	free(ld);
}

uint64_t
leader_epoch(const struct leader *ld)
{
	return ld->opened ? ld->epoch : 0;
}

const char *
leader_status(const struct leader *ld)
{
	return state_texts[ld->state];
}

const struct leader_seen *
leader_seen(const struct leader *ld)
{
	return &ld->seen;
}

uint64_t
leader_lease_end_ms(const struct leader *ld)
{
	/* It holds over a connection that broke, too: who takes over waits it out. */
	bool leads = ld->opened && !ld->released && ld->state != LD_OVER;

	return leads ? leader_end_ms(&ld->view) : 0;
}

uint64_t
leader_before_end_ms(const struct leader *ld)
{
	return ld->before_end_ms;
}
