/*
 * A move as the check sees it.
 */
#include "base/arena.h"
#include "server/migrate/migrate_int.h"

#define MB_BYTES UINT64_C(0x100000)

static const char *
text(const char *s)
{
	return s ? s : "";
}

static const json *
engine_of(const struct host *h, const char *name)
{
	for (size_t i = 0; h->engines && i < json_count(h->engines); i++) {
		const json *en = json_at(h->engines, i);
		if (str_same(arg_str(en, "name"), name))
			return en;
	}
	return NULL;
}

static void
fill_capability(const json *en, struct mig_engine *to)
{
	const json *list = json_get(en, "capabilities");

	to->why_cannot_move = "it does not say that it can";
	to->why_no_post_copy = to->why_cannot_move;
	for (size_t i = 0; list && i < json_count(list); i++) {
		const json *c = json_at(list, i);
		const char *name = arg_str(c, "name");

		if (str_same(name, "live_migration")) {
			to->can_move = arg_bool(c, "able", false);
			to->why_cannot_move = text(arg_str(c, "why_not"));
		} else if (str_same(name, "post_copy")) {
			to->can_post_copy = arg_bool(c, "able", false);
			to->why_no_post_copy = text(arg_str(c, "why_not"));
		}
	}
}

static void
fill_engine(const struct host *h, const char *name, struct mig_engine *to)
{
	const json *en = name ? engine_of(h, name) : NULL;

	to->name = name;
	to->accelerator = to->machine = "";
	if (!en)
		return;
	to->there = true;
	to->usable = arg_bool(en, "usable", false);
	to->why_not = text(arg_str(en, "why_not"));
	to->accelerator = text(arg_str(en, "accelerator"));
	to->machine = text(arg_str(en, "machine"));
	fill_capability(en, to);
}

static void
fill_flags(struct arena *mem, const struct host *h, struct mig_host *to)
{
	size_t n = h->cpu_flags ? json_count(h->cpu_flags) : 0;
	const char **flags = arena_array(mem, n + 1, sizeof(*flags));

	for (size_t i = 0; i < n; i++)
		flags[i] = text(json_str_value(json_at(h->cpu_flags, i), NULL));
	to->cpu_flags = flags;
	to->n_cpu_flags = n;
}

static const struct mig_host *
host_view(
    const struct mig_env *env, struct arena *mem, obj_id host, const struct vm *vm)
{
	struct mig_host *to = arena_alloc(mem, sizeof(*to));
	const struct host *h = inv_host(env->inv, host);

	if (!h) {
		to->name = "none";
		to->arch = "";
		to->why_down = "gone";
		return to;
	}
	bool is_why = h->state_reason && h->state_reason[0];
	to->name = arena_strdup(mem, h->o.name);
	/* One that is expected back is waited for. */
	to->is_up =
	    hosts_is_up(env->hosts, host) || hosts_is_expected(env->hosts, host);
	to->arch = arena_strdup(mem, text(h->machine));
	to->why_down = arena_printf(mem, "%s%s%s", conn_state_text(h->connection_state),
	    is_why ? ": " : "", is_why ? h->state_reason : "");
	fill_engine(h, vm->engine && vm->engine[0] ? vm->engine : NULL, &to->engine);
	fill_flags(mem, h, to);
	to->channel_port = h->channel_port;
	to->n_channel_addresses =
	    h->channel_addresses ? json_count(h->channel_addresses) : 0;
	return to;
}

static bool
reaches(const struct inv *inv, obj_id host, obj_id store)
{
	const struct datastore *ds = inv_datastore(inv, store);

	return ds && id_list_has(&ds->reachable_hosts, host);
}

static const char *
base_name(const struct inv *inv, struct arena *mem, const struct vm *vm)
{
	const struct template *tpl = inv_template(inv, vm->template_);

	return tpl ? arena_printf(mem, "template \"%s\"", tpl->o.name) : "other images";
}

