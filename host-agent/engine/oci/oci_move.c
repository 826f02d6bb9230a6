#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move_int.h"

struct oci_move *
oci_move_new(struct oci_guest *c)
{
	oci_move_drop(c);
	c->move = xcalloc(1, sizeof(*c->move));
	c->move->began_ms = loop_now_ms(c->g.engine->loop);
	return c->move;
}

void
oci_move_drop(struct oci_guest *c)
{
	struct oci_move *m = MOVE(c->move);

	if (!m)
		return;
	if (m->arrival)
		flow_cancel(m->arrival, "cut short");
	oci_criu_watch_free(m->criu);
	oci_carry_free(m->carry);
	free(m);
}

enum flow_rc
oci_move_undo(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (c->move)
		oci_carry_free(MOVE(c->move->carry));
	return FLOW_NEXT;
}

enum flow_rc
oci_move_fail(struct flow *f, struct oci_guest *c)
{
	struct oci_move *m = c->move;

	if (m->fails)
		return FLOW_NEXT;
	m->fails = true;
	m->why = *flow_err(f);
	if (c->struck)
		err_set(&m->why, ERR_LOST, "%s", c->struck);
	if (m->is_cancelled)
		err_set(&m->why, ERR_CANCELLED, "the move was cancelled");
	if (!m->why.code)
		err_set(&m->why, ERR_INTERNAL, "nobody says why");
	log_info("engine", "%s: %s", c->who, m->why.msg);
	err_clear(flow_err(f));
	return FLOW_NEXT;
}

bool
oci_move_is_cut(const struct oci_guest *c, int rc)
{
	return oci_is_gone(c) || !c->move ||
	       (rc == ERR_CANCELLED && !c->move->is_cancelled);
}

bool
oci_move_may_fail(struct flow *f, const struct oci_guest *c, int rc)
{
	if (oci_move_is_cut(c, rc))
		return false;
	if (rc)
		log_info("engine", "%s: %s", c->who, flow_err(f)->msg);
	err_clear(flow_err(f));
	return true;
}

static void
look(struct oci_guest *c)
{
	struct engine_progress *p = &c->g.progress;
	uint64_t bytes = oci_carry_bytes(c->move->carry);
	uint64_t ms = loop_now_ms(c->g.engine->loop) - c->move->began_ms;

	p->done_bytes = bytes;
	if (p->total_bytes < bytes)
		p->total_bytes = bytes;
	p->bytes_per_s = ms ? bytes * 1000 / ms : 0;
}

enum flow_rc
oci_move_carry_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->move->carry)
		return FLOW_NEXT;
	flow_set_timeout(f, OCI_LOOK_MS);
	oci_carry_await(c->move->carry, flow_wake(f));
	return FLOW_WAIT;
}

static bool
takes_too_long(const struct oci_guest *c)
{
	const struct oci_move *m = c->move;
	uint64_t ms = loop_now_ms(c->g.engine->loop) - m->began_ms;

	return m->give_up_ms && !m->is_cancelled && ms > m->give_up_ms;
}

enum flow_rc
oci_move_carry_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	look(c);
	if (rc == ERR_TIMEOUT) {
		if (!takes_too_long(c))
			return FLOW_AGAIN;
		oci_carry_stop(c->move->carry);
		err_set(flow_err(f), ERR_TIMEOUT, "given up after %u s",
		    (unsigned)(c->move->give_up_ms / 1000));
		oci_move_fail(f, c);
		return FLOW_AGAIN;
	}
	return rc ? oci_move_fail(f, c) : FLOW_NEXT;
}

enum flow_rc
oci_move_begun_finish(struct flow *f, void *arg, int rc)
{
	return rc == ERR_TIMEOUT ? FLOW_NEXT : oci_move_carry_finish(f, arg, rc);
}

enum flow_rc
oci_move_carry_wait(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	return c->move->fails ? FLOW_NEXT : oci_move_carry_step(f, c);
}

void
oci_move_criu_begin(struct oci_guest *c)
{
	enum oci_runtime_is is =
	    oci_guard_init(c) < 0 ? OCI_RUNTIME_ITSELF : OCI_RUNTIME_ENTERED;

	oci_criu_watch_free(c->move->criu);
	c->move->criu = oci_criu_watch_new(c->g.engine->loop, &c->child, is);
}

void
oci_move_criu_end(struct oci_guest *c, const char *log, struct err *e)
{
	struct oci_criu_watch *watch = MOVE(c->move->criu);

	if (oci_criu_is_dead(watch))
		err_set(e, ERR_IO, "CRIU ended before it was done");
	else if (e->code)
		oci_move_criu_says(c, log, e);
	oci_criu_watch_free(watch);
}

enum flow_rc
oci_move_clear(struct flow *f, struct oci_guest *c)
{
	oci_ground_drop(c);
	oci_clear(c, flow_wake(f));
	return FLOW_WAIT;
}

bool
oci_move_cleared(struct flow *f, struct oci_guest *c, int rc)
{
	if (oci_move_is_cut(c, rc))
		return false;
	if (rc)
		log_warn("engine", "%s: %s", c->who, flow_err(f)->msg);
	oci_gates(c, true);
	oci_move_forget(c);
	return true;
}
