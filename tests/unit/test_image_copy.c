/*
 * Images that go from host to host, and what may come between.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/img_ext4.h"
#include "tests/lib/borrow.h"
#include "tests/lib/copy_bed.h"
#include "tests/lib/proxy.h"

#define UUID_C "3f2504e0-4f89-41d3-9a0c-0000000000cc"
#define KIB    UINT64_C(1024)
#define MIB    UINT64_C(1048576)

/* ---- what goes well ---- */

static void
write_zeros(const struct copy_host *h, uint64_t at, size_t n)
{
	AUTO_FREE char *file = copy_bed_file(h, COPY_FROM);
	AUTO_FREE uint8_t *p = xcalloc(1, n);
	int fd = open(file, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
	close(fd);
}

static void
test_sparse_image_arrives_equal_and_sparse(void **state)
{
	struct copy_bed *w = *state;
	const uint64_t places[] = { 0, MIB + 4096, 40 * MIB + 100,
		64 * MIB + 512 - 70 * KIB, UINT64_MAX };
	const Drover__CopyFacts *out, *in;
	struct stat st;

	copy_bed_image(&w->host[A], 64 * MIB + 512, 70 * KIB, places);
	write_zeros(&w->host[A], 10 * MIB, 8 * MIB);
	copy_bed_expect(w);
	assert_false(copy_bed_has(&w->host[B], COPY_TO));
	copy_bed_send(&w->host[A], 1, 0);
	out = copy_bed_facts(&w->host[A], 1);
	in = copy_bed_facts(&w->host[B], 2);
	assert_string_equal(out->sha256, in->sha256);
	assert_int_equal(strlen(in->sha256), 64);
	assert_int_equal(in->bytes, 64 * MIB + 512);
	assert_int_equal(out->bytes, in->bytes);
	assert_int_equal(out->wire_bytes, in->wire_bytes);
	assert_true(in->wire_bytes < 2 * MIB);
	copy_bed_is_same(w);
	assert_false(copy_bed_has(&w->host[B], COPY_TO ".new"));
	assert_true(copy_bed_stat(&w->host[B], COPY_TO, &st));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true((uint64_t)st.st_blocks * 512 < 2 * MIB);
}

static void
test_empty_image_is_one_too(void **state)
{
	struct copy_bed *w = *state;
	const uint64_t nowhere[] = { UINT64_MAX };

	copy_bed_image(&w->host[A], 3 * MIB, 1, nowhere);
	copy_bed_expect(w);
	copy_bed_send(&w->host[A], 1, 0);
	assert_string_equal(copy_bed_facts(&w->host[A], 1)->sha256,
	    copy_bed_facts(&w->host[B], 2)->sha256);
	copy_bed_is_same(w);
}

static void
test_template_is_kept_as_one(void **state)
{
	struct copy_bed *w = *state;
	Drover__ImageReceive o = copy_bed_to_receive(w);
	struct stat st;

	copy_bed_small_image(w);
	o.path = borrow("templates/template-3/disk.raw");
	copy_bed_receive(&w->host[B], 1, &o);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), 0);
	copy_bed_send(&w->host[A], 1, 0);
	copy_bed_facts(&w->host[A], 1);
	assert_true(copy_bed_stat(&w->host[B], o.path, &st));
	assert_int_equal(st.st_mode & 07777, 0440);
}

static void
test_orders_may_be_repeated(void **state)
{
	struct copy_bed *w = *state;
	const Drover__ImageReceive o = copy_bed_to_receive(w);
	struct copy_host *a = &w->host[A], *b = &w->host[B];

	copy_bed_small_image(w);
	copy_bed_receive(b, 1, &o);
	copy_bed_receive(b, 3, &o);
	assert_int_equal(copy_bed_fault(b, 1), 0);
	assert_int_equal(copy_bed_fault(b, 3), 0);
	copy_bed_receive(b, 4, &o);
	assert_int_equal(copy_bed_fault(b, 4), 0);
	copy_bed_send(a, 1, 0);
	copy_bed_send(a, 2, 0);
	assert_string_equal(copy_bed_facts(a, 1)->sha256, copy_bed_facts(a, 2)->sha256);
	copy_bed_received(b, 2);
	copy_bed_facts(b, 2);
	/* It is over, and remembered. */
	copy_bed_received(b, 5);
	assert_string_equal(copy_bed_facts(b, 5)->sha256, copy_bed_facts(a, 1)->sha256);
	copy_bed_send(a, 3, 0);
	assert_string_equal(copy_bed_facts(a, 3)->sha256, copy_bed_facts(a, 1)->sha256);
	copy_bed_receive(b, 6, &o);
	assert_int_equal(copy_bed_fault(b, 6), 0);
}

