#include "server/db/db_pg.h"

#include <stdio.h>
#include <string.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "server/db/db_pg_int.h"

#define PAUSE_FIRST_MS 100u
#define PAUSE_MAX_MS   2000u
#define MAX_FLYING     256u
#define MAX_HOSTS      64u /* so far the turn of a connection string's hosts goes */
/* A dead peer is noticed, and another of several tried, within a leader's lease. */
#define TCP_TIMEOUT_MS "3000"
/* Nobody waits for ever for a row that a stopped server holds. */
#define SESSION_OPTIONS \
	"-c idle_in_transaction_session_timeout=2000 -c lock_timeout=3000"

struct db_pg *
pg_of(struct db *db)
{
	return LIST_ENTRY(CAST_OBJ(db, db, DB_MAGIC), struct db_pg, db);
}

static void
drop_events(struct db_pg *pg)
{
	if (pg->reader)
		event_free(pg->reader);
	if (pg->writer)
		event_free(pg->writer);
	pg->reader = pg->writer = NULL;
}

static void
disconnect(struct db_pg *pg)
{
	drop_events(pg);
	PQfinish(pg->conn);
	pg->conn = NULL;
	pg->piped = pg->unreplicated = false;
	pg_forget_prepared(pg);
}

static void
answer_away(struct db_pg *pg, struct db_request *r)
{
	struct err e = ERR_INIT;
	int rc = err_set(&e, ERR_UNAVAILABLE, "the database is %s", db_status(&pg->db));
	db_answer(&pg->db, r, rc, &e);
}

/* What was on its way: writes are in doubt, reads can be asked again. */
static void
ground_flying(struct db_pg *pg)
{
	struct list reads = LIST_INIT(reads);
	LIST_EACH_SAFE(struct db_request, r, &pg->flying, node) {
		list_remove(&r->node);
		r->rc = 0;
		err_clear(&r->err);
		db_rows_free(MOVE(r->rows));
		if (r->kind == DB_REQ_TXN)
			list_add_tail(&pg->in_doubt, &r->node);
		else if (r->kind == DB_REQ_PREPARE)
			db_request_free(r);
		else if (r->deadline_ms == UINT64_MAX)
			answer_away(pg, r);
		else
			list_add_tail(&reads, &r->node);
	}
	pg->n_flying = 0;
	while (!list_empty(&reads)) {
		struct list_node *last = reads.head.prev;
		list_remove(last);
		list_add_head(&pg->queue, last);
	}
	LIST_EACH_SAFE(struct db_request, r, &pg->urgent, node) {
		answer_away(pg, r);
	}
}

/* The first line of what libpq says, which ends in a newline and may be long. */
static void
first_line(char *out, size_t size, const char *why)
{
	snprintf(out, size, "%s", why);
	out[strcspn(out, "\n")] = '\0';
}

/* Of the first request in the list that has one. */
static uint64_t
deadline_of(const struct list *l)
{
	LIST_EACH(struct db_request, r, l, node) {
		if (r->deadline_ms != UINT64_MAX)
			return r->deadline_ms;
	}
	return UINT64_MAX;
}

static void
arm_deadline(struct db_pg *pg)
{
	uint64_t queued = deadline_of(&pg->queue), sent = deadline_of(&pg->flying);
	uint64_t first = queued < sent ? queued : sent;
	uint64_t now = loop_now_ms(pg->db.loop);
	if (first == UINT64_MAX)
		timer_stop(pg->deadline);
	else
		timer_after(pg->deadline, first > now ? first - now : 0);
}

void
pg_lost(struct db_pg *pg, const char *why)
{
	enum pg_state was = pg->state;
	char reason[200];
	if (was == PG_AWAY)
		return;
	first_line(reason, sizeof(reason), why);
	if (was != PG_CONNECTING)
		log_warn("db", "connection lost: %s", reason);
	else if (strcmp(pg->db.status + strlen("unavailable: "), reason) != 0)
		log_warn("db", "cannot connect: %s", reason);
	pg->state = PG_AWAY;
	disconnect(pg);
	db_set_up(&pg->db, reason);
	ground_flying(pg);
	pg->pause_ms = was == PG_OPEN ? PAUSE_FIRST_MS : 2 * pg->pause_ms;
	if (pg->pause_ms > PAUSE_MAX_MS)
		pg->pause_ms = PAUSE_MAX_MS;
	timer_after(pg->retry, pg->pause_ms + rng_below(&pg->rng, pg->pause_ms));
	arm_deadline(pg);
	if (was != PG_CONNECTING && pg->hooks.lost)
		pg->hooks.lost(pg->hooks_arg);
}

