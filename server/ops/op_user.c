#include <string.h>

#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "loop/worker.h"
#include "server/access/password.h"
#include "server/access/session.h"
#include "server/db/db.h"
#include "server/event/event.h"
#include "server/inventory/txn.h"
#include "server/ops/ops_int.h"

/* What an operation carries until its end: a password on its way to being a hash, an
 * administrator on the way out. */
struct user_call {
	struct op_call *call;
	char *password;
	char *hash;
	bool is_leaving;
	struct err err;
};

static void
user_call_free(void *data)
{
	struct user_call *h = data;

	if (h->is_leaving)
		h->call->ops->administrator_leaving = false;
	if (h->password)
		secret_wipe(h->password, strlen(h->password));
	free(h->password);
	free(h->hash);
	free(h);
}

static struct user_call *
user_call_of(struct op_call *c)
{
	struct user_call *h = c->data;

	if (h)
		return h;
	h = xcalloc(1, sizeof(*h));
	h->call = c;
	c->data = h;
	c->data_free = user_call_free;
	return h;
}

static int
hash(void *job)
{
	struct user_call *h = job;

	return password_hash(h->password, &h->hash, &h->err);
}

static void
on_hashed(void *job, int rc)
{
	struct user_call *h = job;

	op_go_on(h->call, rc, &h->err);
}

/* The password leaves the arguments: they may be logged or stored, it may not. */
static enum flow_rc
hash_ahead(struct op_call *c)
{
	const char *pw = NULL;

	if (json_read_str(
		c->args, "password", JSON_OPTIONAL, PASSWORD_MAX, &pw, &c->err) < 0)
		return FLOW_FAIL;
	if (!pw)
		return FLOW_NEXT;
	struct user_call *h = user_call_of(c);
	h->password = xstrdup(pw);
	json_del(c->args, "password");
	return worker_run(c->workers, hash, on_hashed, h, &c->err) < 0 ? FLOW_FAIL
								       : FLOW_WAIT;
}

static int
read_role(const struct op_call *c, enum role *ret_r, struct err *e)
{
	const char *word = NULL;
	int rc = json_read_str(c->args, "role", JSON_OPTIONAL, 32, &word, e);

	if (rc == 0 && word)
		*ret_r = (enum role)role_parse(word);
	return rc;
}

static void
take_hash(struct op_call *c, struct user *u)
{
	struct user_call *h = c->data;

	if (!h || !h->hash)
		return;
	free(u->password_hash);
	u->password_hash = MOVE(h->hash);
}

static int
create(struct op_call *c, struct txn *t, struct err *e)
{
	const char *name = NULL;
	void *o = NULL;
	enum role role = ROLE_READ_ONLY;
	int rc = json_read_str(c->args, "name", JSON_REQUIRED, 80, &name, e);

	if (rc == 0)
		rc = read_role(c, &role, e);
	if (rc == 0)
		rc = txn_add(t, KIND_USER, OBJ_ID_NONE, name, &o, e);
	struct user *u = o;
	if (rc < 0 || !u)
		return rc;
	u->role = role;
	u->enabled = true;
	take_hash(c, u);
	c->object = u->o.id;
	txn_event(t, EV_OBJECT_CREATED, u->o.id, OBJ_ID_NONE, c->who.name,
	    "user %s was made, role %s", name, role_text(role));
	return 0;
}

/* Somebody must be left who can let others in: one administrator goes at a time, since
 * the inventory shows only what has been stored. */
static int
keep_an_administrator(struct op_call *c, struct err *e)
{
	if (c->ops->administrator_leaving)
		return err_set(e, ERR_BUSY,
		    "another administrator is being removed at this moment");
	INV_EACH(c->inv, KIND_USER, o)
	{
		const struct user *u = inv_user(c->inv, o->id);
		if (obj_id_is(o->id, c->entity) || !u->enabled ||
		    u->role != ROLE_ADMINISTRATOR)
			continue;
		user_call_of(c)->is_leaving = true;
		c->ops->administrator_leaving = true;
		return 0;
	}
	return err_set(e, ERR_BAD_STATE, "user %s is the last enabled administrator",
	    inv_name(c->inv, c->entity));
}

