#include "server/leader/leader.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/lease.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/db/db_migrate.h"
#include "server/leader/leader_decide.h"

#define LOCK_RETRY_MS 1000u

enum leader_state {
	LD_AWAY,    /* no connection */
	LD_LOCKING, /* asking for the lock */
	LD_WAITING, /* another server has it */
	LD_MIGRATING,
	LD_CLAIMING,
	LD_LEADING,
	LD_RESUMING, /* new connection, same epoch */
	LD_OVER,
	LD_COUNT_
};

static const char *const state_texts[LD_COUNT_] = {
	[LD_AWAY] = "away",
	[LD_LOCKING] = "locking",
	[LD_WAITING] = "waiting",
	[LD_MIGRATING] = "migrating",
	[LD_CLAIMING] = "claiming",
	[LD_LEADING] = "leading",
	[LD_RESUMING] = "resuming",
	[LD_OVER] = "over",
};

#define MAY(s) (1u << (s))
static const unsigned may[LD_COUNT_] = {
	[LD_AWAY] = MAY(LD_LOCKING) | MAY(LD_RESUMING),
	[LD_LOCKING] =
	    MAY(LD_AWAY) | MAY(LD_WAITING) | MAY(LD_MIGRATING) | MAY(LD_OVER),
	[LD_WAITING] = MAY(LD_AWAY) | MAY(LD_MIGRATING) | MAY(LD_OVER),
	[LD_MIGRATING] = MAY(LD_AWAY) | MAY(LD_CLAIMING) | MAY(LD_OVER),
	[LD_CLAIMING] = MAY(LD_AWAY) | MAY(LD_LEADING) | MAY(LD_OVER),
	[LD_LEADING] = MAY(LD_AWAY) | MAY(LD_OVER),
	[LD_RESUMING] = MAY(LD_AWAY) | MAY(LD_LEADING) | MAY(LD_OVER),
	[LD_OVER] = 0,
};

struct leader {
	uint32_t magic;
	enum leader_state state;
	struct db *db;
	char *name, *migrations;
	enum leader_patience patience;
	struct leader_hooks hooks;
	void *arg;
	uint64_t epoch, led_ms;
	struct loop *loop;
	struct timer *relock;
};

#define LEADER_MAGIC 0x6c656164u

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
	ld->hooks.over(ld->arg, e->code, e);
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
on_claimed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (!is_answer(ld, LD_CLAIMING, rc, e))
		return;
	ld->epoch = db_value_u64(rows, 0, 0);
	leader_set_state(ld, LD_LEADING, "epoch claimed");
	ld->led_ms = loop_now_ms(ld->loop);
	log_notice("leader", "leading with epoch %llu", (unsigned long long)ld->epoch);
	db_pg_admit(ld->db, ld->epoch, db_value_u64(rows, 0, 1));
	ld->hooks.leading(ld->arg);
}

static void
on_migrated(void *arg, int rc, const struct err *e)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (!is_answer(ld, LD_MIGRATING, rc, e))
		return;
	leader_set_state(ld, LD_CLAIMING, "schema is up to date");
	db_pg_now(ld->db, STMT_LEADER_CLAIM, 1, (const char *const[]){ ld->name },
	    on_claimed, ld);
}

static void
locked(struct leader *ld)
{
	leader_set_state(ld, LD_MIGRATING, "lock taken");
	db_migrate(ld->db, ld->migrations, on_migrated, ld);
}

static void
on_lock_waited(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (is_answer(ld, LD_WAITING, rc, e))
		locked(ld);
}

static void
on_holder(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	char who[160] = "another server";
	if (!is_answer(ld, LD_LOCKING, rc, e))
		return;
	if (db_rows_count(rows) > 0)
		snprintf(who, sizeof(who), "\"%s\" on %s (backend %s)",
		    db_value(rows, 0, 0), db_value(rows, 0, 1), db_value(rows, 0, 2));
	if (ld->patience == LEADER_REFUSE) {
		struct err busy = ERR_INIT;
		err_set(&busy, ERR_BUSY, "%s is at work on this database", who);
		over(ld, &busy);
		return;
	}
	leader_set_state(ld, LD_WAITING, "the lock is taken");
	log_notice("leader", "waiting for %s to give up the lead", who);
	db_pg_now(ld->db, STMT_LOCK_WAIT, 0, NULL, on_lock_waited, ld);
}

