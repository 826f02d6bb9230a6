#include "host-agent/guest/guests.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/guest/guest_book.h"
#include "host-agent/guest/guest_int.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_past.h"
#include "host-agent/guest/guest_pools.h"
#include "host-agent/guest/guest_snapshot.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/record/record.h"
#include "proto/msg.h"

struct guest *
guests_find(const struct guests *gs, uint64_t number)
{
	return map_get(gs->by_number, number);
}

struct guest *
guests_add(struct guests *gs, const Drover__GuestSpec *spec)
{
	struct guest *g = guest_new(gs, spec);

	map_put(gs->by_number, g->number, g);
	return g;
}

void
guests_remove(struct guests *gs, struct guest *g)
{
	AUTO_FREE char *folder = guest_book_path(gs->env.book_dir, g->number);

	*strrchr(folder, '/') = '\0';
	rmdir(folder); /* stays if a damaged record is kept in it */
	map_del(gs->by_number, g->number);
	guest_free(g);
}

struct engine *
guests_engine(const struct guests *gs, const char *name, struct err *e)
{
	for (size_t i = 0; i < gs->env.n_engines; i++) {
		if (!strcmp(engine_name(gs->env.engines[i]), name))
			return gs->env.engines[i];
	}
	err_set(e, ERR_UNSUPPORTED, "this host has no engine \"%.30s\"", name);
	return NULL;
}

struct guest_generation
guests_generation(const struct guests *gs, uint64_t number)
{
	const struct guest *g = guests_find(gs, number);
	uint64_t over = guest_past_seen(gs->past, number);

	if (!g || over > g->generation) {
		return (struct guest_generation){
			.seen = over,
			.ran = over > 0,
			.runs = g && guest_runs(g),
		};
	}
	return (struct guest_generation){
		.seen = g->generation,
		.ran = g->started_ms != 0 || over == g->generation,
		.runs = guest_runs(g),
	};
}

int
guests_spec_check(const struct guests *gs, const Drover__GuestSpec *spec, struct err *e)
{
	const struct engine *en;
	int rc = guest_spec_check(spec, gs->env.bridges, e);

	if (rc)
		return rc;
	if (spec->n_nics && !gs->env.nl && !guest_spec_invented(spec))
		return err_set(e, ERR_UNSUPPORTED,
		    "vm %s: this host cannot make network ports", spec->name);
	en = guests_engine(gs, spec->engine, e);
	if (!en)
		return e->code;
	if (!engine_facts(en)->usable)
		return err_set(e, ERR_UNSUPPORTED,
		    "engine %s cannot be used on this host: %s", spec->engine,
		    engine_facts(en)->why_not);
	return engine_spec_check(en, spec, e);
}

static void
on_record(void *arg, struct guest_record *r_take)
{
	struct guests *gs = arg;
	struct guest *g;

	if (map_count(gs->by_number) >= MAX_GUESTS_PER_HOST) {
		log_err("guest", "vm-%" PRIu64 ": this host has %u guests already",
		    r_take->spec->guest, MAX_GUESTS_PER_HOST);
		guest_record_fini(r_take);
		return;
	}
	g = guests_add(gs, r_take->spec);
	g->state = r_take->state;
	g->generation = r_take->generation;
	g->started_ms = r_take->started_ms;
	g->restart = r_take->restart;
	guest_set_move(g, MOVE(r_take->move));
	g->next = MOVE(r_take->next);
	snprintf(g->reason, sizeof(g->reason), "%s", r_take->reason);
	guest_record_fini(r_take);
}

int
guests_open(const struct guests_env *env, const struct guests_ops *ops,
    struct guests **ret_gs, struct err *e)
{
	struct guests *gs = xcalloc(1, sizeof(*gs));
	unsigned damaged = 0;
	int rc;

	gs->env = *env;
	gs->ops = *ops;
	gs->by_number = map_new_u64();
	list_init(&gs->works);
	AUTO_FREE char *past = xasprintf("%s/past", env->book_dir);
	rc = record_dir_make(env->book_dir, 0700, e);
	if (!rc)
		rc = record_dir_make(env->run_dir, 0755, e);
	if (!rc)
		rc = guest_past_open(env->loop, env->savers, past, &gs->past, e);
	if (!rc)
		rc = guest_book_load(env->book_dir, on_record, gs, &damaged, e);
	if (rc) {
		guests_free(gs);
		return rc;
	}
	log_info("guest", "%zu guests are in the book, %u records are damaged",
	    map_count(gs->by_number), damaged);
	*ret_gs = gs;
	return 0;
}

