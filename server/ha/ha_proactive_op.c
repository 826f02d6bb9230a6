/*
 * host.quarantine: a failing host gets no more guests, and those that it has leave as
 * far as that makes nobody slower.  It ends by itself.
 */
#include "server/event/event.h"
#include "server/ha/ha_proactive.h"
#include "server/inventory/txn.h"
#include "server/ops/vm_step.h"

static int
quarantine(struct op_call *c, struct txn *t, struct err *e)
{
	const struct host *h = inv_host(c->inv, c->entity);
	const struct cluster *cl = inv_cluster(c->inv, h->o.parent);
	const char *why = arg_str(c->args, "reason");

	if (!cl || cl->ha_proactive == HA_PROACTIVE_OFF) {
		return err_set(e, ERR_BAD_STATE,
		    "the cluster of host \"%s\" does nothing about failing hardware: "
		    "ha_proactive is off",
		    h->o.name);
	}
	if (h->health != HOST_HEALTH_MODERATE && h->health != HOST_HEALTH_SEVERE)
		return err_set(e, ERR_BAD_STATE,
		    "host \"%s\" reports no failing hardware", h->o.name);
	if (h->maintenance != MAINT_NONE)
		return err_set(
		    e, ERR_BAD_STATE, "host \"%s\" is in maintenance", h->o.name);
	if (h->health_remedy == HA_REMEDY_QUARANTINE)
		return err_set(e, ERR_BAD_STATE, "host \"%s\" is in quarantine already",
		    h->o.name);
	((struct host *)txn_edit(t, c->entity))->health_remedy = HA_REMEDY_QUARANTINE;
	txn_event(t, EV_HOST_QUARANTINED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Host %s is in quarantine%s%s", h->o.name, why ? ": " : "", why ? why : "");
	return 0;
}

/* clang-format off */
static const struct op_arg quarantine_args[] = {
	{ .name = "reason", .type = ARG_TEXT, .max = 1000, .help = "for its event" },
	{ 0 } };

static const struct op_def defs[] = {
	{ .info = { "host.quarantine", "Enter quarantine mode", KIND_HOST, ROLE_ADMINISTRATOR, false, quarantine_args },
	  .apply = quarantine },
	{ .info = { .name = NULL } },
};

/* clang-format on */

void
ha_proactive_register(void)
{
	ops_register(defs);
}
