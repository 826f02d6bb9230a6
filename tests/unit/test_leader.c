#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/event/event_life.h"
#include "server/inventory/inv_int.h"
#include "server/inventory/txn.h"
#include "server/leader/leader.h"
#include "server/leader/leader_decide.h"
#include "server/leader/process_mark.h"
#include "tests/lib/pg_server.h"

#define WITHIN_MS   15000u
#define DEADLINE_MS 1000u
#define STEAL       "UPDATE leader SET epoch = epoch + 1, beat = beat + 1, holder = 'thief'"

/* A server as far as the database sees it. */
struct node {
	struct loop *loop;
	struct db *db;
	struct leader *leader;
	struct inv *inv;
	unsigned leading, over, loaded, released, seen;
	int why;
	char msg[240];
};

struct ending {
	unsigned calls;
	int rc;
	char msg[240];
};

static struct pg_server *pg;

static void
on_leading(void *arg)
{
	((struct node *)arg)->leading++;
}

static void
on_over(void *arg, int rc, const struct err *e)
{
	struct node *n = arg;
	n->over++;
	n->why = rc;
	snprintf(n->msg, sizeof(n->msg), "%s", e->msg);
}

static void
on_end(void *arg, int rc, const struct err *e)
{
	struct ending *end = arg;
	end->calls++;
	end->rc = rc;
	snprintf(end->msg, sizeof(end->msg), "%s", e ? e->msg : "");
}

static void
turn_until(struct node *n, const unsigned *flag, unsigned wanted)
{
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	while (*flag < wanted) {
		loop_turn(n->loop, 20);
		if (clock_mono_ms(clock_system()) > until)
			fail_msg("nothing happened: %s, %s", leader_status(n->leader),
			    db_status(n->db));
	}
}

static struct node *
node_on(const char *conninfo, const char *api, const char *name,
    enum leader_patience patience, const char *migrations)
{
	static const struct leader_hooks hooks = { .leading = on_leading,
		.over = on_over };
	struct node *n = xcalloc(1, sizeof(*n));
	n->loop = loop_new(clock_system());
	n->db = db_pg_new(n->loop, conninfo, name, DEADLINE_MS);
	n->inv = inv_new(n->loop, n->db);
	struct leader_conf conf = { name, migrations, patience, api, "" };
	n->leader = leader_new(n->loop, n->db, &conf, &hooks, n);
	leader_start(n->leader);
	return n;
}

static struct node *
node_at(const char *api, const char *name, enum leader_patience patience,
    const char *migrations)
{
	return node_on(pg_server_conninfo(pg), api, name, patience, migrations);
}

static struct node *
node_new(const char *name, enum leader_patience patience, const char *migrations)
{
	return node_at(name, name, patience, migrations);
}

static void
on_released(void *arg)
{
	((struct node *)arg)->released++;
}

/* As a server that dies does. */
static void
node_drop(struct node *n)
{
	inv_free(n->inv);
	leader_free(n->leader);
	db_free(n->db);
	loop_free(n->loop);
	free(n);
}

static void
node_free(struct node *n)
{
	if (leader_release(n->leader, on_released, n))
		turn_until(n, &n->released, 1);
	node_drop(n);
}

static struct node *
leading_node(const char *name)
{
	struct node *n = node_new(name, LEADER_WAIT, "db/migrations");
	turn_until(n, &n->leading, 1);
	struct ending end = { 0 };
	inv_load(n->inv, on_end, &end);
	turn_until(n, &end.calls, 1);
	if (end.rc)
		fail_msg("%s", end.msg);
	return n;
}

static void
send_add(struct node *n, const char *name, struct ending *end)
{
	struct txn *t = txn_new(n->inv);
	struct err e = ERR_INIT;
	void *o;
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, name, &o, &e), 0);
	txn_commit(t, on_end, end);
}

static void
add(struct node *n, const char *name)
{
	struct ending end = { 0 };
	send_add(n, name, &end);
	turn_until(n, &end.calls, 1);
	if (end.rc)
		fail_msg("%s", end.msg);
}

