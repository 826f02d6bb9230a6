#include "host-agent/engine/engine_guard.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/engine/engine_int.h"

struct engine_guard
engine_guest_guard(const struct engine_guest *g)
{
	if (!g->engine->ops->guard || g->state == ENGINE_DOWN)
		return (struct engine_guard){ .guarded = false };
	return g->engine->ops->guard(g);
}

int
engine_guard_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e)
{
	int rc;

	if (g->state == ENGINE_DOWN)
		return err_set(e, ERR_BAD_STATE,
		    "vm-%" PRIu64 ": cannot set a deadline: it is down", g->number);
	if (!engine_guest_guard(g).guarded) {
		return err_set(e, ERR_UNSUPPORTED,
		    "vm-%" PRIu64 ": cannot set a deadline: it was started without a"
		    " guard",
		    g->number);
	}
	rc = g->engine->ops->arm(g, deadline_us, e);
	return rc ? err_wrap(e, "vm-%" PRIu64 ": cannot set a deadline", g->number) : 0;
}

struct engine_guard
engine_guard_of(const struct guard_client *c)
{
	const struct guard_state *s = c ? guard_client_state(c) : NULL;
	bool told = s && s->life != GUARD_LIFE_STARTS;

	return (struct engine_guard){
		.guarded = c != NULL,
		.heard = s && s->life == GUARD_LIFE_RUNS && s->heard,
		.deadline_us = told ? s->deadline_us : 0,
	};
}

char *
engine_beside(const char *name)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[n > 0 ? n : 0] = '\0';
	return xasprintf("%s/%s", n > 0 ? dirname(self) : "/usr/sbin", name);
}

char *
engine_guard_program(const char *wish)
{
	return wish && *wish ? xstrdup(wish) : engine_beside("drover-guard");
}

void
engine_guard_probe(struct engine *en, const char *program)
{
	char why[sizeof(en->facts.caps[ENGINE_CAP_GUARD].why_not)];

	if (geteuid() != 0)
		snprintf(why, sizeof(why), "guards need root");
	else if (access(program, X_OK))
		snprintf(why, sizeof(why), "no program %s", program);
	else
		why[0] = '\0';
	engine_fact_cap(&en->facts, ENGINE_CAP_GUARD, *why ? why : NULL);
}

int
engine_guard_check(const struct engine *en, const struct engine_boot *b, struct err *e)
{
	const struct engine_cap_fact *can = &en->facts.caps[ENGINE_CAP_GUARD];

	if (!b->guard_until_us || can->able)
		return 0;
	return err_set(e, ERR_UNSUPPORTED, "it cannot have a guard: %s", can->why_not);
}
