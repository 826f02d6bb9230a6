#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "server/api/ticket.h"

#define VM      obj_id_make(KIND_VM, 7)
#define SESSION "session-3"

static int
use(struct tickets *ts, const char *text, obj_id vm, const char *session, uint64_t now)
{
	struct err e = ERR_INIT;

	return ticket_use(ts, text, vm, session, now, &e);
}

static void
it_is_good_once(void **state)
{
	struct tickets *ts = tickets_new();
	char text[TICKET_TEXT];

	ticket_make(ts, VM, SESSION, 1000, text);
	assert_int_equal(strlen(text), TICKET_TEXT - 1);
	assert_int_equal(use(ts, text, VM, SESSION, 2000), 0);
	assert_int_equal(use(ts, text, VM, SESSION, 2000), ERR_DENIED);
	tickets_free(ts);
}

static void
it_is_for_its_guest_and_session_and_time(void **state)
{
	static const struct {
		uint64_t vm;
		const char *session;
		uint64_t now;
	} wrong[] = { { 8, SESSION, 1000 }, { 7, "session-4", 1000 },
		{ 7, SESSION, 1000 + TICKET_MS } };
	struct tickets *ts = tickets_new();
	char text[TICKET_TEXT];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		obj_id vm = obj_id_make(KIND_VM, wrong[i].vm);

		ticket_make(ts, VM, SESSION, 1000, text);
		assert_int_equal(
		    use(ts, text, vm, wrong[i].session, wrong[i].now), ERR_DENIED);
		/* Who tried has spent it. */
		assert_int_equal(use(ts, text, VM, SESSION, 1000), ERR_DENIED);
	}
	ticket_make(ts, VM, SESSION, 1000, text);
	assert_int_equal(use(ts, text, VM, SESSION, 1000 + TICKET_MS - 1), 0);
	tickets_free(ts);
}

static void
none_and_a_made_up_one_are_refused(void **state)
{
	struct tickets *ts = tickets_new();
	char text[TICKET_TEXT];

	ticket_make(ts, VM, SESSION, 1000, text);
	assert_int_equal(use(ts, NULL, VM, SESSION, 1000), ERR_DENIED);
	assert_int_equal(use(ts, "", VM, SESSION, 1000), ERR_DENIED);
	text[3] = text[3] == 'a' ? 'b' : 'a';
	assert_int_equal(use(ts, text, VM, SESSION, 1000), ERR_DENIED);
	tickets_free(ts);
}

static void
the_oldest_gives_way(void **state)
{
	struct tickets *ts = tickets_new();
	char first[TICKET_TEXT], second[TICKET_TEXT], text[TICKET_TEXT];

	ticket_make(ts, VM, SESSION, 1000, first);
	ticket_make(ts, VM, SESSION, 1000, second);
	for (unsigned i = 0; i + 1 < MAX_TICKETS; i++)
		ticket_make(ts, VM, SESSION, 1000, text);
	assert_int_equal(use(ts, first, VM, SESSION, 1000), ERR_DENIED);
	assert_int_equal(use(ts, second, VM, SESSION, 1000), 0);
	tickets_free(ts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_good_once),
		cmocka_unit_test(it_is_for_its_guest_and_session_and_time),
		cmocka_unit_test(none_and_a_made_up_one_are_refused),
		cmocka_unit_test(the_oldest_gives_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