static void
assert_asked(const char *sql, const char *wanted)
{
	char buf[256];
	assert_string_equal(pg_server_ask(pg, sql, buf), wanted);
}

static void
test_migrates_once(void **state)
{
	struct node *n = leading_node("n1");
	assert_int_equal(leader_epoch(n->leader), 1);
	assert_true(db_is_up(n->db));
	node_free(n);
	n = leading_node("n2");
	assert_int_equal(leader_epoch(n->leader), 2);
	assert_asked("SELECT count(*) = max(version) FROM schema_migrations", "t");
	node_free(n);
}

static void
test_changed_migration_is_refused(void **state)
{
	char buf[256];
	node_free(leading_node("n"));
	pg_server_ask(pg,
	    "UPDATE schema_migrations SET checksum = 'x' || checksum WHERE version = 2",
	    buf);
	struct node *n = node_new("n", LEADER_WAIT, "db/migrations");
	turn_until(n, &n->over, 1);
	assert_int_equal(n->why, ERR_CORRUPT);
	assert_non_null(strstr(n->msg, "0002_create_inventory.sql was changed"));
	node_free(n);
	pg_server_ask(pg,
	    "UPDATE schema_migrations SET checksum = substr(checksum, 2) WHERE version = 2",
	    buf);
}

static void
test_newer_database_is_refused(void **state)
{
	char buf[256];
	node_free(leading_node("n"));
	pg_server_ask(pg,
	    "INSERT INTO schema_migrations SELECT max(version) + 1, '0999_from_later.sql', 'x'"
	    " FROM schema_migrations",
	    buf);
	struct node *n = node_new("n", LEADER_WAIT, "db/migrations");
	turn_until(n, &n->over, 1);
	assert_int_equal(n->why, ERR_UNSUPPORTED);
	node_free(n);
	pg_server_ask(pg,
	    "DELETE FROM schema_migrations WHERE name = '0999_from_later.sql'", buf);
}

static void
test_no_migrations_folder(void **state)
{
	struct node *n = node_new("n", LEADER_WAIT, "/nowhere");
	turn_until(n, &n->over, 1);
	assert_int_equal(n->why, ERR_IO);
	assert_non_null(strstr(n->msg, "/nowhere"));
	node_free(n);
}

/* The columns of a kind's table, in any order, as one text. */
static void
wanted_columns(enum obj_kind kind, char *out, size_t size)
{
	const struct field *f[MAX_FIELDS];
	unsigned n = fields_stored(kind, f);
	size_t used = (size_t)snprintf(out, size, "created_ms id name parent");
	for (unsigned i = 0; i < n; i++)
		used += (size_t)snprintf(out + used, size - used, " %s", f[i]->name);
}

static void
test_columns_are_those_of_the_field_table(void **state)
{
	node_free(leading_node("n"));
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		char wanted[1024], sql[2048], buf[256];
		if (kind_size(k) == 0)
			continue;
		wanted_columns(k, wanted, sizeof(wanted));
		snprintf(sql, sizeof(sql),
		    "SELECT string_agg(coalesce(w, '-' || c), ' ') FROM"
		    " (SELECT column_name::text AS c FROM information_schema.columns"
		    "  WHERE table_name = '%s' AND table_schema = 'public') have"
		    " FULL JOIN unnest(string_to_array('%s', ' ')) w ON w = c"
		    " WHERE w IS NULL OR c IS NULL",
		    kind_plural(k), wanted);
		/* "x": a column is missing; "-x": one too many. */
		assert_string_equal(pg_server_ask(pg, sql, buf), "");
	}
}

