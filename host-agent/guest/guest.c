#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_snapshot.h"
#include "host-agent/guest/guest_book.h"
#include "host-agent/guest/guest_int.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_memory.h"
#include "host-agent/guest/guest_resource.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/guest/guest_transfer.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"
#include "host-agent/resource/cg.h"

struct guest *
guest_new(struct guests *gs, const Drover__GuestSpec *spec)
{
	AUTO_FREE char *path = guest_book_path(gs->env.book_dir, spec->guest);
	struct guest *g = xcalloc(1, sizeof(*g));

	g->gs = gs;
	g->number = spec->guest;
	g->saver = saver_new(gs->env.loop, gs->env.savers, path);
	list_init(&g->waiting);
	guest_set_spec(g, spec);
	return g;
}

void
guest_waiting_drop(struct guest *g, struct waiting_order *w)
{
	list_remove(&w->node);
	free(w);
	g->n_waiting--;
}

void
guest_free(struct guest *g)
{
	if (!g)
		return;
	LIST_EACH_SAFE(struct waiting_order, w, &g->waiting, node)
		guest_waiting_drop(g, w);
	guest_job_free(g->job);
	guest_transfer_free(g->transfer);
	guest_resources_drop(g);
	guest_memory_drop(g);
	engine_guest_free(g->handle);
	saver_free(g->saver);
	drover__guest_spec__free_unpacked(g->spec, NULL);
	guest_set_move(g, NULL);
	drover__guest_spec__free_unpacked(g->next, NULL);
	free(g);
}

void
guest_set_state(struct guest *g, enum guest_state to, const char *why)
{
	if (g->state == to)
		return;
	ASSERT(guest_state_may(g->state, to));
	log_notice("guest", "vm %s (vm-%" PRIu64 "): %s -> %s%s%s", g->spec->name,
	    g->number, guest_state_name(g->state), guest_state_name(to),
	    *why ? ": " : "", why);
	g->state = to;
	snprintf(g->reason, sizeof(g->reason), "%s",
	    to == GUEST_FAILED || to == GUEST_STALLED || to == GUEST_GIVEN ? why : "");
	g->gs->ops.changed(g->gs->ops.arg);
}

void
guest_set_spec(struct guest *g, const Drover__GuestSpec *spec)
{
	Drover__GuestSpec *fresh = guest_spec_dup(spec);

	drover__guest_spec__free_unpacked(g->spec, NULL);
	g->spec = fresh;
	guest_spec_digest(fresh, g->digest);
}

static void
on_saved(void *arg, uint64_t seq, int rc, const struct err *e)
{
	struct guest *g = arg;
	struct wake w = g->save_wake;

	if (rc)
		log_err("guest", "the record of vm-%" PRIu64 " is not on disk: %s",
		    g->number, e->msg);
	g->saved_seq = seq;
	g->save_failed = rc != 0;
	if (!w.flow || seq < g->save_seq)
		return;
	g->save_wake = WAKE_NONE;
	post_wake(g->gs->env.loop, w, rc, e);
}

void
guest_forget_claim(struct guest *g)
{
	if (g->state == GUEST_STARTING && !g->restart.task)
		g->started_ms = 0;
}

void
guest_save(struct guest *g, struct wake w)
{
	guest_save_as(g, g->state, w);
}

void
guest_save_as(struct guest *g, enum guest_state state, struct wake w)
{
	AUTO(str) struct str bytes = STR_INIT;
	struct guest_record r = {
		.spec = g->spec,
		.state = state,
		.generation = g->generation,
		.started_ms = g->started_ms,
		.restart = g->restart,
		.move = g->move,
		.next = g->next,
	};

	if (g->handle)
		r.pid = engine_guest_stat(g->handle)->pid;
	snprintf(r.reason, sizeof(r.reason), "%s", g->reason);
	guest_record_encode(&r, &bytes);
	g->save_seq = saver_put(g->saver, bytes.s, bytes.len, on_saved, g);
	g->save_wake = w;
}

