/*
 * What a beat is answered: until when the host may run its guests, and what it is to
 * do.
 */
#include "base/arena.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/advice/advice.h"
#include "server/ha/ha_int.h"
#include "server/hosts/guest_news.h"
#include "server/hosts/host_beat.h"
#include "server/task/task.h"

struct answer {
	Drover__BeatReply reply;
	struct arena *mem;
};

static bool
is_this_guest(const struct task_run *r, const void *arg)
{
	return obj_id_is(r->entity, *(const obj_id *)arg);
}

/* A task of somebody else's knows where it is, and in which generation. */
static bool
is_in_hands(const struct ha *ha, obj_id vm)
{
	const struct task_run *r = task_run_search(ha->o.tasks, is_this_guest, &vm);

	return r && !str_same(r->kind->op, "ha.restart");
}

/* R10: it has been started elsewhere since. After a move that was undone a guest runs
 * on with an older generation, where the inventory has it. */
static bool
must_stop(const struct ha *ha, const struct ha_node *n, const struct vm *vm,
    const struct ha_run *run)
{
	const struct advice_hold *hold = advice_hold_find(ha->o.advice, vm->o.id);

	return (run->alive || run->phase != DROVER__RUN_PHASE__RUN_NONE) &&
	       generation_is_past(run->gen, vm->run_gen) &&
	       !obj_id_is(vm->host, n->id) && !(hold && obj_id_is(hold->host, n->id)) &&
	       !is_in_hands(ha, vm->o.id);
}

/* Its word that a run is over is needed until another has been ordered. */
static bool
is_settled(const struct ha_node *n, const struct vm *vm, const struct ha_run *run)
{
	return !vm || !vm->ha_protected || !obj_id_is(vm->host, n->id) ||
	       !ha_is_reaped(vm, run);
}

static void
answer_runs(const struct ha *ha, struct ha_node *n, struct answer *a)
{
	size_t max = map_count(n->runs) + 1;

	a->reply.stop = arena_array(a->mem, max, sizeof(uint64_t));
	a->reply.reaped_seen = arena_array(a->mem, max, sizeof(uint64_t));
	MAP_EACH(n->runs, it) {
		const struct ha_run *run = it.value;
		const struct vm *vm = inv_vm(ha->o.inv, obj_id_make(KIND_VM, it.key));
		bool reaped = !run->alive && run->phase == DROVER__RUN_PHASE__RUN_NONE;
		if (vm && must_stop(ha, n, vm, run))
			a->reply.stop[a->reply.n_stop++] = it.key;
		if (!reaped || !is_settled(n, vm, run))
			continue;
		a->reply.reaped_seen[a->reply.n_reaped_seen++] = it.key;
		free(map_del(n->runs, it.key));
	}
}

static void
answer_stores(const struct ha *ha, const struct ha_node *n, struct answer *a)
{
	a->reply.others_have = arena_array(a->mem, n->n_stores + 1, sizeof(uint64_t));
	for (size_t i = 0; n->is == HA_STORE_LOST && i < n->n_stores; i++) {
		uint64_t number = n->stores[i].number;
		if (ha_store_lost_ms(ha, n, number))
			a->reply.others_have[a->reply.n_others_have++] = number;
	}
}

/* Both ends are noted before they are sent. */
static void
grant(struct ha *ha, struct ha_node *n, const struct host *row,
    const struct cluster *cl, Drover__BeatReply *reply)
{
	const struct lease_terms terms = ha_terms_of(cl);
	uint64_t now_ms = ha_now_ms(ha);

	n->h.fenced = n->fencing || ha_is_fenced(row);
	struct ha_grant g =
	    ha_grant(&n->h, &terms, now_ms, ha->o.lead_end_ms(ha->o.arg));
	n->h.grants_end_ms =
	    ha_later(n->h.grants_end_ms, lease_end(now_ms, g.length_ms));
	if (g.long_ms)
		n->h.long_end_ms =
		    ha_later(n->h.long_end_ms, lease_end(now_ms, g.long_ms));
	reply->lease_ms = (uint32_t)g.length_ms;
	reply->long_ms = (uint32_t)g.long_ms;
	if (!g.length_ms || n->h.mode != HA_FROZEN || n->busy)
		return;
	n->h.long_end_ms =
	    ha_later(n->h.long_end_ms, lease_end(now_ms, LEASE_FREEZE_MS));
	reply->frozen_ms = LEASE_FREEZE_MS;
}

void
ha_reply(struct ha *ha, const struct ha_node *n, Drover__BeatReply *reply)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	m.body_case = DROVER__ENVELOPE__BODY_BEAT_REPLY;
	m.beat_reply = reply;
	hosts_send_beat(ha->o.hosts, n->id, &m);
}

void
ha_answer(
    struct ha *ha, struct ha_node *n, const struct cluster *cl, const Drover__Beat *b)
{
	AUTO(arena) struct arena *mem = arena_new();
	const struct host *row = inv_host(ha->o.inv, n->id);
	struct answer a = { .mem = mem };

	drover__beat_reply__init(&a.reply);
	a.reply.nonce = b->nonce;
	a.reply.inc = b->inc;
	a.reply.fenced = b->inc && (b->inc != row->ha_inc || ha_is_fenced(row));
	if (b->ask && b->inc && b->inc == row->ha_inc)
		grant(ha, n, row, cl, &a.reply);
	answer_stores(ha, n, &a);
	answer_runs(ha, n, &a);
	ha_reply(ha, n, &a.reply);
}