static void
test_every_kind_survives_a_restart(void **state)
{
	struct node *n = leading_node("n");
	struct err e = ERR_INIT;
	struct txn *t = txn_new(n->inv);
	struct ending end = { 0 };
	size_t before[KIND_COUNT_];
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		struct obj *o;
		before[k] = inv_count(n->inv, k);
		if (kind_size(k) == 0)
			continue;
		assert_int_equal(
		    txn_add(t, k, OBJ_ID_NONE, "it's \"ü\"", (void **)&o, &e), 0);
		if (k == KIND_VM) {
			struct vm *v = (struct vm *)o;
			v->notes = xstrdup("a\nb\\ 'c'");
			v->disks = json_new_array();
			json_add_str(v->disks, "ü");
			v->datastores.v = xcalloc(1, sizeof(obj_id));
			v->datastores.v[0] = obj_id_make(KIND_DATASTORE, 3);
			v->datastores.n = 1;
			v->memory_mb = INT64_MAX;
			v->power_state = POWER_ON;
		}
	}
	txn_audit(t, NULL, "test", OBJ_ID_NONE, "x", 0, "first");
	txn_audit(t, NULL, "test", OBJ_ID_NONE, NULL, ERR_DENIED, NULL);
	txn_event(t, EV_VM_CREATED, OBJ_ID_NONE, OBJ_ID_NONE, "u", "made");
	txn_commit(t, on_end, &end);
	turn_until(n, &end.calls, 1);
	if (end.rc)
		fail_msg("%s", end.msg);
	node_free(n);

	n = leading_node("n");
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		if (kind_size(k) > 0)
			assert_int_equal(inv_count(n->inv, k), before[k] + 1);
	}
	const struct obj *o = inv_find(n->inv, OBJ_ID_NONE, KIND_VM, "it's \"ü\"");
	assert_non_null(o);
	const struct vm *v = inv_vm(n->inv, o->id);
	assert_string_equal(v->notes, "a\nb\\ 'c'");
	assert_int_equal(v->memory_mb, INT64_MAX);
	assert_int_equal(v->power_state, POWER_ON);
	assert_int_equal(v->datastores.n, 1);
	assert_int_equal(json_count(v->disks), 1);

	t = txn_new(n->inv);
	struct vm *edit = txn_edit(t, o->id);
	edit->num_cpu = 8;
	obj_id id = o->id;
	end.calls = 0;
	txn_commit(t, on_end, &end);
	turn_until(n, &end.calls, 1);
	assert_int_equal(end.rc, 0);
	assert_int_equal(inv_vm(n->inv, id)->num_cpu, 8);
	node_free(n);
	assert_asked("SELECT num_cpu FROM vms WHERE name LIKE 'it%'", "8");
	assert_asked("SELECT count(*) FROM events WHERE message = 'made'", "1");
	assert_asked("SELECT audit_check() IS NULL", "t");
}

static void
test_audit_trail_shows_tampering(void **state)
{
	char buf[256];
	pg_server_ask(pg, "UPDATE audit SET detail = 'x'", buf);
	assert_non_null(strstr(buf, "the audit trail is not changed"));
	pg_server_ask(pg, "DELETE FROM audit", buf);
	assert_non_null(strstr(buf, "the audit trail is not changed"));
	pg_server_ask(pg,
	    "ALTER TABLE audit DISABLE TRIGGER ALL; UPDATE audit SET detail = 'x' WHERE id = 1;"
	    " ALTER TABLE audit ENABLE TRIGGER ALL",
	    buf);
	assert_asked("SELECT audit_check()", "1");
	pg_server_ask(pg,
	    "ALTER TABLE audit DISABLE TRIGGER ALL; UPDATE audit SET detail = 'first' WHERE id = 1;"
	    " ALTER TABLE audit ENABLE TRIGGER ALL",
	    buf);
	assert_asked("SELECT audit_check() IS NULL", "t");
}