/* Tokens too: a thief would have made himself one. */
static void
end_sessions(struct op_call *c, struct txn *t)
{
	char id[OBJ_ID_TEXT];
	const char *const params[] = { obj_id_text(c->entity, id) };

	txn_sql(t, STMT_SESSION_DELETE_OF_USER, 1, params);
	txn_sql(t, STMT_TOKEN_DELETE_OF_USER, 1, params);
	sessions_drop_user(c->sessions, c->entity);
}

static int
update(struct op_call *c, struct txn *t, struct err *e)
{
	const struct user *was = inv_user(c->inv, c->entity);
	struct user *u = txn_edit(t, c->entity);
	bool enabled = was->enabled, new_password = c->data != NULL;
	enum role role = was->role;
	int rc = json_read_bool(c->args, "enabled", JSON_OPTIONAL, &enabled, e);

	if (rc == 0)
		rc = read_role(c, &role, e);
	if (rc == 0 && was->enabled && was->role == ROLE_ADMINISTRATOR &&
	    (!enabled || role != ROLE_ADMINISTRATOR))
		rc = keep_an_administrator(c, e);
	if (rc < 0)
		return rc;
	u->enabled = enabled;
	u->role = role;
	/* Whoever knew the old password is out. */
	if (new_password || !enabled)
		end_sessions(c, t);
	take_hash(c, u);
	txn_event(t, EV_OBJECT_CHANGED, c->entity, OBJ_ID_NONE, c->who.name,
	    "user %s was changed: role %s, %s", was->o.name, role_text(role),
	    enabled ? "enabled" : "disabled");
	return 0;
}

static int delete (struct op_call *c, struct txn *t, struct err *e)
{
	const struct user *u = inv_user(c->inv, c->entity);

	if (u->role == ROLE_ADMINISTRATOR && keep_an_administrator(c, e) < 0)
		return e->code;
	end_sessions(c, t);
	txn_event(t, EV_OBJECT_REMOVED, c->entity, OBJ_ID_NONE, c->who.name,
	    "user %s was removed", u->o.name);
	txn_del(t, c->entity);
	return 0;
}

#define ROLES "read_only|operator|administrator"

static const struct op_arg create_args[] = {
	{ "name", ARG_NAME, true, 1, 80, 0, NULL, "login name" },
	{ "password", ARG_SECRET, true, PASSWORD_MIN, PASSWORD_MAX, 0, NULL,
	    "password" },
	{ "role", ARG_WORD, false, 0, 0, 0, ROLES, "what the user may do" },
	{ NULL },
};

static const struct op_arg update_args[] = {
	{ "password", ARG_SECRET, false, PASSWORD_MIN, PASSWORD_MAX, 0, NULL,
	    "new password; ends the user's logins and tokens" },
	{ "role", ARG_WORD, false, 0, 0, 0, ROLES, "what the user may do" },
	{ "enabled", ARG_BOOL, false, 0, 0, 0, NULL, "may log in" },
	{ NULL },
};

static const struct op_arg no_args[] = {
	{ NULL },
};

const struct op_def op_user_defs[] = {
	{ .info = { "user.create", "Create user", KIND_NONE, ROLE_ADMINISTRATOR, false,
	      create_args },
	    .ahead = hash_ahead,
	    .apply = create },
	{ .info = { "user.update", "Change user", KIND_USER, ROLE_ADMINISTRATOR, false,
	      update_args },
	    .ahead = hash_ahead,
	    .apply = update },
	{ .info = { "user.delete", "Remove user", KIND_USER, ROLE_ADMINISTRATOR, false,
	      no_args },
	    .apply = delete },
	{ .info = { NULL } },
};
