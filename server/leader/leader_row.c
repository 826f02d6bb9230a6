#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/str.h"
#include "server/leader/leader_int.h"

void
leader_ask_renewal(struct leader *ld, db_rows_fn done)
{
	char epoch[24];

	ld->view.wrote_ms = loop_now_ms(ld->loop);
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)ld->epoch);
	db_pg_now(ld->db, STMT_LEADER_RENEW, 2,
	    (const char *const[]){ epoch, ld->name }, done, ld);
}

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
	if (!leader_is_answer(ld, LD_FOLLOWING, rc, e))
		return;
	/* It has moved: what was read is past, and nothing goes before a new look. */
	if (!db_value(rows, 0, 0))
		return;
	ld->view.unknown = false;
	became(ld, db_value_u64(rows, 0, 0), db_value_u64(rows, 0, 1));
	leader_lock(ld, "epoch taken");
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
	leader_over(ld, &busy);
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
	if (!leader_is_answer(ld, state, rc, e))
		return;
	take_row(ld, rows);
	if (ld->state == state)
		leader_step(ld);
}

static void
read_row(struct leader *ld)
{
	ld->view.busy = true;
	ld->view.read_ms = loop_now_ms(ld->loop);
	db_pg_now(ld->db, STMT_LEADER_READ, 0, NULL, on_read, ld);
}

static void
on_renewed(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct leader *ld = CAST_OBJ(leader, arg, LEADER_MAGIC);

	if (ld->state != LD_LEADING)
		return;
	ld->view.busy = false;
	if (!leader_is_answer(ld, LD_LEADING, rc, e))
		return;
	if (db_rows_count(rows) == 0) {
		leader_lost_to(ld, "another server");
		return;
	}
	ld->view.unknown = false;
	ld->view.proved_ms = ld->view.wrote_ms;
}

static void
renew(struct leader *ld)
{
	ld->view.busy = ld->view.unknown = true;
	leader_ask_renewal(ld, on_renewed);
}

static void
step_down(struct leader *ld)
{
	if (ld->view.watch.seen && ld->view.watch.row.epoch > ld->epoch) {
		leader_lost_to(ld, ld->seen.holder);
		return;
	}
	/* Nothing is granted until the row has been found unmoved. */
	db_pg_reset(ld->db, "the lead was not renewed in time");
}

void
leader_step(struct leader *ld)
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
		leader_resume(ld, "an earlier take-over was done");
		break;
	case LEADER_STEP_DOWN:
		step_down(ld);
		break;
	}
}

void
leader_on_step(void *arg)
{
	leader_step(CAST_OBJ(leader, arg, LEADER_MAGIC));
}
