/*
 * Customisation specifications: how clones are made their own, by name.
 */
#include "server/template/template_int.h"

static int
check(const struct custspec *row, struct err *e)
{
	const struct custom_spec s = custom_spec_of(row);

	return custom_spec_check(&s, e);
}

/* An empty text takes a field back. */
static void
take_args(struct custspec *row, const json *args)
{
	const struct {
		const char *name;
		char **field;
	} rows[] = {
		{ "host_name", &row->host_name },
		{ "domain", &row->domain },
		{ "address_mode", &row->address_mode },
		{ "dns", &row->dns },
		{ "ssh_keys", &row->ssh_keys },
		{ "user_name", &row->user_name },
		{ "user_data", &row->user_data },
		{ "notes", &row->notes },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (arg_has(args, rows[i].name))
			text_set(rows[i].field, arg_str(args, rows[i].name));
	}
}

static int
custspec_create(struct op_call *c, struct txn *t, struct err *e)
{
	void *obj;
	int rc =
	    txn_add(t, KIND_CUSTSPEC, OBJ_ID_NONE, arg_str(c->args, "name"), &obj, e);

	if (rc)
		return rc;
	struct custspec *row = obj;
	take_args(row, c->args);
	rc = check(row, e);
	if (!rc)
		created_event(c, t, &row->o);
	return rc;
}

static int
custspec_update(struct op_call *c, struct txn *t, struct err *e)
{
	struct custspec *row = txn_edit(t, c->entity);

	take_args(row, c->args);
	int rc = check(row, e);
	return rc ? rc : apply_rename(c, t, e);
}

/* clang-format off */
#define CUSTSPEC_FIELDS \
	{ .name = "host_name", .type = ARG_TEXT, .max = 63, .help = "host name; {name} stands for the machine's; without: just that" }, \
	{ .name = "domain", .type = ARG_TEXT, .max = 253, .help = "domain behind the host name" }, \
	{ .name = "address_mode", .type = ARG_TEXT, .max = 10, .help = "network (the address that the machine is given; without too), dhcp or none" }, \
	{ .name = "dns", .type = ARG_TEXT, .max = 200, .help = "name servers with commas between; without: the network's" }, \
	{ .name = "ssh_keys", .type = ARG_TEXT, .max = CUSTOM_TEXT_MAX, .help = "public keys that let a user in, one a line" }, \
	{ .name = "user_name", .type = ARG_TEXT, .max = 32, .help = "user to make; without: the image's own" }, \
	{ .name = "user_data", .type = ARG_TEXT, .max = CUSTOM_TEXT_MAX, .help = "for cloud-init: #cloud-config or a script" }, \
	{ .name = "notes", .type = ARG_TEXT, .max = NOTES_MAX, .help = "for people" }

static const struct op_arg create_args[] = {
	{ .name = "name", .type = ARG_NAME, .required = true, .help = "unique name" },
	CUSTSPEC_FIELDS, { 0 } };
static const struct op_arg update_args[] = {
	{ .name = "name", .type = ARG_NAME, .help = "new name" },
	CUSTSPEC_FIELDS, { 0 } };

const struct op_def custspec_defs[] = {
	{ .info = { "custspec.create", "Make customisation specification", KIND_NONE, ROLE_OPERATOR, false, create_args },
	  .apply = custspec_create },
	{ .info = { "custspec.update", "Change customisation specification", KIND_CUSTSPEC, ROLE_OPERATOR, false, update_args },
	  .apply = custspec_update },
	{ .info = { "custspec.delete", "Remove customisation specification", KIND_CUSTSPEC, ROLE_OPERATOR, false, NULL },
	  .apply = apply_delete },
	{ .info = { .name = NULL } },
};
/* clang-format on */
