/*
 * What hosts have lost, and what became of it elsewhere.
 */
#include <stdio.h>

#include "base/mem.h"
#include "server/event/event.h"
#include "server/ha/ha_int.h"
#include "server/protect/protect.h"

/* ---- what is lost ---- */

#define SETTLE_MS 3000u /* of words, beside what tasks do */

/*
 * Its host says that this run is over for good.  After a move that was undone that is
 * an older generation than was given out last; then it has also said that it died.
 */
bool
ha_is_reaped(const struct vm *vm, const struct ha_run *run)
{
	return !run->alive && run->phase == DROVER__RUN_PHASE__RUN_NONE &&
	       (run->gen >= vm->run_gen || vm->power_state == POWER_OFF);
}

/*
 * A host that is about to start a guest has nothing of it either, and so had one that a
 * task has ended meanwhile: what it said then is past once it had time for another
 * word.
 */
static bool
is_fresh(const struct ha_node *n, const struct ha_run *run, const struct ha_guest *g)
{
	return !g || run->told_ms > g->busy_ms ||
	       n->h.heard_ms >= g->busy_ms + SETTLE_MS;
}

/*
 * A start that failed left it nowhere: its host has told all that it has, and this is
 * not among it.  The leader that ordered it remembers; whoever leads after it has only
 * this to go by.
 */
static bool
is_nowhere(const struct ha_node *n, const struct vm *vm, const struct ha_run *run,
    const struct ha_guest *g)
{
	bool has_none =
	    !run || (!run->alive && run->phase == DROVER__RUN_PHASE__RUN_NONE);

	return n->said && has_none && vm->power_state == POWER_UNKNOWN &&
	       (!g || n->h.heard_ms >= g->busy_ms + SETTLE_MS);
}

bool
ha_is_lost(const struct ha *ha, const struct vm *vm)
{
	const struct ha_node *n = ha_node_find(ha, vm->host);
	const struct host *row = inv_host(ha->o.inv, vm->host);
	const struct ha_run *run = n ? ha_run_of(n, vm->o.id) : NULL;
	const struct ha_guest *g = ha_guest_find(ha, vm->o.id);

	if (!row || row->ha_fenced_inc >= vm->ha_inc || row->ha_off_inc >= vm->ha_inc)
		return true;
	if (n && ha_runs_there(n, row, vm))
		return false;
	/* It was reaped before its host joined anew (R9). */
	if (vm->ha_inc < row->ha_inc)
		return true;
	if (run && ha_is_reaped(vm, run) && is_fresh(n, run, g))
		return true;
	if (n && is_nowhere(n, vm, run, g))
		return true;
	return g && g->retrieved;
}

void
ha_retrieve(struct ha *ha, obj_id host)
{
	INV_EACH(ha->o.inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(ha->o.inv, o->id);
		if (obj_id_is(vm->host, host) && vm->ha_protected &&
		    protect_response(ha->o.inv, vm) != HA_RESPONSE_LEAVE_ON)
			ha_guest_of(ha, o->id)->retrieved = true;
	}
}

void
ha_forget_retrieved(struct ha *ha, obj_id host)
{
	MAP_EACH(ha->guests, it) {
		struct ha_guest *g = it.value;
		const struct vm *vm = inv_vm(ha->o.inv, g->id);
		if (vm && obj_id_is(vm->host, host))
			g->retrieved = false;
	}
}

/* ---- what became of it ---- */

void
ha_restart_ended(struct ha *ha, const struct task *row)
{
	struct ha_guest *g = ha_guest_find(ha, row->entity);

	if (!g || row->state != TASK_ERROR)
		return;
	restart_note_failure(&g->g, (uint32_t)obj_id_number(g->to), ha_now_ms(ha));
	snprintf(g->why, sizeof(g->why), "%.190s",
	    row->error_message ? row->error_message : "");
	if (!g->g.lost_ms)
		g->g.lost_ms = ha_now_ms(ha);
	ha_look_soon(ha);
}

static void
span(uint64_t ms, char out[24])
{
	snprintf(out, 24, "%llu.%llu s", (unsigned long long)ms / 1000,
	    (unsigned long long)ms % 1000 / 100);
}

static void
tell_restarted(struct ha *ha, const struct ha_status_failover *f)
{
	char detect[24], wait[24], claim[24], exec[24];

	span(f->detect_ms, detect);
	span(f->wait_ms, wait);
	span(f->claim_ms, claim);
	span(f->exec_ms, exec);
	event_post(ha->o.inv, EV_VM_HA_RESTARTED, f->vm, NULL,
	    "%s was lost with host %s and runs on host %s: detect %s, wait %s, "
	    "claim %s, exec %s",
	    inv_name(ha->o.inv, f->vm), inv_name(ha->o.inv, f->from),
	    inv_name(ha->o.inv, f->to), detect, wait, claim, exec);
}

/* How long its start took is said once its process runs; it may also never be. */
void
ha_restart_tell(struct ha *ha, struct ha_guest *g)
{
	obj_id cluster = inv_ancestor(ha->o.inv, g->to, KIND_CLUSTER);
	struct ha_cluster *c = ha_cluster_of(ha, cluster);
	struct ha_status_failover *f = &c->failovers[c->n_failovers++ % HA_FAILOVERS];

	*f = (struct ha_status_failover){
		.vm = g->id,
		.from = g->from,
		.to = g->to,
		.at_ms = clock_wall_ms(loop_clock(ha->loop)),
		.detect_ms = g->g.ordered_ms - g->heard_ms,
		.wait_ms = g->wait_ms,
		.claim_ms = g->claim_ms,
		.exec_ms = g->exec_ms,
	};
	g->gen = g->seen_ms = 0;
	tell_restarted(ha, f);
	if (ha->restarted)
		ha->restarted(ha->restarted_arg, cluster, f);
}

void
ha_follow_restarts(struct ha *ha, ha_restarted_fn fn, void *arg)
{
	ha->restarted = fn;
	ha->restarted_arg = arg;
}

void
ha_restart_seen(struct ha *ha, const struct ha_node *n, const Drover__RunWord *word)
{
	struct ha_guest *g = ha_guest_find(ha, obj_id_make(KIND_VM, word->guest));

	if (!g || !g->gen || word->run_gen != g->gen || !word->alive ||
	    !obj_id_is(n->id, g->to))
		return;
	if (!g->seen_ms)
		g->seen_ms = ha_now_ms(ha);
	g->claim_ms = word->detect_ms;
	g->wait_ms = word->wait_ms;
	g->exec_ms = word->exec_ms;
	if (g->exec_ms)
		ha_restart_tell(ha, g);
}