static void
test_failed_statement_rolls_all_back(void **state)
{
	struct node *n = leading_node("n");
	struct ending end = { 0 }, next = { 0 };
	struct txn *t = txn_new(n->inv);
	struct err e = ERR_INIT;
	void *o;
	assert_int_equal(txn_add(t, KIND_DATACENTER, OBJ_ID_NONE, "undone", &o, &e), 0);
	txn_sql(t, STMT_ENROLL_SPEND, 2, (const char *const[]){ "no such", "1" });
	txn_commit(t, on_end, &end);
	/* What is behind it in the pipeline is not hurt. */
	send_add(n, "behind", &next);
	turn_until(n, &next.calls, 1);
	assert_int_equal(end.rc, ERR_DENIED);
	assert_non_null(strstr(end.msg, "unknown, used or expired"));
	assert_int_equal(next.rc, 0);
	assert_null(inv_find(n->inv, OBJ_ID_NONE, KIND_DATACENTER, "undone"));
	assert_non_null(inv_find(n->inv, OBJ_ID_NONE, KIND_DATACENTER, "behind"));
	node_free(n);
	assert_asked("SELECT count(*) FROM datacenters WHERE name = 'undone'", "0");
}

static void
turn_both(struct node *a, struct node *b, uint64_t ms)
{
	uint64_t until = clock_mono_ms(clock_system()) + ms;
	while (clock_mono_ms(clock_system()) < until) {
		loop_turn(a->loop, 10);
		loop_turn(b->loop, 10);
	}
}

static void
turn_until_seen(struct node *n, uint64_t epoch)
{
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	while (leader_seen(n->leader)->epoch != epoch) {
		loop_turn(n->loop, 20);
		assert_true(clock_mono_ms(clock_system()) < until);
	}
}

static void
test_second_server_follows_until_the_lead_is_given_up(void **state)
{
	struct node *first = leading_node("first");
	struct node *second = node_new("second", LEADER_WAIT, "db/migrations");
	uint64_t epoch = leader_epoch(first->leader);
	turn_until_seen(second, epoch);
	assert_string_equal(leader_seen(second->leader)->api, "first");
	/* Longer than a lease: the first renews. */
	turn_both(first, second, 5000);
	assert_int_equal(second->leading, 0);
	assert_false(db_is_up(second->db));
	assert_true(leader_lease_end_ms(first->leader) > loop_now_ms(first->loop));
	assert_int_equal(leader_lease_end_ms(second->leader), 0);

	uint64_t freed = clock_mono_ms(clock_system());
	node_free(first);
	turn_until(second, &second->leading, 1);
	assert_int_equal(leader_epoch(second->leader), epoch + 1);
	/* What the first may have granted is over later. */
	assert_true(leader_before_end_ms(second->leader) >= freed + 4000);
	node_free(second);
}

static void
test_of_two_that_campaign_one_follows(void **state)
{
	struct node *gone = leading_node("gone");
	uint64_t epoch = leader_epoch(gone->leader);
	node_free(gone);
	/* Both find the row given up before either can take it. */
	pg_server_hold(pg, "somebody", "SELECT * FROM leader FOR UPDATE");
	struct node *a = node_new("a", LEADER_WAIT, "db/migrations");
	struct node *b = node_new("b", LEADER_WAIT, "db/migrations");
	turn_both(a, b, DEADLINE_MS / 2);
	pg_server_let_go(pg);

	for (unsigned i = 0; i < WITHIN_MS / 20 && !a->leading && !b->leading; i++)
		turn_both(a, b, 20);
	turn_until_seen(a->leading ? b : a, epoch + 1);
	assert_int_equal(a->leading + b->leading, 1);
	node_free(a);
	node_free(b);
}

static void
test_silent_leader_is_waited_out(void **state)
{
	struct node *first = leading_node("first");
	struct node *second = node_new("second", LEADER_WAIT, "db/migrations");
	uint64_t epoch = leader_epoch(first->leader);
	turn_until_seen(second, epoch);
	uint64_t end = leader_lease_end_ms(first->leader);
	/* The first is frozen from here on. */
	turn_until(second, &second->leading, 1);
	assert_int_equal(leader_epoch(second->leader), epoch + 1);
	assert_true(leader_before_end_ms(second->leader) >= end);

	/* Thawed, with a write at hand: it is refused, and the first finds itself over.
	 */
	struct ending stolen = { 0 };
	send_add(first, "by the frozen", &stolen);
	turn_until(first, &first->over, 1);
	assert_int_equal(first->why, ERR_STALE);
	assert_int_equal(leader_lease_end_ms(first->leader), 0);
	assert_asked(
	    "SELECT count(*) FROM datacenters WHERE name = 'by the frozen'", "0");
	node_free(first);
	node_free(second);
}

