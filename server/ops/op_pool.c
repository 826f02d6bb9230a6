/*
 * Resource pools: made, changed, moved and removed, as far as the tree admits.
 */
#include "server/ops/ops_int.h"
#include "server/pools/pool_tree.h"

#define SHARES_CPU_NORMAL 4000u   /* a pool counts as 4 vCPU */
#define SHARES_MEM_NORMAL 163840u /* and 16 GB */
#define SHARES_MAX        1000000000u
#define AMOUNT_MAX        (1ull << 40)

static void
fill_shares(const json *args, const char *level_name, const char *shares_name,
    char **level, uint64_t *shares, uint64_t normal)
{
	const char *wanted = arg_str(args, level_name);

	if (arg_has(args, shares_name)) {
		text_set(level, "custom");
		*shares = arg_u64(args, shares_name, *shares);
	} else if (wanted) {
		text_set(level, wanted);
	}
	if (str_same(*level, "low"))
		*shares = normal / 2;
	else if (str_same(*level, "normal"))
		*shares = normal;
	else if (str_same(*level, "high"))
		*shares = normal * 2;
}

static int
check_level(const json *args, const char *level, const char *shares, struct err *e)
{
	bool is_custom = str_same(arg_str(args, level), "custom");

	if (is_custom && !arg_has(args, shares))
		return err_set(e, ERR_INVALID, "%s: custom wants %s", level, shares);
	if (arg_str(args, level) && !is_custom && arg_has(args, shares))
		return err_set(e, ERR_INVALID, "%s: has no place beside %s \"%s\"",
		    shares, level, arg_str(args, level));
	return 0;
}

static int
fill(const json *args, struct pool *p, struct err *e)
{
	int rc = check_level(args, "cpu_shares_level", "cpu_shares", e);

	if (!rc)
		rc = check_level(args, "mem_shares_level", "mem_shares", e);
	if (rc)
		return rc;
	fill_shares(args, "cpu_shares_level", "cpu_shares", &p->cpu_shares_level,
	    &p->cpu_shares, SHARES_CPU_NORMAL);
	fill_shares(args, "mem_shares_level", "mem_shares", &p->mem_shares_level,
	    &p->mem_shares, SHARES_MEM_NORMAL);
	p->cpu_reservation_mhz =
	    arg_u64(args, "cpu_reservation_mhz", p->cpu_reservation_mhz);
	p->cpu_limit_mhz = arg_u64(args, "cpu_limit_mhz", p->cpu_limit_mhz);
	p->cpu_expandable = arg_bool(args, "cpu_expandable", p->cpu_expandable);
	p->mem_reservation_mb =
	    arg_u64(args, "mem_reservation_mb", p->mem_reservation_mb);
	p->mem_limit_mb = arg_u64(args, "mem_limit_mb", p->mem_limit_mb);
	p->mem_expandable = arg_bool(args, "mem_expandable", p->mem_expandable);
	p->scalable_shares = arg_bool(args, "scalable_shares", p->scalable_shares);
	return 0;
}

/* A cluster stands for its root pool. */
static obj_id
parent_pool(const struct inv *inv, obj_id id)
{
	const struct cluster *cl =
	    obj_id_kind(id) == KIND_CLUSTER ? inv_cluster(inv, id) : NULL;

	for (size_t i = 0; cl && i < cl->o.n_kids; i++) {
		const struct pool *p = inv_pool(inv, cl->o.kids[i]);

		if (p && p->is_root)
			return p->o.id;
	}
	return id;
}

static int
pool_create(struct op_call *c, struct txn *t, struct err *e)
{
	obj_id parent = parent_pool(c->inv, arg_id(c->args, "parent"));
	void *obj;
	int rc = arg_exists(c->inv, c->args, "parent", e);

	if (!rc)
		rc = txn_add(t, KIND_POOL, parent, arg_str(c->args, "name"), &obj, e);
	if (rc)
		return rc;
	struct pool *p = obj;
	p->cpu_shares_level = xstrdup("normal");
	p->mem_shares_level = xstrdup("normal");
	p->cpu_expandable = true;
	p->mem_expandable = true;
	rc = fill(c->args, p, e);
	if (!rc)
		rc = pool_admit_pool(c->inv, NULL, p, parent, e);
	if (!rc)
		created_event(c, t, &p->o);
	return rc;
}

static const char *const settings[] = { "cpu_shares_level", "cpu_shares",
	"cpu_reservation_mhz", "cpu_limit_mhz", "cpu_expandable", "mem_shares_level",
	"mem_shares", "mem_reservation_mb", "mem_limit_mb", "mem_expandable",
	"scalable_shares" };

static bool
changes_settings(const json *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (arg_has(args, settings[i]))
			return true;
	}
	return false;
}

static int
check_move(
    const struct op_call *c, const struct pool *now, obj_id parent, struct err *e)
{
	obj_id from = inv_ancestor(c->inv, now->o.id, KIND_CLUSTER);
	obj_id to = inv_ancestor(c->inv, parent, KIND_CLUSTER);

	if (obj_id_is(from, to))
		return 0;
	return err_set(e, ERR_INVALID,
	    "parent: \"%s\" is in another cluster than \"%s\"",
	    inv_name(c->inv, parent), now->o.name);
}

