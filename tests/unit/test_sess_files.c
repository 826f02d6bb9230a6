#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tests/lib/sess_world.h"

static void
get(struct sess_world *w, const char *path)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionGet g = DROVER__SESSION_GET__INIT;
	AUTO_FREE char *copy = xstrdup(path);

	g.path = copy;
	o.what_case = DROVER__SESSION_OPEN__WHAT_GET;
	o.get = &g;
	sw_begin(w, &o);
	if (!w->ends)
		sw_grant(w, DROVER__SESSION_STREAM__SESSION_OUT, PLENTY);
}

static void
put(struct sess_world *w, const char *path)
{
	Drover__SessionOpen o = DROVER__SESSION_OPEN__INIT;
	Drover__SessionPut p = DROVER__SESSION_PUT__INIT;
	AUTO_FREE char *copy = xstrdup(path);

	p.path = copy;
	o.what_case = DROVER__SESSION_OPEN__WHAT_PUT;
	o.put = &p;
	sw_begin(w, &o);
}

/* In the guest's root. */
static void
run(const struct sess_world *w, const char *script)
{
	AUTO_FREE char *line = xasprintf("cd %s && %s", w->bed->dir, script);

	assert_int_equal(system(line), 0);
}

static uint8_t *
read_made(const struct sess_world *w, const char *name, size_t *ret_n)
{
	return bed_read(bed_path(w->bed, name), ret_n);
}

/* What the server has is what the system's own tar reads. */
static void
a_tar_comes_out_whole(void **state)
{
	struct sess_world w;
	size_t n = 0;

	sw_open(&w);
	run(&w, "mkdir -p etc/deep && echo one >etc/one && ln -s ../one etc/deep/to"
		" && head -c 100000 /dev/urandom >etc/big && chmod 4750 etc/one"
		" && touch etc/$(printf %0200d 7)");
	get(&w, "/etc");
	sw_wait_end(&w);
	assert_int_equal(w.fault, 0);
	assert_true(w.out_ended);
	bed_write(bed_path(w.bed, "got.tar"), w.out.s, w.out.len);
	run(&w, "mkdir out && tar -C out -xpf got.tar && diff -r etc out/etc"
		" && test $(stat -c %a out/etc/one) = 4750");
	AUTO_FREE uint8_t *one = read_made(&w, "out/etc/one", &n);
	assert_memory_equal(one, "one\n", 4);
	sw_close(&w);
}

static void
no_link_leads_out_of_the_root(void **state)
{
	struct sess_world w;

	sw_open(&w);
	run(&w, "ln -s /etc out");
	get(&w, "/out/passwd");
	sw_wait_end(&w);
	assert_int_equal(w.fault, ERR_NOT_FOUND);
	assert_int_equal(w.out.len, 0);
	sw_close(&w);

	sw_open(&w);
	get(&w, "/../../../../etc/hostname");
	sw_wait_end(&w);
	assert_int_equal(w.fault, ERR_NOT_FOUND);
	sw_close(&w);
}

/* Send a tar that the system's own has made by script in DIR/from. */
static void
put_made(struct sess_world *w, const char *script, const char *path, size_t piece)
{
	size_t n = 0, at = 0;

	AUTO_FREE char *line = xasprintf("mkdir -p from to && cd from && %s", script);

	run(w, line);
	AUTO_FREE uint8_t *tar = read_made(w, "made.tar", &n);
	put(w, path);
	while (!w->ends && at <= n) {
		size_t part = n - at < piece ? n - at : piece;

		if (part > w->granted - at)
			part = (size_t)(w->granted - at);
		if (!part && at < n) {
			loop_turn(w->bed->loop, 10);
			continue;
		}
		sw_say(w, tar + at, part, at + part == n);
		at += part;
		if (at == n)
			break;
	}
	sw_wait_end(w);
}