static void
test_frozen_in_a_write_does_not_hold_the_row(void **state)
{
	struct node *first = leading_node("stuck");
	struct node *second = node_new("second", LEADER_WAIT, "db/migrations");
	turn_until_seen(second, leader_epoch(first->leader));
	/* A session of the leader's that holds the row and never comes back. */
	pg_server_hold(pg, "stuck", "SELECT * FROM leader FOR UPDATE");
	turn_until(second, &second->leading, 1);
	pg_server_let_go(pg);
	node_drop(first);
	node_free(second);
}

static void
test_own_past_is_not_waited_for(void **state)
{
	struct node *n = leading_node("n");
	char sql[256], buf[256], mark[PROCESS_MARK_TEXT];
	pid_t child = fork();
	if (child == 0)
		_exit(0);
	process_mark_own(mark);
	/* As if a process that has ended had left the row. */
	char *pid = strrchr(mark, ' ');
	*pid = '\0';
	pid = strrchr(mark, ' ');
	snprintf(sql, sizeof(sql), "UPDATE leader SET process = '%.*s %d 1'",
	    (int)(pid - mark), mark, (int)child);
	assert_int_equal(waitpid(child, NULL, 0), child);
	node_drop(n);
	pg_server_ask(pg, sql, buf);

	uint64_t began = clock_mono_ms(clock_system());
	struct node *again = node_at("n", "n2", LEADER_WAIT, "db/migrations");
	turn_until(again, &again->leading, 1);
	assert_true(leader_before_end_ms(again->leader) >= began + LEADER_LEASE_MS);
	node_free(again);
}

static void
test_impatient_server_is_told(void **state)
{
	struct node *first = leading_node("first");
	struct node *second = node_new("second", LEADER_REFUSE, "db/migrations");
	while (!second->over)
		turn_both(first, second, 50);
	assert_int_equal(second->why, ERR_BUSY);
	assert_non_null(strstr(second->msg, "\"first\""));
	node_free(second);
	node_free(first);
}

static void
test_stale_epoch_may_not_write(void **state)
{
	struct node *n = leading_node("n");
	struct ending end = { 0 };
	char buf[256];
	pg_server_ask(pg, STEAL, buf);
	send_add(n, "stolen", &end);
	turn_until(n, &end.calls, 1);
	assert_int_equal(end.rc, ERR_STALE);
	assert_int_equal(n->over, 1);
	assert_int_equal(n->why, ERR_STALE);
	assert_null(inv_find(n->inv, OBJ_ID_NONE, KIND_DATACENTER, "stolen"));
	node_free(n);
	assert_asked("SELECT count(*) FROM datacenters WHERE name = 'stolen'", "0");
}

/* What was asked for while the database went away and came back. */
struct storm {
	struct ending end[400];
	unsigned n, ended, acked, refused;
};

static void
count_storm(struct storm *s)
{
	s->ended = s->acked = s->refused = 0;
	for (unsigned i = 0; i < s->n; i++) {
		s->ended += s->end[i].calls;
		s->acked += s->end[i].calls && s->end[i].rc == 0;
		s->refused += s->end[i].rc == ERR_UNAVAILABLE;
	}
}

static void
storm_on(struct node *n, struct storm *s, const char *prefix, unsigned more)
{
	for (unsigned i = 0; i < more; i++) {
		char name[32];
		snprintf(name, sizeof(name), "%s-%u", prefix, s->n);
		send_add(n, name, &s->end[s->n++]);
		loop_turn(n->loop, 0);
	}
}

static void
turn_until_up(struct node *n)
{
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	while (!db_is_up(n->db)) {
		loop_turn(n->loop, 20);
		assert_true(clock_mono_ms(clock_system()) < until);
	}
}