static void
on_lock_tried(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (!is_answer(ld, LD_LOCKING, rc, e))
		return;
	if (db_value(rows, 0, 0)[0] == 't')
		locked(ld);
	else
		db_pg_now(ld->db, STMT_LOCK_HOLDER, 0, NULL, on_holder, ld);
}

static void
lost_to(struct leader *ld, const char *holder)
{
	struct err e = ERR_INIT;
	err_set(&e, ERR_STALE, "epoch %llu is over: %s leads",
	    (unsigned long long)ld->epoch, holder);
	over(ld, &e);
}

static void
on_epoch(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (!is_answer(ld, LD_LEADING, rc, e))
		return;
	if (db_value_u64(rows, 0, 0) != ld->epoch)
		lost_to(ld, db_value(rows, 0, 1));
}

static void
on_relocked(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (!is_answer(ld, LD_LEADING, rc, e) || db_value(rows, 0, 0)[0] == 't')
		return;
	/* Another got it in between: it is about to raise the epoch, or gone again. */
	db_pg_now(ld->db, STMT_LEADER_EPOCH, 0, NULL, on_epoch, ld);
	timer_after(ld->relock, LOCK_RETRY_MS);
}

static void
relock(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (ld->state == LD_LEADING)
		db_pg_now(ld->db, STMT_LOCK_TRY, 0, NULL, on_relocked, ld);
}

static void
on_resumed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	if (!is_answer(ld, LD_RESUMING, rc, e))
		return;
	if (!db_value(rows, 0, 0)) {
		lost_to(ld, "another server");
		return;
	}
	leader_set_state(ld, LD_LEADING, "the epoch is still ours");
	log_notice("leader", "the database is back, epoch %llu goes on",
	    (unsigned long long)ld->epoch);
	db_pg_admit(ld->db, ld->epoch, db_value_u64(rows, 0, 0));
	relock(ld);
}

static void
on_old_ended(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	char epoch[24];
	if (!is_answer(ld, LD_RESUMING, rc, e))
		return;
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)ld->epoch);
	db_pg_now(ld->db, STMT_LEADER_RESUME, 2,
	    (const char *const[]){ epoch, ld->name }, on_resumed, ld);
}

static void
on_connected(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	char backend[16];
	if (ld->state == LD_OVER)
		return;
	if (ld->epoch == 0) {
		leader_set_state(ld, LD_LOCKING, "connected");
		db_pg_now(ld->db, STMT_LOCK_TRY, 0, NULL, on_lock_tried, ld);
		return;
	}
	/* The far end of the broken connection may not have noticed yet, and holds the
	 * lock. */
	leader_set_state(ld, LD_RESUMING, "connected again");
	snprintf(backend, sizeof(backend), "%d", db_pg_backend(ld->db));
	db_pg_now(ld->db, STMT_BACKEND_END, 2,
	    (const char *const[]){ backend, ld->name }, on_old_ended, ld);
}

static void
on_lost(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	timer_stop(ld->relock);
	if (ld->state != LD_OVER && ld->state != LD_AWAY)
		leader_set_state(ld, LD_AWAY, "connection lost");
}

static void
on_stale(void *arg)
{
	lost_to(CAST_OBJ(leader, arg, LEADER_MAGIC), "another server");
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
	ld->patience = conf->patience;
	ld->hooks = *hooks;
	ld->arg = arg;
	ld->relock = timer_new(l, relock, ld);
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
	timer_free(ld->relock);
	free(ld->name);
	free(ld->migrations);
	free(ld);
}

uint64_t
leader_epoch(const struct leader *ld)
{
	return ld->epoch;
}

const char *
leader_status(const struct leader *ld)
{
	return state_texts[ld->state];
}

uint64_t
leader_lease_end_ms(const struct leader *ld)
{
	/* The session lock has no end that is known before. */
	return ld->state == LD_LEADING
		   ? lease_end(loop_now_ms(ld->loop), LEADER_LEASE_MS)
		   : 0;
}

uint64_t
leader_before_end_ms(const struct leader *ld)
{
	return lease_end(ld->led_ms, LEADER_LEASE_MS);
}
