/*
 * session: who has logged in, and the long-lived tokens of scripts.
 *
 * Both are 256-bit random words of which only the SHA-256 is stored.  Sessions end when
 * idle and at an absolute age; tokens at the day given.  The role is always the user's
 * of now, or less where a token says so: a user who is disabled or removed is out at
 * once.  Kept in memory, every change is a transaction.  Core thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "server/inventory/caller.h"

struct db;
struct loop;
struct workers;
struct sessions;

enum session_kind { SESSION_LOGIN, SESSION_TOKEN };

struct session {
	char id[24]; /* public: names it in lists and routes */
	enum session_kind kind;
	char token_hash[65];
	char csrf[33]; /* of logins */
	obj_id user;
	enum role most; /* that it may, whatever its user may */
	char *name;     /* of tokens */
	char *address;  /* where from */
	uint64_t created_ms, seen_ms, expires_ms; /* wall */
	uint64_t stored_seen_ms;
};

struct session_conf {
	uint64_t idle_ms;    /* 0: never */
	uint64_t max_ms;     /* of a login */
	unsigned max_logins; /* of one user at once; the oldest goes */
};

#define TOKEN_TEXT 65 /* a token in hex and its NUL */

struct sessions *sessions_new(
    struct inv *inv, struct workers *workers, const struct session_conf *conf);
void sessions_free(struct sessions *s);
/* From the database, once, after the inventory. */
typedef void (*sessions_loaded_fn)(void *arg, int rc, const struct err *e);
void sessions_load(struct sessions *s, sessions_loaded_fn done, void *arg);

/* The live session of a token as the client sent it; NULL if there is none. Counts as
 * use. */
const struct session *session_find(struct sessions *s, const char *token);
const struct session *session_by_id(const struct sessions *s, const char *id);
/* What it may now. */
enum role session_role(const struct sessions *s, const struct session *ss);
/* Every live one of a kind and user (none: all), as JSON. */
json *sessions_json(
    const struct sessions *s, enum session_kind kind, obj_id user, const char *current);

/* The answer to a login or a new token: token is told once. */
struct session_made {
	int rc;
	struct err err;
	uint32_t retry_after_s; /* with ERR_RATE_LIMITED */
	const char *token;
	const struct session *session;
};

typedef void (*session_fn)(const struct session_made *m, void *arg);

/* Check name and password (on a worker) and open a session. Waits are per account and
 * per address (login_decide.h). */
void session_login(struct sessions *s, const char *user, const char *password,
    const struct caller *from, session_fn done, void *arg);

/* What a token is to be. */
struct token_wish {
	const char *name;
	unsigned days; /* of life */
	enum role most;
};

/* A token for who->user. ERR_BAD_STATE: he has 100 already. */
void session_token(struct sessions *s, const struct token_wish *w,
    const struct caller *who, session_fn done, void *arg);

typedef void (*session_end_fn)(int rc, const struct err *e, void *arg);
void session_end(struct sessions *s, const char *id, const struct caller *who,
    session_end_fn done, void *arg);

struct password_change {
	const char *keep_id; /* the login that stays */
	const char *old_pw, *new_pw;
};

/* Change who->user's password after checking the old one; his other logins end. */
void session_password(struct sessions *s, const struct caller *who,
    const struct password_change *pc, session_end_fn done, void *arg);
/* End every session and token of a user, in memory; the op that removes the user
 * deletes the rows. */
void sessions_drop_user(struct sessions *s, obj_id user);
size_t sessions_count(const struct sessions *s, enum session_kind kind);
