/*
 * Where guests had better run: looking now, and carrying out what was found.
 */
#include "server/api/api_int.h"
#include "server/drs/drs.h"
#include "server/inventory/inv_json.h"

static void
on_plan(void *arg, int rc, const struct err *e, const json *plan)
{
	struct api_call *c = arg;

	if (rc)
		api_reply_err(c, e);
	else
		api_reply_json(c, 200, json_dup(plan));
}

void
api_drs_run(struct api_call *c)
{
	static const char *const known[] = { "simulate", NULL };
	bool simulate = false;
	struct err e = ERR_INIT;

	if (c->body &&
	    (json_only(c->body, known, &e) ||
		json_read_bool(c->body, "simulate", JSON_OPTIONAL, &simulate, &e))) {
		api_reply_err(c, &e);
		return;
	}
	drs_go(c->api->d.drs, c->id, simulate ? DRS_SIMULATED : DRS_ASKED, on_plan, c);
}

static void
on_begun(const struct op_result *r, void *arg)
{
	struct api_call *c = arg;
	const struct inv *inv = c->api->d.inv;
	const struct obj *task = inv_get(inv, r->task);
	char id[OBJ_ID_TEXT];

	if (r->rc) {
		api_reply_err(c, &r->err);
		return;
	}
	/* What is done at once has none. */
	if (!task) {
		api_reply_object(c, 200, inv_get(inv, r->object));
		return;
	}
	json *j = json_new_object();
	json_set_json(j, "task", inv_json(inv, task));
	json_set_str(j, "object", obj_id_text(r->object, id));
	api_reply_json(c, 202, j);
}

void
api_drs_apply(struct api_call *c)
{
	drs_apply(c->api->d.drs, c->id, &c->who, on_begun, c);
}

void
api_maintenance_check(struct api_call *c)
{
	const struct api_deps *d = &c->api->d;

	api_reply_json(c, 200, drs_maintenance_plan(d->inv, d->hosts, d->tasks, c->id));
}
