#include "host-agent/health/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/health/health_smart.h"
#include "host-agent/health/health_source.h"
#include "loop/timer.h"
#include "loop/worker.h"

#define DISK_LIMIT_MS 20000u
/* Disks need not be asked as often as files are read: what they say lasts. */
#define DISKS_EVERY_MS 600000u

static const struct health_source *const sources[] = { &health_edac, &health_md,
	&health_hwmon, &health_test };

#define N_SOURCES ARRAY_SIZE(sources)

struct source_state {
	bool is_asked;
	char why_not[240]; /* "" if it was read */
};

struct health {
	struct health_conf conf;
	struct workers *workers;
	struct timer *tick;
	struct smart *smart; /* NULL: not asked */
	uint64_t asked_ms;   /* when disks were; 0: never */
	struct source_state state[N_SOURCES];
	struct health_list found; /* by files */
	struct edac_past edac[HEALTH_CONTROLLERS];
	struct health_list told; /* with what disks say */
	bool is_reading, has_read;
};

/* What a reading on the worker needs, and what it finds. */
struct reading {
	struct health *h;
	char *root, *test_file;
	struct health_view view;
	struct source_state state[N_SOURCES];
	struct health_list found;
};

static bool
is_listed(const char *list, const char *name)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy;

	for (char *s; (s = strsep(&rest, ",")) != NULL;) {
		if (str_same(s + strspn(s, " "), name))
			return true;
	}
	return false;
}

int
health_sources_check(const char *asked, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(asked);
	char *rest = copy;

	for (char *s; (s = strsep(&rest, ",")) != NULL;) {
		s += strspn(s, " ");
		if (*s && !is_listed(HEALTH_SOURCES, s))
			return err_set(
			    e, ERR_INVALID, "\"%.40s\" is none of " HEALTH_SOURCES, s);
	}
	return 0;
}

/* ---- what is told ---- */

static bool
has(const struct health_list *l, const struct health_condition *c)
{
	for (size_t i = 0; i < l->n; i++) {
		if (memcmp(&l->v[i], c, sizeof(*c)) == 0)
			return true;
	}
	return false;
}

static void
log_turn(const struct health_list *was, const struct health_list *now)
{
	for (size_t i = 0; i < now->n; i++) {
		const struct health_condition *c = &now->v[i];
		bool is_severe = c->severity == HEALTH_SEVERE;

		if (!has(was, c))
			log_warn("health", "%s, %s: %s",
			    health_component_name(c->component),
			    is_severe ? "severe" : "moderate", c->text);
	}
	if (was->n && !now->n)
		log_notice("health", "nothing is wrong any more");
}

/* All that is known now, if it differs from what was told. */
static void
tell(struct health *h, bool is_new)
{
	struct health_list now = h->found;

	if (h->smart) {
		const struct health_list *disks = smart_found(h->smart);
		for (size_t i = 0; i < disks->n; i++)
			health_add(&now, disks->v[i].source, disks->v[i].component,
			    disks->v[i].severity, "%s", disks->v[i].text);
	}
	if (!is_new && memcmp(&now, &h->told, sizeof(now)) == 0)
		return;
	log_turn(&h->told, &now);
	h->told = now;
	h->conf.changed(h->conf.arg);
}

/* ---- reading ---- */

static int
read_files(void *job)
{
	struct reading *r = job;

	for (size_t i = 0; i < N_SOURCES; i++) {
		struct err e = ERR_INIT;

		if (!r->state[i].is_asked)
			continue;
		r->state[i].why_not[0] = '\0';
		if (sources[i]->read(&r->view, &r->found, &e))
			snprintf(r->state[i].why_not, sizeof(r->state[i].why_not), "%s",
			    e.msg);
	}
	return 0;
}

static void
reading_free(struct reading *r)
{
	free(r->root);
	free(r->test_file);
	free(r);
}

static bool
take_states(struct health *h, const struct source_state *now)
{
	bool is_new = false;

	for (size_t i = 0; i < N_SOURCES; i++) {
		if (str_same(h->state[i].why_not, now[i].why_not))
			continue;
		if (now[i].why_not[0])
			log_info("health", "%s: %s", sources[i]->name, now[i].why_not);
		h->state[i] = now[i];
		is_new = true;
	}
	return is_new;
}

