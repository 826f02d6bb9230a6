/*
 * Where a machine goes: the host that was named, or the best that can take it.
 */
#include "base/arena.h"
#include "server/migrate/migrate_int.h"
#include "server/ops/op_args.h"

#define REASONS_MAX 140u

/* Only this host, or none: any of the cluster. */
static obj_id
wanted_host(const struct inv *inv, const struct vm *vm, const json *args)
{
	const struct datastore *ds = inv_datastore(inv, arg_id(args, "datastore"));
	obj_id host = arg_id(args, "host");

	/* Disks alone move where the machine may stay for it. */
	if (obj_id_none(host) && obj_id_none(arg_id(args, "cluster")) && ds &&
	    id_list_has(&ds->reachable_hosts, vm->host))
		return vm->host;
	return host;
}

static struct advice_guest
guest_of(const struct inv *inv, const struct vm *vm, const json *args)
{
	obj_id host = wanted_host(inv, vm, args), cluster = arg_id(args, "cluster");
	struct advice_guest g = {
		.vm = vm->o.id,
		.name = vm->o.name,
		.want_host = host,
		.num_cpu = vm->num_cpu,
		.memory_mb = vm->memory_mb,
		.engine = vm->engine,
	};

	if (obj_id_none(host))
		g.cluster = obj_id_none(cluster)
				? inv_ancestor(inv, vm->host, KIND_CLUSTER)
				: cluster;
	return g;
}

/* Is it one that the arguments mean? */
static bool
is_meant(const struct inv *inv, const struct vm *vm, const struct advice_guest *g,
    obj_id host)
{
	if (!obj_id_none(g->want_host))
		return obj_id_is(host, g->want_host);
	return !obj_id_is(host, vm->host) &&
	       obj_id_is(inv_ancestor(inv, host, KIND_CLUSTER), g->cluster);
}

/* One host's verdict after another's, best first. */
struct look {
	const struct mig_env *env;
	const struct vm *vm;
	const json *args;
	struct advice_guest guest;
	struct arena *mem;
	struct advice_room *rooms;
	size_t n, next;
};

static int
look_begin(struct look *l, const struct mig_env *env, const struct vm *vm,
    const json *args, struct err *e)
{
	*l = (struct look){ .env = env, .vm = vm, .args = args, .mem = arena_new() };
	l->guest = guest_of(env->inv, vm, args);
	return advice_rooms(env->advice, &l->guest, l->mem, &l->rooms, &l->n, e);
}

static bool
look_next(struct look *l, obj_id *ret_host, struct mig_verdict *ret)
{
	while (l->next < l->n) {
		const struct advice_room *room = &l->rooms[l->next++];
		if (!is_meant(l->env->inv, l->vm, &l->guest, room->host))
			continue;
		migrate_check(mig_view_of(l->env, l->mem, l->vm, room, l->args), ret);
		*ret_host = room->host;
		return true;
	}
	return false;
}

/* As many as an error takes. */
static void
add_reason(struct str *why, const char *text)
{
	static const char more[] = "; and more";

	if (why->len + strlen(text) < REASONS_MAX)
		str_addf(why, "%s%s", why->len ? "; " : "", text);
	else if (why->len && !strstr(str_cstr(why), more))
		str_add(why, more);
	else if (!why->len)
		str_addn(why, text, REASONS_MAX);
}

static int
nowhere(const struct look *l, const struct str *why, struct err *e)
{
	const char *cluster = inv_name(l->env->inv, l->guest.cluster);

	if (!why->len)
		return err_set(e, ERR_NO_CAPACITY,
		    "cluster \"%s\" has no other host for machine \"%s\"", cluster,
		    l->vm->o.name);
	return err_set(e, ERR_NO_CAPACITY, "no host of cluster \"%s\" can take it: %s",
	    cluster, str_cstr(why));
}

int
mig_place(const struct mig_env *env, const struct vm *vm, const json *args,
    struct mig_place *ret, struct err *e)
{
	AUTO(str) struct str why = STR_INIT;
	struct mig_verdict verdict;
	struct look l;
	obj_id host;
	int rc = look_begin(&l, env, vm, args, e);

	while (!rc && look_next(&l, &host, &verdict)) {
		if (!verdict.n) {
			*ret = (struct mig_place){ host, verdict.way,
				verdict.brings_template };
			arena_free(l.mem);
			return 0;
		}
		if (!obj_id_none(l.guest.want_host))
			rc = mig_verdict_err(&verdict, e);
		else
			add_reason(&why, verdict.v[0].text);
	}
	if (!rc)
		rc = nowhere(&l, &why, e);
	arena_free(l.mem);
	return rc;
}

static json *
verdict_json(obj_id host, const struct mig_verdict *v)
{
	json *j = json_new_object(), *list = json_new_array();

	arg_set_id(j, "host", host);
	json_set_bool(j, "possible", v->n == 0);
	json_set_bool(j, "copies_template", v->n == 0 && v->brings_template);
	for (size_t i = 0; i < v->n; i++)
		json_add_str(list, v->v[i].text);
	json_set_json(j, "obstacles", list);
	return j;
}

static int
check_body(
    const struct inv *inv, const json *body, const struct op_info *op, struct err *e)
{
	static const char *const ids[] = { "host", "datastore", "cluster" };
	int rc = op_args_check(op, body, e);

	for (size_t i = 0; !rc && i < ARRAY_SIZE(ids); i++)
		rc = arg_exists(inv, body, ids[i], e);
	return rc;
}

int
migrate_check_request(
    const struct mig_env *env, obj_id id, const json *body, json **ret_j, struct err *e)
{
	const struct vm *vm = inv_vm(env->inv, id);
	struct mig_verdict verdict;
	struct look l;
	obj_id host;
	int rc = check_body(env->inv, body, &migrate_defs[0].info, e);

	if (rc)
		return rc;
	rc = look_begin(&l, env, vm, body, e);
	AUTO(json) json *items = json_new_array();
	while (!rc && look_next(&l, &host, &verdict))
		json_add_json(items, verdict_json(host, &verdict));
	bool is_one = !obj_id_none(l.guest.want_host) && json_count(items);
	arena_free(l.mem);
	if (rc)
		return rc;
	*ret_j = is_one ? json_ref(json_at(items, 0)) : json_new_object();
	if (!is_one)
		json_set_json(*ret_j, "items", MOVE(items));
	return 0;
}