static struct db_request *
next_to_send(const struct db_pg *pg)
{
	struct db_request *r = LIST_FIRST(struct db_request, &pg->urgent, node);
	if (!r && pg->state == PG_OPEN)
		r = LIST_FIRST(struct db_request, &pg->queue, node);
	if (!r || pg->n_flying >= MAX_FLYING || !pg->piped)
		return NULL;
	/* A script leaves pipeline mode: everything before it has to be in. */
	return r->kind == DB_REQ_SCRIPT && pg->n_flying > 0 ? NULL : r;
}

static void
flush(struct db_pg *pg)
{
	int more = PQflush(pg->conn);
	if (more < 0)
		pg_lost(pg, PQerrorMessage(pg->conn));
	else if (more > 0)
		event_add(pg->writer, NULL);
}

void
pg_pump(struct db_pg *pg)
{
	struct db_request *r;
	if (pg->state < PG_GATED)
		return;
	while ((r = next_to_send(pg))) {
		if (!pg_send(pg, r)) {
			pg_lost(pg, PQerrorMessage(pg->conn));
			return;
		}
	}
	arm_deadline(pg);
	flush(pg);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct db_pg *pg = pg_of(arg);
	if (!PQconsumeInput(pg->conn)) {
		/* What came before the break still counts. */
		pg_receive(pg);
		if (pg->state != PG_AWAY)
			pg_lost(pg, PQerrorMessage(pg->conn));
		return;
	}
	pg_receive(pg);
	pg_pump(pg);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	flush(pg_of(arg));
}

static void
watch_socket(struct db_pg *pg)
{
	struct event_base *base = loop_base(pg->db.loop);
	int fd = PQsocket(pg->conn);
	drop_events(pg);
	pg->reader = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, &pg->db);
	pg->writer = event_new(base, fd, EV_WRITE, on_writable, &pg->db);
	ASSERT(pg->reader && pg->writer && !event_add(pg->reader, NULL));
}

static void
connected(struct db_pg *pg)
{
	timer_stop(pg->retry);
	if (PQsetnonblocking(pg->conn, 1) < 0 || !PQenterPipelineMode(pg->conn)) {
		pg_lost(pg, PQerrorMessage(pg->conn));
		return;
	}
	pg->piped = true;
	pg->state = PG_GATED;
	watch_socket(pg);
	/* The old one is asked after by now, if the leader wanted to. */
	pg->hooks.connected(pg->hooks_arg);
	pg->backend = PQbackendPID(pg->conn);
	pg_pump(pg);
}

static void on_connecting(evutil_socket_t fd, short what, void *arg);

static void
go_on_connecting(struct db_pg *pg)
{
	PostgresPollingStatusType next = PQconnectPoll(pg->conn);
	if (next == PGRES_POLLING_FAILED) {
		pg_lost(pg, PQerrorMessage(pg->conn));
		return;
	}
	if (next == PGRES_POLLING_OK) {
		connected(pg);
		return;
	}
	/* libpq may have gone on to another address, and so to another socket. */
	drop_events(pg);
	pg->reader = event_new(loop_base(pg->db.loop), PQsocket(pg->conn),
	    next == PGRES_POLLING_READING ? EV_READ : EV_WRITE, on_connecting, &pg->db);
	ASSERT(pg->reader && !event_add(pg->reader, NULL));
}

static void
on_connecting(evutil_socket_t fd, short what, void *arg)
{
	go_on_connecting(pg_of(arg));
}

/*
 * A commit that stops waiting for its standby is reported as done: whether it outlives
 * the primary is not known.  The function's name is the one mark that no setting of the
 * server translates.
 */
static void
on_notice(void *arg, const PGresult *res)
{
	struct db_pg *pg = pg_of(arg);
	const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
	const char *by = PQresultErrorField(res, PG_DIAG_SOURCE_FUNCTION);
	if (by && !strcmp(by, "SyncRepWaitForLSN"))
		pg->unreplicated = true;
	log_debug("db", "%s", text ? text : "a notice without text");
}