static void
test_failed_one_may_be_begun_again(void **state)
{
	struct copy_bed *w = *state;
	const Drover__ImageReceive o = copy_bed_to_receive(w);
	struct copy_host *b = &w->host[B];

	copy_bed_expect(w);
	assert_true(copies_cancel(b->copies, copy_bed_name(2), "enough"));
	assert_int_equal(copy_bed_fault(b, 2), ERR_CANCELLED);
	copy_bed_receive(b, 3, &o);
	assert_int_equal(copy_bed_fault(b, 3), 0);
	copy_bed_small_image(w);
	copy_bed_send(&w->host[A], 1, 0);
	copy_bed_facts(&w->host[A], 1);
	copy_bed_is_same(w);
}

/* ---- what is refused ---- */

static void
refused(struct copy_bed *w, const Drover__ImageReceive *o, int code)
{
	copy_bed_receive(&w->host[B], 1, o);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), code);
}

static void
test_no_room_is_said_first(void **state)
{
	Drover__ImageReceive o = copy_bed_to_receive(*state);

	o.size_bytes = UINT64_C(1) << 60;
	refused(*state, &o, ERR_NO_CAPACITY);
	copy_bed_is_clean(*state);
}

static void
test_users_files_are_out_of_reach(void **state)
{
	Drover__ImageReceive o = copy_bed_to_receive(*state);

	o.path = borrow("isos/x.raw");
	refused(*state, &o, ERR_DENIED);
}

static void
test_path_stays_within(void **state)
{
	Drover__ImageReceive o = copy_bed_to_receive(*state);

	o.path = borrow("vms/../../x.raw");
	refused(*state, &o, ERR_INVALID);
}

static void
test_what_is_there_is_not_written_over(void **state)
{
	struct copy_bed *w = *state;
	Drover__ImageReceive o = copy_bed_to_receive(w);
	const uint64_t places[] = { 0, UINT64_MAX };

	copy_bed_image(&w->host[B], MIB, 16, places);
	o.path = borrow(COPY_FROM);
	refused(w, &o, ERR_EXISTS);
	assert_true(copy_bed_has(&w->host[B], COPY_FROM));
}

static void
test_what_it_stands_on_must_be_there(void **state)
{
	Drover__ImageReceive o = copy_bed_to_receive(*state);
	Drover__DiskLayer below = DROVER__DISK_LAYER__INIT;

	below.path = borrow("templates/template-1/disk.qcow2");
	below.format = borrow("qcow2");
	o.backing = &below;
	o.format = borrow("qcow2");
	refused(*state, &o, ERR_NOT_FOUND);
}

static void
test_short_key_is_none(void **state)
{
	Drover__ImageReceive o = copy_bed_to_receive(*state);

	o.key.len = 8;
	refused(*state, &o, ERR_INVALID);
}

static void
test_host_without_a_channel(void **state)
{
	struct copy_bed *w = *state;
	const Drover__ImageReceive o = copy_bed_to_receive(w);

	copy_bed_open(&w->host[B], NULL, 0);
	refused(w, &o, ERR_UNAVAILABLE);
}

static void
test_what_is_not_there_is_not_sent(void **state)
{
	struct copy_bed *w = *state;

	copy_bed_send(&w->host[A], 1, 0);
	assert_int_equal(copy_bed_fault(&w->host[A], 1), ERR_NOT_FOUND);
	copy_bed_received(&w->host[B], 1);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), ERR_LOST);
}

static void
test_copies_are_limited(void **state)
{
	struct copy_bed *w = *state;
	struct copy_host *b = &w->host[B];
	Drover__ImageReceive o = copy_bed_to_receive(w);
	struct err e = ERR_INIT;
	char path[64];

	o.path = path;
	for (unsigned i = 0; i <= COPIES_MAX; i++) {
		w->key[0] = (uint8_t)i;
		snprintf(path, sizeof(path), "vms/vm-8/disk-%u.raw", i);
		assert_int_equal(copies_receive(b->copies, (struct order_name){ 9, i },
				     b->ds, &o, &e),
		    i < COPIES_MAX ? 0 : ERR_BUSY);
	}
}

static void
test_one_path_is_received_once(void **state)
{
	struct copy_bed *w = *state;
	Drover__ImageReceive o = copy_bed_to_receive(w);

	copy_bed_receive(&w->host[B], 1, &o);
	w->key[0]++;
	copy_bed_receive(&w->host[B], 2, &o);
	assert_int_equal(copy_bed_fault(&w->host[B], 2), ERR_BUSY);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), 0);
}

static void
test_wrong_key_does_not_get_in(void **state)
{
	struct copy_bed *w = *state;

	copy_bed_small_image(w);
	copy_bed_expect(w);
	w->key[3]++;
	copy_bed_send(&w->host[A], 1, 0);
	assert_int_equal(copy_bed_fault(&w->host[A], 1), ERR_DENIED);
	copy_bed_is_clean(w);
}

