#include "host-agent/guest/guest_memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_balloon.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_pools.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/resource/balloon_decide.h"
#include "host-agent/resource/cg.h"

#define MB_BYTES UINT64_C(0x100000)
/* Of a machine's process: devices, threads, what it maps; and the translated code of
 * one that is emulated (TCG_BUFFER_MB), with what is kept about it. */
#define OVERHEAD_MB     96u
#define OVERHEAD_TCG_MB 160u
#define TELL_PART       8 /* of its size: so much more or less is worth a report */
#define IDLE_PART       4
#define RETRY_MS        5000u /* a limit that could not be reached is tried again */

/* What its group was told last. */
struct bound {
	uint64_t limit, kept, reserved;
};

struct guest_memory {
	struct balloon_state balloon;
	uint64_t actual_mb; /* 0: no balloon has been seen */
	uint64_t limit_mb;  /* that the balloon's group is to hold; 0: none */
	bool tells;         /* demand is known */
	uint64_t demand_bytes;
	uint64_t told_bytes, told_actual_mb; /* that the server was told at once */
	struct bound bound;
	uint64_t bound_ms, tried_bytes;
	bool binding; /* a worker is about it */
};

static struct guest_memory *
memory_of(struct guest *g)
{
	if (!g->memory)
		g->memory = xcalloc(1, sizeof(*g->memory));
	return g->memory;
}

void
guest_memory_drop(struct guest *g)
{
	free(g->memory);
	g->memory = NULL;
}

uint64_t
guest_memory_overhead(const struct guest *g)
{
	const struct engine *en = g->handle ? engine_guest_engine(g->handle) : NULL;
	bool emulated = en && str_same(engine_facts(en)->accelerator, "tcg");

	if (g->spec->container)
		return 0;
	return (OVERHEAD_MB + (emulated ? OVERHEAD_TCG_MB : 0)) * MB_BYTES;
}

/* What limits leave to it; 0: all that it is configured with. */
static uint64_t
most_of(const struct guest *g, const Drover__GuestSpec *spec)
{
	uint64_t most = guest_pools_memory(g).most;
	uint64_t own = spec->resources ? spec->resources->mem_limit_mb : 0;

	if (!most || !own)
		return most ? most : own;
	return most < own ? most : own;
}

static uint64_t
reserved_of(const Drover__GuestSpec *spec)
{
	return spec->resources ? spec->resources->mem_reservation_mb : 0;
}

/* ---- its group ---- */

void
guest_memory_values(
    const struct guest *g, const Drover__GuestSpec *spec, struct cg_values *v)
{
	uint64_t more = guest_memory_overhead(g), most = most_of(g, spec) * MB_BYTES;
	uint64_t entitled = guest_pools_memory(g).entitled;
	uint64_t reserved = reserved_of(spec);
	uint64_t kept = entitled > reserved ? entitled : reserved;

	if (spec->container && most && most < v->memory_bytes)
		v->memory_bytes = most;
	if (!spec->container && g->memory && g->memory->limit_mb)
		v->memory_bytes = g->memory->limit_mb * MB_BYTES + more;
	v->memory_kept_bytes = kept ? kept * MB_BYTES + more : 0;
	v->memory_reserved_bytes = reserved ? reserved * MB_BYTES + more : 0;
}

static int
run_bound(struct guest_work *k)
{
	if (cg_guest_bound(k->cg, k->guest, &k->values, &k->e))
		return err_wrap(&k->e, "vm %s", k->spec->name);
	return 0;
}

static void
bound(struct guest *g, struct guest_work *k)
{
	struct guest_memory *m = g->memory;

	if (k->e.code)
		log_debug("guest", "%s", k->e.msg);
	if (!m)
		return;
	m->binding = false;
	m->bound = (struct bound){ k->values.memory_bytes, k->values.memory_kept_bytes,
		k->values.memory_reserved_bytes };
}

/* The kernel may take a while to take back memory: a worker waits for it. */
static void
bind_group(struct guest *g, struct guest_memory *m)
{
	uint64_t now = loop_now_ms(g->gs->env.loop);
	Drover__GuestSpec diskless = DROVER__GUEST_SPEC__INIT;
	struct guest_work *k;
	struct cg_values v;

	if (!g->gs->env.cg || m->binding || g->job)
		return;
	guest_pools_values(g, g->spec, &v);
	if (m->bound.limit == v.memory_bytes && m->bound.kept == v.memory_kept_bytes &&
	    m->bound.reserved == v.memory_reserved_bytes)
		return;
	/* It was reached as far as it could be. */
	if (v.memory_bytes && v.memory_bytes == m->tried_bytes &&
	    m->bound.limit > v.memory_bytes && now - m->bound_ms < RETRY_MS)
		return;
	diskless.guest = g->number;
	diskless.name = g->spec->name;
	if (guest_work_new(g, &diskless, &k, NULL))
		return;
	k->cg = g->gs->env.cg;
	k->values = v;
	k->run = run_bound;
	k->ended = bound;
	m->bound_ms = now;
	m->tried_bytes = v.memory_bytes;
	m->binding = !guest_work_start(k, NULL, WAKE_NONE, NULL);
}