/* A list with commas, begun further on; NULL if the connection string has none. */
static char *
list_from(const PQconninfoOption *options, const char *key, unsigned first)
{
	while (options && options->keyword && strcmp(options->keyword, key) != 0)
		options++;
	if (!options || !options->keyword || !options->val)
		return NULL;
	char *list = xstrdup(options->val);
	for (char *comma; first > 0 && (comma = strchr(list, ',')); first--) {
		char *next = xasprintf("%s,%.*s", comma + 1, (int)(comma - list), list);
		free(list);
		list = next;
	}
	return list;
}

static PGconn *
connect_from(const struct db_pg *pg, unsigned first)
{
	PQconninfoOption *own = PQconninfoParse(pg->conninfo, NULL);
	AUTO_FREE char *host = list_from(own, "host", first),
		       *address = list_from(own, "hostaddr", first),
		       *port = list_from(own, "port", first);
	/* What stands before dbname can be overruled there, what stands after cannot;
	 * what is NULL counts as not there. */
	const char *const keys[] = { "target_session_attrs", "tcp_user_timeout",
		"keepalives_idle", "keepalives_interval", "keepalives_count", "options",
		"dbname", "application_name", "client_encoding", "host", "hostaddr",
		"port", NULL };
	const char *const values[] = { "read-write", TCP_TIMEOUT_MS, "1", "1", "3",
		SESSION_OPTIONS, pg->conninfo, pg->app_name, "UTF8", host, address,
		port, NULL };
	PQconninfoFree(own);
	return PQconnectStartParams(keys, values, 1);
}

static void
start_connecting(struct db_pg *pg)
{
	pg->state = PG_CONNECTING;
	pg->conn = connect_from(pg, pg->first_host);
	ASSERT(pg->conn);
	PQsetNoticeReceiver(pg->conn, on_notice, &pg->db);
	if (PQstatus(pg->conn) == CONNECTION_BAD) {
		pg_lost(pg, PQerrorMessage(pg->conn));
		return;
	}
	timer_after(pg->retry, pg->db.deadline_ms);
	drop_events(pg);
	pg->reader = event_new(loop_base(pg->db.loop), PQsocket(pg->conn), EV_WRITE,
	    on_connecting, &pg->db);
	ASSERT(pg->reader && !event_add(pg->reader, NULL));
}

static void
on_retry(void *arg)
{
	struct db_pg *pg = pg_of(arg);
	if (pg->state == PG_AWAY) {
		start_connecting(pg);
	} else if (pg->state == PG_CONNECTING) {
		/* libpq goes on to the next host of itself only where one fails. */
		pg->first_host = (pg->first_host + 1) % MAX_HOSTS;
		pg_lost(pg, "no answer while connecting");
	}
}

static void
on_deadline(void *arg)
{
	struct db_pg *pg = pg_of(arg);
	uint64_t now = loop_now_ms(pg->db.loop);
	if (deadline_of(&pg->flying) <= now)
		pg_lost(pg, "no answer within the deadline");
	LIST_EACH_SAFE(struct db_request, r, &pg->queue, node) {
		if (r->deadline_ms <= now)
			answer_away(pg, r);
	}
	arm_deadline(pg);
}

static void
driver_send(struct db *db, struct db_request *r_take)
{
	struct db_pg *pg = pg_of(db);
	list_add_tail(&pg->queue, &r_take->node);
	if (pg->state == PG_OPEN)
		pg_pump(pg);
	else
		arm_deadline(pg);
}

static void
free_requests(struct list *l)
{
	LIST_EACH_SAFE(struct db_request, r, l, node) {
		list_remove(&r->node);
		db_request_free(r);
	}
}

static void
driver_free(struct db *db)
{
	struct db_pg *pg = pg_of(db);
	pg->state = PG_AWAY;
	disconnect(pg);
	timer_free(pg->retry);
	timer_free(pg->deadline);
	free_requests(&pg->urgent);
	free_requests(&pg->queue);
	free_requests(&pg->flying);
	free_requests(&pg->in_doubt);
	MAP_EACH(pg->prepared, it) {
		free(it.value);
	}
	map_free(pg->prepared);
	free(pg->conninfo);
	free(pg->app_name);
	db_fini(db);
	free(pg);
}

static const struct db_driver driver = { .send = driver_send, .free = driver_free };