static void
check_storm(struct node *n, struct storm *s, const char *prefix)
{
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	for (count_storm(s); s->ended < s->n; count_storm(s)) {
		loop_turn(n->loop, 20);
		assert_true(clock_mono_ms(clock_system()) < until);
	}
	assert_int_equal(s->acked + s->refused, s->n);
	char sql[128], wanted[16];
	snprintf(sql, sizeof(sql),
	    "SELECT count(*) FROM datacenters WHERE name LIKE '%s-%%'", prefix);
	/* Not one lost, and not one that was reported as not written. */
	snprintf(wanted, sizeof(wanted), "%u", s->acked);
	assert_asked(sql, wanted);
	for (unsigned i = 0; i < s->n; i++) {
		char name[32];
		snprintf(name, sizeof(name), "%s-%u", prefix, i);
		assert_int_equal(
		    inv_find(n->inv, OBJ_ID_NONE, KIND_DATACENTER, name) != NULL,
		    s->end[i].rc == 0);
	}
}

static void
outage(enum pg_stop how, const char *prefix)
{
	struct node *n = leading_node("n");
	uint64_t epoch = leader_epoch(n->leader);
	struct storm *s = xcalloc(1, sizeof(*s));
	storm_on(n, s, prefix, 150);
	pg_server_stop(pg, how);
	storm_on(n, s, prefix, 50);
	uint64_t stopped = clock_mono_ms(clock_system());
	while (clock_mono_ms(clock_system()) < stopped + 2ULL * DEADLINE_MS)
		loop_turn(n->loop, 20);
	/* The few that went out before the break showed are in doubt, the others
	 * refused. */
	count_storm(s);
	assert_true(s->refused >= 40);
	assert_non_null(strstr(db_status(n->db), "unavailable: "));
	pg_server_start(pg);
	turn_until_up(n);
	storm_on(n, s, prefix, 50);
	check_storm(n, s, prefix);
	assert_true(s->acked >= 50);
	assert_int_equal(leader_epoch(n->leader), epoch);
	assert_int_equal(n->over, 0);
	free(s);
	node_free(n);
}

static void
test_outage_by_fast_stop(void **state)
{
	outage(PG_STOP_FAST, "fast");
}

static void
test_outage_by_crash(void **state)
{
	outage(PG_STOP_IMMEDIATE, "crash");
}

static void
test_frozen_database_is_given_up(void **state)
{
	struct node *n = leading_node("n");
	struct storm *s = xcalloc(1, sizeof(*s));
	add(n, "before the frost");
	pg_server_freeze(pg);
	storm_on(n, s, "frozen", 30);
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	while (db_is_up(n->db)) {
		loop_turn(n->loop, 20);
		assert_true(clock_mono_ms(clock_system()) < until);
	}
	pg_server_thaw(pg);
	/* The frozen backend wakes with our old requests in its socket. */
	turn_until_up(n);
	storm_on(n, s, "frozen", 10);
	check_storm(n, s, "frozen");
	free(s);
	node_free(n);
}

static void
test_lead_lost_during_an_outage(void **state)
{
	struct node *n = leading_node("n");
	char buf[256];
	pg_server_stop(pg, PG_STOP_FAST);
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	while (db_is_up(n->db)) {
		loop_turn(n->loop, 20);
		assert_true(clock_mono_ms(clock_system()) < until);
	}
	pg_server_start(pg);
	pg_server_ask(pg, STEAL, buf);
	turn_until(n, &n->over, 1);
	assert_int_equal(n->why, ERR_STALE);
	node_free(n);
}

/* The first of two takes the connection and never says a word. */
static void
test_next_host_is_tried_where_one_hangs(void **state)
{
	char folder[] = "/tmp/drover-mute-XXXXXX";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	assert_non_null(mkdtemp(folder));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/.s.PGSQL.5432", folder);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(fd, 8), 0);
	AUTO_FREE char *both =
	    xasprintf("host=%s,%s", folder, pg_server_conninfo(pg) + strlen("host="));
	struct node *n = node_on(both, "n", "n", LEADER_WAIT, "db/migrations");
	turn_until(n, &n->leading, 1);
	node_free(n);
	close(fd);
	unlink(at.sun_path);
	rmdir(folder);
}

