/*
 * A wire goes with the network namespace that its end is in, so it is taken out before
 * a container ends, and put in again by the hook of the one that is restored.  The
 * container stands still meanwhile: it never sees itself without.
 */
#include <stdio.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/oci/oci_move_int.h"
#include "host-agent/network/port.h"

#define FREEZE_MS 5000

static bool
is_up(const struct oci_guest *c)
{
	return !c->ended && !c->move->saved;
}

/* ---- standing still ---- */

static char *
freezer_file(const struct oci_guest *c, bool *ret_v1)
{
	char *v1 = xasprintf(OCI_CGROUPS "/freezer/%s/ct/freezer.state", c->run.cgroup);

	*ret_v1 = !access(v1, F_OK);
	if (*ret_v1)
		return v1;
	free(v1);
	return xasprintf(OCI_CGROUPS "/%s/ct/cgroup.freeze", c->run.cgroup);
}

static bool
is_frozen(const struct oci_guest *c)
{
	AUTO_FREE char *v1 =
	    xasprintf(OCI_CGROUPS "/freezer/%s/ct/freezer.state", c->run.cgroup);
	AUTO_FREE char *v2 =
	    xasprintf(OCI_CGROUPS "/%s/ct/cgroup.events", c->run.cgroup);
	FILE *f = fopen(access(v1, F_OK) ? v2 : v1, "re");
	char line[64];
	bool frozen = false;

	while (f && !frozen && fgets(line, sizeof(line), f))
		frozen = str_same(line, "FROZEN\n") || str_same(line, "frozen 1\n");
	if (f)
		fclose(f);
	return frozen;
}

enum flow_rc
oci_freeze_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	AUTO_FREE char *path = NULL;
	const char *word;
	FILE *file;
	bool v1;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails || !c->spec->n_nics || is_frozen(c))
		return FLOW_NEXT;
	path = freezer_file(c, &v1);
	word = v1 ? "FROZEN" : "1";
	file = fopen(path, "we");
	if (!file || fputs(word, file) < 0 || fclose(file)) {
		err_set(flow_err(f), ERR_IO, "cannot freeze it: %s", path);
		return oci_move_fail(f, c);
	}
	if (loop_now_ms(c->g.engine->loop) - c->move->shut_ms > FREEZE_MS) {
		err_set(flow_err(f), ERR_TIMEOUT, "its processes cannot be frozen");
		return oci_move_fail(f, c);
	}
	if (is_frozen(c))
		return FLOW_NEXT;
	flow_set_timeout(f, 1);
	(void)flow_wake(f);
	return FLOW_WAIT;
}

enum flow_rc
oci_freeze_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	return oci_move_is_cut(c, rc) ? FLOW_FAIL : FLOW_AGAIN;
}

/* ---- its wires ---- */

int
oci_wire_out(struct oci_guest *c, size_t nic, struct wake wake, struct err *e)
{
	char outer[PORT_NAME_MAX], inner[PORT_NAME_MAX], pid[16];
	const char *const args[] = { "nic-out", "--pid", pid, outer, inner, NULL };
	unsigned slot = engine_nic_slot(c->spec, nic);

	port_name(c->g.number, slot, outer);
	port_inner_name(c->g.number, slot, inner);
	snprintf(pid, sizeof(pid), "%d", (int)c->run.pid);
	return oci_stage(c, args, wake, e);
}

enum flow_rc
oci_unwire_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (c->move->fails || c->move->n_unwired == c->spec->n_nics)
		return FLOW_NEXT;
	if (oci_wire_out(c, c->move->n_unwired, flow_wake(f), flow_err(f)))
		return oci_move_fail(f, c);
	return FLOW_WAIT;
}

enum flow_rc
oci_unwire_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (oci_move_is_cut(c, rc))
		return FLOW_FAIL;
	if (rc)
		return oci_move_fail(f, c);
	c->move->n_unwired++;
	return FLOW_AGAIN;
}

/* Of a container that was not ended after all. */
enum flow_rc
oci_rewire_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	AUTO_FREE char *name = NULL;
	char inner[PORT_NAME_MAX], pid[16];
	const char *args[] = { "nic", "--pid", pid, inner, NULL, NULL, NULL, NULL,
		NULL };
	const Drover__NicSpec *nic;
	unsigned slot;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (!c->move->n_unwired || !is_up(c))
		return FLOW_NEXT;
	nic = c->spec->nics[c->move->n_unwired - 1];
	slot = engine_nic_slot(c->spec, c->move->n_unwired - 1);
	port_inner_name(c->g.number, slot, inner);
	name = xasprintf("eth%u", slot);
	snprintf(pid, sizeof(pid), "%d", (int)c->run.pid);
	args[4] = name;
	args[5] = nic->mac;
	args[6] = nic->address;
	args[7] = nic->gateway;
	return oci_stage(c, args, flow_wake(f), flow_err(f)) ? oci_move_fail(f, c)
							     : FLOW_WAIT;
}

/* A wire that is in already is no fault here. */
enum flow_rc
oci_rewire_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (!oci_move_may_fail(f, c, rc))
		return FLOW_FAIL;
	c->move->n_unwired--;
	return FLOW_AGAIN;
}

enum flow_rc
oci_unfreeze_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	if (is_up(c) && !c->move->was_paused && oci_thaw(c, flow_err(f)))
		return oci_move_fail(f, c);
	return FLOW_NEXT;
}
