#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/str.h"
#include "server/access/session.h"
#include "server/api/watch.h"
#include "server/db/db.h"
#include "server/db/db_fake.h"
#include "server/event/event_life.h"
#include "server/front/front.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/stats/stats_int.h"

#define WS       7u
#define QUEUE    (1024u * 1024)
#define MANY     7000u /* folders: a snapshot of more than a MiB */
#define TURN_MAX 1000u

/* The front's side: what has been sent to the one socket, in order. */
struct sent {
	char *text[TURN_MAX];
	size_t n, read;
	size_t waiting; /* bytes not yet read */
	uint16_t closed;
};

static struct sent sent;

struct fixture {
	struct clock *clock;
	struct loop *loop;
	struct db *db;
	struct inv *inv;
	struct events *events;
	struct sessions *sessions;
	struct stats *stats;
	struct watch *watch;
	char dir[64]; /* of statistics */
	obj_id user, last;
	char session[24];
	bool made;
};

void
front_ws_send(struct front *f, uint64_t ws, char *text_take, size_t n)
{
	assert_int_equal(ws, WS);
	assert_true(sent.n < TURN_MAX);
	sent.text[sent.n] = xstrndup(text_take, n);
	sent.waiting += n;
	sent.n++;
	free(text_take);
}

void
front_ws_close(struct front *f, uint64_t ws, uint16_t code, const char *reason)
{
	sent.closed = code;
}

/* The browser reads one frame; NULL when nothing waits. The caller frees it. */
static json *
read_frame(struct fixture *f)
{
	struct err e = ERR_INIT;
	json *j = NULL;

	if (sent.read == sent.n)
		return NULL;
	char *text = sent.text[sent.read++];
	assert_int_equal(json_parse(text, strlen(text), "frame", &j, &e), 0);
	sent.waiting -= strlen(text);
	watch_drained(f->watch, WS, strlen(text));
	free(text);
	return j;
}

/* How many frames of a type come before nothing is left to read. */
static unsigned
read_all(struct fixture *f, const char *type)
{
	unsigned n = 0;
	json *j;

	while ((j = read_frame(f))) {
		const char *is = NULL;
		struct err e = ERR_INIT;
		assert_int_equal(
		    json_read_str(j, "type", JSON_REQUIRED, 40, &is, &e), 0);
		n += !strcmp(is, type);
		json_free(j);
	}
	return n;
}

static void
say(struct fixture *f, const char *text)
{
	watch_text(f->watch, WS, text, strlen(text));
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	assert_int_equal(rc, 0);
	((struct fixture *)arg)->made = true;
}

static void
commit(struct fixture *f, struct txn *t)
{
	f->made = false;
	txn_commit(t, on_stored, f);
	while (!f->made)
		loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
}

static void
add_folders(struct fixture *f, unsigned n)
{
	static unsigned made;
	struct txn *t = txn_new(f->inv);
	struct err e = ERR_INIT;
	void *o = NULL;

	for (unsigned i = 0; i < n; i++) {
		char name[80];
		snprintf(name, sizeof(name), "%060u", made++);
		assert_int_equal(txn_add(t, KIND_FOLDER, OBJ_ID_NONE, name, &o, &e), 0);
		f->last = ((struct obj *)o)->id;
	}
	commit(f, t);
}

static void
later(struct fixture *f, uint64_t ms)
{
	clock_advance(f->clock, ms);
	loop_turn(f->loop, 0);
	loop_turn(f->loop, 0);
}

static void
on_token(const struct session_made *m, void *arg)
{
	struct fixture *f = arg;

	assert_int_equal(m->rc, 0);
	snprintf(f->session, sizeof(f->session), "%s", m->session->id);
}

static obj_id
add_user(struct fixture *f, const char *name)
{
	struct txn *t = txn_new(f->inv);
	struct err e = ERR_INIT;
	void *o = NULL;

	assert_int_equal(txn_add(t, KIND_USER, OBJ_ID_NONE, name, &o, &e), 0);
	struct user *u = o;
	u->enabled = true;
	u->role = ROLE_READ_ONLY;
	obj_id id = u->o.id;
	commit(f, t);
	return id;
}