/* ---- machines ---- */

static void
tell_trust(struct guest *g, const struct guest_memory *m)
{
	char text[160];

	if (m->balloon.trust != BALLOON_STUCK) {
		log_info("guest", "vm %s: its balloon follows", g->spec->name);
		return;
	}
	snprintf(text, sizeof(text),
	    "%" PRIu64 " MB of memory: %" PRIu64
	    " are left to it, and its balloon does not follow%s",
	    m->actual_mb, m->balloon.target,
	    m->limit_mb ? "; its control group holds it" : "");
	log_warn("guest", "vm %s was refused %s", g->spec->name, text);
	guest_emit(g, "refused", text);
}

/* An emulated machine has a little more than it is configured with (ADR 0016). */
static void
note_figures(
    const struct guest *g, struct guest_memory *m, const struct engine_balloon *b)
{
	uint64_t size = g->spec->memory_mb;
	const struct balloon_figures f = {
		.actual = b->actual_mb * MB_BYTES,
		.free = b->free_bytes,
		.available = b->available_bytes,
	};

	m->actual_mb = b->actual_mb < size ? b->actual_mb : size;
	m->tells = b->tells && b->actual_mb;
	m->demand_bytes = m->tells ? balloon_demand(&f) : 0;
}

static void
turn_machine(struct guest *g, struct guest_memory *m, enum pressure p)
{
	const struct engine_balloon *b = engine_balloon(g->handle);
	struct balloon_order o;

	/* Whoever is under way with it may stop it, or send it away. */
	if (!b || g->job || g->state != GUEST_RUNNING)
		return;
	note_figures(g, m, b);
	const struct balloon_view v = {
		.size = g->spec->memory_mb,
		.reserved = reserved_of(g->spec),
		.entitled = guest_pools_memory(g).entitled,
		.most = most_of(g, g->spec),
		.actual = m->actual_mb,
		.pressure = p,
		.now_ms = loop_now_ms(g->gs->env.loop),
	};

	balloon_decide(&v, &m->balloon, &o);
	m->limit_mb = o.limit;
	if (o.target)
		engine_balloon_set(g->handle, o.target);
	if (o.is_news)
		tell_trust(g, m);
}

/* ---- containers ---- */

static void
turn_container(struct guest *g, struct guest_memory *m)
{
	struct cg_usage u = { 0 };

	m->tells = !cg_guest_usage(g->gs->env.cg, g->number, &u, NULL);
	if (!m->tells)
		return;
	if (u.idle_bytes > u.memory_bytes)
		u.idle_bytes = u.memory_bytes;
	m->demand_bytes = u.memory_bytes - u.idle_bytes + u.idle_bytes / IDLE_PART;
	g->usage.memory_bytes = u.memory_bytes;
}

/* ---- all ---- */

static uint64_t
apart(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

/* The server divides what limits leave by demand: not to be waited for where it moves
 * much. */
static void
tell_demand(const struct guest *g, struct guest_memory *m)
{
	uint64_t part = g->spec->memory_mb / TELL_PART;
	bool whole = m->actual_mb == g->spec->memory_mb;

	if (apart(m->told_bytes, m->demand_bytes) < part * MB_BYTES &&
	    apart(m->told_actual_mb, m->actual_mb) < (whole ? 1 : part))
		return;
	m->told_bytes = m->demand_bytes;
	m->told_actual_mb = m->actual_mb;
	g->gs->ops.changed(g->gs->ops.arg);
}

static void
turn(struct guest *g, enum pressure p)
{
	struct guest_memory *m;

	if (guest_spec_invented(g->spec) || g->tentative)
		return;
	if (!guest_is_live(g)) {
		guest_memory_drop(g);
		return;
	}
	m = memory_of(g);
	if (!g->spec->container)
		turn_machine(g, m, p);
	else if (g->gs->env.cg)
		turn_container(g, m);
	tell_demand(g, m);
	bind_group(g, m);
}

void
guests_memory_turn(struct guests *gs, enum pressure p)
{
	gs->pressure = p;
	MAP_EACH(gs->by_number, it)
		turn(it.value, p);
	if (gs->env.cg && cg_pools_wait(gs->env.cg))
		guest_pools_apply(gs);
}

static void
count(struct counters *to, const char *name, uint64_t bytes, uint64_t limit)
{
	struct counter c = { .unit = COUNTER_BYTES, .current = bytes, .limit = limit };

	snprintf(c.name, sizeof(c.name), "%s", name);
	counters_add(to, &c);
}

void
guest_memory_count(const struct guest *g, struct counters *to)
{
	const struct guest_memory *m = g->memory;
	uint64_t entitled = guest_pools_memory(g).entitled;

	if (entitled)
		count(to, "memory_entitlement", entitled * MB_BYTES,
		    most_of(g, g->spec) * MB_BYTES);
	if (!m)
		return;
	if (m->tells)
		count(to, "memory_demand", m->demand_bytes, 0);
	if (m->actual_mb)
		count(to, "balloon", (g->spec->memory_mb - m->actual_mb) * MB_BYTES, 0);
}
