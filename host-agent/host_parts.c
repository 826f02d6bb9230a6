#include "host-agent/host_parts.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine.h"
#include "host-agent/engine/engine_kind.h"
#include "host-agent/network/guard.h"
#include "host-agent/network/port.h"
#include "host-agent/resource/cg.h"

static int
add_qemu(
    struct host_parts *p, struct loop *l, struct flows *fs, const struct agent_conf *c)
{
	const struct engine_qemu_conf qc = {
		.program = c->qemu_binary,
		.accel = c->qemu_accel,
		.uid_base = (uint32_t)c->qemu_uid_base,
		.gid = (uint32_t)c->qemu_gid,
		.guard = c->guard_program,
	};

	p->engines[p->n_engines++] = engine_qemu_new(l, fs, &qc);
	return 0;
}

static void
on_gate(void *arg, uint64_t guest, unsigned nic, bool open)
{
	const struct host_parts *p = arg;
	struct err e = ERR_INIT;

	if (p->nl && port_gate(p->nl, guest, nic, open, &e))
		log_warn("agent", "a container's wire cannot be %s: %s",
		    open ? "opened" : "shut", e.msg);
}

static int
add_oci(
    struct host_parts *p, struct loop *l, struct flows *fs, const struct agent_conf *c)
{
	AUTO_FREE char *dir = xasprintf("%s/oci", c->run_dir);
	const struct engine_oci_conf oc = {
		.runtime = c->oci_runtime,
		.criu = c->oci_criu,
		.guard = c->guard_program,
		.state_dir = dir,
		.id_base = (uint32_t)c->oci_id_base,
		.gate = on_gate,
		.gate_arg = p,
	};

	p->engines[p->n_engines++] = engine_oci_new(l, fs, &oc);
	return 0;
}

static int
add_sim(struct host_parts *p, struct loop *l, const struct agent_conf *c, struct err *e)
{
	AUTO_FREE char *dir = xasprintf("%s/sim", c->state_dir);
	const struct engine_sim_conf sc = {
		.seed = 1,
		.faults = *c->sim_faults ? c->sim_faults : NULL,
		.state_dir = dir,
	};
	int rc = engine_sim_new(l, &sc, &p->engines[p->n_engines], e);

	if (rc)
		return err_wrap(e, "engine.sim.faults");
	p->n_engines++;
	return 0;
}

/* A host that cannot guard its ports runs guests all the same: it is said. */
static void
add_guard(struct host_parts *p, const struct agent_conf *c)
{
	struct err e = ERR_INIT;
	int rc;

	if (!p->nl)
		rc = err_set(&e, ERR_UNAVAILABLE, "there are no network ports");
	else if (c->anti_spoof)
		rc = guard_on(p->nl, &e);
	else
		rc = guard_off(p->nl, &e);
	if (rc && p->nl)
		log_warn("agent", "guests can send under others' addresses: %s", e.msg);
	if (!rc && !c->anti_spoof)
		rc = err_set(&e, ERR_UNSUPPORTED, "network.anti_spoof is off");
	if (rc)
		snprintf(p->anti_spoof, sizeof(p->anti_spoof), "no: %.230s", e.msg);
	else
		snprintf(p->anti_spoof, sizeof(p->anti_spoof), "yes");
}

/* Without groups or links the host still runs what does not need them. */
static void
add_kernel(struct host_parts *p, const struct agent_conf *c, const char *group)
{
	struct err e = ERR_INIT;

	if (cg_new(c->cgroup_root, group, &p->cg, &e)) {
		p->cg = NULL;
		snprintf(p->cgroup, sizeof(p->cgroup), "none: %.230s", e.msg);
		log_warn("agent", "no control groups: %s", e.msg);
	} else {
		snprintf(p->cgroup, sizeof(p->cgroup), "%s", cg_version(p->cg));
		cg_set_cpu_mhz(p->cg, p->share.mhz);
	}
	if (nl_new(&p->nl, &e)) {
		p->nl = NULL;
		log_warn("agent", "no network ports: %s", e.msg);
	}
	add_guard(p, c);
}

int
host_parts_init(struct host_parts *p, struct loop *l, struct flows *fs,
    const struct agent_conf *c, const char *group, struct err *e)
{
	int rc = col_machine_read("", &p->machine, e);

	if (rc)
		return rc;
	col_share_of(
	    &p->machine, c->host_cpus, c->host_cpu_mhz, c->host_memory_mb, &p->share);
	add_kernel(p, c, group);
	if (c->qemu_enabled)
		rc = add_qemu(p, l, fs, c);
	if (!rc && c->oci_enabled)
		rc = add_oci(p, l, fs, c);
	if (!rc && c->sim_enabled)
		rc = add_sim(p, l, c, e);
	if (rc)
		host_parts_fini(p);
	return rc;
}

void
host_parts_fini(struct host_parts *p)
{
	for (size_t i = 0; i < p->n_engines; i++)
		engine_free(p->engines[i]);
	cg_free(p->cg);
	nl_free(p->nl);
	memset(p, 0, sizeof(*p));
}

static void
free_names(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}

Drover__HostFacts *
host_parts_facts(const struct host_parts *p)
{
	char **bridges = NULL;
	struct err e = ERR_INIT;
	Drover__HostFacts *f;

	if (p->nl && port_bridges(p->nl, &bridges, &e)) {
		log_warn("agent", "bridges cannot be listed: %s", e.msg);
		bridges = NULL;
	}
	const struct facts_in in = {
		.machine = &p->machine,
		.share = &p->share,
		.engines = p->engines,
		.n_engines = p->n_engines,
		.cgroup = p->cgroup,
		.anti_spoof = p->anti_spoof,
		.bridges = (const char *const *)bridges,
	};

	f = facts_make(&in);
	free_names(bridges);
	return f;
}
