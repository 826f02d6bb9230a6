#include "host-agent/engine/engine.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine_int.h"

static const char *const cap_names[] = {
#define CAP(code, name) [ENGINE_CAP_##code] = name,
#include "host-agent/engine/engine_cap.def"
#undef CAP
};

static const char *const state_names[] = {
#define STATE(code, name) [ENGINE_##code] = name,
#include "host-agent/engine/engine_state.def"
#undef STATE
};

static const char *const verb_names[] = {
	[ENGINE_START] = "start",
	[ENGINE_STOP] = "stop",
	[ENGINE_KILL] = "kill",
	[ENGINE_RESET] = "reset",
	[ENGINE_PAUSE] = "pause",
	[ENGINE_RESUME] = "resume",
	[ENGINE_SUSPEND] = "suspend",
	[ENGINE_RESIZE] = "resize",
	[ENGINE_QUERY] = "query",
	[ENGINE_ADOPT] = "adopt",
	[ENGINE_MOVE_OFFER] = "offer",
	[ENGINE_MOVE_IN] = "move in",
	[ENGINE_MOVE_WAIT] = "wait for its arrival",
	[ENGINE_MOVE_OUT] = "move out",
	[ENGINE_TAKE_BACK] = "take back",
	[ENGINE_ADOPT_MOVING] = "adopt on its way",
	[ENGINE_DISK_MOVE] = "move a disk",
	[ENGINE_DISK_MOVE_END] = "end moving a disk",
	[ENGINE_FREEZE] = "take a snapshot",
	[ENGINE_MERGE] = "merge images",
	[ENGINE_MERGE_END] = "end merging images",
	[ENGINE_PLUG_DISK] = "plug a disk",
	[ENGINE_PLUG_NIC] = "plug a nic",
	[ENGINE_UNPLUG_DISK] = "unplug a disk",
	[ENGINE_UNPLUG_NIC] = "unplug a nic",
	[ENGINE_GROW_DISK] = "grow a disk",
	[ENGINE_LIMIT_DISK] = "limit a disk",
	[ENGINE_CHECK] = "look at what starts it",
};

#define GO  ENGINE_GO
#define HAS ENGINE_ALREADY
#define NO  ENGINE_REFUSE

static const enum engine_verdict verb_may[ENGINE_VERBS_][ENGINE_STATES_] = {
	/* clang-format off */
	/*                  down starting running paused stalled suspending arriving leaving given */
	[ENGINE_START]   = { GO,  NO,      HAS,    HAS,   HAS,    NO,        NO,      NO,     NO },
	[ENGINE_STOP]    = { HAS, NO,      GO,     NO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_KILL]    = { HAS, GO,      GO,     GO,    GO,     GO,        GO,      GO,     GO },
	[ENGINE_RESET]   = { NO,  NO,      GO,     GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_CHECK]   = { GO,  NO,      GO,     GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_PAUSE]   = { NO,  NO,      GO,     HAS,   NO,     NO,        NO,      NO,     NO },
	[ENGINE_RESUME]  = { NO,  NO,      HAS,    GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_SUSPEND] = { NO,  NO,      GO,     GO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_RESIZE]  = { NO,  NO,      GO,     GO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_QUERY]   = { HAS, GO,      GO,     GO,    GO,     GO,        GO,      GO,     GO },
	[ENGINE_ADOPT]   = { GO,  HAS,     HAS,    HAS,   HAS,    HAS,       HAS,     HAS,    HAS },
	[ENGINE_MOVE_OFFER] = { NO, NO,    GO,     GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_MOVE_IN]    = { GO, NO,    NO,     NO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_MOVE_WAIT]  = { GO, NO,    HAS,    HAS,   HAS,    NO,        GO,      NO,     NO },
	[ENGINE_MOVE_OUT]   = { NO, NO,    GO,     GO,    NO,     NO,        NO,      NO,     HAS },
	[ENGINE_TAKE_BACK]  = { NO, NO,    HAS,    HAS,   HAS,    NO,        NO,      NO,     GO },
	[ENGINE_ADOPT_MOVING] = { GO, HAS, HAS,    HAS,   HAS,    HAS,       HAS,     HAS,    HAS },
	[ENGINE_DISK_MOVE]     = { NO, NO, GO,     GO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_DISK_MOVE_END] = { HAS, NO, GO,    GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_FREEZE]    = { NO,  NO,    GO,     GO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_MERGE]     = { NO,  NO,    GO,     GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_MERGE_END] = { NO,  NO,    GO,     GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_PLUG_DISK]   = { NO, NO,   GO,     GO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_PLUG_NIC]    = { NO, NO,   GO,     GO,    NO,     NO,        NO,      NO,     NO },
	/* A guest that stands still lets go of nothing. */
	[ENGINE_UNPLUG_DISK] = { NO, NO,   GO,     NO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_UNPLUG_NIC]  = { NO, NO,   GO,     NO,    NO,     NO,        NO,      NO,     NO },
	[ENGINE_GROW_DISK]   = { NO, NO,   GO,     GO,    GO,     NO,        NO,      NO,     NO },
	[ENGINE_LIMIT_DISK]  = { NO, NO,   GO,     GO,    GO,     NO,        NO,      NO,     NO },
	/* clang-format on */
};

