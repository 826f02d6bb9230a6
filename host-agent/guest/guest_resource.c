#include "host-agent/guest/guest_resource.h"

#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/engine_exec.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_memory.h"
#include "host-agent/guest/guest_pools.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/network/port.h"
#include "host-agent/resource/cg.h"
#include "host-agent/resource/loop_dev.h"
#include "host-agent/resource/net_dev.h"

struct guest_resources {
	struct counters now;
	bool begun;         /* told, of now, is true */
	dev_t image;        /* the device of a container's disk; 0: not known */
	uint64_t waited_us; /* by the threads that there were at the last look */
};

static struct guest_resources *
resources_of(struct guest *g)
{
	if (!g->resources)
		g->resources = xcalloc(1, sizeof(*g->resources));
	return g->resources;
}

void
guest_resources_drop(struct guest *g)
{
	free(g->resources);
	g->resources = NULL;
}

void
guest_resources_begin(struct guest *g)
{
	guest_resources_drop(g);
	guest_memory_drop(g);
	resources_of(g)->begun = true;
}

/* ---- limits ---- */

static int
set_disk_limits(struct guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	const struct guest_resources *r = g->resources;
	struct cg_disk d = { .dev = r ? r->image : 0 };

	if (!spec->container || !spec->n_disks || !d.dev)
		return 0;
	d.iops = spec->disks[0]->iops_limit;
	d.bytes_per_s = spec->disks[0]->bytes_per_s_limit;
	return cg_guest_set_disk(g->gs->env.cg, g->number, &d, e);
}

int
guest_group_set(struct guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	struct cg *cg = g->gs->env.cg;
	struct cg_values v;

	if (guest_spec_invented(spec))
		return 0;
	if (!cg && spec->container)
		return err_set(e, ERR_UNAVAILABLE,
		    "vm %s: nothing would bound it, this host has no control groups",
		    spec->name);
	if (!cg)
		return 0;
	guest_pools_values(g, spec, &v);
	if (cg_guest_set(cg, g->number, &v, e) || set_disk_limits(g, spec, e))
		return err_wrap(e, "vm %s", spec->name);
	return 0;
}

static int
run_stir(struct guest_work *k)
{
	cg_stir(k->cg);
	return 0;
}

/* A machine enters groups of v1 by its threads, which nobody waits for. */
static bool
is_moved_whole(const struct guest *g)
{
	const struct cg *cg = g->gs->env.cg;

	return g->spec->container || str_same(cg_version(cg), "v2");
}

void
guest_group_stir(struct guest *g)
{
	struct cg *cg = g->gs->env.cg;
	Drover__GuestSpec diskless = DROVER__GUEST_SPEC__INIT;
	struct err e = ERR_INIT;
	struct guest_work *k;

	if (!cg || guest_spec_invented(g->spec) || !is_moved_whole(g))
		return;
	diskless.guest = g->number;
	diskless.name = g->spec->name;
	if (guest_work_new(g, &diskless, &k, &e))
		return;
	k->cg = cg;
	k->run = run_stir;
	/* Where no worker is free it begins a little later. */
	if (guest_work_start(k, NULL, WAKE_NONE, &e))
		log_debug("guest", "vm %s: %s", g->spec->name, e.msg);
}

static int
run_bound(struct guest_work *k)
{
	if (cg_guest_set(k->cg, k->guest, &k->values, &k->e))
		return err_wrap(&k->e, "vm %s", k->spec->name);
	return 0;
}

enum flow_rc
guest_step_bound(struct flow *f, struct guest_job *j, const Drover__GuestSpec *spec)
{
	struct cg *cg = j->g->gs->env.cg;
	Drover__GuestSpec diskless = DROVER__GUEST_SPEC__INIT;
	struct guest_work *k;

	if (!cg || guest_spec_invented(spec))
		return FLOW_NEXT;
	diskless.guest = spec->guest;
	diskless.name = spec->name;
	if (guest_work_new(j->g, &diskless, &k, flow_err(f)))
		return FLOW_FAIL;
	k->cg = cg;
	guest_pools_values(j->g, spec, &k->values);
	k->run = run_bound;
	return guest_step_work(f, j, k);
}

static int
run_find_image(struct guest_work *k)
{
	AUTO_FREE char *path =
	    xasprintf("%s/%s", datastore_path(k->stores[0]), k->spec->disks[0]->path);

	return loop_dev_find(path, &k->image, &k->e);
}

static void
take_image(struct guest *g, dev_t image)
{
	struct err e = ERR_INIT;

	resources_of(g)->image = image;
	if (set_disk_limits(g, g->spec, &e))
		log_warn(
		    "guest", "vm %s: its disk has no limits: %s", g->spec->name, e.msg);
}

static void
found_image(struct guest *g, struct guest_work *k)
{
	take_image(g, k->e.code ? 0 : k->image);
	if (k->e.code)
		log_warn("guest", "vm %s: its disk has no limits: %s", g->spec->name,
		    k->e.msg);
}

enum flow_rc
guest_step_disk_limits(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guest *g = j->g;
	enum flow_rc rc;
	dev_t known;

	if (!g->spec->container || !g->spec->n_disks || !g->gs->env.cg ||
	    guest_spec_invented(g->spec) || !guest_is_live(g))
		return FLOW_NEXT;
	known = engine_guest_stat(g->handle)->image;
	if (known) {
		take_image(j->g, known);
		return FLOW_NEXT;
	}
	rc = guest_step_call(f, j, run_find_image, found_image);
	if (rc != FLOW_FAIL)
		return rc;
	log_warn("guest", "%s", flow_err(f)->msg);
	err_clear(flow_err(f));
	return FLOW_NEXT;
}

