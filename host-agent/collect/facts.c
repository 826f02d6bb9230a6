#include "host-agent/collect/facts.h"

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine.h"

static Drover__EngineFacts *
engine_facts_proto(const struct engine *en)
{
	const struct engine_facts *f = engine_facts(en);
	Drover__EngineFacts *p = xcalloc(1, sizeof(*p));

	drover__engine_facts__init(p);
	p->name = xstrdup(engine_name(en));
	p->version = xstrdup(f->version);
	p->accelerator = xstrdup(f->accelerator);
	p->machine = xstrdup(f->machine);
	p->usable = f->usable;
	p->why_not = xstrdup(f->why_not);
	p->capabilities = xcalloc(ENGINE_CAPS_, sizeof(Drover__Capability *));
	for (int i = 0; i < ENGINE_CAPS_; i++) {
		Drover__Capability *c = xcalloc(1, sizeof(*c));

		drover__capability__init(c);
		c->name = xstrdup(engine_cap_name((enum engine_cap)i));
		c->able = f->caps[i].able;
		c->why_not = xstrdup(f->caps[i].why_not);
		p->capabilities[p->n_capabilities++] = c;
	}
	return p;
}

static void
add_lists(Drover__HostFacts *f, const struct facts_in *in)
{
	size_t n = 0;

	f->engines = xcalloc(in->n_engines + 1, sizeof(Drover__EngineFacts *));
	for (size_t i = 0; i < in->n_engines; i++)
		f->engines[f->n_engines++] = engine_facts_proto(in->engines[i]);
	while (in->bridges && in->bridges[n])
		n++;
	f->bridges = xcalloc(n + 1, sizeof(char *));
	for (size_t i = 0; i < n; i++)
		f->bridges[f->n_bridges++] = xstrdup(in->bridges[i]);
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
add_flags(Drover__HostFacts *f, const char *words)
{
	AUTO_FREE char *copy = xstrdup(words);
	char *rest = copy;

	f->cpu_flags = xcalloc(strlen(words) / 2 + 2, sizeof(char *));
	for (char *s; (s = strsep(&rest, " ")) != NULL;) {
		if (*s)
			f->cpu_flags[f->n_cpu_flags++] = xstrdup(s);
	}
	qsort(f->cpu_flags, f->n_cpu_flags, sizeof(char *), by_text);
}

Drover__HostFacts *
facts_make(const struct facts_in *in)
{
	Drover__HostFacts *f = xcalloc(1, sizeof(*f));

	drover__host_facts__init(f);
	f->host_name = xstrdup(in->machine->host_name);
	f->cpu_cores = in->share->cpus;
	f->cpu_mhz = in->share->mhz;
	f->memory_bytes = in->share->memory_bytes;
	f->cpu_model = xstrdup(in->machine->cpu_model);
	f->kernel = xstrdup(in->machine->kernel);
	f->agent_version = xstrdup(DROVER_VERSION);
	f->boot_time_ms = in->machine->boot_time_ms;
	f->cgroup = xstrdup(in->cgroup);
	f->anti_spoof = xstrdup(in->anti_spoof);
	f->machine = xstrdup(in->machine->product);
	add_flags(f, in->machine->cpu_flags);
	add_lists(f, in);
	return f;
}

static void
print_engine(const Drover__EngineFacts *en, struct str *out)
{
	if (!en->usable) {
		str_addf(out, "engine %s: cannot be used: %s\n", en->name, en->why_not);
		return;
	}
	str_addf(out, "engine %s: version %s%s%s\n", en->name,
	    *en->version ? en->version : "unknown",
	    *en->accelerator ? ", accelerator " : "", en->accelerator);
	for (size_t i = 0; i < en->n_capabilities; i++) {
		const Drover__Capability *c = en->capabilities[i];

		str_addf(out, "  %-16s %s%s%s\n", c->name, c->able ? "yes" : "no",
		    c->able ? "" : ": ", c->able ? "" : c->why_not);
	}
}

void
facts_print(const Drover__HostFacts *f, struct str *out)
{
	str_addf(out, "host name:  %s\n", f->host_name);
	str_addf(out, "machine:    %s\n", *f->machine ? f->machine : "unknown");
	str_addf(out, "kernel:     %s\n", f->kernel);
	str_addf(out, "CPU:        %" PRIu32 " x %" PRIu32 " MHz, %s\n", f->cpu_cores,
	    f->cpu_mhz, *f->cpu_model ? f->cpu_model : "unknown model");
	str_addf(out, "memory:     %" PRIu64 " MB for guests\n", f->memory_bytes >> 20);
	str_addf(out, "cgroups:    %s\n", f->cgroup);
	str_addf(out, "anti-spoof: %s\n", f->anti_spoof);
	str_add(out, "bridges:   ");
	for (size_t i = 0; i < f->n_bridges; i++)
		str_addf(out, " %s", f->bridges[i]);
	str_add(out, f->n_bridges ? "\n" : " none\n");
	for (size_t i = 0; i < f->n_engines; i++)
		print_engine(f->engines[i], out);
}

static json *
engine_json(const Drover__EngineFacts *en)
{
	json *o = json_new_object();
	json *caps = json_new_array();

	json_set_str(o, "name", en->name);
	json_set_bool(o, "usable", en->usable);
	json_set_str(o, "why_not", en->why_not);
	json_set_str(o, "version", en->version);
	json_set_str(o, "accelerator", en->accelerator);
	json_set_str(o, "machine", en->machine);
	for (size_t i = 0; i < en->n_capabilities; i++) {
		json *c = json_new_object();

		json_set_str(c, "name", en->capabilities[i]->name);
		json_set_bool(c, "able", en->capabilities[i]->able);
		json_set_str(c, "why_not", en->capabilities[i]->why_not);
		json_add_json(caps, c);
	}
	json_set_json(o, "capabilities", caps);
	return o;
}

void
facts_print_json(const Drover__HostFacts *f, struct str *out)
{
	AUTO(json) json *o = json_new_object();
	json *engines = json_new_array();
	json *bridges = json_new_array();
	json *flags = json_new_array();

	json_set_str(o, "host_name", f->host_name);
	json_set_str(o, "machine", f->machine);
	json_set_str(o, "kernel", f->kernel);
	json_set_u64(o, "cpu_cores", f->cpu_cores);
	json_set_u64(o, "cpu_mhz", f->cpu_mhz);
	json_set_str(o, "cpu_model", f->cpu_model);
	for (size_t i = 0; i < f->n_cpu_flags; i++)
		json_add_str(flags, f->cpu_flags[i]);
	json_set_json(o, "cpu_flags", flags);
	json_set_u64(o, "memory_bytes", f->memory_bytes);
	json_set_str(o, "agent_version", f->agent_version);
	json_set_str(o, "cgroup", f->cgroup);
	json_set_str(o, "anti_spoof", f->anti_spoof);
	for (size_t i = 0; i < f->n_bridges; i++)
		json_add_str(bridges, f->bridges[i]);
	json_set_json(o, "bridges", bridges);
	for (size_t i = 0; i < f->n_engines; i++)
		json_add_json(engines, engine_json(f->engines[i]));
	json_set_json(o, "engines", engines);

	AUTO_FREE char *text = json_text_pretty(o);

	str_addf(out, "%s\n", text);
}
