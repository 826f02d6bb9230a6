#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/secret.h"
#include "base/str.h"
#include "server/access/password.h"
#include "server/access/session_int.h"
#include "server/db/db.h"
#include "server/event/event.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

/* More would let a crowd of guesses eat the processor; those who come too many are told
 * to wait. */
#define MAX_HASHING 4
#define MAX_COUNTS  10000
#define MAX_TOKENS  100 /* of one user */
#define DAY_MS      (24ULL * 60 * 60 * 1000)

/* One login, token or password change under way. */
struct attempt {
	struct sessions *s;
	struct caller who;
	char *name;
	char *password, *new_password;
	char *stored; /* hash to check against, NULL: no such user */
	char *new_hash;
	char keep[24];
	bool fits;
	struct err err;
	struct session *made;
	char token[TOKEN_TEXT];
	session_fn done;
	session_end_fn ended;
	void *arg;
};

static void
attempt_free(struct attempt *a)
{
	if (a->password)
		secret_wipe(a->password, strlen(a->password));
	if (a->new_password)
		secret_wipe(a->new_password, strlen(a->new_password));
	secret_wipe(a->token, sizeof(a->token));
	free(a->password);
	free(a->new_password);
	free(a->stored);
	free(a->new_hash);
	free(a->name);
	session_free(a->made);
	free(a);
}

static void
finish(struct attempt *a, int rc, const struct err *e, uint32_t retry_after_s)
{
	struct session_made m = { .rc = rc, .retry_after_s = retry_after_s };

	if (e)
		m.err = *e;
	if (rc == 0 && a->made) {
		m.token = a->token;
		m.session = a->made;
		session_put(a->s, MOVE(a->made));
	}
	if (a->done)
		a->done(&m, a->arg);
	if (a->ended)
		a->ended(rc, &m.err, a->arg);
	attempt_free(a);
}

/* A refusal that must not come before the call that asked has returned. */
static void
finish_refused(void *p)
{
	struct attempt *a = p;
	uint32_t secs = a->err.code == ERR_RATE_LIMITED ? (uint32_t)a->err.sys : 0;

	a->err.sys = 0;
	finish(a, a->err.code, &a->err, secs);
}

static void
refuse(struct attempt *a)
{
	post_call(inv_loop(a->s->inv), finish_refused, a);
}

static struct login_count *
count_of(struct sessions *s, const char *kind, const char *who)
{
	AUTO_FREE char *key = xasprintf("%s:%s", kind, who);
	struct login_count *c = map_get_str(s->counts, key);

	if (!c && map_count(s->counts) < MAX_COUNTS) {
		c = xcalloc(1, sizeof(*c));
		map_put_str(s->counts, key, c);
	}
	return c;
}

static void
count_failure(struct attempt *a)
{
	struct login_count *user = count_of(a->s, "user", a->name);
	struct login_count *addr = count_of(a->s, "addr", a->who.address);
	uint64_t now = session_mono(a->s);

	if (user)
		login_failed(user, LOGIN_FREE_USER, now);
	if (addr)
		login_failed(addr, LOGIN_FREE_ADDRESS, now);
}

static uint64_t
wait_of(struct sessions *s, const char *kind, const char *who, uint64_t now)
{
	AUTO_FREE char *key = xasprintf("%s:%s", kind, who);
	const struct login_count *c = map_get_str(s->counts, key);

	return c ? login_wait_ms(c, now) : 0;
}

static void
on_committed(void *arg, int rc, const struct err *e)
{
	finish(arg, rc, e, 0);
}

static void
on_failure_stored(void *arg, int rc, const struct err *e)
{
	struct attempt *a = arg;
	struct err bad;

	if (rc < 0)
		log_warn("access", "cannot store a failed login: %s", e->msg);
	err_set(&bad, ERR_UNAUTHENTICATED, "user name or password is wrong");
	finish(a, bad.code, &bad, 0);
}

static void
login_refused(struct attempt *a)
{
	struct txn *t = txn_new(a->s->inv);

	count_failure(a);
	txn_event(t, EV_USER_LOGIN_FAILED, OBJ_ID_NONE, OBJ_ID_NONE, a->name,
	    "login as \"%s\" from %s failed", a->name, a->who.address);
	txn_audit(t, &a->who, "session.login", OBJ_ID_NONE, a->name,
	    ERR_UNAUTHENTICATED, "wrong name or password, or the account is disabled");
	txn_commit(t, on_failure_stored, a);
}