static void
fill_disks(const struct mig_env *env, struct arena *mem, const struct vm *vm,
    obj_id host, const json *args, struct mig_view *v)
{
	obj_id store = arg_id(args, "datastore");
	struct mig_disk *list;

	v->n_disks = vm->disks ? json_count(vm->disks) : 0;
	v->disks = list = arena_array(mem, v->n_disks + 1, sizeof(*list));
	for (size_t i = 0; i < v->n_disks; i++) {
		const json *d = json_at(vm->disks, i),
			   *backing = json_get(d, "backing");
		AUTO(json) json *there = mig_base_on(env->inv, vm, d, store);
		obj_id lies = arg_id(d, "datastore");
		list[i] = (struct mig_disk){
			.name = arena_strdup(mem, text(arg_str(d, "name"))),
			.datastore = arena_strdup(mem, inv_name(env->inv, lies)),
			.is_reached = reaches(env->inv, host, lies),
			.moves = mig_disk_moves(d, args),
			.has_base = backing && json_count(backing),
			.base_is_there = there != NULL,
			.base_may_come =
			    !there && mig_base_may_come(env->inv, vm, d, store),
			.base = base_name(env->inv, mem, vm),
		};
	}
}

static void
fill_nics(const struct mig_env *env, struct arena *mem, const struct vm *vm,
    obj_id host, struct mig_view *v)
{
	struct mig_nic *list;

	v->n_nics = vm->nics ? json_count(vm->nics) : 0;
	v->nics = list = arena_array(mem, v->n_nics + 1, sizeof(*list));
	for (size_t i = 0; i < v->n_nics; i++) {
		const json *n = json_at(vm->nics, i);
		const struct network *net = inv_network(env->inv, arg_id(n, "network"));
		list[i].name = arena_strdup(mem, text(arg_str(n, "name")));
		list[i].network = arena_strdup(mem, net ? net->o.name : "");
		list[i].is_reached =
		    net && hosts_has_bridge(env->hosts, host, net->bridge);
	}
}

/* The task that has the machine, but for the one that asks. */
static const char *
busy_with(const struct mig_env *env, struct arena *mem, obj_id vm)
{
	char id[OBJ_ID_TEXT];

	INV_EACH(env->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(env->inv, o->id);
		if (!obj_id_is(row->entity, vm) || obj_id_is(o->id, env->task))
			continue;
		if (row->state == TASK_QUEUED || row->state == TASK_RUNNING)
			return arena_printf(
			    mem, "%s (%s)", obj_id_text(o->id, id), row->op);
	}
	return NULL;
}

static size_t
count_snapshots(const struct inv *inv, obj_id vm)
{
	size_t n = 0;

	INV_EACH(inv, KIND_SNAPSHOT, o)
	{
		n += obj_id_is(o->parent, vm);
	}
	return n;
}

static void
fill_store(const struct mig_env *env, struct arena *mem, const struct vm *vm,
    obj_id host, const json *args, struct mig_view *v)
{
	const struct datastore *ds = inv_datastore(env->inv, arg_id(args, "datastore"));
	const struct template *tpl = inv_template(env->inv, vm->template_);

	if (!ds)
		return;
	v->store = arena_strdup(mem, ds->o.name);
	v->store_reached = id_list_has(&ds->reachable_hosts, host);
	v->store_reached_from = id_list_has(&ds->reachable_hosts, vm->host);
	v->store_free_mb = ds->free_bytes / MB_BYTES;
	v->store_need_mb = vm->disk_usage_bytes / MB_BYTES;
	v->template_mb = tpl ? tpl->file_bytes / MB_BYTES : 0;
	v->keeps_chain = arg_bool(args, "keep_chain", true);
	v->insists_on_chain = arg_bool(args, "keep_chain", false);
}

const struct mig_view *
mig_view_of(const struct mig_env *env, struct arena *mem, const struct vm *vm,
    const struct advice_room *to, const json *args)
{
	struct mig_view *v = arena_alloc(mem, sizeof(*v));
	const struct inv *inv = env->inv;

	v->vm = arena_strdup(mem, vm->o.name);
	v->type = vm->guest_type;
	v->lifecycle = vm->lifecycle;
	v->power = vm->power_state;
	v->wants_post_copy = arg_bool(args, "post_copy", false);
	v->busy = busy_with(env, mem, vm->o.id);
	v->is_same_host = obj_id_is(to->host, vm->host);
	v->is_same_datacenter = obj_id_is(inv_ancestor(inv, to->host, KIND_DATACENTER),
	    inv_ancestor(inv, vm->host, KIND_DATACENTER));
	v->from = host_view(env, mem, vm->host, vm);
	v->to = host_view(env, mem, to->host, vm);
	v->n_snapshots = count_snapshots(inv, vm->o.id);
	v->shortages = to->shortages;
	v->n_shortages = to->n_shortages;
	fill_disks(env, mem, vm, to->host, args, v);
	fill_nics(env, mem, vm, to->host, v);
	fill_store(env, mem, vm, to->host, args, v);
	return v;
}