static void
test_wrong_host_does_not_get_in(void **state)
{
	struct copy_bed *w = *state;
	Drover__ImageReceive o = copy_bed_to_receive(w);

	copy_bed_small_image(w);
	copy_bed_open(&w->host[B], w->host[B].channel, 500);
	o.source_uuid = borrow(UUID_C);
	copy_bed_receive(&w->host[B], 1, &o);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), 0);
	copy_bed_received(&w->host[B], 2);
	copy_bed_send(&w->host[A], 1, 0);
	assert_int_equal(copy_bed_fault(&w->host[A], 1), ERR_DENIED);
	/* Whom it waits for does not come. */
	assert_int_equal(copy_bed_fault(&w->host[B], 2), ERR_TIMEOUT);
	copy_bed_is_clean(w);
}

/* ---- what ends in its middle ---- */

static bool
has_begun(void *arg)
{
	struct stat st;

	return copy_bed_stat(arg, COPY_TO ".new", &st) && st.st_blocks > 0;
}

static void
begin_slow(struct copy_bed *w)
{
	copy_bed_full_image(w);
	copy_bed_expect(w);
	copy_bed_send(&w->host[A], 1, MIB);
	copy_bed_until(w, has_begun, &w->host[B]);
	assert_false(w->host[A].answers[1].given);
}

static void
test_source_is_cancelled(void **state)
{
	struct copy_bed *w = *state;

	begin_slow(w);
	assert_true(copies_cancel(w->host[A].copies, copy_bed_name(1), "enough"));
	assert_int_equal(copy_bed_fault(&w->host[A], 1), ERR_CANCELLED);
	assert_int_equal(copy_bed_fault(&w->host[B], 2), ERR_LOST);
	copy_bed_is_clean(w);
	assert_true(copy_bed_has(&w->host[A], COPY_FROM));
	assert_false(copies_cancel(w->host[A].copies, copy_bed_name(1), "enough"));
}

static void
test_target_is_cancelled(void **state)
{
	struct copy_bed *w = *state;

	begin_slow(w);
	assert_true(copies_cancel(w->host[B].copies, copy_bed_name(2), "enough"));
	assert_int_equal(copy_bed_fault(&w->host[B], 2), ERR_CANCELLED);
	assert_int_not_equal(copy_bed_fault(&w->host[A], 1), 0);
	copy_bed_is_clean(w);
}

static void
test_agents_end_in_the_middle(void **state)
{
	begin_slow(*state);
}

static bool
is_noted(void *arg)
{
	Drover__Report r = DROVER__REPORT__INIT;

	progress_fill(arg, &r);
	return r.n_progress == 1 && r.progress[0]->done_bytes > 0;
}

static void
test_progress_is_noted(void **state)
{
	struct copy_bed *w = *state;
	Drover__Report r = DROVER__REPORT__INIT;

	begin_slow(w);
	copy_bed_until(w, is_noted, w->host[A].progress);
	progress_fill(w->host[A].progress, &r);
	assert_int_equal(r.progress[0]->total_bytes, 6 * MIB);
	copies_cancel(w->host[A].copies, copy_bed_name(1), "enough");
	assert_int_equal(copy_bed_fault(&w->host[A], 1), ERR_CANCELLED);
	r = (Drover__Report)DROVER__REPORT__INIT;
	progress_fill(w->host[A].progress, &r);
	assert_int_equal(r.n_progress, 0);
}

struct cut {
	const struct copy_host *to;
	uint64_t bytes;
};

static bool
has_come(void *arg)
{
	const struct cut *c = arg;
	struct stat st;

	return !c->bytes || (copy_bed_stat(c->to, COPY_TO ".new", &st) &&
				(uint64_t)st.st_blocks * 512 >= c->bytes);
}

static void
cut_at(struct copy_bed *w, uint64_t bytes)
{
	struct cut c = { &w->host[B], bytes };
	struct proxy p;

	copy_bed_full_image(w);
	copy_bed_open(&w->host[B], w->host[B].channel, bytes ? 0 : 1000);
	copy_bed_expect(w);
	proxy_start(&p, channel_port(w->host[B].channel));
	copy_bed_send_to(&w->host[A], 1, p.port, 4 * MIB);
	copy_bed_until(w, has_come, &c);
	p.mode = PROXY_CUT;
	if (bytes)
		assert_int_equal(copy_bed_fault(&w->host[B], 2), ERR_LOST);
	else
		assert_int_not_equal(copy_bed_fault(&w->host[B], 2), 0);
	assert_int_not_equal(copy_bed_fault(&w->host[A], 1), 0);
	copy_bed_is_clean(w);
	proxy_end(&p);
}

static void
test_cut_before_it_begins(void **state)
{
	cut_at(*state, 0);
}

