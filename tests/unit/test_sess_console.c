#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/lib/sess_world.h"

#define BANNER "RFB 003.008\n"

static void
open_screen(struct sess_world *w)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionScreen s = DROVER__SESSION_SCREEN__INIT;

	o.what_case = DROVER__SESSION_OPEN__WHAT_SCREEN;
	o.screen = &s;
	sw_begin(w, &o);
}

static void
open_serial(struct sess_world *w)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionSerial s = DROVER__SESSION_SERIAL__INIT;

	s.bytes = 1000;
	o.what_case = DROVER__SESSION_OPEN__WHAT_SERIAL;
	o.serial = &s;
	sw_begin(w, &o);
}

static bool
said_its_banner(void *arg)
{
	return !strcmp(str_cstr(&((struct sess_world *)arg)->out), BANNER);
}

/* What the machine's end has got, into buf. */
static bool
reads(struct sess_world *w, char *buf, size_t cap)
{
	ssize_t n = recv(w->screen, buf, cap - 1, MSG_DONTWAIT);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void
a_screen_goes_both_ways(void **state)
{
	struct sess_world w;
	char got[100];

	sw_open(&w);
	open_screen(&w);
	assert_true(w.screen >= 0 && w.granted >= 1000);
	assert_int_equal(write(w.screen, BANNER, strlen(BANNER)), strlen(BANNER));
	bed_settle(w.bed);
	assert_int_equal(w.out.len, 0); /* nobody has asked */
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	bed_until(w.bed, said_its_banner, &w);
	sw_say(&w, BANNER, strlen(BANNER), false);
	assert_true(reads(&w, got, sizeof(got)));
	assert_string_equal(got, BANNER);
	sw_close(&w);
}

static void
a_screen_ends_with_its_machine(void **state)
{
	struct sess_world w;

	sw_open(&w);
	open_screen(&w);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	assert_int_equal(write(w.screen, "x", 1), 1);
	close(MOVE_FD(w.screen));
	sw_wait_end(&w);
	assert_int_equal(w.fault, 0);
	assert_string_equal(str_cstr(&w.out), "x");
	sw_close(&w);
}

/* More than any socket holds stops who types, and none of it is lost. */
static void
a_machine_that_does_not_read_holds_up_who_types(void **state)
{
	struct sess_world w;
	AUTO_FREE char *piece = xcalloc(1, MAX_SESSION_FRAME);
	AUTO_FREE char *got = xmalloc(PLENTY);
	size_t sent = 0, came = 0;

	sw_open(&w);
	open_screen(&w);
	for (; w.granted > sent; bed_settle(w.bed)) {
		size_t n = (size_t)w.granted - sent;

		n = n < MAX_SESSION_FRAME ? n : MAX_SESSION_FRAME;
		sw_say(&w, piece, n, false);
		sent += n;
		assert_true(sent < (size_t)64 * PLENTY);
	}
	assert_int_equal(w.ends, 0);
	while (came < sent) {
		ssize_t n = recv(w.screen, got, PLENTY, MSG_DONTWAIT);

		assert_true(n > 0 || errno == EAGAIN);
		came += n > 0 ? (size_t)n : 0;
		loop_turn(w.bed->loop, 1);
	}
	assert_int_equal(came, sent);
	sw_close(&w);
}

static void
what_is_down_shows_nothing(void **state)
{
	struct sess_world w;

	sw_open(&w);
	w.guest.state = ENGINE_DOWN;
	open_screen(&w);
	assert_int_equal(w.fault, ERR_BAD_STATE);
	open_serial(&w);
	assert_int_equal(w.ends, 2);
	assert_int_equal(sess_count(w.set), 0);
	sw_close(&w);
}

static void
a_serial_line_tells_what_was_and_what_comes(void **state)
{
	struct sess_world w;

	sw_open(&w);
	open_serial(&w);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	assert_string_equal(str_cstr(&w.out), "booted\nlogin: ");
	engine_console_heard(&w.guest, "ada", 3);
	assert_string_equal(str_cstr(&w.out), "booted\nlogin: ada");
	sw_say(&w, "secret\n", 7, false);
	assert_string_equal(str_cstr(&w.typed), "secret\n");
	w.guest.state = ENGINE_PAUSED;
	sess_guests_changed(w.set);
	assert_int_equal(w.ends, 0);
	w.guest.state = ENGINE_DOWN;
	sess_guests_changed(w.set);
	sw_wait_end(&w);
	assert_true(list_empty(&w.guest.ears));
	sw_close(&w);
}

/* Whoever is behind hears the newest. */
static void
a_serial_line_does_not_wait(void **state)
{
	struct sess_world w;
	AUTO_FREE char *noise = xcalloc(1, MAX_SESSION_WINDOW - 1);

	sw_open(&w);
	open_serial(&w);
	engine_console_heard(&w.guest, "the oldest", 10);
	memset(noise, 'x', MAX_SESSION_WINDOW - 1);
	engine_console_heard(&w.guest, noise, MAX_SESSION_WINDOW - 1);
	engine_console_heard(&w.guest, "\nthe newest", 11);
	sw_grant(&w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
	assert_int_equal(w.out.len, MAX_SESSION_WINDOW);
	assert_int_equal(str_cstr(&w.out)[0], 'x');
	assert_string_equal(str_cstr(&w.out) + w.out.len - 11, "\nthe newest");
	sw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_screen_goes_both_ways),
		cmocka_unit_test(a_screen_ends_with_its_machine),
		cmocka_unit_test(a_machine_that_does_not_read_holds_up_who_types),
		cmocka_unit_test(what_is_down_shows_nothing),
		cmocka_unit_test(a_serial_line_tells_what_was_and_what_comes),
		cmocka_unit_test(a_serial_line_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
