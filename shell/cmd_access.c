/*
 * cmd_access: accounts and API tokens.
 */
#include <string.h>

#include "base/secret.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

/* "ReadOnly" (or its front) as the API's "read_only". */
static const char *
role_of(const char *s)
{
	static const struct {
		const char *word, *role;
	} roles[] = { { "Metrics", "metrics" }, { "ReadOnly", "read_only" },
		{ "Operator", "operator" }, { "Administrator", "administrator" } };

	for (size_t i = 0; i < ARRAY_SIZE(roles); i++)
		if (!strcasecmp(s, roles[i].word))
			return roles[i].role;
	return s;
}

/* One immediate change; its answer as an account. */
static enum run
send_account(struct stage *st, const char *method, const char *path, const json *body,
    const char *name)
{
	AUTO(json) json *answer = NULL;
	AUTO(val) struct val target = val_text(name);
	struct err e = ERR_INIT;
	enum should should = stage_should(st, name, NULL);

	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	if (rest_change(st->sh, method, path, body, &answer, &e) < 0)
		return stage_error(st, &e, target);
	known_expire(st->sh);
	return put(st, record_from(st->sh, KIND_USER, answer));
}

/* -Password, as text or as a SecureString, into the body. */
static enum run
body_password(struct stage *st, json *body)
{
	char *password = secure_text(st->sh, get_arg(st, "Password"));

	if (!password)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-Password wants a text or a SecureString");
	json_set_str(body, "password", password);
	secret_wipe(password, strlen(password));
	free(password);
	return RUN_OK;
}

static enum run
new_account_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	const char *role = get_text(st, "Role");
	enum run rc = body_password(st, body);

	if (rc != RUN_OK)
		return rc;
	json_set_str(body, "name", get_text(st, "Name"));
	json_set_str(body, "role", role_of(role ? role : "ReadOnly"));
	return send_account(st, "POST", "/users", body, get_text(st, "Name"));
}

const struct cmd_ops ops_new_account = { 0, NULL, new_account_process, NULL, NULL };

static enum run
set_account_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = has_arg(st, "Password") ? body_password(st, body) : RUN_OK;

	if (rc != RUN_OK)
		return rc;
	if (has_arg(st, "Role"))
		json_set_str(body, "role", role_of(get_text(st, "Role")));
	if (has_arg(st, "Enabled"))
		json_set_bool(body, "enabled", val_truth(get_arg(st, "Enabled")));
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-VIAccount wants something to change");
	rc = resolve(st, get_arg(st, "Account"), KIND_BIT(USER), &refs);
	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++) {
		AUTO_FREE char *name = val_cstr(val_at(refs, i));
		AUTO_FREE char *path = object_path(record_id(val_at(refs, i)), NULL);
		rc = send_account(st, "PATCH", path, body, name);
		if (rc != RUN_OK)
			val_free(refs);
	}
	if (rc == RUN_OK)
		val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_account = { 0, NULL, set_account_process, NULL, NULL };

static struct val
token_record(const json *o)
{
	static const struct {
		const char *name, *field;
	} props[] = { { "Name", "name" }, { "Id", "id" }, { "Token", "token" },
		{ "User", "user_name" }, { "Role", "role" },
		{ "CreateDate", "created_at" }, { "LastSeen", "seen_at" },
		{ "ExpiresAt", "expires_at" } };
	struct val r = val_table(TABLE_RECORD, "ApiToken");

	for (size_t i = 0; i < ARRAY_SIZE(props); i++) {
		json *v = json_get(o, props[i].field);
		if (v)
			table_set(
			    r.table, props[i].name, val_from_json(v, TABLE_RECORD));
	}
	return r;
}

static enum run
new_token_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object(), *answer = NULL;
	const char *name = get_text(st, "Name");
	struct err e = ERR_INIT;
	enum should should = stage_should(st, name, NULL);

	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	json_set_str(body, "name", name);
	if (has_arg(st, "Days"))
		json_set_i64(body, "days", get_int(st, "Days", 0));
	if (has_arg(st, "Role"))
		json_set_str(body, "role", role_of(get_text(st, "Role")));
	if (rest_change(st->sh, "POST", "/tokens", body, &answer, &e) < 0)
		return stage_error(st, &e, get_arg(st, "Name"));
	struct val r = token_record(answer);
	/* The default table leaves the token out; this is the only time it is shown. */
	r.table->type = "NewApiToken";
	return put(st, r);
}

const struct cmd_ops ops_new_token = { 0, NULL, new_token_process, NULL, NULL };

static enum run
get_token_process(struct stage *st, struct val v)
{
	const char *pattern = get_text(st, "Name");
	AUTO(json) json *items = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_list(st->sh, "/tokens", &items, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	for (size_t i = 0; i < json_count(items) && rc == RUN_OK; i++) {
		struct val r = token_record(json_at(items, i));
		const struct val *name = table_get(r.table, "Name");
		if (!pattern || (name && name->type == VAL_TEXT &&
				    wild_match(pattern, name->text->s)))
			rc = put(st, r);
		else
			val_free(r);
	}
	return rc;
}

const struct cmd_ops ops_get_token = { 0, NULL, get_token_process, NULL, NULL };

static enum run
remove_token_process(struct stage *st, struct val v)
{
	struct val list = get_arg(st, "Token");
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(list) && rc == RUN_OK; i++) {
		struct val one = val_at(list, i);
		AUTO_FREE char *id =
		    record_id(one) ? xstrdup(record_id(one)) : val_cstr(one);
		AUTO(json) json *answer = NULL;
		struct str path = STR_INIT;
		struct err e = ERR_INIT;
		enum should should = stage_should(st, id, NULL);
		if (should == SHOULD_FAIL)
			return RUN_THROW;
		str_add(&path, "/tokens/");
		url_add(&path, id);
		if (should == SHOULD_DO &&
		    rest_change(st->sh, "DELETE", path.s, NULL, &answer, &e) < 0)
			rc = stage_error(st, &e, one);
		str_fini(&path);
	}
	return rc;
}

const struct cmd_ops ops_remove_token = { 0, NULL, remove_token_process, NULL, NULL };