#undef GO
#undef HAS
#undef NO

enum engine_verdict
engine_verb_check(enum engine_verb v, enum engine_state st)
{
	return verb_may[v][st];
}

const char *
engine_verb_name(enum engine_verb v)
{
	return verb_names[v];
}

const char *
engine_cap_name(enum engine_cap cap)
{
	return cap_names[cap];
}

const char *
engine_state_name(enum engine_state st)
{
	return state_names[st];
}

/* ---- engines ---- */

void
engine_free(struct engine *en)
{
	if (en)
		en->ops->free(en);
}

const char *
engine_name(const struct engine *en)
{
	return en->ops->name;
}

void
engine_probe(struct engine *en, struct wake w)
{
	en->ops->probe(en, w);
}

const struct engine_facts *
engine_facts(const struct engine *en)
{
	return &en->facts;
}

bool
engine_can(const struct engine *en, enum engine_cap cap)
{
	return en->facts.usable && en->facts.caps[cap].able;
}

void
engine_fact_cap(struct engine_facts *f, enum engine_cap cap, const char *why_not)
{
	struct engine_cap_fact *c = &f->caps[cap];

	c->able = why_not == NULL;
	snprintf(c->why_not, sizeof(c->why_not), "%s", why_not ? why_not : "");
}

int
engine_spec_check(const struct engine *en, const Drover__GuestSpec *spec, struct err *e)
{
	return en->ops->spec_check(en, spec, e);
}

/* ---- guests ---- */

struct engine_guest *
engine_guest_new(struct engine *en, uint64_t guest, const char *dir,
    engine_event_fn on_event, void *arg)
{
	struct engine_guest *g = en->ops->guest_new(en);

	ASSERT(dir[0] == '/');
	g->engine = en;
	g->number = guest;
	g->dir = xstrdup(dir);
	g->on_event = on_event;
	g->event_arg = arg;
	g->progress.phase = "";
	list_init(&g->ears);
	return g;
}

void
engine_guest_free(struct engine_guest *g)
{
	if (!g)
		return;
	/* Whatever is still under way has nobody to tell. */
	g->on_event = NULL;
	g->busy = false;
	engine_offer_clear(g);
	LIST_EACH_SAFE(struct engine_ear, r, &g->ears, node) {
		engine_console_leave(r);
	}
	g->engine->ops->guest_free(g);
}

struct engine *
engine_guest_engine(const struct engine_guest *g)
{
	return g->engine;
}

enum engine_state
engine_guest_state(const struct engine_guest *g)
{
	return g->state;
}

enum engine_end
engine_guest_end(const struct engine_guest *g)
{
	return g->end;
}

const char *
engine_guest_reason(const struct engine_guest *g)
{
	return g->reason;
}

const struct engine_stat *
engine_guest_stat(const struct engine_guest *g)
{
	return &g->stat;
}

void
engine_set_state(struct engine_guest *g, enum engine_state to, const char *why)
{
	if (g->state == to)
		return;
	log_info("engine", "vm-%" PRIu64 ": %s -> %s%s%s", g->number,
	    engine_state_name(g->state), engine_state_name(to), *why ? ": " : "", why);
	g->state = to;
	if (to != ENGINE_DOWN)
		g->end = ENGINE_END_NONE;
	snprintf(g->reason, sizeof(g->reason), "%s", to == ENGINE_STALLED ? why : "");
}

void
engine_set_down(struct engine_guest *g, enum engine_end end, const char *reason)
{
	struct err e = ERR_INIT;

	engine_set_state(g, ENGINE_DOWN, reason);
	err_set(&e, ERR_LOST, "vm-%" PRIu64 " has ended: %s", g->number, reason);
	engine_picture_end(g, e.code, &e, NULL, 0);
	g->end = end;
	snprintf(g->reason, sizeof(g->reason), "%s", reason);
	g->stat.pid = 0;
	g->stat.start_ticks = 0;
	g->stat.memory_used_bytes = 0;
}