/* ---- counters ---- */

/* Of the whole cluster's CPU time, as the server divides it. */
static void
count_entitlement(const struct guest *g, struct counters *to)
{
	struct counter c = { .name = "cpu_entitlement", .unit = COUNTER_MHZ };

	c.current = guest_pools_entitlement(g);
	c.limit = g->spec->resources ? g->spec->resources->cpu_limit_mhz : 0;
	if (c.current)
		counters_add(to, &c);
}

/* What it sees of its own root: a quota of its own, and no more than that. */
static void
count_root(struct guest *g, struct counters *to)
{
	struct counter bytes = { .unit = COUNTER_BYTES };
	struct counter files = { .unit = COUNTER_COUNT };
	struct engine_root root;
	struct statvfs st;
	bool seen;

	if (!g->spec->container || !g->spec->n_disks ||
	    engine_root(g->handle, &root, NULL))
		return;
	seen = !fstatvfs(root.fd, &st);
	close(root.fd);
	if (!seen)
		return;
	snprintf(bytes.name, sizeof(bytes.name), "%.20s", g->spec->disks[0]->name);
	snprintf(
	    files.name, sizeof(files.name), "%.20s-files", g->spec->disks[0]->name);
	bytes.current = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
	bytes.limit = (uint64_t)st.f_blocks * st.f_frsize;
	files.current = st.f_files - st.f_ffree;
	files.limit = st.f_files;
	counters_add(to, &bytes);
	counters_add(to, &files);
}

/* The port is the wire's other end: what comes in there the guest has sent. */
static void
count_wire(
    const struct guest *g, size_t i, const struct net_dev *d, struct counters *to)
{
	struct counter in = { .unit = COUNTER_BYTES };
	struct counter out = { .unit = COUNTER_BYTES };
	const char *name = g->spec->nics[i]->name;

	snprintf(in.name, sizeof(in.name), "%.20s-received", name);
	snprintf(out.name, sizeof(out.name), "%.20s-sent", name);
	in.current = in.peak = d->out_bytes;
	in.failures = d->out_dropped;
	out.current = out.peak = d->in_bytes;
	out.failures = d->in_dropped;
	counters_add(to, &in);
	counters_add(to, &out);
}

static void
count_wires(const struct guest *g, const struct net_dev *links, size_t n_links,
    struct counters *to)
{
	for (size_t i = 0; i < g->spec->n_nics; i++) {
		char port[PORT_NAME_MAX];
		const struct net_dev *d;

		port_name(g->number, engine_nic_slot(g->spec, i), port);
		d = net_dev_find(links, n_links, port);
		if (d)
			count_wire(g, i, d, to);
	}
}

/* A container's first process is not the whole of it. */
static void
take_usage(struct guest *g, const struct counters *c)
{
	const struct counter *cpu = counters_find(c, "cpu");
	const struct counter *memory = counters_find(c, "memory");

	if (!g->spec->container)
		return;
	g->usage.cpu_used_us = cpu ? cpu->current : 0;
	g->usage.memory_bytes = memory ? memory->current : 0;
}

static void
tell_refusals(struct guest *g, struct counters *c)
{
	uint64_t now_ms = loop_now_ms(g->gs->env.loop);

	for (size_t i = 0; i < c->n; i++) {
		uint64_t times = counter_news(&c->v[i], now_ms);
		char text[120];

		if (!times)
			continue;
		counter_text(&c->v[i], times, text, sizeof(text));
		log_warn("guest", "vm %s was refused %s", g->spec->name, text);
		guest_emit(g, "refused", text);
	}
}

void
guest_resources_sample(struct guest *g, const struct net_dev *links, size_t n_links)
{
	struct guest_resources *r;
	struct counters now = { .n = 0 };
	struct err e = ERR_INIT;

	if (guest_spec_invented(g->spec) || !g->gs->env.cg)
		return;
	if (!guest_is_live(g)) {
		if (!g->job)
			guest_resources_drop(g);
		return;
	}
	guest_pools_gather(g);
	if (cg_guest_counters(g->gs->env.cg, g->number, &now, &e)) {
		log_debug("guest", "vm %s: %s", g->spec->name, e.msg);
		return;
	}
	count_entitlement(g, &now);
	count_root(g, &now);
	count_wires(g, links, n_links, &now);
	r = resources_of(g);
	counters_ready(&now, &r->now, &r->waited_us);
	counters_follow(&now, &r->now);
	if (!r->begun)
		counters_begin(&now);
	r->begun = true;
	take_usage(g, &now);
	tell_refusals(g, &now);
	r->now = now;
}

const struct counters *
guest_resources_now(const struct guest *g)
{
	return g->resources && g->resources->now.n ? &g->resources->now : NULL;
}

dev_t
guest_resources_image(const struct guest *g)
{
	return g->resources ? g->resources->image : 0;
}

void
guest_resources_status(const struct guest *g, Drover__GuestStatus *st)
{
	struct counters c = g->resources ? g->resources->now : (struct counters){ 0 };

	if (!c.n)
		return;
	/* As it is now, not as it was at the last look at everything. */
	guest_memory_count(g, &c);
	st->counters = xcalloc(c.n, sizeof(Drover__Counter *));
	for (size_t i = 0; i < c.n; i++) {
		Drover__Counter *one = xcalloc(1, sizeof(*one));

		drover__counter__init(one);
		one->name = xstrdup(c.v[i].name);
		one->unit = xstrdup(c.v[i].unit);
		one->current = c.v[i].current;
		one->peak = c.v[i].peak;
		one->limit = c.v[i].limit;
		one->failures = c.v[i].failures;
		st->counters[st->n_counters++] = one;
	}
}
