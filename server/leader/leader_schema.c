#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "server/db/db_migrate.h"
#include "server/leader/leader_int.h"

#define LOCK_RETRY_MS 500u

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
	timer_every(ld->step, LEADER_STEP_MS);
	log_notice("leader", "leading with epoch %llu", (unsigned long long)ld->epoch);
	db_pg_admit(ld->db, ld->epoch, ld->session);
	ld->hooks.leading(ld->arg);
}

static void
on_proved(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!leader_is_answer(ld, LD_PROVING, rc, e))
		return;
	if (db_rows_count(rows) == 0) {
		leader_forgo(ld);
		return;
	}
	ld->view.proved_ms = ld->view.wrote_ms;
	proved(ld, "the epoch is ours");
}

static void
on_unlocked(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!leader_is_answer(ld, LD_MIGRATING, rc, e))
		return;
	if (!ld->epoch) {
		leader_follow(ld, "schema is up to date");
		return;
	}
	leader_set_state(ld, LD_PROVING, "schema is up to date");
	leader_ask_renewal(ld, on_proved);
}

static void
on_migrated(void *arg, int rc, const struct err *e)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (leader_is_answer(ld, LD_MIGRATING, rc, e))
		db_pg_now(ld->db, STMT_LOCK_FREE, 0, NULL, on_unlocked, ld);
}

static void
on_lock_tried(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);
	struct err busy = ERR_INIT;

	if (!leader_is_answer(ld, LD_LOCKING, rc, e))
		return;
	if (db_value(rows, 0, 0)[0] == 't') {
		leader_set_state(ld, LD_MIGRATING, "lock taken");
		db_migrate(ld->db, ld->migrations, on_migrated, ld);
	} else if (ld->patience == LEADER_REFUSE) {
		err_set(&busy, ERR_BUSY,
		    "a server of an older release leads this database, or one is "
		    "bringing its schema up to date");
		leader_over(ld, &busy);
	} else {
		timer_after(ld->relock, LOCK_RETRY_MS);
	}
}

void
leader_try_lock(void *arg)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (ld->state == LD_LOCKING)
		db_pg_now(ld->db, STMT_LOCK_TRY, 0, NULL, on_lock_tried, ld);
}

/* Two servers must not migrate at once; and a server of a release before the row had a
 * beat holds this lock for as long as it leads. */
void
leader_lock(struct leader *ld, const char *why)
{
	leader_set_state(ld, LD_LOCKING, why);
	timer_stop(ld->step);
	leader_try_lock(ld);
}

static void
on_checked(void *arg, int rc, const struct err *e)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (leader_is_answer(ld, LD_LOOKING, rc, e))
		leader_follow(ld, "schema is known");
}

static void
on_ready_known(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (!leader_is_answer(ld, LD_LOOKING, rc, e))
		return;
	if (db_value(rows, 0, 0)[0] == 't')
		db_migrate_check(ld->db, ld->migrations, on_checked, ld);
	else
		leader_lock(ld, "schema is older than we can read");
}

void
leader_look(struct leader *ld)
{
	leader_set_state(ld, LD_LOOKING, "connected");
	db_pg_now(ld->db, STMT_LEADER_READY, 0, NULL, on_ready_known, ld);
}
