/*
 * The wires of a guest's network cards.
 */
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_spec.h"

static struct port_spec
port_of(const struct guest *g, const Drover__GuestSpec *spec, size_t i)
{
	const Drover__NicSpec *c = spec->nics[i];

	return (struct port_spec){
		.guest = g->number,
		.nic = engine_nic_slot(spec, i),
		.bridge = c->bridge,
		.mac = c->mac,
		.address = c->address,
		.vlan = c->vlan,
		.rx_kbit = c->rx_kbit_limit,
		.tx_kbit = c->tx_kbit_limit,
	};
}

int
guest_wire_make(const struct guest *g, const Drover__GuestSpec *spec, size_t i,
    int *ret_tap, struct err *e)
{
	const struct port_spec p = port_of(g, spec, i);
	struct nl *nl = g->gs->env.nl;
	int rc;

	if (guest_spec_invented(spec)) {
		*ret_tap = -1;
		return 0;
	}
	if (guest_spec_is_container(spec)) {
		rc = port_pair_add(nl, &p, NULL, e);
		*ret_tap = -1;
	} else {
		rc = port_add(nl, &p, ret_tap, e);
	}
	return rc ? err_wrap(e, "%s of vm %s", spec->nics[i]->name, spec->name) : 0;
}

void
guest_wire_drop(const struct guest *g, const Drover__GuestSpec *spec, size_t i)
{
	struct nl *nl = g->gs->env.nl;
	struct err e = ERR_INIT;

	if (nl && !guest_spec_invented(spec) &&
	    port_del(nl, g->number, engine_nic_slot(spec, i), &e))
		log_warn("guest", "vm %s: %s", spec->name, e.msg);
}

int
guest_wire_change(const struct guest *g, const struct guest_wire *from,
    const struct guest_wire *to, struct err *e)
{
	const struct port_spec was = port_of(g, from->spec, from->i);
	const struct port_spec is = port_of(g, to->spec, to->i);

	if (guest_spec_invented(to->spec))
		return 0;
	return port_set(g->gs->env.nl, &was, &is, e);
}

void
guest_wires_guard(const struct guest *g)
{
	struct nl *nl = g->gs->env.nl;
	struct err e = ERR_INIT;

	if (!nl || guest_spec_invented(g->spec))
		return;
	for (size_t i = 0; i < g->spec->n_nics; i++) {
		const struct port_spec p = port_of(g, g->spec, i);

		if (port_guard(nl, &p, &e))
			log_warn("guest", "vm %s: %s: %s", g->spec->name,
			    g->spec->nics[i]->name, e.msg);
	}
}

/* A container's are made when its network namespace is there, by its engine. */
static int
allow_wires(const struct guest *g, const Drover__GuestSpec *spec, struct err *e)
{
	for (size_t i = 0; i < spec->n_nics; i++) {
		const struct port_spec p = port_of(g, spec, i);
		int rc = port_pair_allow(g->gs->env.nl, &p, e);

		if (rc)
			return err_wrap(
			    e, "%s of vm %s", spec->nics[i]->name, spec->name);
	}
	return 0;
}

enum flow_rc
guest_step_wires(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	const struct guest *g = j->g;
	const Drover__GuestSpec *spec = g->spec;

	if (j->found || guest_spec_invented(spec) || !spec->n_nics)
		return FLOW_NEXT;
	if (guest_spec_is_container(spec))
		return allow_wires(g, spec, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
	j->taps = xcalloc(spec->n_nics, sizeof(*j->taps));
	for (size_t i = 0; i < spec->n_nics; i++) {
		int tap = -1;

		if (guest_wire_make(g, spec, i, &tap, flow_err(f)))
			return FLOW_FAIL;
		j->taps[j->n_taps++] = tap;
	}
	return FLOW_NEXT;
}
