#include "server/access/session.h"

#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/str.h"
#include "server/access/session_int.h"
#include "server/db/db.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define TOKEN_BYTES 32
/* How stale the stored time of last use may be. */
#define TOUCH_MS 60000
#define SWEEP_MS 60000

uint64_t
session_wall(const struct sessions *s)
{
	return clock_wall_ms(loop_clock(inv_loop(s->inv)));
}

uint64_t
session_mono(const struct sessions *s)
{
	return clock_mono_ms(loop_clock(inv_loop(s->inv)));
}

void
session_hash(const char *token, char out[65])
{
	uint8_t sum[SHA256_DIGEST_LENGTH];

	SHA256((const uint8_t *)token, strlen(token), sum);
	hex_encode(sum, sizeof(sum), out);
}

struct session *
session_make(enum session_kind kind, obj_id user, char token[TOKEN_TEXT])
{
	struct session *ss = xcalloc(1, sizeof(*ss));
	uint8_t raw[TOKEN_BYTES];

	rng_secret(raw, sizeof(raw));
	hex_encode(raw, sizeof(raw), token);
	session_hash(token, ss->token_hash);
	rng_secret(raw, sizeof(raw));
	hex_encode(raw, 16, ss->csrf);
	snprintf(ss->id, sizeof(ss->id), "%s-", kind == SESSION_LOGIN ? "s" : "t");
	hex_encode(raw + 16, 8, ss->id + 2);
	secret_wipe(raw, sizeof(raw));
	ss->kind = kind;
	ss->user = user;
	ss->most = ROLE_ADMINISTRATOR;
	return ss;
}

void
session_free(struct session *ss)
{
	if (!ss)
		return;
	free(ss->name);
	free(ss->address);
	free(ss);
}

void
session_put(struct sessions *s, struct session *ss_take)
{
	map_put_str(s->by_hash, ss_take->token_hash, ss_take);
	map_put_str(s->by_id, ss_take->id, ss_take);
}

void
session_drop(struct sessions *s, struct session *ss)
{
	map_del_str(s->by_hash, ss->token_hash);
	map_del_str(s->by_id, ss->id);
	session_free(ss);
}

void
session_store(struct txn *t, const struct session *ss)
{
	char user[OBJ_ID_TEXT], created[24], expires[24];

	obj_id_text(ss->user, user);
	snprintf(created, sizeof(created), "%llu", (unsigned long long)ss->created_ms);
	snprintf(expires, sizeof(expires), "%llu", (unsigned long long)ss->expires_ms);
	if (ss->kind == SESSION_LOGIN) {
		txn_sql(t, STMT_SESSION_INSERT, 9,
		    (const char *const[]){ ss->id, ss->token_hash, ss->csrf, user,
			created, created, expires, ss->address, NULL });
	} else {
		txn_sql(t, STMT_TOKEN_INSERT, 7,
		    (const char *const[]){ ss->id, ss->token_hash, user, ss->name,
			created, expires, role_text(ss->most) });
	}
}

static bool
is_over(const struct sessions *s, const struct session *ss, uint64_t now)
{
	const struct user *u = inv_user(s->inv, ss->user);

	if (!u || !u->enabled || now >= ss->expires_ms)
		return true;
	return ss->kind == SESSION_LOGIN && s->conf.idle_ms &&
	       now >= ss->seen_ms + s->conf.idle_ms;
}

static void
on_touched(void *arg, int rc, const struct err *e)
{
	/* The stored time only matters after a restart; the next use tries again. */
	if (rc < 0)
		log_debug("access", "cannot store a session's last use: %s", e->msg);
}

static void
touch(struct sessions *s, struct session *ss, uint64_t now)
{
	char at[24];

	ss->seen_ms = now;
	if (ss->kind != SESSION_LOGIN || now < ss->stored_seen_ms + TOUCH_MS)
		return;
	ss->stored_seen_ms = now;
	snprintf(at, sizeof(at), "%llu", (unsigned long long)now);
	struct txn *t = txn_new(s->inv);
	txn_sql(t, STMT_SESSION_TOUCH, 2, (const char *const[]){ ss->id, at });
	txn_commit(t, on_touched, s);
}

