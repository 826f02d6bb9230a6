/*
 * cmd_custspec: how clones are made their own.
 */

#include "shell/body.h"
#include "shell/change.h"

static const struct {
	const char *param, *key;
} fields[] = {
	{ "NamingPrefix", "host_name" },
	{ "Domain", "domain" },
	{ "UserName", "user_name" },
	{ "UserData", "user_data" },
	{ "Description", "notes" },
};

static void
add_list(struct stage *st, json *body, const char *param, const char *between,
    const char *key)
{
	struct val list = get_arg(st, param);
	AUTO(str) struct str b = STR_INIT;

	if (!has_arg(st, param))
		return;
	for (size_t i = 0; i < val_count(list); i++) {
		AUTO_FREE char *one = val_cstr(val_at(list, i));
		str_addf(&b, "%s%s", i ? between : "", one);
	}
	json_set_str(body, key, str_cstr(&b));
}

static void
fill(struct stage *st, json *body)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		body_text(st, body, fields[i].param, fields[i].key);
	body_word(st, body, "AddressMode", "address_mode");
	add_list(st, body, "DnsServer", ",", "dns");
	add_list(st, body, "SshKey", "\n", "ssh_keys");
}

static enum run
custspec_begin(struct stage *st)
{
	return changes_of(st, KIND_CUSTSPEC);
}

static enum run
new_process(struct stage *st, struct val v)
{
	json *body = body_named(st);

	fill(st, body);
	return change_now(st, "/custspecs", body, get_text(st, "Name"));
}

const struct cmd_ops ops_new_custspec = { sizeof(struct changes), custspec_begin,
	new_process, NULL, changes_fini };

static enum run
set_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc;

	fill(st, body);
	body_text(st, body, "Name", "name");
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-OSCustomizationSpec wants something to change");
	rc = resolve(st, get_arg(st, "OSCustomizationSpec"), KIND_BIT(CUSTSPEC), &refs);
	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

static enum run
set_end(struct stage *st)
{
	return changes_end(st, st->state);
}

const struct cmd_ops ops_set_custspec = { sizeof(struct changes), custspec_begin,
	set_process, set_end, changes_fini };
