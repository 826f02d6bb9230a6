/*
 * What the pages remember for their user, such as the views of a list: values of any
 * shape under names.  The server keeps them and looks at their size alone.
 */
#include <string.h>

#include "server/api/api_int.h"
#include "server/inventory/txn.h"

#define PREFERENCES_MAX ((size_t)64 * 1024) /* bytes of JSON, of one user */

static json *
kept(const struct api_call *c)
{
	const struct user *u = inv_user(c->api->d.inv, c->who.user);

	return u && u->preferences ? json_dup(u->preferences) : json_new_object();
}

void
api_preferences_get(struct api_call *c)
{
	api_reply_json(c, 200, kept(c));
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	struct api_call *c = arg;

	if (rc < 0)
		api_reply_err(c, e);
	else
		api_reply_json(c, 200, kept(c));
}

/* What has the value null is forgotten. */
static void
merge(json *into, json *changes)
{
	for (void *it = json_iter(changes); it; it = json_iter_next(changes, it)) {
		json *v = json_iter_value(it);
		if (json_what(v) == JSON_IS_NULL)
			json_del(into, json_iter_key(it));
		else
			json_set_json(into, json_iter_key(it), json_dup(v));
	}
}

static int
check_size(const json *all, struct err *e)
{
	AUTO_FREE char *text = json_text(all);
	size_t n = strlen(text);

	if (n <= PREFERENCES_MAX)
		return 0;
	return err_set(e, ERR_INVALID,
	    "preferences: %zu bytes, of which %zu are kept for a user", n,
	    PREFERENCES_MAX);
}

static int
change(const struct api_call *c, struct txn *t, struct err *e)
{
	int rc = txn_claim(t, c->who.user, "preferences", e);
	struct user *u = rc ? NULL : txn_edit(t, c->who.user);

	if (rc)
		return rc;
	if (!u)
		return err_set(e, ERR_NOT_FOUND, "user %s is gone", c->who.name);
	if (!u->preferences)
		u->preferences = json_new_object();
	merge(u->preferences, c->body);
	return check_size(u->preferences, e);
}

void
api_preferences_change(struct api_call *c)
{
	struct err e = ERR_INIT;
	struct txn *t;

	if (!c->body) {
		api_refuse(c, ERR_INVALID, "an object of preferences is wanted");
		return;
	}
	t = txn_new(c->api->d.inv);
	if (change(c, t, &e)) {
		txn_free(t);
		api_reply_err(c, &e);
		return;
	}
	txn_commit(t, on_stored, c);
}
