#include <string.h>

#include "base/str.h"
#include "server/event/event_life.h"
#include "tests/lib/inv_world.h"

struct fixture {
	struct world *w;
	struct events *ev;
	char seen[512]; /* "type:message " of what the follower got */
};

static const char *
field(const json *ev, const char *key)
{
	size_t n;
	const json *v = json_get(ev, key);
	return v && json_what(v) == JSON_IS_STR ? json_str_value(v, &n) : NULL;
}

static void
on_event(const json *ev, void *arg)
{
	struct fixture *f = arg;
	size_t used = strlen(f->seen);
	snprintf(f->seen + used, sizeof(f->seen) - used, "%s:%s ", field(ev, "type"),
	    field(ev, "message"));
}

static int
setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	void *world;
	assert_int_equal(world_setup(&world), 0);
	f->w = world;
	f->ev = events_new(f->w->inv);
	event_follow(f->w->inv, on_event, f);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;
	void *world = f->w;
	events_free(f->ev);
	free(f);
	return world_teardown(&world);
}

static void
test_event_of_a_txn(void **state)
{
	struct fixture *f = *state;
	struct world *w = f->w;
	obj_id dc = world_add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	struct err e = ERR_INIT;
	void *o;
	struct txn *t = txn_new(w->inv);
	assert_int_equal(txn_add(t, KIND_VM, dc, "a", &o, &e), 0);
	obj_id id = ((struct obj *)o)->id;
	txn_event(
	    t, EV_VM_CREATED, id, obj_id_make(KIND_TASK, 5), "root", "made %d", 1);
	assert_string_equal(f->seen, "");
	assert_int_equal(world_commit(w, t), 0);

	assert_string_equal(f->seen, "VmCreatedEvent:made 1 ");
	const json *ev = event_recent(w->inv, 0);
	assert_string_equal(field(ev, "id"), "event-1");
	assert_string_equal(field(ev, "severity"), "info");
	assert_string_equal(field(ev, "entity"), "vm-1");
	assert_string_equal(field(ev, "entity_name"), "a");
	assert_string_equal(field(ev, "task"), "task-5");
	assert_string_equal(field(ev, "user"), "root");
	assert_string_equal(field(ev, "time"), "2026-01-02T03:04:05.678Z");
	assert_null(event_recent(w->inv, 1));
	assert_int_equal(db_fake_ran(w->db, STMT_EVENT_ADD), 1);
}

static void
test_failed_txn_tells_nobody(void **state)
{
	struct fixture *f = *state;
	struct txn *t = txn_new(f->w->inv);
	txn_event(t, EV_VM_DIED, OBJ_ID_NONE, OBJ_ID_NONE, NULL, "x");
	db_fake_fail_next(f->w->db, ERR_UNAVAILABLE);
	assert_int_equal(world_commit(f->w, t), ERR_UNAVAILABLE);
	assert_string_equal(f->seen, "");
	assert_null(event_recent(f->w->inv, 0));
}

static void
test_posts_wait_for_the_database_in_order(void **state)
{
	struct fixture *f = *state;
	struct world *w = f->w;
	db_fake_down(w->db);
	event_post(w->inv, EV_HOST_LOST, OBJ_ID_NONE, NULL, "1");
	event_post(w->inv, EV_HOST_CONNECTED, OBJ_ID_NONE, NULL, "2");
	clock_advance(w->clock, 60000);
	world_settle(w);
	assert_string_equal(f->seen, "");
	db_fake_up(w->db);
	world_settle(w);
	assert_string_equal(f->seen, "HostConnectionLostEvent:1 HostConnectedEvent:2 ");
}

static void
test_post_is_retried_when_unavailable(void **state)
{
	struct fixture *f = *state;
	struct world *w = f->w;
	db_fake_fail_next(w->db, ERR_UNAVAILABLE);
	event_post(w->inv, EV_HOST_LOST, OBJ_ID_NONE, NULL, "1");
	event_post(w->inv, EV_HOST_LOST, OBJ_ID_NONE, NULL, "2");
	world_settle(w);
	assert_string_equal(f->seen, "");
	clock_advance(w->clock, 1000);
	world_settle(w);
	assert_string_equal(
	    f->seen, "HostConnectionLostEvent:1 HostConnectionLostEvent:2 ");
}

static void
test_ring_keeps_the_newest(void **state)
{
	struct fixture *f = *state;
	event_unfollow(f->w->inv, on_event, f);
	for (unsigned i = 0; i < 2100; i++)
		event_post(f->w->inv, EV_HOST_LOST, OBJ_ID_NONE, NULL, "%u", i);
	world_settle(f->w);
	assert_string_equal(field(event_recent(f->w->inv, 0), "message"), "2099");
	assert_string_equal(field(event_recent(f->w->inv, 1999), "message"), "100");
	assert_null(event_recent(f->w->inv, 2000));
}

/* The database takes the first one and lets the rest wait. */
static void
test_a_flood_drops_the_oldest_that_wait(void **state)
{
	struct fixture *f = *state;
	event_unfollow(f->w->inv, on_event, f);
	for (unsigned i = 0; i < 12000; i++)
		event_post(f->w->inv, EV_HOST_LOST, OBJ_ID_NONE, NULL, "%u", i);
	world_settle(f->w);
	assert_string_equal(field(event_recent(f->w->inv, 0), "message"), "11999");
	assert_string_equal(field(event_recent(f->w->inv, 0), "id"), "event-10000");
}

