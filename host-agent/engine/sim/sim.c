#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/engine/engine_kind.h"
#include "host-agent/engine/sim/sim_int.h"
#include "loop/timer.h"

#define SLOW_FACTOR  10
#define FIRST_PID    1000000
#define CONSOLE_TEXT "sim: running\n"

static struct sim *
sim_of(struct engine *en)
{
	return CAST_OBJ(sim, en, SIM_MAGIC);
}

struct sim_guest *
sim_guest_of(struct engine_guest *g)
{
	return CAST_OBJ(sim_guest, g, SIM_GUEST_MAGIC);
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

void
sim_set_state(struct sim_guest *s, enum engine_state to)
{
	engine_set_state(&s->g, to, "");
	refresh(s);
	sim_save(s);
}

void
sim_end(struct sim_guest *s, enum engine_end why, const char *reason)
{
	sim_guard_set(s, 0);
	engine_set_down(&s->g, why, reason);
	sim_save(s);
}

static int
write_memory(struct sim_guest *s, struct err *e)
{
	AUTO(json) json *o = sim_sizes_json(s);
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
	char buf[SIM_STATE_MAX];
	ssize_t n = pread(fd, buf, sizeof(buf), 0);

	if (n <= 0 || json_parse(buf, (size_t)n, "memory", &o, NULL) ||
	    sim_read_sizes(s, o, NULL))
		return err_set(e, ERR_CORRUPT, "this is no memory image");
	return 0;
}

void
sim_crash(struct sim_guest *s)
{
	enum engine_verb verb = s->g.verb;
	struct err e = ERR_INIT;

	err_set(&e, ERR_LOST, "vm-%" PRIu64 ": crashed during %s", s->g.number,
	    engine_verb_name(verb));
	sim_move_drop(s);
	sim_end(s, ENGINE_END_DIED, "killed by SIGSEGV");
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
	sim_end(s, ENGINE_END_ORDERED, "the guest shut down");
	return 0;
}

static int
finish_suspend(struct sim_guest *s, struct err *e)
{
	int rc = write_memory(s, e);

	close(s->memory_fd);
	s->memory_fd = -1;
	if (rc)
		sim_set_state(s, ENGINE_RUNNING);
	else
		sim_end(s, ENGINE_END_SUSPENDED, "");
	return rc;
}

static void
start_over(struct sim_guest *s)
{
	s->started_ms = loop_now_ms(s->g.engine->loop);
	sim_set_state(s, ENGINE_RUNNING);
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
		sim_end(s, ENGINE_END_ORDERED, "");
		return 0;
	case ENGINE_PAUSE:
		sim_set_state(s, ENGINE_PAUSED);
		return 0;
	case ENGINE_RESUME:
		sim_set_state(s, ENGINE_RUNNING);
		return 0;
	case ENGINE_SUSPEND:
		return finish_suspend(s, e);
	case ENGINE_RESIZE:
		sim_save(s);
		break;
	case ENGINE_TAKE_BACK:
		sim_set_state(s, s->was_running ? ENGINE_RUNNING : ENGINE_PAUSED);
		return 0;
	case ENGINE_CHECK:
	case ENGINE_QUERY:
	case ENGINE_ADOPT:
	case ENGINE_MOVE_OFFER:
	case ENGINE_MOVE_IN:
	case ENGINE_MOVE_WAIT:
	case ENGINE_MOVE_OUT:
	case ENGINE_ADOPT_MOVING:
	case ENGINE_DISK_MOVE:
	case ENGINE_DISK_MOVE_END:
	case ENGINE_FREEZE:
	case ENGINE_MERGE:
	case ENGINE_MERGE_END:
	case ENGINE_PLUG_DISK:
	case ENGINE_PLUG_NIC:
	case ENGINE_UNPLUG_DISK:
	case ENGINE_UNPLUG_NIC:
	case ENGINE_GROW_DISK:
	case ENGINE_LIMIT_DISK:
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
		sim_crash(s);
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

int
sim_run(struct sim_guest *s, uint32_t mean_ms, uint64_t *ret_ms, struct err *e)
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

int
sim_quick(struct engine_guest *g, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);

	return sim_run(s, s->sim->start_ms / SIM_QUICK_DIVISOR, NULL, e);
}

static int
op_start(struct engine_guest *g, const struct engine_boot *b, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	int rc = 0;

	s->num_cpu = b->spec->num_cpu;
	s->memory_mb = b->spec->memory_mb;
	if (b->memory_fd >= 0)
		rc = read_memory(s, b->memory_fd, e);
	if (!rc)
		rc = sim_run(s, s->sim->start_ms, NULL, e);
	if (rc)
		return rc;
	sim_guard_set(s, b->guard_until_us);
	engine_set_state(g, ENGINE_STARTING, "");
	return 0;
}

static int
op_kill(struct engine_guest *g, struct err *e)
{
	sim_move_drop(sim_guest_of(g));
	return sim_quick(g, e);
}

static int
op_stop(struct engine_guest *g, uint32_t timeout_ms, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	uint64_t ms = 0;
	int rc = sim_run(s, s->sim->stop_ms, &ms, e);

	s->timeout_ms = timeout_ms;
	s->in_time = ms <= timeout_ms;
	if (!rc && !s->in_time)
		timer_after(s->timer, timeout_ms);
	return rc;
}

static int
op_suspend(struct engine_guest *g, int memory_fd, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	int rc = sim_quick(g, e);

	if (rc)
		return rc;
	s->memory_fd = fcntl(memory_fd, F_DUPFD_CLOEXEC, 3);
	engine_set_state(g, ENGINE_SUSPENDING, "");
	return 0;
}

static int
op_resize(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	int rc;

	if (spec->num_cpu < s->num_cpu || spec->memory_mb < s->memory_mb)
		return err_set(
		    e, ERR_UNSUPPORTED, "needs power off: it can only be made larger");
	rc = sim_quick(g, e);
	if (rc)
		return rc;
	s->num_cpu = spec->num_cpu;
	s->memory_mb = spec->memory_mb;
	return 0;
}

static int
op_device(struct engine_guest *g, const struct engine_device *d, struct err *e)
{
	return sim_quick(g, e);
}

static int
not_found(struct sim_guest *s, const char *why, struct err *e)
{
	sim_end(s, ENGINE_END_DIED, why);
	return err_set(e, ERR_NOT_FOUND, "vm-%" PRIu64 " does not run any more: %s",
	    s->g.number, why);
}

static int
op_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct sim_guest *s = sim_guest_of(g);
	enum engine_state st;
	int rc;

	if (!sim_load(s, &st))
		return not_found(s, "not found after the restart", e);
	if (sim_guard_is_over(s))
		return not_found(s, ENGINE_LEASE_OVER, e);
	rc = sim_quick(g, e);
	if (rc)
		return rc;
	sim_guard_set(s, s->guard_until_us);
	engine_set_state(g, st, "adopted");
	return 0;
}

