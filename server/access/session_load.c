#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "server/access/session_int.h"
#include "server/db/db.h"
#include "server/inventory/inv_life.h"

static void
answered(struct sessions *s, int rc, const struct err *e)
{
	sessions_loaded_fn done = s->loaded;

	if (!done)
		return;
	if (rc == 0 && --s->loading)
		return;
	s->loaded = NULL;
	done(s->loaded_arg, rc, e);
}

static const char *
text(const struct db_rows *rows, size_t i, unsigned col)
{
	const char *v = db_value(rows, i, col);

	return v ? v : "";
}

static struct session *
read_row(const struct db_rows *rows, size_t i, unsigned user_col)
{
	struct session *ss = xcalloc(1, sizeof(*ss));

	snprintf(ss->id, sizeof(ss->id), "%s", text(rows, i, 0));
	snprintf(ss->token_hash, sizeof(ss->token_hash), "%s", text(rows, i, 1));
	if (obj_id_parse(text(rows, i, user_col), KIND_USER, &ss->user, NULL) == 0)
		return ss;
	log_warn("access", "session %s names no user: left out", ss->id);
	session_free(ss);
	return NULL;
}

static void
on_logins(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct sessions *s = arg;

	for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++) {
		struct session *ss = read_row(rows, i, 3);
		if (!ss)
			continue;
		ss->kind = SESSION_LOGIN;
		ss->most = ROLE_ADMINISTRATOR;
		snprintf(ss->csrf, sizeof(ss->csrf), "%s", text(rows, i, 2));
		ss->created_ms = db_value_u64(rows, i, 4);
		ss->seen_ms = ss->stored_seen_ms = db_value_u64(rows, i, 5);
		ss->expires_ms = db_value_u64(rows, i, 6);
		ss->address = xstrdup(db_value(rows, i, 7));
		session_put(s, ss);
	}
	answered(s, rc, e);
}

static void
on_tokens(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct sessions *s = arg;

	for (size_t i = 0; rc == 0 && i < db_rows_count(rows); i++) {
		struct session *ss = read_row(rows, i, 2);
		if (!ss)
			continue;
		ss->kind = SESSION_TOKEN;
		ss->name = xstrdup(db_value(rows, i, 3));
		ss->created_ms = ss->seen_ms = db_value_u64(rows, i, 4);
		ss->expires_ms = db_value_u64(rows, i, 5);
		ss->most = (enum role)role_parse(text(rows, i, 6));
		session_put(s, ss);
	}
	answered(s, rc, e);
}

void
sessions_load(struct sessions *s, sessions_loaded_fn done, void *arg)
{
	struct db *db = inv_db(s->inv);

	s->loaded = done;
	s->loaded_arg = arg;
	s->loading = 2;
	db_query(db, STMT_SESSION_LOAD_ALL, 0, NULL, on_logins, s);
	db_query(db, STMT_TOKEN_LOAD_ALL, 0, NULL, on_tokens, s);
}
