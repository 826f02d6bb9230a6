#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "host-agent/engine/sim/sim_fault.h"
#include "loop/timer.h"

#define SIM_MAGIC       0x53494d45u
#define SIM_GUEST_MAGIC 0x53494d47u
#define SLOW_FACTOR     10
#define QUICK_DIVISOR   10 /* of a start: what pause, reset and their like take */
#define FIRST_PID       1000000
#define STATE_MAX       512
#define CONSOLE_TEXT    "sim: running\n"

struct sim {
	struct engine en;
	struct rng rng;
	struct sim_script script;
	uint32_t start_ms, stop_ms;
	char *state_dir;
};

struct sim_guest {
	struct engine_guest g;
	struct sim *sim;
	struct timer *timer; /* ends the verb under way */
	enum sim_fault_kind fault;
	uint64_t started_ms;
	uint32_t num_cpu;
	uint64_t memory_mb;
	bool in_time; /* a stop that ends before its deadline */
	uint32_t timeout_ms;
	int memory_fd;
};

static struct sim *
sim_of(struct engine *en)
{
	return CAST_OBJ(sim, en, SIM_MAGIC);
}

static struct sim_guest *
guest_of(struct engine_guest *g)
{
	return CAST_OBJ(sim_guest, g, SIM_GUEST_MAGIC);
}

/* ---- what survives an agent restart ---- */

static char *
state_path(const struct sim_guest *s)
{
	if (!s->sim->state_dir)
		return NULL;
	return xasprintf("%s/vm-%" PRIu64, s->sim->state_dir, s->g.number);
}

static json *
sizes_json(const struct sim_guest *s)
{
	json *o = json_new_object();

	json_set_u64(o, "num_cpu", s->num_cpu);
	json_set_u64(o, "memory_mb", s->memory_mb);
	return o;
}

static int
read_sizes(struct sim_guest *s, const json *o, struct err *e)
{
	uint64_t num_cpu = 0;
	int rc = json_read_u64(o, "num_cpu", JSON_REQUIRED, 1, UINT32_MAX, &num_cpu, e);

	if (rc)
		return rc;
	s->num_cpu = (uint32_t)num_cpu;
	return json_read_u64(
	    o, "memory_mb", JSON_REQUIRED, 1, INT64_MAX, &s->memory_mb, e);
}

static void
save(const struct sim_guest *s)
{
	AUTO_FREE char *path = state_path(s);
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;
	AUTO(json) json *o = NULL;

	if (!path)
		return;
	if (s->g.state != ENGINE_RUNNING && s->g.state != ENGINE_PAUSED) {
		unlink(path);
		return;
	}
	o = sizes_json(s);
	json_set_str(o, "state", engine_state_name(s->g.state));
	json_set_u64(o, "started_ms", s->started_ms);
	text = json_text(o);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	/* An invented guest that cannot be noted is gone after the restart. */
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		unlink(path);
}