static void
open_session(struct fixture *f)
{
	f->user = add_user(f, "ann");
	const struct caller who = { .user = f->user, .role = ROLE_READ_ONLY };
	const struct token_wish wish = { "test", 1, ROLE_READ_ONLY };
	session_token(f->sessions, &wish, &who, on_token, f);
	while (!f->session[0])
		loop_turn(f->loop, 0);
}

static void
open_stats(struct fixture *f)
{
	struct stats_opts o = {
		.inv = f->inv, .daemon = "", .interval_ms = 20000, .write_s = 60
	};
	struct err e = ERR_INIT;

	snprintf(f->dir, sizeof(f->dir), "/tmp/test-watch-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	o.dir = f->dir;
	assert_int_equal(stats_new(&o, &f->stats, &e), 0);
}

static void
close_stats(struct fixture *f)
{
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", f->dir);

	stats_free(f->stats);
	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
}

static int
set_up(void **state)
{
	static const struct session_conf conf = { 0, 12 * 3600 * 1000, 3 };
	struct fixture *f = xcalloc(1, sizeof(*f));

	memset(&sent, 0, sizeof(sent));
	f->clock = clock_virtual_new(1000, 1700000000000);
	f->loop = loop_new(f->clock);
	f->db = db_fake_new(f->loop, 100000);
	f->inv = inv_new(f->loop, f->db);
	f->events = events_new(f->inv);
	f->sessions = sessions_new(f->inv, NULL, &conf);
	open_session(f);
	open_stats(f);
	const struct watch_deps d = { .loop = f->loop,
		.inv = f->inv,
		.sessions = f->sessions,
		.stats = f->stats,
		.boot = "boot" };
	f->watch = watch_new(&d);
	watch_open(f->watch, WS, f->session);
	assert_int_equal(read_all(f, "hello"), 1);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	watch_free(f->watch);
	close_stats(f);
	sessions_free(f->sessions);
	events_free(f->events);
	inv_free(f->inv);
	db_free(f->db);
	loop_free(f->loop);
	clock_free(f->clock);
	while (sent.read < sent.n)
		free(sent.text[sent.read++]);
	free(f);
	return 0;
}

/* A page asks for everything at once, and things change while it reads. */
static void
a_snapshot_over_the_limit_is_no_falling_behind(void **state)
{
	struct fixture *f = *state;

	add_folders(f, MANY);
	say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	assert_true(sent.waiting > QUEUE);
	say(f, "{\"type\":\"sub\",\"id\":2,\"kind\":\"tasks\"}");
	say(f, "{\"type\":\"sub\",\"id\":3,\"kind\":\"events\"}");
	add_folders(f, 1);
	later(f, 300);
	unsigned n = MANY / 400 + 1;
	bool complete[4] = { false }, newer = false;
	json *j;
	while ((j = read_frame(f))) {
		const char *type = NULL;
		struct err e = ERR_INIT;
		uint64_t id = 0;
		bool last = false;
		char text[OBJ_ID_TEXT];
		assert_int_equal(
		    json_read_str(j, "type", JSON_REQUIRED, 40, &type, &e), 0);
		assert_int_equal(
		    json_read_u64(j, "id", JSON_OPTIONAL, 0, 3, &id, &e), 0);
		assert_int_equal(
		    json_read_bool(j, "last", JSON_OPTIONAL, &last, &e), 0);
		assert_string_not_equal(type, "resync");
		if (!strcmp(type, "snap") && id == 1 && !complete[1])
			assert_true(n-- > 0);
		complete[id] |= last;
		if (!strcmp(type, "delta"))
			newer = json_get(json_get(j, "set"),
				    obj_id_text(f->last, text)) != NULL;
		json_free(j);
	}
	assert_true(complete[1] && complete[2] && complete[3] && newer);
	assert_int_equal(sent.closed, 0);
}

/* However often it asks, a MiB and one snapshot are all that waits for it. */
static void
asking_again_and_again_piles_nothing_up(void **state)
{
	struct fixture *f = *state;

	add_folders(f, MANY);
	say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	size_t one = sent.waiting;
	for (unsigned i = 0; i < 50; i++)
		say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	assert_true(sent.waiting <= one + QUEUE);
	read_all(f, "snap");
	add_folders(f, 1);
	later(f, 300);
	assert_int_equal(read_all(f, "delta"), 1);
}

/* Deltas that nobody reads end in one word, and 30 s later in the end of the socket. */
static void
who_does_not_read_is_told_once_and_then_closed(void **state)
{
	struct fixture *f = *state;

	say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	read_all(f, "snap");
	for (unsigned i = 0; i < 40; i++) {
		add_folders(f, 200);
		later(f, 250);
	}
	size_t waiting = sent.waiting;
	assert_true(waiting > QUEUE && waiting < QUEUE + 256 * 1024);
	later(f, 20000);
	assert_int_equal(sent.closed, 0);
	assert_true(sent.waiting < waiting + 1000);
	later(f, 10500);
	assert_int_equal(sent.closed, 4408);
	assert_int_equal(watch_clients(f->watch), 0);
}

static void
who_catches_up_goes_on_after_a_new_snapshot(void **state)
{
	struct fixture *f = *state;

	say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	read_all(f, "snap");
	for (unsigned i = 0; i < 40; i++) {
		add_folders(f, 200);
		later(f, 250);
	}
	assert_int_equal(read_all(f, "resync"), 1);
	say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	assert_true(read_all(f, "snap") > 1);
	add_folders(f, 1);
	later(f, 40000);
	assert_int_equal(read_all(f, "delta"), 1);
	assert_int_equal(sent.closed, 0);
}

/* The first change after a quiet spell goes out at once, whatever else happened. */
static void
what_a_client_does_not_see_delays_nothing(void **state)
{
	struct fixture *f = *state;

	say(f, "{\"type\":\"sub\",\"id\":1,\"kind\":\"inventory\"}");
	read_all(f, "snap");
	later(f, 1000);
	add_user(f, "bob");
	assert_int_equal(read_all(f, "delta"), 0);
	add_folders(f, 1);
	assert_int_equal(read_all(f, "delta"), 1);
	add_folders(f, 1);
	assert_int_equal(read_all(f, "delta"), 0);
	later(f, 20);
	assert_int_equal(read_all(f, "delta"), 1);
}

static obj_id
add_host(struct fixture *f, const char *name)
{
	struct txn *t = txn_new(f->inv);
	struct err e = ERR_INIT;
	void *o = NULL;
	obj_id id;

	assert_int_equal(txn_add(t, KIND_HOST, OBJ_ID_NONE, name, &o, &e), 0);
	id = ((struct obj *)o)->id;
	commit(f, t);
	return id;
}

static void
sample(struct fixture *f, obj_id id, float cpu)
{
	uint64_t slot = stats_slot(f->stats, clock_wall_ms(f->clock));

	stats_put(f->stats, id, slot, METRIC_CPU_USAGE, cpu);
	stats_put(f->stats, id, slot, METRIC_MEM_USAGE, cpu);
	stats_tell(f->stats, id, slot);
}

static void
samples_come_while_they_are_wanted(void **state)
{
	struct fixture *f = *state;
	obj_id host = add_host(f, "h1");
	AUTO(json) json *snap = NULL, *j = NULL;
	char id[OBJ_ID_TEXT];

	AUTO_FREE char *text =
	    xasprintf("{\"type\":\"sub\",\"id\":4,\"kind\":\"stats\","
		      "\"objects\":[\"%s\"],\"counters\":[\"cpu.*\"],"
		      "\"realtime\":true}",
		obj_id_text(host, id));
	say(f, text);
	snap = read_frame(f);
	const json *item = json_at(json_get(snap, "items"), 0);
	assert_string_equal(json_str_value(json_get(item, "object"), NULL), id);
	/* Nobody samples it more often. */
	assert_int_equal(json_int_value(json_get(item, "interval_ms")), 20000);
	sample(f, host, 12.5f);
	j = read_frame(f);
	assert_string_equal(json_str_value(json_get(j, "type"), NULL), "stat");
	assert_int_equal(json_int_value(json_get(j, "id")), 4);
	assert_int_equal(json_int_value(json_get(j, "span_ms")), 20000);
	assert_true(
	    json_number(json_get(json_get(j, "values"), "cpu.usage.average")) == 12.5);
	assert_int_equal(json_count(json_get(j, "values")), 1);
	/* In its place nothing piles up. */
	say(f, text);
	assert_int_equal(read_all(f, "snap"), 1);
	sample(f, host, 13);
	assert_int_equal(read_all(f, "stat"), 1);
	/* Changes of the inventory are others' news. */
	add_folders(f, 1);
	later(f, 300);
	assert_int_equal(read_all(f, "delta"), 0);
	say(f, "{\"type\":\"unsub\",\"id\":4}");
	sample(f, host, 14);
	assert_null(read_frame(f));
}

static void
samples_that_nobody_reads_are_left_out(void **state)
{
	struct fixture *f = *state;
	obj_id host = add_host(f, "h1");

	say(f,
	    "{\"type\":\"sub\",\"id\":4,\"kind\":\"stats\",\"objects\":[\"host-1\"]}");
	for (unsigned i = 0; i < TURN_MAX - 100; i++)
		sample(f, host, 1);
	assert_true(sent.waiting < QUEUE / 8);
	assert_int_equal(read_all(f, "resync"), 0);
	sample(f, host, 2);
	assert_int_equal(read_all(f, "stat"), 1);
}

static void
expect_error(struct fixture *f, const char *code)
{
	AUTO(json) json *j = read_frame(f);

	assert_non_null(j);
	assert_string_equal(json_str_value(json_get(j, "type"), NULL), "error");
	assert_string_equal(json_str_value(json_get(j, "code"), NULL), code);
	assert_non_null(json_get(j, "id"));
}

static void
only_so_many_are_watched(void **state)
{
#define SUB "{\"type\":\"sub\",\"kind\":\"stats\","
	struct fixture *f = *state;
	AUTO(str) struct str list = STR_INIT;

	for (unsigned i = 1; i <= 16; i++) {
		char name[16];

		snprintf(name, sizeof(name), "h%u", i);
		add_host(f, name);
		str_addf(&list, "%s\"host-%u\"", i > 1 ? "," : "", i);
	}
	AUTO_FREE char *all =
	    xasprintf(SUB "\"id\":1,\"objects\":[%s]}", str_cstr(&list));
	say(f, all);
	assert_int_equal(read_all(f, "snap"), 1);
	say(f, SUB "\"id\":2,\"objects\":[\"host-1\"]}");
	expect_error(f, "too_large");
	say(f, all);
	assert_int_equal(read_all(f, "snap"), 1);
	say(f, SUB "\"id\":1,\"objects\":[\"host-99\"]}");
	expect_error(f, "not_found");
	say(f, SUB "\"id\":1,\"objects\":[7]}");
	expect_error(f, "invalid");
	say(f, SUB "\"id\":1}");
	expect_error(f, "invalid");
	say(f, SUB "\"id\":1,\"objects\":[\"host-1\"],\"counters\":[\"cpu.usge\"]}");
	expect_error(f, "invalid");
	/* What was asked for before goes on. */
	sample(f, obj_id_make(KIND_HOST, 1), 3);
	assert_int_equal(read_all(f, "stat"), 1);
#undef SUB
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_snapshot_over_the_limit_is_no_falling_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    asking_again_and_again_piles_nothing_up, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_does_not_read_is_told_once_and_then_closed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    what_a_client_does_not_see_delays_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    who_catches_up_goes_on_after_a_new_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    samples_come_while_they_are_wanted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    samples_that_nobody_reads_are_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    only_so_many_are_watched, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
