#include "server/leader/roster.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/db/db_pg.h"
#include "server/leader/leader.h"

#define ROSTER_MAGIC 0x726f7374u
#define SAY_MS       10000u
#define RETRY_MS     1000u /* after one that came to nothing */
#define MAX_SERVERS  16u   /* more are left out */

struct row {
	char *api, *holder, *version;
	uint64_t since_ms, said_ms; /* wall clock, by the database */
};

struct roster {
	uint32_t magic;
	struct loop *loop;
	struct db *db;
	char *name, *api, *agents, *version;
	uint32_t keep_s;
	void (*changed)(void *arg);
	void *arg;
	struct timer *due;
	bool ready; /* the schema has the table */
	char *where[MAX_SERVERS];
	struct row rows[MAX_SERVERS];
	size_t n;
};

static void
rows_free(char **where, struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(where[i]);
		free(rows[i].api);
		free(rows[i].holder);
		free(rows[i].version);
	}
}

static bool
are_same(const struct roster *s, char *const *where, size_t n)
{
	bool same = n == s->n;

	for (size_t i = 0; i < n && same; i++)
		same = str_same(where[i], s->where[i]);
	return same;
}

static void
take_rows(struct roster *s, const struct db_rows *rows)
{
	size_t n =
	    db_rows_count(rows) < MAX_SERVERS ? db_rows_count(rows) : MAX_SERVERS;
	char *where[MAX_SERVERS];
	struct row now[MAX_SERVERS];

	for (size_t i = 0; i < n; i++) {
		where[i] = xstrdup(db_value(rows, i, 0));
		now[i] = (struct row){
			.api = xstrdup(db_value(rows, i, 1)),
			.holder = xstrdup(db_value(rows, i, 2)),
			.version = xstrdup(db_value(rows, i, 3)),
			.since_ms = db_value_u64(rows, i, 4),
			.said_ms = db_value_u64(rows, i, 5),
		};
	}
	bool changed = !are_same(s, where, n);
	rows_free(s->where, s->rows, s->n);
	memcpy(s->where, where, n * sizeof(where[0]));
	memcpy(s->rows, now, n * sizeof(now[0]));
	s->n = n;
	if (!changed)
		return;
	log_info("leader", "servers on this database: %zu", n);
	s->changed(s->arg);
}

static void
on_said(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct roster *s = CAST_OBJ(roster, arg, ROSTER_MAGIC);

	if (rc)
		log_debug("leader", "this server is not announced: %s", e->msg);
	else
		take_rows(s, rows);
	timer_after(s->due, rc ? RETRY_MS : SAY_MS);
}

static void
say(struct roster *s)
{
	char keep[16];

	snprintf(keep, sizeof(keep), "%u", s->keep_s);
	db_pg_now(s->db, STMT_ROSTER_SAY, 5,
	    (const char *const[]){ s->agents, s->api, s->name, s->version, keep },
	    on_said, s);
}

/* A follower may be of a newer release than the leader, and so than the schema. */
static void
on_ready_known(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct roster *s = CAST_OBJ(roster, arg, ROSTER_MAGIC);

	s->ready = !rc && db_value(rows, 0, 0)[0] == 't';
	if (s->ready)
		say(s);
	else
		timer_after(s->due, RETRY_MS);
}

static void
on_due(void *arg)
{
	struct roster *s = CAST_OBJ(roster, arg, ROSTER_MAGIC);

	if (s->ready)
		say(s);
	else
		db_pg_now(s->db, STMT_ROSTER_READY, 0, NULL, on_ready_known, s);
}

struct roster *
roster_new(struct loop *l, struct db *db, const struct roster_conf *c,
    void (*changed)(void *arg), void *arg)
{
	struct roster *s = xcalloc(1, sizeof(*s));

	s->magic = ROSTER_MAGIC;
	s->loop = l;
	s->db = db;
	s->name = xstrdup(c->name);
	s->api = xstrdup(c->api);
	s->agents = xstrdup(c->agents);
	s->version = xstrdup(c->version);
	s->keep_s = c->keep_s;
	s->changed = changed;
	s->arg = arg;
	s->due = timer_new(l, on_due, s);
	if (*s->agents)
		timer_after(s->due, 0);
	return s;
}

void
roster_free(struct roster *s)
{
	if (!s)
		return;
	timer_free(s->due);
	rows_free(s->where, s->rows, s->n);
	free(s->name);
	free(s->api);
	free(s->agents);
	free(s->version);
	s->magic = 0;
	free(s);
}

size_t
roster_agents(const struct roster *s, const char *const **ret_list)
{
	*ret_list = (const char *const *)s->where;
	return s->n;
}

json *
roster_json(const struct roster *s, const struct leader *ld)
{
	const struct leader_seen *seen = leader_seen(ld);
	json *list = json_new_array();

	for (size_t i = 0; i < s->n; i++) {
		const struct row *r = &s->rows[i];
		bool leads = seen->epoch && str_same(seen->holder, r->holder);
		json *j = json_new_object();
		char buf[32];
		json_set_str(j, "agents_address", s->where[i]);
		json_set_str(j, "address", *r->api ? r->api : NULL);
		json_set_str(j, "version", r->version);
		json_set_bool(j, "leads", leads);
		json_set_str(j, "since", clock_text(r->since_ms, buf));
		json_set_str(j, "said_at", clock_text(r->said_ms, buf));
		json_add_json(list, j);
	}
	return list;
}
