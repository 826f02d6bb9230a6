#include "server/task/task_recover.h"

#include <stdio.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/task/task_int.h"

/* An operation that this version does not have any more: nothing is known of undoing
 * it. */
static void
end_unknown(struct tasks *ts, const struct task *row)
{
	struct txn *t = txn_new(ts->inv);
	struct task *edit = txn_edit(t, row->o.id);

	edit->state = TASK_ERROR;
	edit->finished_at = clock_wall_ms(loop_clock(ts->loop));
	edit->error_code = xstrdup(err_name(ERR_UNSUPPORTED));
	edit->error_message = xasprintf("no operation %s in this version", row->op);
	txn_commit_wake(t, WAKE_NONE);
}

static struct task_run *
revive(struct tasks *ts, const struct task *row)
{
	struct caller who = caller_server;
	struct run_seed seed = {
		.entry = map_get_str(ts->kinds, row->op),
		.id = row->o.id,
		.entity = row->entity,
		.entity_name = row->entity_name,
		.args = row->args,
		.who = &who,
	};

	if (!seed.entry) {
		end_unknown(ts, row);
		return NULL;
	}
	snprintf(who.name, sizeof(who.name), "%s", row->user_name);
	return run_new(ts, &seed);
}

/* By name: the table may have got steps since. Not found: past its end. */
static unsigned
step_of(const struct task_run *r, const struct task *row)
{
	const struct task_step *steps = r->kind->steps;

	for (unsigned i = 0; steps[i].name; i++) {
		if (str_same(steps[i].name, row->step))
			return i;
	}
	return r->in->entry->n_steps;
}

static void
go_on(struct task_run *r)
{
	const struct task *row = inv_task(r->inv, r->id);
	struct err why = ERR_INIT;

	if (row->state == TASK_QUEUED) {
		run_begin(r);
		return;
	}
	log_notice("task", "\"%s\" of \"%s\" goes on at %s%s", row->op,
	    row->entity_name, row->step, row->undoing ? ", undoing" : "");
	event_post(r->inv, EV_TASK_RESUMED, r->entity, row->user_name,
	    "%s goes on at step %s after a restart of the server", row->o.name,
	    row->step);
	if (row->undoing)
		err_set(&why, err_from_name(row->error_code), "%s", row->error_message);
	run_begin_at(r, step_of(r, row), row->undoing ? FLOW_UNDOING : FLOW_RUNNING,
	    row->undoing ? &why : NULL);
}

unsigned
task_recover(struct tasks *ts)
{
	unsigned n = 0;

	INV_EACH(ts->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(ts->inv, o->id);
		if (row->state == TASK_QUEUED || row->state == TASK_RUNNING)
			n += revive(ts, row) != NULL;
	}
	LIST_EACH(struct task_int, in, &ts->live, node) {
		if (in->run->kind->on_recover)
			in->run->kind->on_recover(in->run);
	}
	LIST_EACH(struct task_int, in, &ts->live, node) {
		go_on(in->run);
	}
	return n;
}