void
guest_await_save(struct guest *g, struct wake w)
{
	if (g->saved_seq < g->save_seq)
		g->save_wake = w;
	else if (g->save_failed)
		guest_save(g, w);
	else
		post_wake(g->gs->env.loop, w, 0, NULL);
}

void
guest_unsave(struct guest *g, struct wake w)
{
	g->save_seq = saver_put(g->saver, NULL, 0, on_saved, g);
	g->save_wake = w;
}

int
guest_handle(struct guest *g, struct engine_guest **ret_h, struct err *e)
{
	struct engine *en;

	if (!g->handle) {
		AUTO_FREE char *dir =
		    xasprintf("%s/vm-%" PRIu64, g->gs->env.run_dir, g->number);

		en = guests_engine(g->gs, g->spec->engine, e);
		if (!en)
			return e->code;
		g->handle =
		    engine_guest_new(en, g->number, dir, guest_on_engine_event, g);
	}
	*ret_h = g->handle;
	return 0;
}

void
guest_drop_handle(struct guest *g)
{
	engine_guest_free(g->handle);
	g->handle = NULL;
}

bool
guest_runs(const struct guest *g)
{
	return g->state == GUEST_RUNNING || g->state == GUEST_PAUSED ||
	       g->state == GUEST_STALLED;
}

void
guest_set_move(struct guest *g, Drover__MoveRecord *m_take)
{
	drover__move_record__free_unpacked(g->move, NULL);
	g->move = m_take;
}

bool
guest_is_live(const struct guest *g)
{
	return g->handle && engine_guest_state(g->handle) != ENGINE_DOWN;
}

static Drover__GuestInside *
inside_of(const struct guest *g)
{
	const struct engine_inside *in = engine_inside(g->handle);
	Drover__GuestInside *s;

	if (!in || !in->heartbeat_ms)
		return NULL;
	s = xcalloc(1, sizeof(*s));
	drover__guest_inside__init(s);
	s->answers = in->answers;
	s->heartbeat_ms = in->heartbeat_ms;
	s->host_name = xstrdup(in->host_name);
	s->os = xstrdup(in->os);
	s->addresses = xcalloc(in->n_addresses + 1, sizeof(*s->addresses));
	for (size_t i = 0; i < in->n_addresses; i++)
		s->addresses[s->n_addresses++] = xstrdup(in->addresses[i]);
	return s;
}

Drover__GuestStatus *
guest_status(const struct guest *g)
{
	Drover__GuestStatus *st = xcalloc(1, sizeof(*st));

	drover__guest_status__init(st);
	st->guest = g->number;
	st->uuid = xstrdup(g->spec->uuid);
	st->name = xstrdup(g->spec->name);
	st->generation = g->generation;
	st->state = (Drover__GuestState)g->state;
	st->reason = xstrdup(g->reason);
	st->started_ms = g->started_ms;
	st->disk_used_bytes = g->disk_bytes;
	st->spec_digest = xstrdup(g->digest);
	if (guest_is_live(g)) {
		st->pid = engine_guest_stat(g->handle)->pid;
		st->cpu_used_us = g->usage.cpu_used_us;
		st->memory_used_bytes = g->usage.memory_bytes;
		st->inside = inside_of(g);
		guest_resources_status(g, st);
	}
	return st;
}

void
guest_emit(struct guest *g, const char *what, const char *reason)
{
	Drover__GuestEvent ev = DROVER__GUEST_EVENT__INIT;
	AUTO_FREE char *what_text = xstrdup(what);
	AUTO_FREE char *reason_text = xstrdup(reason);

	ev.guest = g->number;
	ev.generation = g->generation;
	ev.state = (Drover__GuestState)g->state;
	ev.what = what_text;
	ev.reason = reason_text;
	ev.status = guest_status(g);
	g->gs->ops.event(g->gs->ops.arg, &ev);
	drover__guest_status__free_unpacked(ev.status, NULL);
}