static bool
load(struct sim_guest *s, enum engine_state *ret_st)
{
	AUTO_FREE char *path = state_path(s);
	AUTO_CLOSE int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	AUTO(json) json *o = NULL;
	const char *state = "";
	char buf[STATE_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (n <= 0 || json_parse(buf, (size_t)n, path, &o, NULL) ||
	    read_sizes(s, o, NULL) ||
	    json_read_u64(
		o, "started_ms", JSON_REQUIRED, 0, INT64_MAX, &s->started_ms, NULL) ||
	    json_read_str(o, "state", JSON_REQUIRED, sizeof(buf), &state, NULL))
		return false;
	*ret_st = str_same(state, "paused") ? ENGINE_PAUSED : ENGINE_RUNNING;
	return true;
}

/* ---- verbs ---- */

static void
refresh(struct sim_guest *s)
{
	struct engine_stat *st = &s->g.stat;
	uint64_t ran_ms = loop_now_ms(s->g.engine->loop) - s->started_ms;

	if (s->g.state == ENGINE_DOWN)
		return;
	st->pid = (pid_t)(FIRST_PID + s->g.number % FIRST_PID);
	st->start_ticks = s->started_ms + 1;
	st->num_cpu = s->num_cpu;
	st->memory_mb = s->memory_mb;
	/* Half a CPU each, and all memory touched. */
	st->cpu_used_us = ran_ms * 500 * s->num_cpu;
	st->memory_used_bytes = s->memory_mb << 20;
}

static void
move(struct sim_guest *s, enum engine_state to)
{
	engine_set_state(&s->g, to, "");
	refresh(s);
	save(s);
}

static void
end(struct sim_guest *s, enum engine_end why, const char *reason)
{
	engine_set_down(&s->g, why, reason);
	save(s);
}

static int
write_memory(struct sim_guest *s, struct err *e)
{
	AUTO(json) json *o = sizes_json(s);
	AUTO_FREE char *text = json_text(o);
	ssize_t n = (ssize_t)strlen(text);

	if (write(s->memory_fd, text, (size_t)n) != n)
		return err_sys(e, ERR_IO, errno,
		    "vm-%" PRIu64 ": cannot save its memory", s->g.number);
	return 0;
}

static int
read_memory(struct sim_guest *s, int fd, struct err *e)
{
	AUTO(json) json *o = NULL;
	char buf[STATE_MAX];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	if (n <= 0 || json_parse(buf, (size_t)n, "memory", &o, NULL) ||
	    read_sizes(s, o, NULL))
		return err_set(e, ERR_CORRUPT, "this is no memory image");
	return 0;
}

static void
crash(struct sim_guest *s)
{
	enum engine_verb verb = s->g.verb;
	struct err e = ERR_INIT;

	err_set(&e, ERR_LOST, "vm-%" PRIu64 ": crashed during %s", s->g.number,
	    engine_verb_name(verb));
	end(s, ENGINE_END_DIED, "killed by SIGSEGV");
	engine_done(&s->g, e.code, &e);
	if (verb != ENGINE_START)
		engine_emit(&s->g, ENGINE_EV_DOWN, s->g.reason);
}

static int
finish_stop(struct sim_guest *s, struct err *e)
{
	if (!s->in_time)
		return err_set(e, ERR_TIMEOUT,
		    "vm-%" PRIu64 " did not shut down within %u s; it runs on",
		    s->g.number, (s->timeout_ms + 999) / 1000);
	end(s, ENGINE_END_ORDERED, "the guest shut down");
	return 0;
}

static int
finish_suspend(struct sim_guest *s, struct err *e)
{
	int rc = write_memory(s, e);

	close(s->memory_fd);
	s->memory_fd = -1;
	if (rc)
		move(s, ENGINE_RUNNING);
	else
		end(s, ENGINE_END_SUSPENDED, "");
	return rc;
}

static void
start_over(struct sim_guest *s)
{
	s->started_ms = loop_now_ms(s->g.engine->loop);
	move(s, ENGINE_RUNNING);
}

static int
finish(struct sim_guest *s, struct err *e)
{
	switch (s->g.verb) {
	case ENGINE_START:
	case ENGINE_RESET:
		start_over(s);
		return 0;
	case ENGINE_STOP:
		return finish_stop(s, e);
	case ENGINE_KILL:
		end(s, ENGINE_END_ORDERED, "");
		return 0;
	case ENGINE_PAUSE:
		move(s, ENGINE_PAUSED);
		return 0;
	case ENGINE_RESUME:
		move(s, ENGINE_RUNNING);
		return 0;
	case ENGINE_SUSPEND:
		return finish_suspend(s, e);
	case ENGINE_RESIZE:
		save(s);
		break;
	case ENGINE_QUERY:
	case ENGINE_ADOPT:
	case ENGINE_VERBS_:
		break;
	}
	refresh(s);
	return 0;
}

static void
on_timer(void *arg)
{
	struct sim_guest *s = arg;
	struct err e = ERR_INIT;
	int rc;

	if (!s->g.busy)
		return;
	if (s->fault == SIM_CRASH) {
		crash(s);
		return;
	}
	rc = finish(s, &e);
	engine_done(&s->g, rc, &e);
}

/* mean ± a quarter, by the seed. */
static uint64_t
draw_ms(struct sim *sim, uint32_t mean_ms)
{
	return mean_ms - mean_ms / 4 + rng_below(&sim->rng, mean_ms / 2 + 1);
}

/* Let the verb under way end after about mean_ms, or as the script says. */
static int
run(struct sim_guest *s, uint32_t mean_ms, uint64_t *ret_ms, struct err *e)
{
	uint64_t ms = draw_ms(s->sim, mean_ms);

	s->fault = sim_script_look(&s->sim->script, s->g.verb, s->g.number);
	if (s->fault == SIM_STUCK)
		return err_set(e, ERR_BUSY, "vm-%" PRIu64 ": %s is stuck", s->g.number,
		    engine_verb_name(s->g.verb));
	if (s->fault == SIM_SLOW)
		ms = (ms + 1) * SLOW_FACTOR;
	if (ret_ms)
		*ret_ms = ms;
	if (s->fault == SIM_LOST)
		timer_stop(s->timer);
	else
		timer_after(s->timer, ms);
	return 0;
}

static int
quick(struct engine_guest *g, struct err *e)
{
	struct sim_guest *s = guest_of(g);

	return run(s, s->sim->start_ms / QUICK_DIVISOR, NULL, e);
}

static int
op_start(struct engine_guest *g, const struct engine_boot *b, struct err *e)
{
	struct sim_guest *s = guest_of(g);
	int rc = 0;

	s->num_cpu = b->spec->num_cpu;
	s->memory_mb = b->spec->memory_mb;
	if (b->memory_fd >= 0)
		rc = read_memory(s, b->memory_fd, e);
	if (!rc)
		rc = run(s, s->sim->start_ms, NULL, e);
	if (!rc)
		engine_set_state(g, ENGINE_STARTING, "");
	return rc;
}

static int
op_stop(struct engine_guest *g, uint32_t timeout_ms, struct err *e)
{
	struct sim_guest *s = guest_of(g);
	uint64_t ms = 0;
	int rc = run(s, s->sim->stop_ms, &ms, e);

	s->timeout_ms = timeout_ms;
	s->in_time = ms <= timeout_ms;
	if (!rc && !s->in_time)
		timer_after(s->timer, timeout_ms);
	return rc;
}

static int
op_suspend(struct engine_guest *g, int memory_fd, struct err *e)
{
	struct sim_guest *s = guest_of(g);
	int rc = quick(g, e);

	if (rc)
		return rc;
	s->memory_fd = fcntl(memory_fd, F_DUPFD_CLOEXEC, 3);
	engine_set_state(g, ENGINE_SUSPENDING, "");
	return 0;
}

static int
op_resize(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct sim_guest *s = guest_of(g);
	int rc;

	if (spec->num_cpu < s->num_cpu || spec->memory_mb < s->memory_mb)
		return err_set(
		    e, ERR_UNSUPPORTED, "needs power off: it can only be made larger");
	rc = quick(g, e);
	if (rc)
		return rc;
	s->num_cpu = spec->num_cpu;
	s->memory_mb = spec->memory_mb;
	return 0;
}

static int
op_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct sim_guest *s = guest_of(g);
	enum engine_state st;
	int rc;

	if (!load(s, &st)) {
		engine_set_down(g, ENGINE_END_DIED, "not found after the restart");
		return err_set(e, ERR_NOT_FOUND, "vm-%" PRIu64 " does not run any more",
		    g->number);
	}
	rc = quick(g, e);
	if (!rc)
		engine_set_state(g, st, "adopted");
	return rc;
}