const struct session *
session_find(struct sessions *s, const char *token)
{
	char hash[65];

	if (strlen(token) != TOKEN_TEXT - 1)
		return NULL;
	session_hash(token, hash);
	struct session *ss = map_get_str(s->by_hash, hash);
	uint64_t now = session_wall(s);
	if (!ss || is_over(s, ss, now))
		return NULL;
	touch(s, ss, now);
	return ss;
}

const struct session *
session_by_id(const struct sessions *s, const char *id)
{
	return map_get_str(s->by_id, id);
}

enum role
session_role(const struct sessions *s, const struct session *ss)
{
	const struct user *u = inv_user(s->inv, ss->user);

	if (!u)
		return ROLE_NONE;
	return u->role < ss->most ? u->role : ss->most;
}

static void
set_time(json *o, const char *key, uint64_t ms)
{
	char buf[32];

	json_set_str(o, key, clock_text(ms, buf));
}

json *
sessions_json(
    const struct sessions *s, enum session_kind kind, obj_id user, const char *current)
{
	json *list = json_new_array();
	uint64_t now = session_wall(s);

	MAP_EACH(s->by_id, it) {
		const struct session *ss = it.value;
		char id[OBJ_ID_TEXT];
		if (ss->kind != kind || is_over(s, ss, now) ||
		    (!obj_id_none(user) && !obj_id_is(user, ss->user)))
			continue;
		json *o = json_new_object();
		json_set_str(o, "id", ss->id);
		json_set_str(o, "user", obj_id_text(ss->user, id));
		json_set_str(o, "user_name", inv_name(s->inv, ss->user));
		json_set_str(o, "name", ss->name);
		json_set_str(o, "address", ss->address);
		json_set_str(o, "role", role_text(session_role(s, ss)));
		set_time(o, "created_at", ss->created_ms);
		set_time(o, "seen_at", ss->seen_ms);
		set_time(o, "expires_at", ss->expires_ms);
		json_set_bool(o, "current", current && !strcmp(current, ss->id));
		json_add_json(list, o);
	}
	return list;
}

size_t
sessions_count(const struct sessions *s, enum session_kind kind)
{
	size_t n = 0;

	MAP_EACH(s->by_id, it)
		n += ((const struct session *)it.value)->kind == kind;
	return n;
}

void
sessions_drop_user(struct sessions *s, obj_id user)
{
	MAP_EACH(s->by_id, it) {
		struct session *ss = it.value;
		if (obj_id_is(ss->user, user))
			session_drop(s, ss);
	}
}

static void
on_swept(void *arg, int rc, const struct err *e)
{
	if (rc < 0)
		log_debug("access", "cannot delete expired sessions: %s", e->msg);
}

/* Once a minute: sessions that ended by time, counts that say nothing any more. */
static void
sweep(void *arg)
{
	struct sessions *s = arg;
	uint64_t now = session_wall(s);
	struct txn *t = NULL;

	MAP_EACH(s->by_id, it) {
		struct session *ss = it.value;
		if (!is_over(s, ss, now))
			continue;
		if (!t)
			t = txn_new(s->inv);
		txn_sql(t,
		    ss->kind == SESSION_LOGIN ? STMT_SESSION_DELETE : STMT_TOKEN_DELETE,
		    1, (const char *const[]){ ss->id });
		session_drop(s, ss);
	}
	if (t)
		txn_commit(t, on_swept, s);
	now = session_mono(s);
	MAP_EACH(s->counts, it) {
		if (!login_stale(it.value, now))
			continue;
		free(it.value);
		map_del_str(s->counts, it.skey);
	}
}

struct sessions *
sessions_new(struct inv *inv, struct workers *workers, const struct session_conf *conf)
{
	struct sessions *s = xcalloc(1, sizeof(*s));

	s->inv = inv;
	s->workers = workers;
	s->conf = *conf;
	s->by_hash = map_new_str();
	s->by_id = map_new_str();
	s->counts = map_new_str();
	s->sweep = timer_new(inv_loop(inv), sweep, s);
	timer_every(s->sweep, SWEEP_MS);
	return s;
}

void
sessions_free(struct sessions *s)
{
	if (!s)
		return;
	timer_free(s->sweep);
	MAP_EACH(s->by_id, it)
		session_free(it.value);
	MAP_EACH(s->counts, it)
		free(it.value);
	map_free(s->by_id);
	map_free(s->by_hash);
	map_free(s->counts);
	free(s);
}