void
guest_follow_engine(struct guest *g, enum guest_state down)
{
	enum engine_state st = g->handle ? engine_guest_state(g->handle) : ENGINE_DOWN;
	const char *why = g->handle ? engine_guest_reason(g->handle) : "";

	switch (st) {
	case ENGINE_STARTING:
	case ENGINE_SUSPENDING:
	case ENGINE_RUNNING:
		guest_set_state(g, GUEST_RUNNING, "");
		break;
	case ENGINE_PAUSED:
		guest_set_state(g, GUEST_PAUSED, "");
		break;
	case ENGINE_STALLED:
		guest_set_state(g, GUEST_STALLED, why);
		break;
	case ENGINE_ARRIVING:
		guest_set_state(g, GUEST_ARRIVING, "");
		break;
	case ENGINE_LEAVING:
		guest_set_state(g, GUEST_LEAVING, "");
		break;
	case ENGINE_GIVEN:
		guest_set_state(g, GUEST_GIVEN, "");
		break;
	case ENGINE_DOWN:
	case ENGINE_STATES_:
		guest_set_state(g, down, why);
		break;
	}
}

void
guest_clear_host(struct guest *g)
{
	const struct guests_env *env = &g->gs->env;
	struct err e = ERR_INIT;

	if (guest_spec_invented(g->spec))
		return;
	for (size_t i = 0; i < g->spec->n_nics; i++)
		guest_wire_drop(g, g->spec, i);
	if (env->cg && cg_guest_del(env->cg, g->number, &e))
		log_debug("guest", "vm %s: %s", g->spec->name, e.msg);
}

static void
went_down(struct guest *g, const char *reason)
{
	bool by_itself = engine_guest_end(g->handle) == ENGINE_END_GUEST;

	guest_clear_host(g);
	if (by_itself)
		guest_set_state(g, GUEST_STOPPED, "it shut itself down");
	else
		guest_set_state(g, GUEST_FAILED, reason);
	guest_emit(g, by_itself ? "shutdown" : "died", reason);
}

static void
apply_event(struct guest *g, enum engine_event_kind kind, const char *reason)
{
	switch (kind) {
	case ENGINE_EV_DOWN:
		if (guest_is_live(g) || !guest_state_is_up(g->state) ||
		    g->state == GUEST_GIVEN)
			return;
		went_down(g, reason);
		break;
	case ENGINE_EV_STALLED:
		guest_set_state(g, GUEST_STALLED, reason);
		guest_emit(g, "stalled", reason);
		break;
	case ENGINE_EV_RESUMED:
		guest_set_state(g, GUEST_RUNNING, reason);
		guest_emit(g, "resumed", reason);
		break;
	case ENGINE_EV_PAUSED:
		guest_set_state(g, GUEST_PAUSED, reason);
		guest_emit(g, "paused", reason);
		break;
	case ENGINE_EV_RESET:
		guest_emit(g, "reset", reason);
		return;
	}
	guest_save(g, WAKE_NONE);
}

void
guest_on_engine_event(struct engine_guest *h, const struct engine_event *ev, void *arg)
{
	struct guest *g = arg;

	if (!g->job) {
		apply_event(g, ev->kind, ev->reason);
		return;
	}
	/* The job's end decides what is still true of it. */
	g->has_event = true;
	g->event = ev->kind;
	snprintf(g->event_reason, sizeof(g->event_reason), "%s", ev->reason);
	guest_disks_on_event(g->job);
}

/* Does the engine still stand where the event left it? */
static bool
still_true(const struct guest *g)
{
	enum engine_state st = engine_guest_state(g->handle);

	switch (g->event) {
	case ENGINE_EV_DOWN:
		return st == ENGINE_DOWN;
	case ENGINE_EV_STALLED:
		return st == ENGINE_STALLED;
	case ENGINE_EV_RESUMED:
		return st == ENGINE_RUNNING;
	case ENGINE_EV_PAUSED:
		return st == ENGINE_PAUSED;
	case ENGINE_EV_RESET:
		return true;
	}
	return false;
}

void
guest_replay_event(struct guest *g)
{
	if (!g->has_event)
		return;
	g->has_event = false;
	if (g->handle && still_true(g))
		apply_event(g, g->event, g->event_reason);
}
