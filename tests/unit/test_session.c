#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/worker.h"
#include "server/access/password.h"
#include "server/access/session.h"
#include "server/db/db.h"
#include "server/db/db_fake.h"
#include "server/event/event_life.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"

#define GOOD_PASSWORD "correct horse"

struct fixture {
	struct clock *clock;
	struct loop *loop;
	struct workers *workers;
	struct db *db;
	struct inv *inv;
	struct events *events;
	struct sessions *sessions;
	obj_id user;
	bool answered;
	int rc;
	uint32_t retry_after_s;
	char token[TOKEN_TEXT];
	char session[24];
};

static const struct caller visitor = { .name = "",
	.address = "10.0.0.9",
	.request_id = "r-1" };

static void
turn_until(struct fixture *f)
{
	uint64_t end = clock_mono_ms(clock_system()) + 20000;

	f->answered = false;
	while (!f->answered && clock_mono_ms(clock_system()) < end)
		loop_turn(f->loop, 20);
	assert_true(f->answered);
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	struct fixture *f = arg;

	f->rc = rc;
	f->answered = true;
}

static int
set_up(void **state)
{
	static const struct session_conf conf = {
		.idle_ms = 15 * 60 * 1000, .max_ms = 12 * 3600 * 1000, .max_logins = 3
	};
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err e = ERR_INIT;
	void *o = NULL;

	f->clock = clock_virtual_new(1000, 1700000000000);
	f->loop = loop_new(f->clock);
	f->workers = workers_new(f->loop, 1, 16);
	f->db = db_fake_new(f->loop, 1000);
	f->inv = inv_new(f->loop, f->db);
	f->events = events_new(f->inv);
	f->sessions = sessions_new(f->inv, f->workers, &conf);
	struct txn *t = txn_new(f->inv);
	assert_int_equal(txn_add(t, KIND_USER, OBJ_ID_NONE, "ann", &o, &e), 0);
	struct user *u = o;
	u->enabled = true;
	u->role = ROLE_OPERATOR;
	assert_int_equal(password_hash(GOOD_PASSWORD, &u->password_hash, &e), 0);
	f->user = u->o.id;
	txn_commit(t, on_stored, f);
	turn_until(f);
	assert_int_equal(f->rc, 0);
	*state = f;
	return 0;
}

static int
tear_down(void **state)
{
	struct fixture *f = *state;

	workers_free(f->workers);
	sessions_free(f->sessions);
	events_free(f->events);
	inv_free(f->inv);
	db_free(f->db);
	loop_free(f->loop);
	clock_free(f->clock);
	free(f);
	return 0;
}

static void
on_made(const struct session_made *m, void *arg)
{
	struct fixture *f = arg;

	f->rc = m->rc;
	f->retry_after_s = m->retry_after_s;
	f->answered = true;
	if (m->rc < 0)
		return;
	snprintf(f->token, sizeof(f->token), "%s", m->token);
	snprintf(f->session, sizeof(f->session), "%s", m->session->id);
}

static void
on_end(int rc, const struct err *e, void *arg)
{
	on_stored(arg, rc, e);
}

static int
login(struct fixture *f, const char *user, const char *password)
{
	session_login(f->sessions, user, password, &visitor, on_made, f);
	turn_until(f);
	return f->rc;
}

static void
a_good_password_opens_a_session(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	const struct session *ss = session_find(f->sessions, f->token);
	assert_non_null(ss);
	assert_true(obj_id_is(ss->user, f->user));
	assert_int_equal(db_fake_ran(f->db, STMT_SESSION_INSERT), 1);
	assert_int_equal(strlen(ss->csrf), 32);
	assert_null(strstr(ss->token_hash, f->token));
}

static void
wrong_names_and_passwords_are_refused_alike(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(login(f, "ann", "wrong password"), ERR_UNAUTHENTICATED);
	assert_int_equal(login(f, "nobody", "wrong password"), ERR_UNAUTHENTICATED);
	assert_int_equal(sessions_count(f->sessions, SESSION_LOGIN), 0);
	assert_null(session_find(f->sessions, "no token"));
}

static void
guessing_is_slowed_down(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 5; i++)
		assert_int_equal(
		    login(f, "ann", "wrong password"), ERR_UNAUTHENTICATED);
	assert_int_equal(login(f, "ann", GOOD_PASSWORD), ERR_RATE_LIMITED);
	assert_int_equal(f->retry_after_s, 1);
	clock_advance(f->clock, 1000);
	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
}

static void
sessions_end_when_idle_and_by_age(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	for (int i = 0; i < 71; i++) {
		clock_advance(f->clock, 10 * 60 * 1000);
		assert_non_null(session_find(f->sessions, f->token));
	}
	clock_advance(f->clock, 10 * 60 * 1000);
	assert_null(session_find(f->sessions, f->token));
	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	clock_advance(f->clock, 15 * 60 * 1000);
	assert_null(session_find(f->sessions, f->token));
}

static void
disabling_a_user_ends_his_sessions(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	struct txn *t = txn_new(f->inv);
	((struct user *)txn_edit(t, f->user))->enabled = false;
	txn_commit(t, on_stored, f);
	turn_until(f);
	assert_null(session_find(f->sessions, f->token));
	assert_int_equal(login(f, "ann", GOOD_PASSWORD), ERR_UNAUTHENTICATED);
}

