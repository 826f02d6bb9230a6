#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/leader/leader_int.h"

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

void
leader_set_state(struct leader *ld, enum leader_state to, const char *why)
{
	ASSERT(may[ld->state] & MAY(to));
	log_info(
	    "leader", "%s -> %s (%s)", state_texts[ld->state], state_texts[to], why);
	ld->state = to;
}

void
leader_over(struct leader *ld, const struct err *e)
{
	if (ld->state == LD_OVER)
		return;
	leader_set_state(ld, LD_OVER, e->msg);
	timer_stop(ld->relock);
	timer_stop(ld->step);
	ld->hooks.over(ld->arg, e->code, e);
}

void
leader_lost_to(struct leader *ld, const char *holder)
{
	struct err e = ERR_INIT;

	err_set(&e, ERR_STALE, "epoch %llu is over: %s leads",
	    (unsigned long long)ld->epoch, holder);
	leader_over(ld, &e);
}

bool
leader_is_answer(
    struct leader *ld, enum leader_state asked, int rc, const struct err *e)
{
	if (ld->state != asked)
		return false;
	if (rc == 0)
		return true;
	if (rc == ERR_UNAVAILABLE)
		db_pg_reset(ld->db, e->msg);
	else
		leader_over(ld, e);
	return false;
}

void
leader_follow(struct leader *ld, const char *why)
{
	leader_set_state(ld, LD_FOLLOWING, why);
	timer_every(ld->step, LEADER_STEP_MS);
	leader_step(ld);
}

void
leader_forgo(struct leader *ld)
{
	ld->epoch = ld->session = 0;
	ld->view = (struct leader_view){ 0 };
	leader_follow(ld, "another server was faster");
}

static void
on_resumed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!leader_is_answer(ld, LD_RESUMING, rc, e))
		return;
	if (!db_value(rows, 0, 0)) {
		if (ld->opened)
			leader_lost_to(ld, "another server");
		else
			leader_forgo(ld);
		return;
	}
	ld->session = db_value_u64(rows, 0, 0);
	ld->view.busy = ld->view.unknown = false;
	ld->view.proved_ms = ld->view.wrote_ms;
	if (!ld->opened) {
		leader_lock(ld, "the epoch is ours");
		return;
	}
	leader_set_state(ld, LD_LEADING, "the epoch is still ours");
	log_notice("leader", "the database is back, epoch %llu goes on",
	    (unsigned long long)ld->epoch);
	timer_every(ld->step, LEADER_STEP_MS);
	db_pg_admit(ld->db, ld->epoch, ld->session);
}

static void
on_old_ended(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	char epoch[24];

	if (!leader_is_answer(ld, LD_RESUMING, rc, e))
		return;
	ld->view.wrote_ms = loop_now_ms(ld->loop);
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)ld->epoch);
	db_pg_now(ld->db, STMT_LEADER_RESUME, 2,
	    (const char *const[]){ epoch, ld->name }, on_resumed, ld);
}

/* The far end of the broken connection may not have noticed yet, and work on. */
void
leader_resume(struct leader *ld, const char *why)
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
		leader_resume(ld, "connected again");
		return;
	}
	leader_look(ld);
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
		leader_lost_to(ld, "another server");
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
	ld->step = timer_new(l, leader_on_step, ld);
	ld->relock = timer_new(l, leader_try_lock, ld);
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