static void
wait_for_standbys(const char *how)
{
	char buf[256];

	AUTO_FREE char *alter = xasprintf("ALTER SYSTEM %s", how);
	pg_server_ask(pg, alter, buf);
	pg_server_ask(pg, "SELECT pg_reload_conf()", buf);
}

/* Commit until one waits for a standby, and end its waiting.  Without the last of them:
 * it was done before PostgreSQL began to wait, so another has to be tried. */
static bool
cancel_waiting(struct node *n, struct ending *end, unsigned *sent)
{
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;
	char buf[256];

	wait_for_standbys("SET synchronous_standby_names = 'nobody'");
	end->calls = 1;
	do {
		if (end->calls) {
			char name[32];
			snprintf(name, sizeof(name), "unreplicated-%u", ++*sent);
			*end = (struct ending){ 0 };
			send_add(n, name, end);
		}
		loop_turn(n->loop, 20);
		assert_true(clock_mono_ms(clock_system()) < until);
		pg_server_ask(pg,
		    "SELECT count(pg_cancel_backend(pid)) FROM pg_stat_activity"
		    " WHERE wait_event = 'SyncRep' AND application_name = 'n'",
		    buf);
	} while (db_is_up(n->db));
	wait_for_standbys("RESET synchronous_standby_names");
	return !end->calls;
}

/* PostgreSQL reports the commit as done; a promoted standby would not have it. */
static void
test_commit_that_stops_waiting_for_its_standby_is_looked_up(void **state)
{
	struct node *n = leading_node("n");
	struct ending end = { 0 };
	unsigned sent = 0;
	while (!cancel_waiting(n, &end, &sent))
		turn_until_up(n);
	turn_until(n, &end.calls, 1);
	assert_int_equal(end.rc, 0);
	assert_int_equal(n->over, 0);
	node_free(n);
	AUTO_FREE char *all = xasprintf("%u", sent);
	assert_asked(
	    "SELECT count(*) FROM datacenters WHERE name LIKE 'unreplicated-%'", all);
}

static int
setup(void **state)
{
	log_set_level(LOG_LEVEL_ERR);
	pg = pg_server_new();
	return 0;
}

static int
teardown(void **state)
{
	pg_server_free(pg);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_migrations_folder),
		cmocka_unit_test(test_migrates_once),
		cmocka_unit_test(test_changed_migration_is_refused),
		cmocka_unit_test(test_newer_database_is_refused),
		cmocka_unit_test(test_columns_are_those_of_the_field_table),
		cmocka_unit_test(test_every_kind_survives_a_restart),
		cmocka_unit_test(test_audit_trail_shows_tampering),
		cmocka_unit_test(test_failed_statement_rolls_all_back),
		cmocka_unit_test(test_second_server_follows_until_the_lead_is_given_up),
		cmocka_unit_test(test_of_two_that_campaign_one_follows),
		cmocka_unit_test(test_silent_leader_is_waited_out),
		cmocka_unit_test(test_frozen_in_a_write_does_not_hold_the_row),
		cmocka_unit_test(test_own_past_is_not_waited_for),
		cmocka_unit_test(test_impatient_server_is_told),
		cmocka_unit_test(test_stale_epoch_may_not_write),
		cmocka_unit_test(test_outage_by_fast_stop),
		cmocka_unit_test(test_outage_by_crash),
		cmocka_unit_test(test_frozen_database_is_given_up),
		cmocka_unit_test(test_lead_lost_during_an_outage),
		cmocka_unit_test(test_next_host_is_tried_where_one_hangs),
		cmocka_unit_test(
		    test_commit_that_stops_waiting_for_its_standby_is_looked_up),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