static size_t
op_console_tail(struct engine_guest *g, char *buf, size_t cap)
{
	size_t n = g->state == ENGINE_DOWN ? 0 : strlen(CONSOLE_TEXT);

	n = n < cap ? n : cap;
	memcpy(buf, CONSOLE_TEXT, n);
	return n;
}

static int
op_console_write(struct engine_guest *g, const void *p, size_t n, struct err *e)
{
	return 0;
}

static const char *
op_vnc_path(struct engine_guest *g)
{
	return NULL;
}

/* ---- the engine and its handles ---- */

static int
op_spec_check(const struct engine *en, const Drover__GuestSpec *spec, struct err *e)
{
	if (!spec->num_cpu || !spec->memory_mb)
		return err_set(e, ERR_INVALID,
		    "wants at least one CPU and one megabyte of memory");
	return 0;
}

static void
op_probe(struct engine *en, struct wake w)
{
	struct engine_facts *f = &en->facts;

	snprintf(f->version, sizeof(f->version), "%s", DROVER_VERSION);
	f->usable = true;
	f->why_not[0] = '\0';
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		engine_fact_cap(f, (enum engine_cap)cap, NULL);
	engine_fact_cap(f, ENGINE_CAP_VNC, "invented guests have no screen");
	engine_fact_cap(f, ENGINE_CAP_GUEST_AGENT, "invented guests run no agent");
	engine_fact_cap(f, ENGINE_CAP_BALLOON, "not in this version");
	engine_fact_cap(f, ENGINE_CAP_SNAPSHOT, "not in this version");
	engine_fact_cap(f, ENGINE_CAP_LIVE_MIGRATION, "not in this version");
	post_wake(en->loop, w, 0, NULL);
}

