/* Servers say in the database that they are there: on a PostgreSQL of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "server/db/db_pg.h"
#include "server/leader/leader.h"
#include "server/leader/roster.h"
#include "tests/lib/pg_server.h"

#define WITHIN_MS 30000u

struct world {
	struct pg_server *pg;
	struct loop *loop;
	struct db *db;
	struct leader *leader;
	unsigned leading, changes;
};

static void
on_leading(void *arg)
{
	((struct world *)arg)->leading++;
}

static void
on_over(void *arg, int rc, const struct err *e)
{
	fail_msg("%s", e->msg);
}

static void
on_changed(void *arg)
{
	((struct world *)arg)->changes++;
}

static void
turn_until(struct world *w, const unsigned *flag)
{
	uint64_t until = clock_mono_ms(clock_system()) + WITHIN_MS;

	while (!*flag) {
		loop_turn(w->loop, 20);
		if (clock_mono_ms(clock_system()) > until)
			fail_msg("nothing happened: %s", leader_status(w->leader));
	}
}

/* It begins by saying where it is, and reading who else is there. */
static struct roster *
announced(struct world *w, const char *agents)
{
	const struct roster_conf c = {
		.name = agents,
		.api = "",
		.agents = agents,
		.version = "1.2.3",
		.keep_s = 60,
	};

	w->changes = 0;
	struct roster *s = roster_new(w->loop, w->db, &c, on_changed, w);
	turn_until(w, &w->changes);
	return s;
}

static int
setup(void **state)
{
	static const struct leader_hooks hooks = { .leading = on_leading,
		.over = on_over };
	static const struct leader_conf conf = { "one:8444", "db/migrations",
		LEADER_WAIT, "", "one:8444" };
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	w->pg = pg_server_new();
	w->loop = loop_new(clock_system());
	w->db = db_pg_new(w->loop, pg_server_conninfo(w->pg), "one", 5000);
	w->leader = leader_new(w->loop, w->db, &conf, &hooks, w);
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	leader_free(w->leader);
	db_free(w->db);
	loop_free(w->loop);
	pg_server_free(w->pg);
	free(w);
	return 0;
}

static void
servers_know_each_other_and_forget_who_is_gone(void **state)
{
	struct world *w = *state;
	const char *const *list;
	char buf[256];
	/* Before there is a schema. */
	struct roster *s = roster_new(w->loop, w->db,
	    &(const struct roster_conf){ "one:8444", "", "one:8444", "1.2.3", 60 },
	    on_changed, w);

	leader_start(w->leader);
	turn_until(w, &w->leading);
	turn_until(w, &w->changes);
	assert_int_equal(roster_agents(s, &list), 1);
	assert_string_equal(list[0], "one:8444");
	roster_free(s);
	s = announced(w, "two:8444");
	assert_int_equal(roster_agents(s, &list), 2);
	assert_string_equal(list[0], "one:8444");
	assert_string_equal(list[1], "two:8444");
	roster_free(s);
	pg_server_ask(w->pg,
	    "UPDATE roster SET said = now() - interval '61 s'"
	    " WHERE agents = 'two:8444'",
	    buf);
	s = announced(w, "one:8444");
	assert_int_equal(roster_agents(s, &list), 1);
	AUTO(json) json *j = roster_json(s, w->leader);
	assert_int_equal(json_count(j), 1);
	assert_true(json_bool_value(json_get(json_at(j, 0), "leads")));
	roster_free(s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    servers_know_each_other_and_forget_who_is_gone, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
