#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine_console.h"
#include "host-agent/engine/qemu/console.h"

#define LINE    "0123456789012345678901234567890123456789012345678901234567890\n"
#define WAIT_MS 20000

struct world {
	struct loop *loop;
	struct console *console;
	char dir[64];
	int guest; /* its end of the line */
	struct str heard;
};

static void
heard(void *arg, const void *p, size_t n)
{
	str_addn(&((struct world *)arg)->heard, p, n);
}

static void
open_console(struct world *w)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	w->console = console_new(w->loop, fds[0], w->dir, heard, w);
	w->guest = fds[1];
}

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	snprintf(w->dir, sizeof(w->dir), "/tmp/drover-console-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->loop = loop_new(clock_system());
	open_console(w);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *command = xasprintf("rm -rf -- '%s'", w->dir);

	console_free(w->console);
	close(w->guest);
	loop_free(w->loop);
	str_fini(&w->heard);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own path */
	free(w);
	return 0;
}

static uint64_t
bytes_on_disk(const struct world *w)
{
	static const char *const names[] = { "console.log", "console.log.1" };
	uint64_t sum = 0;
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", w->dir, names[i]);

		if (!stat(path, &st))
			sum += (uint64_t)st.st_size;
	}
	return sum;
}

static void
await_tail(struct world *w, const char *words)
{
	uint64_t until = clock_mono_ms(clock_system()) + WAIT_MS;
	char buf[256];

	do {
		assert_true(clock_mono_ms(clock_system()) < until);
		loop_turn(w->loop, 20);
		buf[console_tail(w->dir, buf, sizeof(buf) - 1)] = '\0';
	} while (!strstr(buf, words));
}

static void
ring_is_bounded_and_keeps_the_newest(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *all = xmalloc(ENGINE_CONSOLE_MAX);
	size_t n;

	for (size_t sent = 0; sent < (size_t)4 * ENGINE_CONSOLE_MAX;) {
		ssize_t done = send(w->guest, LINE, strlen(LINE), MSG_DONTWAIT);

		if (done > 0)
			sent += (size_t)done;
		else
			loop_turn(w->loop, 20);
		assert_true(bytes_on_disk(w) <= ENGINE_CONSOLE_MAX);
	}
	assert_int_equal(write(w->guest, "the end\n", 8), 8);
	await_tail(w, "the end\n");
	n = console_tail(w->dir, all, ENGINE_CONSOLE_MAX);
	assert_true(n > ENGINE_CONSOLE_MAX / 2 && n <= ENGINE_CONSOLE_MAX);
	assert_memory_equal(all + n - 8, "the end\n", 8);
}

static void
ring_survives_the_agent(void **state)
{
	struct world *w = *state;

	assert_int_equal(write(w->guest, "before\n", 7), 7);
	/* What has arrived is kept although nobody read it yet. */
	console_free(w->console);
	close(w->guest);
	open_console(w);
	await_tail(w, "before\n");
	assert_int_equal(write(w->guest, "after\n", 6), 6);
	await_tail(w, "before\nafter\n");
}

static void
typing_reaches_the_guest(void **state)
{
	struct world *w = *state;
	struct err e = ERR_INIT;
	char buf[16] = "";

	assert_int_equal(console_write(w->console, "ls\n", 3, &e), 0);
	assert_int_equal(recv(w->guest, buf, sizeof(buf), MSG_DONTWAIT), 3);
	assert_string_equal(buf, "ls\n");
	shutdown(w->guest, SHUT_RDWR);
	assert_int_equal(console_write(w->console, "x", 1, &e), ERR_IO);
	for (int i = 0; i < 5; i++)
		loop_turn(w->loop, 0);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(ring_is_bounded_and_keeps_the_newest),
		WORLD(ring_survives_the_agent),
		WORLD(typing_reaches_the_guest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