static void
the_oldest_login_makes_room(void **state)
{
	struct fixture *f = *state;
	char first[TOKEN_TEXT];

	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	memcpy(first, f->token, sizeof(first));
	for (int i = 0; i < 3; i++) {
		clock_advance(f->clock, 1000);
		assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	}
	assert_null(session_find(f->sessions, first));
	assert_int_equal(sessions_count(f->sessions, SESSION_LOGIN), 3);
}

static void
logging_out_ends_it(void **state)
{
	struct fixture *f = *state;
	struct caller who = visitor;

	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	who.user = f->user;
	session_end(f->sessions, f->session, &who, on_end, f);
	turn_until(f);
	assert_int_equal(f->rc, 0);
	assert_null(session_find(f->sessions, f->token));
	assert_int_equal(db_fake_ran(f->db, STMT_SESSION_DELETE), 1);
}

static void
changing_the_password_ends_other_logins(void **state)
{
	struct fixture *f = *state;
	struct caller who = visitor;
	char other[TOKEN_TEXT];

	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	memcpy(other, f->token, sizeof(other));
	assert_int_equal(login(f, "ann", GOOD_PASSWORD), 0);
	who.user = f->user;
	snprintf(who.name, sizeof(who.name), "ann");
	const struct password_change bad = { f->session, "wrong password",
		"another one" };
	const struct password_change good = { f->session, GOOD_PASSWORD,
		"another one" };
	session_password(f->sessions, &who, &bad, on_end, f);
	turn_until(f);
	assert_int_equal(f->rc, ERR_DENIED);
	session_password(f->sessions, &who, &good, on_end, f);
	turn_until(f);
	assert_int_equal(f->rc, 0);
	assert_non_null(session_find(f->sessions, f->token));
	assert_null(session_find(f->sessions, other));
	assert_int_equal(login(f, "ann", "another one"), 0);
}

static void
a_login_that_cannot_be_stored_is_no_login(void **state)
{
	struct fixture *f = *state;

	db_fake_fail_next(f->db, ERR_UNAVAILABLE);
	assert_int_equal(login(f, "ann", GOOD_PASSWORD), ERR_UNAVAILABLE);
	assert_int_equal(sessions_count(f->sessions, SESSION_LOGIN), 0);
}

static void
tokens_of_a_user_are_counted(void **state)
{
	struct fixture *f = *state;
	const struct caller who = { .user = f->user, .name = "ann" };

	const struct token_wish wish = { "script", 1, ROLE_ADMINISTRATOR };

	for (unsigned i = 0; i < 100; i++) {
		session_token(f->sessions, &wish, &who, on_made, f);
		turn_until(f);
		assert_int_equal(f->rc, 0);
	}
	session_token(f->sessions, &wish, &who, on_made, f);
	turn_until(f);
	assert_int_equal(f->rc, ERR_BAD_STATE);
	assert_int_equal(sessions_count(f->sessions, SESSION_TOKEN), 100);
}

static enum role
role_of_token(struct fixture *f)
{
	return session_role(f->sessions, session_find(f->sessions, f->token));
}

static void
a_token_may_no_more_than_its_user_and_than_it_says(void **state)
{
	static const struct {
		enum role most, may;
	} cases[] = {
		{ ROLE_METRICS, ROLE_METRICS },
		{ ROLE_READ_ONLY, ROLE_READ_ONLY },
		{ ROLE_ADMINISTRATOR, ROLE_OPERATOR },
	};
	struct fixture *f = *state;
	const struct caller who = { .user = f->user, .name = "ann" };

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct token_wish wish = { "script", 1, cases[i].most };

		session_token(f->sessions, &wish, &who, on_made, f);
		turn_until(f);
		assert_int_equal(f->rc, 0);
		assert_int_equal(role_of_token(f), cases[i].may);
	}
}

static void
a_password_that_was_changed_meanwhile_opens_nothing(void **state)
{
	struct fixture *f = *state;
	struct txn *t = txn_new(f->inv);
	struct user *u = txn_edit(t, f->user);
	struct err e = ERR_INIT;

	free(u->password_hash);
	u->password_hash = NULL;
	assert_int_equal(password_hash("battery staple", &u->password_hash, &e), 0);
	session_login(f->sessions, "ann", GOOD_PASSWORD, &visitor, on_made, f);
	txn_commit_wake(t, WAKE_NONE);
	turn_until(f);
	assert_int_equal(f->rc, ERR_UNAUTHENTICATED);
	assert_int_equal(sessions_count(f->sessions, SESSION_LOGIN), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
		    a_good_password_opens_a_session, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    wrong_names_and_passwords_are_refused_alike, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    guessing_is_slowed_down, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    sessions_end_when_idle_and_by_age, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    disabling_a_user_ends_his_sessions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    the_oldest_login_makes_room, set_up, tear_down),
		cmocka_unit_test_setup_teardown(logging_out_ends_it, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    changing_the_password_ends_other_logins, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_login_that_cannot_be_stored_is_no_login, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    tokens_of_a_user_are_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
		    a_token_may_no_more_than_its_user_and_than_it_says, set_up,
		    tear_down),
		cmocka_unit_test_setup_teardown(
		    a_password_that_was_changed_meanwhile_opens_nothing, set_up,
		    tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