static void
test_cut_at_the_first_bytes(void **state)
{
	cut_at(*state, 1);
}

static void
test_cut_in_the_middle(void **state)
{
	cut_at(*state, 3 * MIB);
}

static void
test_cut_near_the_end(void **state)
{
	cut_at(*state, 5 * MIB);
}

static void
test_leftovers_do_not_stand_in_the_way(void **state)
{
	struct copy_bed *w = *state;
	AUTO_FREE char *folder = copy_bed_file(&w->host[B], "vms/vm-8");
	AUTO_FREE char *vms = copy_bed_file(&w->host[B], "vms");
	AUTO_FREE char *file = copy_bed_file(&w->host[B], COPY_TO ".new");
	int fd;

	(void)mkdir(vms, 0711);
	assert_int_equal(mkdir(folder, 0711), 0);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "half of it", 10), 10);
	close(fd);
	copy_bed_small_image(w);
	copy_bed_expect(w);
	copy_bed_send(&w->host[A], 1, 0);
	copy_bed_facts(&w->host[B], 2);
	copy_bed_is_same(w);
	assert_false(copy_bed_has(&w->host[B], COPY_TO ".new"));
}

static void
test_what_is_no_image_is_not_kept(void **state)
{
	struct copy_bed *w = *state;
	Drover__ImageReceive o = copy_bed_to_receive(w);

	copy_bed_small_image(w);
	o.format = borrow("qcow2");
	copy_bed_receive(&w->host[B], 1, &o);
	copy_bed_received(&w->host[B], 2);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), 0);
	copy_bed_send(&w->host[A], 1, 0);
	/* Both are told why. */
	assert_int_not_equal(copy_bed_fault(&w->host[B], 2), 0);
	assert_int_equal(
	    copy_bed_fault(&w->host[A], 1), copy_bed_fault(&w->host[B], 2));
	copy_bed_is_clean(w);
}

/* A layer of a container, or what is called one. */
static int
copy_layer(struct copy_bed *w)
{
	Drover__ImageReceive o = copy_bed_to_receive(w);

	o.format = borrow("ext4");
	copy_bed_receive(&w->host[B], 1, &o);
	copy_bed_received(&w->host[B], 2);
	assert_int_equal(copy_bed_fault(&w->host[B], 1), 0);
	copy_bed_send(&w->host[A], 1, 0);
	return copy_bed_fault(&w->host[B], 2);
}

static void
test_what_is_no_layer_is_not_kept(void **state)
{
	struct copy_bed *w = *state;

	copy_bed_small_image(w);
	assert_int_equal(copy_layer(w), ERR_INVALID);
	copy_bed_is_clean(w);
}

static void
test_layer_is_kept(void **state)
{
	struct copy_bed *w = *state;
	AUTO_FREE char *file = copy_bed_file(&w->host[A], COPY_FROM);
	AUTO_FREE char *command = xasprintf("/sbin/mke2fs -q -F -b 4096 -L "
					    "%s -O %s %s 8M 2>/dev/null",
	    IMG_EXT4_LABEL, IMG_EXT4_FEATURES, file);

	if (access("/sbin/mke2fs", X_OK))
		skip();
	copy_bed_small_image(w);
	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own */
	assert_int_equal(copy_layer(w), 0);
	copy_bed_is_same(w);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, copy_bed_setup, copy_bed_teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_sparse_image_arrives_equal_and_sparse),
		TEST(test_empty_image_is_one_too),
		TEST(test_template_is_kept_as_one),
		TEST(test_orders_may_be_repeated),
		TEST(test_failed_one_may_be_begun_again),
		TEST(test_no_room_is_said_first),
		TEST(test_users_files_are_out_of_reach),
		TEST(test_path_stays_within),
		TEST(test_what_is_there_is_not_written_over),
		TEST(test_what_it_stands_on_must_be_there),
		TEST(test_short_key_is_none),
		TEST(test_host_without_a_channel),
		TEST(test_what_is_not_there_is_not_sent),
		TEST(test_copies_are_limited),
		TEST(test_one_path_is_received_once),
		TEST(test_wrong_key_does_not_get_in),
		TEST(test_wrong_host_does_not_get_in),
		TEST(test_source_is_cancelled),
		TEST(test_target_is_cancelled),
		TEST(test_agents_end_in_the_middle),
		TEST(test_progress_is_noted),
		TEST(test_cut_before_it_begins),
		TEST(test_cut_at_the_first_bytes),
		TEST(test_cut_in_the_middle),
		TEST(test_cut_near_the_end),
		TEST(test_leftovers_do_not_stand_in_the_way),
		TEST(test_what_is_no_image_is_not_kept),
		TEST(test_what_is_no_layer_is_not_kept),
		TEST(test_layer_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
