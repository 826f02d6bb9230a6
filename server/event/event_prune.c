/*
 * event_prune: stored events that are older than they are kept, bite by bite, so that
 * the database does everything else in between.
 */
#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "loop/timer.h"
#include "server/event/event_int.h"

#define EVERY_MS   600000u
#define MORE_MS    1000u /* until the next bite, while there is one */
#define MS_PER_DAY 86400000ULL

/* There is nothing to tell here: the next look tries again. */
static void
on_looked(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct events *ev = CAST_OBJ(events, arg, EVENTS_MAGIC);

	timer_after(ev->prune, !rc && db_rows_count(rows) > 0 ? MORE_MS : EVERY_MS);
}

/* "": nothing is old. */
static void
oldest_kept(const struct events *ev, char out[24])
{
	uint64_t now = clock_wall_ms(loop_clock(inv_loop(ev->inv)));
	uint64_t keep_ms = ev->keep_days * MS_PER_DAY;

	out[0] = '\0';
	if (keep_ms && keep_ms <= now)
		snprintf(out, 24, "%llu", (unsigned long long)(now - keep_ms));
}

static void
on_pruned(void *arg, int rc, const struct err *e)
{
	struct events *ev = CAST_OBJ(events, arg, EVENTS_MAGIC);
	char before[24];

	oldest_kept(ev, before);
	if (rc || !*before) {
		if (rc)
			log_warn("event", "cannot delete old events: %s", e->msg);
		timer_after(ev->prune, EVERY_MS);
		return;
	}
	db_query(inv_db(ev->inv), STMT_EVENT_OLD, 1, (const char *const[]){ before },
	    on_looked, ev);
}

static void
on_prune(void *arg)
{
	struct events *ev = CAST_OBJ(events, arg, EVENTS_MAGIC);
	char before[24];

	oldest_kept(ev, before);
	if (!*before || !db_is_up(inv_db(ev->inv))) {
		timer_after(ev->prune, EVERY_MS);
		return;
	}
	struct txn *t = txn_new(ev->inv);
	txn_sql(t, STMT_EVENT_PRUNE, 1, (const char *const[]){ before });
	txn_commit(t, on_pruned, ev);
}

void
events_keep(struct events *ev, unsigned days)
{
	ev->keep_days = days;
}

void
event_prune_open(struct events *ev)
{
	ev->prune = timer_new(inv_loop(ev->inv), on_prune, ev);
	timer_after(ev->prune, EVERY_MS);
}

void
event_prune_close(struct events *ev)
{
	timer_free(ev->prune);
}
