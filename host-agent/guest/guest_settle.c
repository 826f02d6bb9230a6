/*
 * What a guest's disks are after a change of them was cut short.
 *
 * The record has the disks as they were and as they were about to be.  A running guest
 * tells by the length of its chains.  Of one that is down the headers of its images
 * tell: what it was about to be counts where every header agrees, for a fresh image on
 * top may hold the guest's last writes, and an image is taken out of a chain by the
 * change of a header.
 */
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine_snapshot.h"
#include "host-agent/guest/guest_snapshot.h"
#include "host-agent/guest/guest_spec.h"

#define RECORD_MS 20000u
#define DISK_MS   120000u

static bool
runs_as(struct guest *g, const Drover__GuestSpec *spec)
{
	for (size_t i = 0; i < spec->n_disks; i++) {
		size_t n = engine_chain_length(g->handle, spec, i);

		if (n && n != spec->disks[i]->n_backing + 1)
			return false;
	}
	return true;
}

static void
settle(struct guest *g, bool is_next)
{
	log_notice("guest", "vm %s: a change of its disks was cut short: it %s",
	    g->spec->name, is_next ? "had come about" : "had not come about");
	if (is_next)
		guest_set_spec(g, g->next);
	guest_spec_free(MOVE(g->next));
}

static int
run_try(struct guest_work *k)
{
	for (size_t i = 0; i < k->spec->n_disks; i++) {
		if (disk_open(k->stores[i], k->spec->disks[i], &k->disks[i], &k->e))
			return k->e.code;
	}
	return 0;
}

enum flow_rc
guest_step_settle(struct flow *f, void *arg)
{
	struct guest_job *j = arg;
	struct guest_work *k;

	if (!j->g->next)
		return FLOW_NEXT;
	if (guest_is_live(j->g)) {
		settle(j->g, runs_as(j->g, j->g->next));
		return FLOW_NEXT;
	}
	if (guest_spec_invented(j->g->spec)) {
		settle(j->g, true);
		return FLOW_NEXT;
	}
	if (guest_work_new(j->g, j->g->next, &k, flow_err(f)))
		return FLOW_FAIL;
	k->run = run_try;
	return guest_step_work(f, j, k);
}

enum flow_rc
guest_finish_settled(struct flow *f, void *arg, int rc)
{
	struct guest_job *j = arg;

	/* A datastore that is away says nothing. */
	if (rc && rc != ERR_NOT_FOUND && rc != ERR_CORRUPT)
		return FLOW_FAIL;
	settle(j->g, !rc);
	return FLOW_NEXT;
}

enum flow_rc
guest_finish_settle(struct flow *f, void *arg, int rc)
{
	const struct guest_job *j = arg;

	if (guest_finish_settled(f, arg, rc) == FLOW_FAIL)
		log_warn("guest", "vm %s: what its disks are now is not known yet: %s",
		    j->g->spec->name, flow_err(f)->msg);
	return FLOW_NEXT;
}

const struct flow_step guest_settle_steps[] = {
	{ "settle", guest_step_settle, guest_finish_settle, NULL, DISK_MS },
	{ "record", guest_step_record, guest_finish_any, NULL, RECORD_MS },
	{ NULL },
};
