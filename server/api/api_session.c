#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "server/access/password.h"
#include "server/api/api_int.h"

#define COOKIE_ATTRS   "Path=/; Secure; HttpOnly; SameSite=Strict"
#define MAX_TOKEN_DAYS 3650

static json *
session_json(const struct api_call *c, const struct session *ss)
{
	const struct user *u = inv_user(c->api->d.inv, ss->user);
	char buf[32], id[OBJ_ID_TEXT];
	json *j = json_new_object();

	json_set_str(j, "id", ss->id);
	json_set_str(j, "user", u ? u->o.name : "");
	json_set_str(j, "user_id", obj_id_text(ss->user, id));
	json_set_str(j, "role", role_text(session_role(c->api->d.sessions, ss)));
	json_set_str(j, "csrf", ss->kind == SESSION_LOGIN ? ss->csrf : NULL);
	json_set_str(j, "expires_at", clock_text(ss->expires_ms, buf));
	return j;
}

static void
on_login(const struct session_made *m, void *arg)
{
	struct api_call *c = arg;

	if (m->rc < 0) {
		api_refuse_later(c, m->rc, m->retry_after_s, m->err.msg);
		return;
	}
	json *j = session_json(c, m->session);
	json_set_str(j, "token", m->token);
	/* A session cookie: it goes with the browser; the server has its own limits. */
	char *cookie = xasprintf("__Host-drover=%s; " COOKIE_ATTRS, m->token);
	api_reply_json_cookie(c, 201, j, cookie);
}

void
api_session_open(struct api_call *c)
{
	static const char *const known[] = { "user", "password", NULL };
	const char *user = NULL, *password = NULL;
	struct err e = ERR_INIT;

	if (api_need_body(c, known) < 0)
		return;
	if (json_read_str(c->body, "user", JSON_REQUIRED, 80, &user, &e) < 0 ||
	    json_read_str(
		c->body, "password", JSON_REQUIRED, PASSWORD_MAX, &password, &e) < 0) {
		api_reply_err(c, &e);
		return;
	}
	session_login(c->api->d.sessions, user, password, &c->who, on_login, c);
}

void
api_session_current(struct api_call *c)
{
	const struct session *ss = session_by_id(c->api->d.sessions, c->session);

	api_reply_json(c, 200, session_json(c, ss));
}

static void
on_ended(int rc, const struct err *e, void *arg)
{
	struct api_call *c = arg;

	if (rc < 0)
		api_reply_err(c, e);
	else
		api_reply_done(c);
}

static void
on_logged_out(int rc, const struct err *e, void *arg)
{
	struct api_call *c = arg;

	if (rc < 0)
		api_reply_err(c, e);
	else
		api_reply_json_cookie(c, 200, json_new_object(),
		    xstrdup("__Host-drover=; Max-Age=0; " COOKIE_ATTRS));
}

void
api_session_end(struct api_call *c)
{
	session_end(c->api->d.sessions, c->session, &c->who, on_logged_out, c);
}

static void
reply_list(struct api_call *c, json *items)
{
	json *j = json_new_object();

	json_set_u64(j, "total", json_count(items));
	json_set_json(j, "items", items);
	api_reply_json(c, 200, j);
}

void
api_session_list(struct api_call *c)
{
	reply_list(c,
	    sessions_json(c->api->d.sessions, SESSION_LOGIN, OBJ_ID_NONE, c->session));
}

static void
end_one(struct api_call *c, enum session_kind kind, obj_id owner)
{
	const struct session *ss = session_by_id(c->api->d.sessions, c->at.seg);

	if (!ss || ss->kind != kind ||
	    (!obj_id_none(owner) && !obj_id_is(ss->user, owner)))
		api_refuse(c, ERR_NOT_FOUND, "there is no %s %s",
		    kind == SESSION_LOGIN ? "session" : "token of yours", c->at.seg);
	else
		session_end(c->api->d.sessions, c->at.seg, &c->who, on_ended, c);
}

void
api_session_revoke(struct api_call *c)
{
	end_one(c, SESSION_LOGIN, OBJ_ID_NONE);
}

void
api_token_list(struct api_call *c)
{
	reply_list(c,
	    sessions_json(c->api->d.sessions, SESSION_TOKEN, c->who.user, c->session));
}

static void
on_token(const struct session_made *m, void *arg)
{
	struct api_call *c = arg;

	if (m->rc < 0) {
		api_reply_err(c, &m->err);
		return;
	}
	json *j = session_json(c, m->session);
	json_set_str(j, "name", m->session->name);
	json_set_str(j, "token", m->token);
	api_reply_json(c, 201, j);
}

/* As its maker of the day, unless it is to be less.  One who may less than his user has
 * such a token himself: he makes none that may more. */
static int
read_token_role(const struct api_call *c, enum role *ret, struct err *e)
{
	const struct session *ss = session_by_id(c->api->d.sessions, c->session);
	const char *word = NULL;
	int rc = json_read_str(c->body, "role", JSON_OPTIONAL, 32, &word, e);
	int role = word ? role_parse(word) : (int)ss->most;

	if (rc)
		return rc;
	if (role <= ROLE_NONE)
		return err_set(e, ERR_INVALID,
		    "role: wants metrics, read_only, operator or administrator, not "
		    "\"%.32s\"",
		    word);
	if (word && role > (int)c->who.role)
		return err_set(e, ERR_DENIED, "a token of %s cannot have the role %s",
		    c->who.name, word);
	*ret = (enum role)role;
	return 0;
}

void
api_token_create(struct api_call *c)
{
	static const char *const known[] = { "name", "days", "role", NULL };
	struct token_wish w = { 0 };
	uint64_t days = 90;
	struct err e = ERR_INIT;

	if (api_need_body(c, known) < 0)
		return;
	if (json_read_str(c->body, "name", JSON_REQUIRED, 80, &w.name, &e) < 0 ||
	    read_token_role(c, &w.most, &e) < 0 ||
	    json_read_u64(
		c->body, "days", JSON_OPTIONAL, 1, MAX_TOKEN_DAYS, &days, &e) < 0) {
		api_reply_err(c, &e);
		return;
	}
	w.days = (unsigned)days;
	session_token(c->api->d.sessions, &w, &c->who, on_token, c);
}

void
api_token_revoke(struct api_call *c)
{
	end_one(c, SESSION_TOKEN, c->who.user);
}

void
api_password_change(struct api_call *c)
{
	static const char *const known[] = { "old", "new", NULL };
	const char *old_pw = NULL, *new_pw = NULL;
	struct err e = ERR_INIT;

	if (api_need_body(c, known) < 0)
		return;
	if (json_read_str(c->body, "old", JSON_REQUIRED, PASSWORD_MAX, &old_pw, &e) <
		0 ||
	    json_read_str(c->body, "new", JSON_REQUIRED, PASSWORD_MAX, &new_pw, &e) <
		0) {
		api_reply_err(c, &e);
		return;
	}
	const struct password_change pc = { c->session, old_pw, new_pw };
	session_password(c->api->d.sessions, &c->who, &pc, on_ended, c);
}