void
engine_emit(struct engine_guest *g, enum engine_event_kind kind, const char *reason)
{
	struct engine_event ev = { kind, reason };

	if (g->on_event)
		g->on_event(g, &ev, g->event_arg);
}

void
engine_done(struct engine_guest *g, int rc, const struct err *e)
{
	if (!g->busy)
		return;
	g->busy = false;
	post_wake(g->engine->loop, g->wake, rc, e);
}

bool
engine_begin(struct engine_guest *g, enum engine_verb v, struct wake w)
{
	struct loop *l = g->engine->loop;
	struct err e = ERR_INIT;

	if (g->busy && v != ENGINE_KILL) {
		err_set(&e, ERR_BUSY, "vm-%" PRIu64 ": cannot %s: %s is under way",
		    g->number, verb_names[v], verb_names[g->verb]);
		post_wake(l, w, e.code, &e);
		return false;
	}
	switch (engine_verb_check(v, g->state)) {
	case ENGINE_REFUSE:
		err_set(&e, ERR_BAD_STATE, "vm-%" PRIu64 ": cannot %s: it is %s",
		    g->number, verb_names[v], state_names[g->state]);
		post_wake(l, w, e.code, &e);
		return false;
	case ENGINE_ALREADY:
		post_wake(l, w, 0, NULL);
		return false;
	case ENGINE_GO:
		break;
	}
	err_set(&e, ERR_CANCELLED, "vm-%" PRIu64 ": %s was cut short by kill",
	    g->number, verb_names[g->verb]);
	engine_done(g, e.code, &e);
	g->busy = true;
	g->verb = v;
	g->wake = w;
	return true;
}

void
engine_begun(struct engine_guest *g, int rc, const struct err *e)
{
	if (rc)
		engine_done(g, rc, e);
}

void
engine_start(struct engine_guest *g, const struct engine_boot *b, struct wake w)
{
	struct err e = ERR_INIT;
	int rc;

	if (!engine_begin(g, ENGINE_START, w))
		return;
	rc = engine_spec_check(g->engine, b->spec, &e);
	if (!rc)
		rc = engine_guard_check(g->engine, b, &e);
	if (!rc)
		rc = g->engine->ops->start(g, b, &e);
	if (rc)
		err_wrap(&e, "vm-%" PRIu64 ": cannot start", g->number);
	engine_begun(g, rc, &e);
}

void
engine_stop(struct engine_guest *g, uint32_t timeout_ms, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_STOP, w))
		engine_begun(g, g->engine->ops->stop(g, timeout_ms, &e), &e);
}

void
engine_kill(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_KILL, w))
		engine_begun(g, g->engine->ops->kill(g, &e), &e);
}

void
engine_check(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (!engine_begin(g, ENGINE_CHECK, w))
		return;
	if (g->engine->ops->check)
		engine_begun(g, g->engine->ops->check(g, &e), &e);
	else
		engine_done(g, 0, NULL);
}

void
engine_reset(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_RESET, w))
		engine_begun(g, g->engine->ops->reset(g, &e), &e);
}

void
engine_pause(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_PAUSE, w))
		engine_begun(g, g->engine->ops->pause(g, &e), &e);
}

void
engine_resume(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_RESUME, w))
		engine_begun(g, g->engine->ops->resume(g, &e), &e);
}

void
engine_suspend(struct engine_guest *g, int memory_fd, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_SUSPEND, w))
		engine_begun(g, g->engine->ops->suspend(g, memory_fd, &e), &e);
}

void
engine_resize(struct engine_guest *g, const Drover__GuestSpec *spec, struct wake w)
{
	struct err e = ERR_INIT;
	int rc;

	if (!engine_begin(g, ENGINE_RESIZE, w))
		return;
	rc = engine_spec_check(g->engine, spec, &e);
	if (!rc)
		rc = g->engine->ops->resize(g, spec, &e);
	if (rc)
		err_wrap(&e, "vm-%" PRIu64, g->number);
	engine_begun(g, rc, &e);
}

void
engine_query(struct engine_guest *g, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_QUERY, w))
		engine_begun(g, g->engine->ops->query(g, &e), &e);
}

void
engine_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct wake w)
{
	struct err e = ERR_INIT;

	if (engine_begin(g, ENGINE_ADOPT, w))
		engine_begun(g, g->engine->ops->adopt(g, spec, &e), &e);
}