static int
pool_update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct pool *now = inv_pool(c->inv, c->entity);
	obj_id parent = arg_has(c->args, "parent")
			    ? parent_pool(c->inv, arg_id(c->args, "parent"))
			    : now->o.parent;
	struct pool *p = txn_edit(t, c->entity);
	int rc = arg_exists(c->inv, c->args, "parent", e);

	if (rc)
		return rc;
	if (now->is_root && (changes_settings(c->args) || arg_has(c->args, "parent")))
		return err_set(e, ERR_INVALID,
		    "\"%s\" is the root pool of cluster \"%s\": it is as large as the "
		    "cluster and stays",
		    now->o.name, inv_name(c->inv, now->o.parent));
	if (now->is_root)
		return apply_rename(c, t, e);
	rc = check_move(c, now, parent, e);
	if (!rc)
		rc = fill(c->args, p, e);
	if (!rc)
		rc = pool_admit_pool(c->inv, now, p, parent, e);
	if (rc)
		return rc;
	if (changes_settings(c->args))
		txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
		    "Changed the resources of pool %s", now->o.name);
	return txn_rename(t, c->entity, parent,
	    arg_str(c->args, "name") ? arg_str(c->args, "name") : now->o.name, e);
}

/* Who was in it goes to its parent, with the pools that were. */
static void
hand_up(struct op_call *c, struct txn *t, const struct pool *gone)
{
	INV_EACH(c->inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(c->inv, o->id);

		if (obj_id_is(vm->pool, gone->o.id))
			((struct vm *)txn_edit(t, o->id))->pool = gone->o.parent;
	}
}

static int
pool_delete(struct op_call *c, struct txn *t, struct err *e)
{
	const struct pool *p = inv_pool(c->inv, c->entity);
	int rc = task_may_change(c->tasks, c->entity, e);

	if (!rc && p->is_root)
		rc =
		    err_set(e, ERR_INVALID, "\"%s\" is the root pool of cluster \"%s\"",
			p->o.name, inv_name(c->inv, p->o.parent));
	for (size_t i = 0; !rc && i < p->o.n_kids; i++)
		rc = txn_rename(
		    t, p->o.kids[i], p->o.parent, inv_name(c->inv, p->o.kids[i]), e);
	if (rc)
		return rc;
	hand_up(c, t, p);
	txn_event(t, EV_OBJECT_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "Removed pool %s; what it held went to %s", p->o.name,
	    inv_name(c->inv, p->o.parent));
	txn_del(t, c->entity);
	return 0;
}

/* clang-format off */
#define LEVELS "low|normal|high|custom"
#define SETTINGS \
	{ .name = "cpu_shares_level", .type = ARG_WORD, .words = LEVELS, .help = "CPU shares beside its siblings" }, \
	{ .name = "cpu_shares", .type = ARG_U64, .min = 1, .max = SHARES_MAX, .help = "CPU shares of its own: level custom" }, \
	{ .name = "cpu_reservation_mhz", .type = ARG_U64, .max = AMOUNT_MAX, .help = "CPU that it has in any case" }, \
	{ .name = "cpu_limit_mhz", .type = ARG_U64, .max = AMOUNT_MAX, .help = "CPU that it never exceeds; 0: no limit" }, \
	{ .name = "cpu_expandable", .type = ARG_BOOL, .help = "may borrow CPU reservation from its parent" }, \
	{ .name = "mem_shares_level", .type = ARG_WORD, .words = LEVELS, .help = "memory shares beside its siblings" }, \
	{ .name = "mem_shares", .type = ARG_U64, .min = 1, .max = SHARES_MAX, .help = "memory shares of its own: level custom" }, \
	{ .name = "mem_reservation_mb", .type = ARG_U64, .max = AMOUNT_MAX, .help = "memory that it has in any case" }, \
	{ .name = "mem_limit_mb", .type = ARG_U64, .max = AMOUNT_MAX, .help = "memory that it never exceeds; 0: no limit" }, \
	{ .name = "mem_expandable", .type = ARG_BOOL, .help = "may borrow memory reservation from its parent" }, \
	{ .name = "scalable_shares", .type = ARG_BOOL, .help = "pools in it count by the shares of what runs in them" }

static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in its parent" },
	{ .name = "parent", .type = ARG_ID, .required = true, .kinds = KIND_BIT(CLUSTER) | KIND_BIT(POOL),
	  .help = "pool or cluster to put it into" },
	SETTINGS, { 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "parent", .type = ARG_ID, .kinds = KIND_BIT(CLUSTER) | KIND_BIT(POOL),
	  .help = "pool or cluster to move it into" },
	SETTINGS, { 0 } };

const struct op_def op_pool_defs[] = {
	{ .info = { "pool.create", "Create resource pool", KIND_NONE, ROLE_ADMINISTRATOR, false, create_args },
	  .apply = pool_create },
	{ .info = { "pool.update", "Change resource pool", KIND_POOL, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = pool_update },
	{ .info = { "pool.delete", "Remove resource pool", KIND_POOL, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = pool_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
