#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host-agent/engine/qemu/qemu_move.h"

static enum flow_rc
blocked_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "query-migrate", NULL);
}

static enum flow_rc
blocked_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;
	struct qemu_mig_facts m;

	if (rc || !qemu_answers(q) ||
	    qemu_mig_read(qmp_result(q->qmp), &m, flow_err(f)))
		return FLOW_FAIL;
	for (size_t i = 0; m.blocked && i < json_count(m.blocked); i++) {
		const json *why = json_at(m.blocked, i);
		const char *text =
		    json_what(why) == JSON_IS_STR ? json_str_value(why, NULL) : "";

		engine_offer_obstacle(&q->g, text);
	}
	return FLOW_NEXT;
}

static enum flow_rc
tail_start(struct flow *f, void *arg)
{
	return qemu_call_step(arg, f, "qom-get", qemu_mig_tail());
}

static enum flow_rc
tail_finish(struct flow *f, void *arg, int rc)
{
	struct qemu_guest *q = arg;

	if (rc || !qemu_answers(q))
		return FLOW_FAIL;
	if (!qemu_mig_tail_is_bare(qmp_result(q->qmp)))
		engine_offer_obstacle(&q->g, QEMU_MIG_TAIL_WHY);
	return FLOW_NEXT;
}

static const struct flow_step offer_steps[] = {
	{ "blocked", blocked_start, blocked_finish, NULL, QEMU_ANSWER_MS },
	{ "tail", tail_start, tail_finish, NULL, QEMU_ANSWER_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

int
qemu_op_move_offer(struct engine_guest *g, struct err *e)
{
	struct qemu_guest *q = qemu_guest_of(g);
	AUTO(json) json *o = qemu_shape_json(&q->shape);
	AUTO_FREE char *why = NULL;

	g->offer.shape = (uint8_t *)json_text(o);
	g->offer.n_shape = strlen((char *)g->offer.shape);
	g->offer.memory_bytes = qemu_shape_mb(&q->shape) << 20;
	if (g->state == ENGINE_STALLED) {
		why = xasprintf("it is stalled: %s", g->reason);
		engine_offer_obstacle(g, why);
	}
	if (qemu_shape_stays(&q->shape))
		engine_offer_obstacle(g, qemu_shape_stays(&q->shape));
	if (q->away == QEMU_HELD)
		engine_offer_obstacle(g, QEMU_HELD_WHY);
	qemu_run_flow(q, "qemu offer", offer_steps);
	return 0;
}