/* The oldest logins of a user make room. */
static void
limit_logins(struct sessions *s, struct txn *t, obj_id user)
{
	for (;;) {
		struct session *oldest = NULL;
		unsigned n = 0;
		MAP_EACH(s->by_id, it) {
			struct session *ss = it.value;
			if (ss->kind != SESSION_LOGIN || !obj_id_is(ss->user, user))
				continue;
			n++;
			if (!oldest || ss->seen_ms < oldest->seen_ms)
				oldest = ss;
		}
		if (n < s->conf.max_logins)
			return;
		txn_sql(t, STMT_SESSION_DELETE, 1, (const char *const[]){ oldest->id });
		session_drop(s, oldest);
	}
}

static void
on_checked(void *job, int rc)
{
	struct attempt *a = job;
	const struct obj *o = inv_find(a->s->inv, OBJ_ID_NONE, KIND_USER, a->name);
	const struct user *u = o ? inv_user(a->s->inv, o->id) : NULL;
	uint64_t now = session_wall(a->s);

	a->s->hashing--;
	/* The password may have been changed while the old one was looked at. */
	if (!a->fits || !u || !u->enabled || !str_same(u->password_hash, a->stored)) {
		login_refused(a);
		return;
	}
	AUTO_FREE char *key = xasprintf("user:%s", a->name);
	free(map_del_str(a->s->counts, key));
	a->who.user = u->o.id;
	a->who.role = u->role;
	snprintf(a->who.name, sizeof(a->who.name), "%s", u->o.name);
	a->made = session_make(SESSION_LOGIN, u->o.id, a->token);
	a->made->address = xstrdup(a->who.address);
	a->made->created_ms = a->made->seen_ms = a->made->stored_seen_ms = now;
	a->made->expires_ms = now + a->s->conf.max_ms;
	struct txn *t = txn_new(a->s->inv);
	limit_logins(a->s, t, u->o.id);
	((struct user *)txn_edit(t, u->o.id))->last_login = now;
	session_store(t, a->made);
	txn_event(t, EV_USER_LOGIN, u->o.id, OBJ_ID_NONE, u->o.name,
	    "user %s logged in from %s", u->o.name, a->who.address);
	txn_audit(t, &a->who, "session.login", u->o.id, u->o.name, 0, NULL);
	txn_commit(t, on_committed, a);
}

static int
check(void *job)
{
	struct attempt *a = job;

	a->fits = password_fits(a->password, a->stored);
	return 0;
}

static void
to_worker(struct attempt *a, int (*run)(void *), void (*done)(void *, int))
{
	if (a->s->hashing >= MAX_HASHING ||
	    worker_run(a->s->workers, run, done, a, NULL) < 0) {
		err_set(
		    &a->err, ERR_RATE_LIMITED, "too many logins at once: try again");
		a->err.sys = 1;
		refuse(a);
		return;
	}
	a->s->hashing++;
}

void
session_login(struct sessions *s, const char *user, const char *password,
    const struct caller *from, session_fn done, void *arg)
{
	struct attempt *a = xcalloc(1, sizeof(*a));
	uint64_t now = session_mono(s);

	*a = (struct attempt){ .s = s, .who = *from, .done = done, .arg = arg };
	a->name = xstrdup(user);
	a->password = xstrdup(password);
	uint64_t wait = wait_of(s, "user", user, now);
	uint64_t wait_addr = wait_of(s, "addr", from->address, now);
	if (wait_addr > wait)
		wait = wait_addr;
	if (wait) {
		uint32_t secs = (uint32_t)((wait + 999) / 1000);
		err_set(&a->err, ERR_RATE_LIMITED,
		    "too many failed logins: try again in %u s", secs);
		a->err.sys = (int)secs;
		refuse(a);
		return;
	}
	const struct obj *o = inv_find(s->inv, OBJ_ID_NONE, KIND_USER, user);
	const struct user *u = o ? inv_user(s->inv, o->id) : NULL;
	a->stored = u ? xstrdup(u->password_hash) : NULL;
	to_worker(a, check, on_checked);
}

static size_t
tokens_of(const struct sessions *s, obj_id user)
{
	size_t n = 0;

	MAP_EACH(s->by_id, it) {
		const struct session *ss = it.value;
		n += ss->kind == SESSION_TOKEN && obj_id_is(ss->user, user);
	}
	return n;
}

