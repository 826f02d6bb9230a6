#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/sim/sim_int.h"

static char *
state_path(const struct sim_guest *s)
{
	if (!s->sim->state_dir)
		return NULL;
	return xasprintf("%s/vm-%" PRIu64, s->sim->state_dir, s->g.number);
}

json *
sim_sizes_json(const struct sim_guest *s)
{
	json *o = json_new_object();

	json_set_u64(o, "num_cpu", s->num_cpu);
	json_set_u64(o, "memory_mb", s->memory_mb);
	return o;
}

int
sim_read_sizes(struct sim_guest *s, const json *o, struct err *e)
{
	uint64_t num_cpu = 0;
	int rc = json_read_u64(o, "num_cpu", JSON_REQUIRED, 1, UINT32_MAX, &num_cpu, e);

	if (rc)
		return rc;
	s->num_cpu = (uint32_t)num_cpu;
	return json_read_u64(
	    o, "memory_mb", JSON_REQUIRED, 1, INT64_MAX, &s->memory_mb, e);
}

static bool
lives(enum engine_state st)
{
	return st == ENGINE_RUNNING || st == ENGINE_PAUSED || st == ENGINE_LEAVING ||
	       st == ENGINE_GIVEN;
}

void
sim_save(const struct sim_guest *s)
{
	AUTO_FREE char *path = state_path(s);
	AUTO_FREE char *text = NULL;
	AUTO_CLOSE int fd = -1;
	AUTO(json) json *o = NULL;

	if (!path)
		return;
	if (!lives(s->g.state)) {
		unlink(path);
		return;
	}
	o = sim_sizes_json(s);
	json_set_str(o, "state", engine_state_name(s->g.state));
	json_set_bool(o, "was_running", s->was_running);
	json_set_u64(o, "started_ms", s->started_ms);
	json_set_bool(o, "guarded", s->guard_until_us != 0);
	if (s->guard_until_us != GUARD_NO_DEADLINE)
		json_set_u64(o, "guard_until_us", s->guard_until_us);
	text = json_text(o);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	/* An invented guest that cannot be noted is gone after the restart. */
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		unlink(path);
}

/* The stream of one that was leaving ended with the agent: it stays. */
static enum engine_state
state_after(const struct sim_guest *s, const char *name)
{
	bool paused = str_same(name, "paused");

	if (str_same(name, "given"))
		return ENGINE_GIVEN;
	if (str_same(name, "leaving"))
		paused = !s->was_running;
	return paused ? ENGINE_PAUSED : ENGINE_RUNNING;
}

bool
sim_load(struct sim_guest *s, enum engine_state *ret_st)
{
	AUTO_FREE char *path = state_path(s);
	AUTO_CLOSE int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	AUTO(json) json *o = NULL;
	const char *state = "";
	bool guarded = false;
	char buf[SIM_STATE_MAX];
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));

	if (n <= 0 || json_parse(buf, (size_t)n, path, &o, NULL) ||
	    sim_read_sizes(s, o, NULL) ||
	    json_read_u64(
		o, "started_ms", JSON_REQUIRED, 0, INT64_MAX, &s->started_ms, NULL) ||
	    json_read_bool(o, "was_running", JSON_OPTIONAL, &s->was_running, NULL) ||
	    json_read_bool(o, "guarded", JSON_OPTIONAL, &guarded, NULL) ||
	    json_read_u64(o, "guard_until_us", JSON_OPTIONAL, 0, INT64_MAX,
		&s->guard_until_us, NULL) ||
	    json_read_str(o, "state", JSON_REQUIRED, sizeof(buf), &state, NULL))
		return false;
	if (guarded && !s->guard_until_us)
		s->guard_until_us = GUARD_NO_DEADLINE;
	*ret_st = state_after(s, state);
	return true;
}
