#include "server/stats/stat_self.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/db/db.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/inv_server.h"
#include "server/inventory/txn.h"
#include "server/stats/stats_int.h"

#define KB_BYTES  1024.0
#define US_PER_S  1e6
#define US_PER_MS 1e3
#define PER_CENT  100.0

/* What only grows, at the last sample. */
struct grown {
	uint64_t at_us; /* 0: there was none */
	uint64_t cpu_us, requests, samples, dropped, answers, waited_us;
};

struct stat_self {
	obj_id id;
	bool is_storing;
	struct grown last;
	const struct stat_self_api *api;
	void *api_arg;
};

/* ---- the object ---- */

static void
on_stored(void *arg, int rc, const struct err *e)
{
	struct stats *s = CAST_OBJ(stats, arg, STATS_MAGIC);
	const struct obj *o = inv_find(s->inv, OBJ_ID_NONE, KIND_SERVER, s->name);

	s->self->is_storing = false;
	if (rc)
		log_warn("stats", "this server is not counted yet: %s", e->msg);
	else if (o)
		s->self->id = o->id;
}

/* It has begun to lead, and is new or is there already. */
static int
store(struct stats *s, struct txn *t, struct err *e)
{
	const struct obj *known = inv_find(s->inv, OBJ_ID_NONE, KIND_SERVER, s->name);
	struct droverd *row;
	void *made = NULL;

	if (!known && txn_add(t, KIND_SERVER, OBJ_ID_NONE, s->name, &made, e))
		return e->code;
	row = known ? txn_edit(t, known->id) : made;
	free(row->version);
	row->version = xstrdup(DROVER_VERSION);
	row->started_at = s->started_ms;
	return 0;
}

static void
begin(struct stats *s)
{
	struct txn *t;
	struct err e = ERR_INIT;

	if (!*s->name || s->self->is_storing)
		return;
	t = txn_new(s->inv);
	if (store(s, t, &e)) {
		log_warn("stats", "this server is not counted: %s", e.msg);
		txn_free(t);
		return;
	}
	s->self->is_storing = true;
	txn_commit(t, on_stored, s);
}

/* ---- its samples ---- */

static uint64_t
cpu_us(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static double
resident_kb(void)
{
	unsigned long long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	if (fscanf(f, "%llu %llu", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE) / KB_BYTES;
}

static void
put(struct stats *s, uint64_t slot, uint32_t counter, double v)
{
	stats_put(s, s->self->id, slot, counter, (float)v);
}

static struct grown
look(const struct stats *s)
{
	const struct stat_self *self = s->self;
	struct db_load db = db_load_now(inv_db(s->inv));
	struct grown g = {
		.at_us = clock_mono_us(loop_clock(s->loop)),
		.cpu_us = cpu_us(),
		.samples = s->samples,
		.dropped = s->dropped,
		.answers = db.answers,
		.waited_us = db.waited_us,
	};

	if (self->api)
		g.requests = self->api->requests(self->api_arg);
	return g;
}

static void
put_grown(
    struct stats *s, uint64_t slot, const struct grown *was, const struct grown *is)
{
	double us = (double)(is->at_us - was->at_us);
	double answers = (double)(is->answers - was->answers);

	if (!was->at_us || us <= 0)
		return;
	put(s, slot, METRIC_CPU_USAGE,
	    (double)(is->cpu_us - was->cpu_us) * PER_CENT /
		(us * (double)sysconf(_SC_NPROCESSORS_ONLN)));
	put(s, slot, METRIC_SERVER_SAMPLES,
	    (double)(is->samples - was->samples) * US_PER_S / us);
	put(s, slot, METRIC_SERVER_DROPPED,
	    (double)(is->dropped - was->dropped) * US_PER_S / us);
	if (s->self->api)
		put(s, slot, METRIC_SERVER_REQUESTS,
		    (double)(is->requests - was->requests) * US_PER_S / us);
	if (answers > 0)
		put(s, slot, METRIC_SERVER_DB_LATENCY,
		    (double)(is->waited_us - was->waited_us) / US_PER_MS / answers);
}

static void
put_tasks(struct stats *s, uint64_t slot)
{
	unsigned running = 0, queued = 0;

	INV_EACH(s->inv, KIND_TASK, o)
	{
		enum task_state is = inv_task(s->inv, o->id)->state;

		running += is == TASK_RUNNING;
		queued += is == TASK_QUEUED;
	}
	put(s, slot, METRIC_SERVER_TASKS_RUNNING, running);
	put(s, slot, METRIC_SERVER_TASKS_QUEUED, queued);
}

static void
put_now(struct stats *s, uint64_t slot)
{
	const struct stat_self *self = s->self;
	uint64_t wall_ms = clock_wall_ms(loop_clock(s->loop));

	put(s, slot, METRIC_MEM_CONSUMED, resident_kb());
	put(s, slot, METRIC_SYS_UPTIME, (double)(wall_ms - s->started_ms) / 1000);
	put(s, slot, METRIC_SERVER_TURN,
	    (double)loop_take_longest_us(s->loop) / US_PER_MS);
	put(s, slot, METRIC_SERVER_DB_QUEUE,
	    (double)db_load_now(inv_db(s->inv)).under_way);
	if (s->hosts)
		put(s, slot, METRIC_SERVER_AGENTS, hosts_up_count(s->hosts));
	if (self->api)
		put(s, slot, METRIC_SERVER_WATCHES,
		    (double)self->api->watches(self->api_arg));
	put_tasks(s, slot);
}

void
stat_self_put(struct stats *s, uint64_t slot)
{
	struct stat_self *self = s->self;
	struct grown is = look(s);

	if (!inv_droverd(s->inv, self->id)) {
		begin(s);
		return;
	}
	put_grown(s, slot, &self->last, &is);
	put_now(s, slot);
	self->last = is;
	stats_tell(s, self->id, slot);
}

void
stat_self_open(struct stats *s)
{
	s->self = xcalloc(1, sizeof(*s->self));
	begin(s);
}

void
stat_self_close(struct stats *s)
{
	free(MOVE(s->self));
}

void
stats_set_api(struct stats *s, const struct stat_self_api *api, void *arg)
{
	s->self->api = api;
	s->self->api_arg = arg;
}
