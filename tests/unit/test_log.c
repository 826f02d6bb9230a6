#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#define LINES 500

static char dir[32];
static char path[64];

static char *
slurp(void)
{
	struct str s = STR_INIT;
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	char part[4096];
	for (ssize_t n; (n = read(fd, part, sizeof(part))) > 0;)
		str_addn(&s, part, (size_t)n);
	return str_take(&s);
}

static int
open_log(void **state)
{
	strcpy(dir, "/tmp/drover-log-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/log", dir);
	log_set_level(LOG_LEVEL_NOTICE);
	return log_to_file(path, NULL);
}

static int
close_log(void **state)
{
	int rc = log_to_file(NULL, NULL);
	unlink(path);
	rmdir(dir);
	return rc;
}

static void
one_line_a_fact(void **state)
{
	log_notice("hosts", "host %s: %s -> %s", "h1", "connected", "lost");
	log_err("hosts", "say \"%s\"", "a\\b\nc\x01\x7f\xff\xe2\x82\xac");
	log_info("hosts", "not shown");
	AUTO_FREE char *text = slurp();
	char *second = strchr(text, '\n') + 1;
	assert_true(str_starts(text, "ts=20"));
	assert_memory_equal(text + 27,
	    " lvl=notice mod=hosts msg=\"host h1: connected -> lost\"\n", 55);
	assert_string_equal(second + 27,
	    " lvl=err mod=hosts msg=\"say \\\"a\\\\b\\nc\\x01\\x7f\\xff\xe2\x82\xac\\\"\"\n");
}

static void
levels_choose_what_is_written(void **state)
{
	enum log_level l;
	struct err e = ERR_INIT;
	assert_int_equal(log_level_parse("debug", &l, &e), 0);
	assert_int_equal(l, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("loud", &l, &e), ERR_INVALID);
	assert_false(log_on(LOG_LEVEL_INFO));
	log_debug("x", "quiet");
	log_set_level(l);
	log_debug("x", "%s", "loud");
	AUTO_FREE char *text = slurp();
	assert_null(strstr(text, "quiet"));
	assert_non_null(strstr(text, "lvl=debug mod=x msg=\"loud\""));
}

static void
a_moved_file_is_opened_again(void **state)
{
	char moved[80];
	snprintf(moved, sizeof(moved), "%s.1", path);
	log_notice("x", "before");
	assert_int_equal(rename(path, moved), 0);
	assert_int_equal(log_to_file(path, NULL), 0);
	log_notice("x", "after");
	AUTO_FREE char *text = slurp();
	assert_null(strstr(text, "before"));
	assert_non_null(strstr(text, "after"));
	unlink(moved);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);

	struct err e = ERR_INIT;
	assert_int_equal(log_to_file("/nonexistent/log", &e), ERR_IO);
	assert_string_equal(
	    e.msg, "log file /nonexistent/log: No such file or directory");
	log_notice("x", "still here");
	AUTO_FREE char *more = slurp();
	assert_non_null(strstr(more, "still here"));
}

static void
the_longest_line_fits(void **state)
{
	char big[5000];
	memset(big, '\x01', sizeof(big));
	big[4999] = '\0';
	log_notice("a-module-with-a-name-that-is-far-too-long", "%s", big);
	AUTO_FREE char *text = slurp();
	assert_true(str_ends(text, "\\x01\"\n"));
	assert_true(strlen(text) > 8000);
}

static void *
write_lines(void *arg)
{
	for (int i = 0; i < LINES; i++)
		log_notice("thread", "%s", (const char *)arg);
	return NULL;
}

static void
threads_do_not_mix_their_lines(void **state)
{
	pthread_t threads[3];
	char texts[3][200];
	for (int i = 0; i < 3; i++) {
		memset(texts[i], 'a' + i, 199);
		texts[i][199] = '\0';
		assert_int_equal(
		    pthread_create(&threads[i], NULL, write_lines, texts[i]), 0);
	}
	for (int i = 0; i < LINES; i++)
		assert_int_equal(log_to_file(path, NULL), 0);
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	AUTO_FREE char *text = slurp();
	int lines = 0;
	for (char *p = text; *p; p = strchr(p, '\n') + 1) {
		char *msg = strstr(p, "msg=\"") + 5;
		assert_int_equal(strspn(msg, (char[]){ *msg, '\0' }), 199);
		lines++;
	}
	assert_int_equal(lines, 3 * LINES);
}

struct thing {
	uint32_t magic;
};

static void
say_goodbye(void)
{
	log_err("hook", "last words");
}

static void
a_failed_assert_logs_and_aborts(void **state)
{
	struct thing t = { 0x7481e6u };
	assert_ptr_equal(CAST_OBJ(thing, &t, 0x7481e6u), &t);
	pid_t child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
		signal(SIGABRT, SIG_DFL);
		assert_set_hook(say_goodbye);
		CAST_OBJ(thing, &t, 1);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	AUTO_FREE char *text = slurp();
	assert_non_null(strstr(text, "failed: object has its magic"));
	assert_non_null(strstr(text, "last words"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_line_a_fact, open_log, close_log),
		cmocka_unit_test_setup_teardown(
		    levels_choose_what_is_written, open_log, close_log),
		cmocka_unit_test_setup_teardown(
		    a_moved_file_is_opened_again, open_log, close_log),
		cmocka_unit_test_setup_teardown(
		    the_longest_line_fits, open_log, close_log),
		cmocka_unit_test_setup_teardown(
		    threads_do_not_mix_their_lines, open_log, close_log),
		cmocka_unit_test_setup_teardown(
		    a_failed_assert_logs_and_aborts, open_log, close_log),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