static void
on_read(void *job, int rc)
{
	struct reading *r = job;
	struct health *h = r->h;

	/* The agent is ending. */
	if (rc) {
		reading_free(r);
		return;
	}
	bool is_new = take_states(h, r->state) || !h->has_read;
	h->is_reading = false;
	h->has_read = true;
	h->found = r->found;
	memcpy(h->edac, r->view.edac, sizeof(h->edac));
	reading_free(r);
	tell(h, is_new);
}

static void
on_disks(void *arg)
{
	struct health *h = arg;

	if (h->has_read)
		tell(h, true);
}

static void
read_all(struct health *h)
{
	struct reading *r = xcalloc(1, sizeof(*r));
	struct err e = ERR_INIT;

	r->h = h;
	r->root = xstrdup(h->conf.root);
	r->test_file = xstrdup(h->conf.test_file);
	r->view.root = r->root;
	r->view.test_file = r->test_file;
	r->view.now_ms = loop_now_ms(h->conf.loop);
	memcpy(r->view.edac, h->edac, sizeof(h->edac));
	memcpy(r->state, h->state, sizeof(h->state));
	h->is_reading = !worker_run(h->workers, read_files, on_read, r, &e);
	if (h->is_reading)
		return;
	log_warn("health", "the hardware was not looked at: %s", e.msg);
	reading_free(r);
}

static void
on_tick(void *arg)
{
	struct health *h = arg;
	uint64_t now = loop_now_ms(h->conf.loop);

	/* A sensor that hangs has its thread to itself. */
	if (!h->is_reading)
		read_all(h);
	if (h->smart && (!h->asked_ms || now - h->asked_ms >= DISKS_EVERY_MS)) {
		h->asked_ms = now;
		smart_look(h->smart);
	}
}

/* ---- the rest ---- */

struct health *
health_new(const struct health_conf *c)
{
	struct health *h = xcalloc(1, sizeof(*h));
	const struct smart_conf sc = {
		.loop = c->loop,
		.program = c->smartctl,
		.root = c->root,
		.limit_ms = c->disk_limit_ms ? c->disk_limit_ms : DISK_LIMIT_MS,
		.done = on_disks,
		.arg = h,
	};

	h->conf = *c;
	h->workers = workers_new(c->loop, 1, 1);
	h->tick = timer_new(c->loop, on_tick, h);
	for (size_t i = 0; i < N_SOURCES; i++)
		h->state[i].is_asked = sources[i] == &health_test
					   ? c->test_file[0] != '\0'
					   : is_listed(c->sources, sources[i]->name);
	if (is_listed(c->sources, SMART_NAME))
		h->smart = smart_new(&sc);
	return h;
}

void
health_free(struct health *h)
{
	if (!h)
		return;
	timer_free(h->tick);
	workers_free(h->workers);
	smart_free(h->smart);
	free(h);
}

void
health_start(struct health *h)
{
	timer_every(h->tick, h->conf.interval_ms);
	on_tick(h);
}

static Drover__HealthCondition *
condition_of(const struct health_condition *c)
{
	Drover__HealthCondition *m = xcalloc(1, sizeof(*m));

	drover__health_condition__init(m);
	m->source = xstrdup(c->source);
	m->component = xstrdup(health_component_name(c->component));
	m->severe = c->severity == HEALTH_SEVERE;
	m->text = xstrdup(c->text);
	return m;
}

static Drover__HealthSource *
source_of(const char *name, const char *why_not)
{
	Drover__HealthSource *m = xcalloc(1, sizeof(*m));

	drover__health_source__init(m);
	m->name = xstrdup(name);
	m->why_not = xstrdup(why_not);
	return m;
}

Drover__HostHealth *
health_status(const struct health *h)
{
	Drover__HostHealth *m;

	if (!h->has_read)
		return NULL;
	m = xcalloc(1, sizeof(*m));
	drover__host_health__init(m);
	m->conditions = xcalloc(h->told.n + 1, sizeof(Drover__HealthCondition *));
	for (size_t i = 0; i < h->told.n; i++)
		m->conditions[m->n_conditions++] = condition_of(&h->told.v[i]);
	m->sources = xcalloc(N_SOURCES + 1, sizeof(Drover__HealthSource *));
	for (size_t i = 0; i < N_SOURCES; i++) {
		if (h->state[i].is_asked)
			m->sources[m->n_sources++] =
			    source_of(sources[i]->name, h->state[i].why_not);
	}
	if (h->smart)
		m->sources[m->n_sources++] =
		    source_of(SMART_NAME, smart_why_not(h->smart));
	return m;
}
