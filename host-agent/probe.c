#include "host-agent/probe.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine.h"
#include "host-agent/host_parts.h"
#include "host-agent/resource/cg.h"
#include "loop/flow.h"

#define PROBE_MS 60000u

struct probe {
	struct loop *loop;
	struct host_parts parts;
	struct err e;
};

static enum flow_rc
engines_start(struct flow *f, void *arg)
{
	struct probe *p = arg;
	struct wake parts[MAX_ENGINES];

	if (!p->parts.n_engines)
		return FLOW_NEXT;
	(void)flow_join(f, (unsigned)p->parts.n_engines, parts);
	for (size_t i = 0; i < p->parts.n_engines; i++)
		engine_probe(p->parts.engines[i], parts[i]);
	return FLOW_WAIT;
}

static const struct flow_step steps[] = {
	{ "engines", engines_start, NULL, NULL, PROBE_MS },
	{ NULL },
};

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct probe *p = owner;

	if (rc)
		p->e = *e;
	loop_stop(p->loop);
}

static const struct flow_hooks hooks = { NULL, on_ended };

static void
print_roots(const char *list, struct str *out)
{
	AUTO_FREE char *copy = xstrdup(list);
	char *rest = copy;

	for (char *s; (s = strsep(&rest, ",")) != NULL;) {
		struct stat st;

		s += strspn(s, " ");
		if (!*s)
			continue;
		if (stat(s, &st) || !S_ISDIR(st.st_mode))
			str_addf(out, "datastores: %s: there is no such folder\n", s);
		else
			str_addf(out, "datastores: may be in %s\n", s);
	}
}

static void
print(const struct probe *p, const struct agent_conf *c, enum probe_form form)
{
	AUTO(str) struct str out = STR_INIT;
	Drover__HostFacts *f = host_parts_facts(&p->parts);

	if (form == PROBE_JSON) {
		facts_print_json(f, &out);
	} else {
		facts_print(f, &out);
		print_roots(c->storage_roots, &out);
	}
	drover__host_facts__free_unpacked(f, NULL);
	fputs(str_cstr(&out), stdout);
}

int
probe_run(const struct agent_conf *c, enum probe_form form, struct err *e)
{
	/* A group of its own: the agent that runs here keeps its one. */
	AUTO_FREE char *group = xasprintf("%s-probe-%d", c->cgroup_prefix, getpid());
	struct probe p = { .loop = loop_new(clock_system()) };
	struct flows *fs = flows_new(p.loop);
	int rc = host_parts_init(&p.parts, p.loop, fs, c, group, e);

	if (!rc) {
		flow_start(flow_new(fs, "probe", steps, &p, &hooks, &p));
		loop_run(p.loop);
		if (p.e.code)
			fprintf(stderr, "drover-agent: probing: %s\n", p.e.msg);
		print(&p, c, form);
		if (p.parts.cg && cg_remove_base(p.parts.cg, &p.e))
			fprintf(stderr, "drover-agent: %s\n", p.e.msg);
	}
	flows_free(fs);
	host_parts_fini(&p.parts);
	loop_free(p.loop);
	return rc;
}
