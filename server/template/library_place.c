/*
 * Where the images of templates lie, who stands on them and who reaches them.
 */
#include "server/template/template_int.h"

#define PART_STEP 200u /* keeps parts apart from the other orders of a task */

size_t
tpl_places(const struct template *tpl, struct tpl_place out[PLACES_MAX])
{
	size_t n = 0;

	if (tpl->path)
		out[n++] = (struct tpl_place){ tpl->datastore, tpl->path, tpl->format,
			tpl->layers };
	for (size_t i = 0; tpl->copies && i < json_count(tpl->copies); i++) {
		const json *j = json_at(tpl->copies, i);
		if (n == PLACES_MAX)
			break;
		out[n++] =
		    (struct tpl_place){ arg_id(j, "datastore"), arg_str(j, "path"),
			    arg_str(j, "format"), json_get(j, "layers") };
	}
	return n;
}

bool
tpl_place_on(const struct template *tpl, obj_id datastore, struct tpl_place *ret)
{
	struct tpl_place all[PLACES_MAX];
	size_t n = tpl_places(tpl, all);

	for (size_t i = 0; i < n; i++) {
		if (!obj_id_is(all[i].datastore, datastore))
			continue;
		*ret = all[i];
		return true;
	}
	return false;
}

static bool
has_layer(const json *layers, const char *path)
{
	for (size_t i = 0; layers && i < json_count(layers); i++) {
		if (str_same(arg_str(json_at(layers, i), "path"), path))
			return true;
	}
	return false;
}

/* Does one of the disks stand on this image? */
static bool
stands_on(const json *disks, const struct tpl_place *p)
{
	for (size_t i = 0; disks && i < json_count(disks); i++) {
		const json *d = json_at(disks, i);
		if (obj_id_is(arg_id(d, "datastore"), p->datastore) &&
		    has_layer(json_get(d, "backing"), p->path))
			return true;
	}
	return false;
}

/* A template made of a container stands on what the container stood on. */
static bool
is_below(const struct template *tpl, const struct tpl_place *p)
{
	struct tpl_place all[PLACES_MAX];
	size_t n = tpl_places(tpl, all);

	for (size_t i = 0; i < n; i++) {
		if (obj_id_is(all[i].datastore, p->datastore) &&
		    has_layer(all[i].layers, p->path))
			return true;
	}
	return false;
}

static const struct obj *
user_of(const struct inv *inv, const struct tpl_place *p)
{
	INV_EACH(inv, KIND_VM, o)
	{
		if (stands_on(inv_vm(inv, o->id)->disks, p))
			return o;
	}
	INV_EACH(inv, KIND_SNAPSHOT, o)
	{
		if (stands_on(inv_snapshot(inv, o->id)->disks, p))
			return inv_get(inv, o->parent);
	}
	INV_EACH(inv, KIND_TEMPLATE, o)
	{
		if (is_below(inv_template(inv, o->id), p))
			return o;
	}
	return NULL;
}

const struct obj *
tpl_user_on(const struct inv *inv, const struct template *tpl, obj_id datastore)
{
	struct tpl_place p;

	return tpl_place_on(tpl, datastore, &p) ? user_of(inv, &p) : NULL;
}

const struct obj *
tpl_user(const struct inv *inv, const struct template *tpl)
{
	struct tpl_place all[PLACES_MAX];
	size_t n = tpl_places(tpl, all);
	const struct obj *found = NULL;

	for (size_t i = 0; !found && i < n; i++)
		found = user_of(inv, &all[i]);
	return found;
}

bool
reaches(const struct inv *inv, obj_id host, obj_id datastore)
{
	const struct datastore *ds = inv_datastore(inv, datastore);

	return ds && id_list_has(&ds->reachable_hosts, host);
}

obj_id
host_reaching(const struct op_call *c, obj_id a, obj_id b, obj_id cluster, obj_id host)
{
	INV_EACH(c->inv, KIND_HOST, o)
	{
		if (!obj_id_none(cluster) && !obj_id_is(o->parent, cluster))
			continue;
		if (!obj_id_none(host) && !obj_id_is(o->id, host))
			continue;
		if (hosts_is_up(c->hosts, o->id) && reaches(c->inv, o->id, a) &&
		    reaches(c->inv, o->id, b))
			return o->id;
	}
	return OBJ_ID_NONE;
}

bool
tpl_stands_on(const struct tpl_place *p, const char *path)
{
	return has_layer(p->layers, path);
}

const char *
tpl_user_kind(const struct obj *user)
{
	return obj_id_kind(user->id) == KIND_TEMPLATE ? "template" : "machine";
}

int
need_reachable(struct op_call *c, obj_id datastore, obj_id *ret_host, struct err *e)
{
	*ret_host = hosts_reaching(c->hosts, datastore);
	if (!obj_id_none(*ret_host))
		return 0;
	return err_set(e, ERR_BAD_STATE, "no connected host reaches datastore \"%s\"",
	    inv_name(c->inv, datastore));
}

int
tpl_need_ready(const struct template *tpl, struct err *e)
{
	if (tpl->lifecycle == LIFE_READY)
		return 0;
	return err_set(e, ERR_BAD_STATE, "template \"%s\" is %s", tpl->o.name,
	    vm_lifecycle_text(tpl->lifecycle));
}

unsigned
step_named(const struct task_run *r, const char *name)
{
	unsigned i = 0;

	while (r->kind->steps[i].name && !str_same(r->kind->steps[i].name, name))
		i++;
	return i;
}

bool
step_is(const struct task_run *r, unsigned step, const char *name)
{
	return str_same(r->kind->steps[step].name, name);
}

static uint32_t
part_step(const struct task_run *r, unsigned part)
{
	return ORDER_STEP(task_step(r)) + PART_STEP * (part + 1);
}

enum flow_rc
run_part(struct task_run *r, obj_id host, unsigned part, Drover__Order *o,
    uint32_t deadline_ms)
{
	o->task = obj_id_number(r->id);
	o->step = part_step(r, part);
	host_call(run_ops(r)->hosts, host, o, deadline_ms, task_wake(r));
	return FLOW_WAIT;
}

const Drover__Reply *
run_part_reply(const struct task_run *r, obj_id host, unsigned part)
{
	return host_call_reply(
	    run_ops(r)->hosts, host, obj_id_number(r->id), part_step(r, part));
}