struct db *
db_pg_new(struct loop *l, const char *conninfo, const char *name, uint32_t deadline_ms)
{
	struct db_pg *pg = xcalloc(1, sizeof(*pg));
	db_init(&pg->db, &driver, l, deadline_ms);
	pg->conninfo = xstrdup(conninfo);
	pg->app_name = xstrdup(name);
	pg->prepared = map_new_str();
	list_init(&pg->urgent);
	list_init(&pg->queue);
	list_init(&pg->flying);
	list_init(&pg->in_doubt);
	pg->retry = timer_new(l, on_retry, &pg->db);
	pg->deadline = timer_new(l, on_deadline, &pg->db);
	pg->pause_ms = PAUSE_FIRST_MS;
	uint64_t seed;
	rng_secret(&seed, sizeof(seed));
	rng_seed(&pg->rng, seed);
	return &pg->db;
}

void
db_pg_start(struct db *db, const struct db_pg_hooks *hooks, void *arg)
{
	struct db_pg *pg = pg_of(db);
	pg->hooks = *hooks;
	pg->hooks_arg = arg;
	start_connecting(pg);
}

void
db_pg_now(struct db *db, enum stmt stmt, unsigned n, const char *const *params,
    db_rows_fn done, void *arg)
{
	struct db_pg *pg = pg_of(db);
	struct db_request *r = xcalloc(1, sizeof(*r));
	r->kind = DB_REQ_QUERY;
	r->txn = db_txn_new();
	r->deadline_ms = UINT64_MAX;
	r->got = done;
	r->arg = arg;
	db_txn_stmt(r->txn, stmt, n, params);
	if (pg->state < PG_GATED) {
		answer_away(pg, r);
		return;
	}
	list_add_tail(&pg->urgent, &r->node);
	pg_pump(pg);
}

void
db_pg_script(struct db *db, const char *sql, db_done_fn done, void *arg)
{
	struct db_pg *pg = pg_of(db);
	struct db_request *r = xcalloc(1, sizeof(*r));
	r->kind = DB_REQ_SCRIPT;
	r->script = xstrdup(sql);
	r->deadline_ms = UINT64_MAX;
	r->done = done;
	r->arg = arg;
	if (pg->state < PG_GATED) {
		answer_away(pg, r);
		return;
	}
	list_add_tail(&pg->urgent, &r->node);
	pg_pump(pg);
}

static bool
is_listed(const struct db_rows *rows, uint64_t seq)
{
	for (size_t i = 0; i < db_rows_count(rows); i++) {
		if (db_value_u64(rows, i, 0) == seq)
			return true;
	}
	return false;
}

static void
open_gate(struct db_pg *pg)
{
	pg->state = PG_OPEN;
	db_set_up(&pg->db, NULL);
	pg_pump(pg);
}

/*
 * The session was raised before this was asked: what the old connection had not begun
 * by then can no longer begin, and what it had begun has ended.  So a missing row
 * means: never.
 */
static void
on_looked_up(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct db_pg *pg = pg_of(arg);
	if (rc < 0) {
		pg_lost(pg, e->msg);
		return;
	}
	LIST_EACH_SAFE(struct db_request, r, &pg->in_doubt, node) {
		struct err none = ERR_INIT;
		if (is_listed(rows, r->seq)) {
			db_answer(&pg->db, r, 0, NULL);
			continue;
		}
		err_set(&none, ERR_UNAVAILABLE,
		    "the connection to the database broke before it was written");
		db_answer(&pg->db, r, none.code, &none);
	}
	open_gate(pg);
}

void
db_pg_admit(struct db *db, uint64_t epoch, uint64_t session)
{
	struct db_pg *pg = pg_of(db);
	char text[2][24];
	if (pg->state != PG_GATED)
		return;
	pg->epoch = epoch;
	pg->session = session;
	const struct db_request *first =
	    LIST_FIRST(struct db_request, &pg->in_doubt, node);
	if (!first) {
		open_gate(pg);
		return;
	}
	pg->state = PG_RESOLVING;
	snprintf(text[0], sizeof(text[0]), "%llu", (unsigned long long)epoch);
	snprintf(text[1], sizeof(text[1]), "%llu", (unsigned long long)first->seq);
	db_pg_now(db, STMT_TXN_LOOKUP, 2, (const char *const[]){ text[0], text[1] },
	    on_looked_up, db);
}

void
db_pg_reset(struct db *db, const char *why)
{
	pg_lost(pg_of(db), why);
}

int
db_pg_backend(struct db *db)
{
	return pg_of(db)->backend;
}