void
guests_free(struct guests *gs)
{
	if (!gs)
		return;
	LIST_EACH_SAFE(struct guest_work, k, &gs->works, node) {
		list_remove(&k->node);
		k->gs = NULL;
	}
	MAP_EACH(gs->by_number, it)
		guest_free(it.value);
	map_free(gs->by_number);
	guest_past_free(gs->past);
	guest_pools_free(gs->pools);
	free(gs);
}

size_t
guests_count(const struct guests *gs)
{
	return map_count(gs->by_number);
}

static void
on_none_to_adopt(void *arg)
{
	struct guests *gs = arg;

	gs->adopted(gs->adopted_arg);
}

static const struct flow_step *
adoption_of(const struct guest *g)
{
	switch (g->state) {
	case GUEST_ARRIVING:
		return guest_arrival_steps;
	case GUEST_LEAVING:
	case GUEST_GIVEN:
		return guest_adopt_leaving_steps;
	case GUEST_UNKNOWN:
	case GUEST_CREATING:
	case GUEST_STOPPED:
	case GUEST_STARTING:
	case GUEST_RUNNING:
	case GUEST_PAUSED:
	case GUEST_STALLED:
	case GUEST_SUSPENDING:
	case GUEST_SUSPENDED:
	case GUEST_STOPPING:
	case GUEST_DELETING:
	case GUEST_FAILED:
	case GUEST_STATES_:
		break;
	}
	return guest_adopt_steps;
}

/* Of a guest that is down; what it has meanwhile waits for no more than the worker. */
static void
tidy_disks(struct guest *g)
{
	if (g->move)
		guest_job_start(
		    guest_job_new_internal(g, "tidying"), guest_tidy_disks_steps);
	else if (g->next)
		guest_job_start(
		    guest_job_new_internal(g, "settling"), guest_settle_steps);
}

void
guests_adopt(struct guests *gs, void (*done)(void *arg), void *arg)
{
	gs->adopted = done;
	gs->adopted_arg = arg;
	MAP_EACH(gs->by_number, it) {
		struct guest *g = it.value;
		struct guest_job *j;

		if (!guest_state_is_up(g->state)) {
			tidy_disks(g);
			continue;
		}
		j = guest_job_new_internal(g, "adoption");
		j->adopts = true;
		gs->adopting++;
		guest_job_start(j, adoption_of(g));
	}
	if (!gs->adopting)
		post_call(gs->env.loop, on_none_to_adopt, gs);
}

size_t
guests_status(const struct guests *gs, Drover__GuestStatus ***ret_st)
{
	size_t n = map_count(gs->by_number);
	Drover__GuestStatus **all = xcalloc(n + 1, sizeof(Drover__GuestStatus *));
	AUTO_FREE uint64_t *keys = map_keys_sorted(gs->by_number);
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		const struct guest *g = guests_find(gs, keys[i]);

		if (!g->tentative)
			all[m++] = guest_status(g);
	}
	*ret_st = all;
	return m;
}

const char *
guests_on_datastore(const struct guests *gs, uint64_t datastore)
{
	MAP_EACH(gs->by_number, it) {
		const struct guest *g = it.value;

		for (size_t i = 0; i < g->spec->n_disks; i++) {
			if (g->spec->disks[i]->datastore == datastore)
				return g->spec->name;
		}
	}
	return NULL;
}

void
guests_each(
    struct guests *gs, void (*fn)(void *arg, const struct guest_view *v), void *arg)
{
	MAP_EACH(gs->by_number, it) {
		const struct guest *g = it.value;
		struct guest_view v = {
			.guest = g->number,
			.is_up = guest_is_live(g),
			.started_ms = g->started_ms,
			.num_cpu = g->spec->num_cpu,
			.spec = g->spec,
			.handle = g->handle,
		};

		/* The process that an invented guest claims is nobody's, or another's.
		 */
		if (v.is_up && !guest_spec_invented(g->spec))
			v.pid = engine_guest_stat(g->handle)->pid;
		fn(arg, &v);
	}
}

void
guests_set_usage(struct guests *gs, uint64_t guest, const struct guest_usage *u)
{
	struct guest *g = guests_find(gs, guest);

	if (g)
		g->usage = *u;
}

struct guest_usage
guests_usage(const struct guests *gs)
{
	struct guest_usage sum = { 0 };

	MAP_EACH(gs->by_number, it) {
		const struct guest *g = it.value;

		if (!guest_is_live(g))
			continue;
		sum.cpu_used_us += g->usage.cpu_used_us;
		sum.memory_bytes += g->usage.memory_bytes;
	}
	return sum;
}
