/*
 * session_int: what the files of access/ share.
 */
#pragma once
#include "base/map.h"
#include "loop/timer.h"
#include "loop/worker.h"
#include "server/access/login_decide.h"
#include "server/access/session.h"

struct sessions {
	struct inv *inv;
	struct workers *workers;
	struct session_conf conf;
	struct map *by_hash; /* token hash → struct session, owned */
	struct map *by_id;   /* id → the same */
	struct map *counts;  /* "user:x", "addr:y" → struct login_count, owned */
	struct timer *sweep;
	unsigned hashing; /* checks under way */
	sessions_loaded_fn loaded;
	void *loaded_arg;
	unsigned loading; /* answers still to come */
};

uint64_t session_wall(const struct sessions *s);
uint64_t session_mono(const struct sessions *s);
void session_hash(const char *token, char out[65]);
/* A new one with fresh random words, not yet known to anybody. */
struct session *session_make(
    enum session_kind kind, obj_id user, char token[TOKEN_TEXT]);
void session_free(struct session *ss);
void session_put(struct sessions *s, struct session *ss_take);
void session_drop(struct sessions *s, struct session *ss);
/* Put its row into a transaction. */
struct txn;
void session_store(struct txn *t, const struct session *ss);