static void
a_tar_goes_in_whole(void **state)
{
	static const size_t pieces[] = { 1, 513, 65536 };

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct sess_world w;

		sw_open(&w);
		AUTO_FREE char *script = xasprintf(
		    "mkdir -p a/b && echo x >a/b/f && ln a/b/f a/hard && ln -s b/f a/soft"
		    " && chmod 6755 a/b/f && head -c 3000 /dev/urandom >a/noise"
		    " && touch $(printf %%0120d 1) && tar --format=%s -cf ../made.tar .",
		    i ? "gnu" : "pax");
		put_made(&w, script, "/to", pieces[i]);
		assert_string_equal(w.why, "");
		run(&w, "diff -r from to && test $(stat -c %a to/a/b/f) = 6755"
			" && test to/a/b/f -ef to/a/hard");
		sw_close(&w);
	}
}

static void
a_tar_that_climbs_is_refused(void **state)
{
	static const struct {
		const char *script;
		int code;
	} cases[] = {
		{ "touch f && tar -P --transform 's,f,../../bad,' -cf ../made.tar f",
		    ERR_DENIED },
		{ "mkdir d && touch d/bad && ln -s /tmp up &&"
		  " tar -cf ../made.tar up && rm up && mkdir up && touch up/bad &&"
		  " tar -rf ../made.tar up/bad",
		    ERR_DENIED },
		{ "ln -s ../.. up && tar -cf ../made.tar up && rm up && mkdir up &&"
		  " touch up/bad && tar -rf ../made.tar up/bad",
		    ERR_DENIED },
		{ "touch f && tar --owner 70000 -cf ../made.tar f", ERR_INVALID },
		{ "head -c 5000 /dev/urandom >../made.tar", ERR_INVALID },
		{ "head -c 5000 /dev/urandom >f && tar -cf - f | head -c 3000"
		  " >../made.tar",
		    ERR_INVALID },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct sess_world w;

		sw_open(&w);
		put_made(&w, cases[i].script, "/to", MAX_SESSION_FRAME);
		assert_int_equal(w.fault, cases[i].code);
		assert_false(bed_exists(bed_path(w.bed, "bad")));
		assert_false(bed_exists("/tmp/bad"));
		sw_close(&w);
	}
}

/* The agent's rights are not the guest's: proc would give it the host's memory. */
static void
the_kernels_files_stay_where_they_are(void **state)
{
	static const char *const no_files[] = { "/proc/version", "/proc/self/status",
		"/proc/sys/kernel", "/sys/kernel", "/proc" };
	struct sess_world w;

	for (size_t i = 0; i < ARRAY_SIZE(no_files); i++) {
		static char top[] = "/";

		sw_open(&w);
		w.guest.dir = top;
		get(&w, no_files[i]);
		sw_wait_end(&w);
		assert_int_equal(w.fault, ERR_DENIED);
		assert_int_equal(w.out.len, 0);
		sw_close(&w);
	}
}

/* Nor are they for what is mounted over a folder: the host would pay for its memory. */
static void
only_its_own_disk_is_written_to(void **state)
{
	static const char *const others[] = { "/proc", "/sys/fs", "/dev/shm" };

	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		static char top[] = "/";
		struct sess_world w;

		sw_open(&w);
		w.guest.dir = top;
		put(&w, others[i]);
		sw_say(&w, "", 0, true);
		sw_wait_end(&w);
		assert_int_equal(w.fault, ERR_DENIED);
		sw_close(&w);
	}
}

/* A mount that a session holds is one that another host must not make. */
static void
a_guest_that_stops_ends_what_reads_its_files(void **state)
{
	struct sess_world w;

	sw_open(&w);
	run(&w, "head -c 500000 /dev/zero >big");
	w.keeps_credit = true;
	get(&w, "/big");
	w.guest.state = ENGINE_DOWN;
	sess_guests_changed(w.set);
	sw_wait_end(&w);
	assert_int_equal(w.fault, ERR_LOST);
	sw_close(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tar_comes_out_whole),
		cmocka_unit_test(no_link_leads_out_of_the_root),
		cmocka_unit_test(a_tar_goes_in_whole),
		cmocka_unit_test(a_tar_that_climbs_is_refused),
		cmocka_unit_test(the_kernels_files_stay_where_they_are),
		cmocka_unit_test(only_its_own_disk_is_written_to),
		cmocka_unit_test(a_guest_that_stops_ends_what_reads_its_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