static const char *const stored[] = {
	"8",
	"1767323045678",
	"VmDiedEvent",
	"error",
	"vm-1",
	"a",
	NULL,
	NULL,
	"later",
	"7",
	"1767323045000",
	"VmCreatedEvent",
	"info",
	"vm-1",
	"a",
	"task-1",
	"u",
	"sooner",
};

static void
test_load_and_go_on(void **state)
{
	struct fixture *f = *state;
	struct world *w = f->w;
	struct ending end = { 0 };
	db_fake_answer(w->db, STMT_EVENT_LIST, 9, 2, stored);
	events_load(f->ev, on_end, &end);
	world_settle(w);
	assert_int_equal(end.calls, 1);
	assert_string_equal(field(event_recent(w->inv, 0), "message"), "later");
	assert_string_equal(field(event_recent(w->inv, 1), "id"), "event-7");
	event_post(w->inv, EV_VM_DIED, OBJ_ID_NONE, NULL, "new");
	world_settle(w);
	assert_string_equal(field(event_recent(w->inv, 0), "id"), "event-9");
}

static void
on_list(void *arg, int rc, const struct err *e, json *events)
{
	assert_int_equal(rc, 0);
	*(size_t *)arg = json_count(events);
	assert_string_equal(field(json_at(events, 1), "task"), "task-1");
	assert_null(field(json_at(events, 0), "user"));
}

static void
test_query(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;
	db_fake_answer(f->w->db, STMT_EVENT_LIST, 9, 2, stored);
	event_query(f->w->inv, &(struct event_ask){ .limit = 10 }, on_list, &n);
	world_settle(f->w);
	assert_int_equal(n, 2);
}

static void
test_old_ones_are_deleted(void **state)
{
	struct fixture *f = *state;
	events_keep(f->ev, 30);
	clock_advance(f->w->clock, 600000);
	world_settle(f->w);
	assert_int_equal(db_fake_ran(f->w->db, STMT_EVENT_PRUNE), 1);
	/* Nothing was left: the next look is the usual one. */
	clock_advance(f->w->clock, 5000);
	world_settle(f->w);
	assert_int_equal(db_fake_ran(f->w->db, STMT_EVENT_PRUNE), 1);
}

static void
test_as_many_bites_as_it_takes(void **state)
{
	static const char *const one[] = { "1" };
	struct fixture *f = *state;

	events_keep(f->ev, 30);
	db_fake_answer(f->w->db, STMT_EVENT_OLD, 1, 1, one);
	clock_advance(f->w->clock, 600000);
	world_settle(f->w);
	for (unsigned i = 2; i < 5; i++) {
		clock_advance(f->w->clock, 1000);
		world_settle(f->w);
		assert_int_equal(db_fake_ran(f->w->db, STMT_EVENT_PRUNE), i);
	}
	db_fake_answer(f->w->db, STMT_EVENT_OLD, 1, 0, NULL);
	clock_advance(f->w->clock, 1000);
	world_settle(f->w);
	clock_advance(f->w->clock, 10000);
	world_settle(f->w);
	assert_int_equal(db_fake_ran(f->w->db, STMT_EVENT_PRUNE), 5);
	/* 0 is for ever. */
	events_keep(f->ev, 0);
	clock_advance(f->w->clock, 1200000);
	world_settle(f->w);
	assert_int_equal(db_fake_ran(f->w->db, STMT_EVENT_PRUNE), 5);
}

static void
test_types_are_patterns_and_severities(void **state)
{
	AUTO(str) struct str s = STR_INIT;
	struct err e = ERR_INIT;

	assert_int_equal(event_types_parse("vmdied*,HostLost*", &s, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "HostLost*"));
	str_reset(&s);
	assert_int_equal(event_types_parse("vmdied*,VmStalledEvent", &s, &e), 0);
	assert_string_equal(str_cstr(&s), "{VmDiedEvent,VmStalledEvent}");
	str_reset(&s);
	assert_int_equal(event_types_parse("Error", &s, &e), 0);
	assert_non_null(strstr(str_cstr(&s), "VmDiedEvent"));
	assert_null(strstr(str_cstr(&s), "VmCreatedEvent"));
}

int
main(void)
{
#define EVENT_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		EVENT_TEST(test_event_of_a_txn),
		EVENT_TEST(test_failed_txn_tells_nobody),
		EVENT_TEST(test_posts_wait_for_the_database_in_order),
		EVENT_TEST(test_post_is_retried_when_unavailable),
		EVENT_TEST(test_ring_keeps_the_newest),
		EVENT_TEST(test_a_flood_drops_the_oldest_that_wait),
		EVENT_TEST(test_load_and_go_on),
		EVENT_TEST(test_query),
		EVENT_TEST(test_old_ones_are_deleted),
		EVENT_TEST(test_as_many_bites_as_it_takes),
		cmocka_unit_test(test_types_are_patterns_and_severities),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