void
session_token(struct sessions *s, const struct token_wish *w, const struct caller *who,
    session_fn done, void *arg)
{
	struct attempt *a = xcalloc(1, sizeof(*a));
	uint64_t now = session_wall(s);

	*a = (struct attempt){ .s = s, .who = *who, .done = done, .arg = arg };
	if (tokens_of(s, who->user) >= MAX_TOKENS) {
		err_set(&a->err, ERR_BAD_STATE,
		    "%s has %d tokens already: revoke those that are not needed",
		    who->name, MAX_TOKENS);
		refuse(a);
		return;
	}
	a->made = session_make(SESSION_TOKEN, who->user, a->token);
	a->made->name = xstrdup(w->name);
	a->made->most = w->most;
	a->made->created_ms = a->made->seen_ms = now;
	a->made->expires_ms = now + w->days * DAY_MS;
	struct txn *t = txn_new(s->inv);
	session_store(t, a->made);
	txn_audit(t, who, "token.create", who->user, who->name, 0, w->name);
	txn_commit(t, on_committed, a);
}

/* A session that ends: who waits for it. */
struct ending {
	struct sessions *s;
	char id[24];
	session_end_fn done;
	void *arg;
};

static void
on_ended(void *arg, int rc, const struct err *e)
{
	struct ending *w = arg;
	struct session *ss = map_get_str(w->s->by_id, w->id);

	if (rc == 0 && ss)
		session_drop(w->s, ss);
	w->done(rc, e, w->arg);
	free(w);
}

void
session_end(struct sessions *s, const char *id, const struct caller *who,
    session_end_fn done, void *arg)
{
	const struct session *ss = map_get_str(s->by_id, id);
	struct ending *w = xcalloc(1, sizeof(*w));
	struct txn *t = txn_new(s->inv);
	bool login = !ss || ss->kind == SESSION_LOGIN;

	*w = (struct ending){ .s = s, .done = done, .arg = arg };
	snprintf(w->id, sizeof(w->id), "%s", id);
	txn_sql(t, login ? STMT_SESSION_DELETE : STMT_TOKEN_DELETE, 1,
	    (const char *const[]){ w->id });
	if (login)
		txn_event(t, EV_USER_LOGOUT, who->user, OBJ_ID_NONE, who->name,
		    "session %s of %s was ended by %s", w->id,
		    ss ? inv_name(s->inv, ss->user) : "", who->name);
	txn_audit(t, who, login ? "session.end" : "token.revoke",
	    ss ? ss->user : OBJ_ID_NONE, w->id, 0, NULL);
	txn_commit(t, on_ended, w);
}

static int
check_and_hash(void *job)
{
	struct attempt *a = job;

	a->fits = password_fits(a->password, a->stored);
	return a->fits ? password_hash(a->new_password, &a->new_hash, &a->err) : 0;
}

static void
end_other_logins(struct sessions *s, struct txn *t, obj_id user, const char *keep)
{
	MAP_EACH(s->by_id, it) {
		struct session *ss = it.value;
		if (ss->kind != SESSION_LOGIN || !obj_id_is(ss->user, user) ||
		    !strcmp(ss->id, keep))
			continue;
		txn_sql(t, STMT_SESSION_DELETE, 1, (const char *const[]){ ss->id });
		session_drop(s, ss);
	}
}

static void
on_rehashed(void *job, int rc)
{
	struct attempt *a = job;

	a->s->hashing--;
	if (rc < 0) {
		finish(a, rc, &a->err, 0);
		return;
	}
	struct txn *t = txn_new(a->s->inv);
	struct user *u = txn_edit(t, a->who.user);
	if (!a->fits || !u) {
		txn_free(t);
		count_failure(a);
		err_set(&a->err, ERR_DENIED, "the old password is wrong");
		finish(a, a->err.code, &a->err, 0);
		return;
	}
	free(u->password_hash);
	u->password_hash = MOVE(a->new_hash);
	end_other_logins(a->s, t, a->who.user, a->keep);
	txn_audit(t, &a->who, "user.password", a->who.user, a->who.name, 0, NULL);
	txn_commit(t, on_committed, a);
}

void
session_password(struct sessions *s, const struct caller *who,
    const struct password_change *pc, session_end_fn done, void *arg)
{
	struct attempt *a = xcalloc(1, sizeof(*a));
	const struct user *u = inv_user(s->inv, who->user);

	*a = (struct attempt){ .s = s, .who = *who, .ended = done, .arg = arg };
	a->name = xstrdup(who->name);
	a->password = xstrdup(pc->old_pw);
	a->new_password = xstrdup(pc->new_pw);
	a->stored = u ? xstrdup(u->password_hash) : NULL;
	snprintf(a->keep, sizeof(a->keep), "%s", pc->keep_id);
	if (wait_of(s, "user", who->name, session_mono(s))) {
		err_set(&a->err, ERR_RATE_LIMITED,
		    "too many wrong passwords: wait a while");
		a->err.sys = 60;
		refuse(a);
		return;
	}
	to_worker(a, check_and_hash, on_rehashed);
}
