/*
 * Networks: bridges that hosts have under one name.
 */
#include "server/ops/net_plan.h"
#include "server/ops/ops_int.h"

static const char *const text_fields[] = { "cidr", "gateway", "range_first",
	"range_last", "dns" };

static int
check_bridge(const char *bridge, struct err *e)
{
	/* IFNAMSIZ less the NUL. */
	if (name_is_file_safe(bridge) && strlen(bridge) <= 15)
		return 0;
	return err_set(
	    e, ERR_INVALID, "bridge: \"%.40s\" is no name of an interface", bridge);
}

static char **
field_of(struct network *n, const char *name)
{
	char **const fields[] = { &n->cidr, &n->gateway, &n->range_first,
		&n->range_last, &n->dns };

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (str_same(text_fields[i], name))
			return fields[i];
	}
	return NULL;
}

static int
fill(const struct op_call *c, struct network *n, struct err *e)
{
	struct net_plan plan;

	for (size_t i = 0; i < ARRAY_SIZE(text_fields); i++) {
		const char *v = arg_str(c->args, text_fields[i]);
		if (v)
			text_set(field_of(n, text_fields[i]), v);
	}
	if (arg_has(c->args, "bridge"))
		text_set(&n->bridge, arg_str(c->args, "bridge"));
	n->vlan = (uint32_t)arg_u64(c->args, "vlan", n->vlan);
	struct net_texts texts = { n->cidr, n->gateway, n->range_first, n->range_last,
		n->dns };
	int rc = net_plan_check(&texts, &plan, e);
	return rc ? rc : check_bridge(n->bridge ? n->bridge : "", e);
}

static int
network_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc = arg_exists(c->inv, c->args, "datacenter", e);

	if (!rc)
		rc = txn_add(t, KIND_NETWORK, arg_id(c->args, "datacenter"),
		    arg_str(c->args, "name"), &obj, e);
	if (!rc)
		rc = fill(c, obj, e);
	if (!rc)
		created_event(c, t, obj);
	return rc;
}

static int
network_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct network *n = txn_edit(t, c->entity);
	int rc = fill(c, n, e);

	return rc ? rc : apply_rename(c, t, e);
}

static int
network_delete(struct op_call *c, struct txn *t, struct err *e)
{
	INV_EACH(c->inv, KIND_VM, o)
	{
		if (id_list_has(&inv_vm(c->inv, o->id)->networks, c->entity))
			return err_set(e, ERR_BAD_STATE,
			    "network \"%s\" is used by machine \"%s\"",
			    inv_name(c->inv, c->entity), o->name);
	}
	return apply_delete(c, t, e);
}

/* clang-format off */
#define NETWORK_FIELDS \
	{ .name = "vlan", .type = ARG_U32, .min = 0, .max = 4094, .help = "VLAN tag; 0: untagged" }, \
	{ .name = "cidr", .type = ARG_TEXT, .max = 18, .help = "IPv4 network, 10.1.2.0/24" }, \
	{ .name = "gateway", .type = ARG_TEXT, .max = 15, .help = "told to the guests" }, \
	{ .name = "range_first", .type = ARG_TEXT, .max = 15, .help = "first address given to guests" }, \
	{ .name = "range_last", .type = ARG_TEXT, .max = 15, .help = "last address given to guests" }, \
	{ .name = "dns", .type = ARG_TEXT, .max = 60, .help = "name servers, with commas between" }

static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "name, unique in the datacenter" },
	{ .name = "datacenter", .type = ARG_ID, .required = true, .kinds = KIND_BIT(DATACENTER),
	  .help = "datacenter to put it into" },
	{ .name = "bridge", .type = ARG_TEXT, .required = true, .min = 1, .max = 15, .help = "bridge on the hosts" },
	NETWORK_FIELDS, { 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	{ .name = "bridge", .type = ARG_TEXT, .min = 1, .max = 15, .help = "bridge on the hosts" },
	NETWORK_FIELDS, { 0 } };

const struct op_def op_network_defs[] = {
	{ .info = { "network.create", "Create network", KIND_NONE, ROLE_ADMINISTRATOR, false, create_args },
	  .apply = network_create },
	{ .info = { "network.update", "Change network", KIND_NETWORK, ROLE_ADMINISTRATOR, false, update_args },
	  .apply = network_update },
	{ .info = { "network.delete", "Remove network", KIND_NETWORK, ROLE_ADMINISTRATOR, false, NULL },
	  .apply = network_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