/* Invented guests have no disks, and nothing in their memory. */
static int
op_freeze(struct engine_guest *g, const struct engine_freeze *fr, struct err *e)
{
	int rc = sim_quick(g, e);

	g->frozen.disks = !rc;
	g->frozen.memory = !rc && fr->memory_fd >= 0;
	return rc;
}

static int
op_merge(struct engine_guest *g, const struct engine_merge *m, struct err *e)
{
	return sim_quick(g, e);
}

static int
op_disk_move(struct engine_guest *g, const struct engine_disk_move *m, struct err *e)
{
	return sim_quick(g, e);
}

static int
op_disk_move_end(struct engine_guest *g, enum engine_disk_end how, struct err *e)
{
	return sim_quick(g, e);
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
	engine_fact_cap(f, ENGINE_CAP_POST_COPY,
	    "a guest whose memory is on two hosts would be lost with either");
	post_wake(en->loop, w, 0, NULL);
}

static struct engine_guest *
op_guest_new(struct engine *en)
{
	struct sim_guest *s = xcalloc(1, sizeof(*s));

	s->g.magic = SIM_GUEST_MAGIC;
	s->sim = sim_of(en);
	s->g.engine = en;
	s->timer = timer_new(en->loop, on_timer, s);
	sim_guard_init(s);
	sim_move_init(s);
	s->memory_fd = -1;
	return &s->g;
}

static void
op_guest_free(struct engine_guest *g)
{
	struct sim_guest *s = sim_guest_of(g);

	timer_free(s->timer);
	timer_free(s->guard_timer);
	sim_move_fini(s);
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
	.kill = op_kill,
	.reset = sim_quick,
	.pause = sim_quick,
	.resume = sim_quick,
	.suspend = op_suspend,
	.resize = op_resize,
	.device = op_device,
	.query = sim_quick,
	.freeze = op_freeze,
	.merge = op_merge,
	.merge_end = sim_quick,
	.adopt = op_adopt,
	.move_offer = sim_op_move_offer,
	.move_in = sim_op_move_in,
	.move_wait = sim_op_move_wait,
	.move_out = sim_op_move_out,
	.move_cancel = sim_op_move_cancel,
	.take_back = sim_quick,
	.disk_move = op_disk_move,
	.disk_move_end = op_disk_move_end,
	.adopt_moving = sim_op_adopt_moving,
	.arm = sim_op_arm,
	.guard = sim_op_guard,
	.console_tail = op_console_tail,
	.console_write = op_console_write,
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