static struct engine_guest *
op_guest_new(struct engine *en)
{
	struct sim_guest *s = xcalloc(1, sizeof(*s));

	s->g.magic = SIM_GUEST_MAGIC;
	s->sim = sim_of(en);
	s->timer = timer_new(en->loop, on_timer, s);
	s->memory_fd = -1;
	return &s->g;
}

static void
op_guest_free(struct engine_guest *g)
{
	struct sim_guest *s = guest_of(g);

	timer_free(s->timer);
	if (s->memory_fd >= 0)
		close(s->memory_fd);
	free(s->g.dir);
	s->g.magic = 0;
	free(s);
}

static void
op_free(struct engine *en)
{
	struct sim *sim = sim_of(en);

	free(sim->state_dir);
	sim->en.magic = 0;
	free(sim);
}

static const struct engine_ops sim_ops = {
	.name = "sim",
	.free = op_free,
	.probe = op_probe,
	.spec_check = op_spec_check,
	.guest_new = op_guest_new,
	.guest_free = op_guest_free,
	.start = op_start,
	.stop = op_stop,
	.kill = quick,
	.reset = quick,
	.pause = quick,
	.resume = quick,
	.suspend = op_suspend,
	.resize = op_resize,
	.query = quick,
	.adopt = op_adopt,
	.console_tail = op_console_tail,
	.console_write = op_console_write,
	.vnc_path = op_vnc_path,
};

int
engine_sim_new(struct loop *l, const struct engine_sim_conf *conf,
    struct engine **ret_en, struct err *e)
{
	struct sim_script script;
	struct sim *sim;

	if (sim_script_parse(conf->faults, &script, e))
		return ERR_INVALID;
	sim = xcalloc(1, sizeof(*sim));
	sim->en.magic = SIM_MAGIC;
	sim->en.ops = &sim_ops;
	sim->en.loop = l;
	sim->script = script;
	rng_seed(&sim->rng, conf->seed);
	sim->start_ms = conf->start_ms;
	sim->stop_ms = conf->stop_ms;
	sim->state_dir = xstrdup(conf->state_dir);
	snprintf(
	    sim->en.facts.why_not, sizeof(sim->en.facts.why_not), "not probed yet");
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		engine_fact_cap(&sim->en.facts, (enum engine_cap)cap, "not probed yet");
	*ret_en = &sim->en;
	return 0;
}
