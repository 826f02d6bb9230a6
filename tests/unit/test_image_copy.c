/*
 * Images between two hosts, whose channels share one loop here, and what a host may
 * say that is not true.
 */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/copy/copies.h"
#include "host-agent/copy/image_sum.h"
#include "loop/flow.h"
#include "loop/worker.h"
#include "tests/lib/borrow.h"
#include "tests/lib/make_certs.h"
#include "tests/lib/proxy.h"
#include "tests/lib/waiter.h"

#define STORE_UUID "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a%02zx"
#define UUID_A     "3f2504e0-4f89-41d3-9a0c-0000000000aa"
#define UUID_B     "3f2504e0-4f89-41d3-9a0c-0000000000bb"
#define UUID_C     "3f2504e0-4f89-41d3-9a0c-0000000000cc"
#define FROM       "vms/vm-7/disk-0.raw"
#define TO         "vms/vm-8/moved.raw"
#define KIB        1024u
#define MIB        1048576u
#define BLOCK      IMAGE_BLOCK_BYTES

enum { A, B, HOSTS };

struct answer {
	bool given;
	struct err fault;
	Drover__Reply *reply; /* NULL after a fault */
};

struct world;

struct host {
	struct world *w;
	struct ssl_ctx_st *accept, *dial;
	struct channel *channel;
	struct datastore *ds;
	struct copies *copies;
	struct progress *progress;
	char root[96];
	struct answer answers[8]; /* by step */
};

struct world {
	struct loop *loop;
	struct flows *flows;
	struct workers *workers;
	struct certs *certs;
	struct disk_conf disk;
	struct host host[HOSTS];
	uint8_t key[CHANNEL_KEY_BYTES];
	char dir[64];
	size_t fds; /* that were open before */
};

static const char *const loopback[] = { "127.0.0.1" };

static size_t
open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void
on_reply(void *arg, struct order_name name, Drover__Reply *r_take)
{
	struct answer *a = &((struct host *)arg)->answers[name.step];

	assert_false(a->given);
	a->given = true;
	a->reply = r_take;
}

static void
on_fail(void *arg, struct order_name name, const struct err *e)
{
	struct answer *a = &((struct host *)arg)->answers[name.step];

	assert_false(a->given);
	a->given = true;
	a->fault = *e;
}

static void
nothing(void *arg)
{
}

static void
open_copies(struct host *h, struct channel *c, uint32_t dial_ms)
{
	const struct copies_ops ops = { on_reply, on_fail, h };
	const struct copies_conf conf = {
		.loop = h->w->loop,
		.flows = h->w->flows,
		.workers = h->w->workers,
		.disk = &h->w->disk,
		.channel = c,
		.addresses = loopback,
		.n_addresses = 1,
		.progress = h->progress,
		.dial_ms = dial_ms,
	};

	copies_free(h->copies);
	h->copies = copies_new(&conf, &ops);
}

static void
open_channel(struct host *h, const char *uuid)
{
	AUTO_FREE char *san = xasprintf("URI:drover:host:%s", uuid);
	struct cert_wish wish = { .san = san };
	struct tls_files files = certs_make(h->w->certs, uuid, &wish);

	assert_int_equal(tls_server_ctx(&files, &h->accept, NULL), 0);
	assert_int_equal(tls_client_ctx(&files, &h->dial, NULL), 0);
	const struct channel_opts o = {
		.accept_ctx = h->accept,
		.dial_ctx = h->dial,
		.address = "127.0.0.1",
		.stall_ms = 2000,
	};
	assert_int_equal(channel_open(h->w->loop, &o, &h->channel, NULL), 0);
}

static void
open_host(struct world *w, size_t i, const char *uuid)
{
	struct host *h = &w->host[i];
	Drover__DatastoreSpec s = DROVER__DATASTORE_SPEC__INIT;
	AUTO_FREE char *store = xasprintf(STORE_UUID, i);
	struct err e = ERR_INIT;

	h->w = w;
	snprintf(h->root, sizeof(h->root), "%s/%zu", w->dir, i);
	s.datastore = 1;
	s.uuid = store;
	s.name = borrow("local");
	s.type = borrow("dir");
	s.path = h->root;
	s.create = true;
	if (datastore_attach(&s, w->dir, &h->ds, &e))
		fail_msg("%s", e.msg);
	h->progress = progress_new(w->loop, nothing, NULL);
	open_channel(h, uuid);
	open_copies(h, h->channel, 0);
}

static int
set_up(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	w->fds = open_fds();
	snprintf(w->dir, sizeof(w->dir), "/tmp/drover-copy-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->loop = loop_new(clock_system());
	w->flows = flows_new(w->loop);
	w->workers = workers_new(w->loop, 1, 128);
	w->certs = certs_new("image copy");
	w->disk = (struct disk_conf){ "", 0, 0 };
	memset(w->key, 7, sizeof(w->key));
	open_host(w, A, UUID_A);
	open_host(w, B, UUID_B);
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *sweep = xasprintf("rm -rf -- '%s'", w->dir);
	size_t fds = w->fds;

	flows_free(w->flows);
	for (size_t i = 0; i < HOSTS; i++) {
		struct host *h = &w->host[i];

		copies_free(h->copies);
		channel_free(h->channel);
		progress_free(h->progress);
		datastore_unref(h->ds);
		tls_ctx_free(h->accept);
		tls_ctx_free(h->dial);
		for (size_t k = 0; k < ARRAY_SIZE(h->answers); k++)
			drover__reply__free_unpacked(h->answers[k].reply, NULL);
	}
	workers_free(w->workers);
	loop_free(w->loop);
	certs_free(w->certs);
	free(w);
	assert_int_equal(system(sweep), 0); /* NOLINT(cert-env33-c): our own */
	assert_int_equal(open_fds(), fds);
	return 0;
}

static void
until(struct world *w, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = clock_mono_ms(clock_system()) + 20000;

	while (!cond(arg)) {
		if (clock_mono_ms(clock_system()) > end)
			fail_msg("it did not happen");
		loop_turn(w->loop, 5);
	}
}

/* ---- orders ---- */

static bool
is_given(void *arg)
{
	return ((struct answer *)arg)->given;
}

static const struct answer *
answer(struct host *h, uint32_t step)
{
	until(h->w, is_given, &h->answers[step]);
	return &h->answers[step];
}

static int
fault_of(struct host *h, uint32_t step)
{
	return answer(h, step)->fault.code;
}

static const Drover__CopyFacts *
facts_of(struct host *h, uint32_t step)
{
	const struct answer *a = answer(h, step);

	if (a->fault.code)
		fail_msg("%s", a->fault.msg);
	assert_int_equal(a->reply->result_case, DROVER__REPLY__RESULT_COPY);
	return a->reply->copy;
}

static struct order_name
name_of(uint32_t step)
{
	return (struct order_name){ 1, step };
}

static Drover__ImageReceive
a_receive(struct world *w)
{
	Drover__ImageReceive o = DROVER__IMAGE_RECEIVE__INIT;

	o.datastore = 1;
	o.path = borrow(TO);
	o.format = borrow("raw");
	o.key = (ProtobufCBinaryData){ sizeof(w->key), w->key };
	o.source_uuid = borrow(UUID_A);
	o.size_bytes = 64 * MIB;
	return o;
}

static void
order_receive(struct host *h, uint32_t step, const Drover__ImageReceive *o)
{
	struct err e = ERR_INIT;

	if (copies_receive(h->copies, name_of(step), h->ds, o, &e))
		on_fail(h, name_of(step), &e);
}

static void
order_send_to(struct host *h, uint32_t step, uint16_t port, uint64_t cap)
{
	Drover__ImageSend o = DROVER__IMAGE_SEND__INIT;
	char *addresses[] = { borrow("127.0.0.1") };
	struct err e = ERR_INIT;

	o.datastore = 1;
	o.path = borrow(FROM);
	o.key = (ProtobufCBinaryData){ sizeof(h->w->key), h->w->key };
	o.target_uuid = borrow(UUID_B);
	o.addresses = addresses;
	o.n_addresses = 1;
	o.port = port;
	o.bytes_per_s = cap;
	if (copies_send(h->copies, name_of(step), h->ds, &o, &e))
		on_fail(h, name_of(step), &e);
}

static void
order_send(struct host *h, uint32_t step, uint64_t cap)
{
	order_send_to(h, step, channel_port(h->w->host[B].channel), cap);
}

static void
order_received(struct host *h, uint32_t step)
{
	Drover__ImageReceived o = DROVER__IMAGE_RECEIVED__INIT;
	struct err e = ERR_INIT;

	o.key = (ProtobufCBinaryData){ sizeof(h->w->key), h->w->key };
	if (copies_received(h->copies, name_of(step), &o, &e))
		on_fail(h, name_of(step), &e);
}

/* B listens (its step 1), and is asked for the end (2). */
static void
let_receive(struct world *w)
{
	const Drover__ImageReceive o = a_receive(w);
	const Drover__Reply *ready;

	order_receive(&w->host[B], 1, &o);
	ready = answer(&w->host[B], 1)->reply;
	if (!ready)
		fail_msg("%s", w->host[B].answers[1].fault.msg);
	assert_int_equal(ready->result_case, DROVER__REPLY__RESULT_ARRIVE_READY);
	assert_string_equal(ready->arrive_ready->addresses[0], "127.0.0.1");
	assert_int_equal(ready->arrive_ready->port, channel_port(w->host[B].channel));
	order_received(&w->host[B], 2);
}

/* ---- files ---- */

static char *
file_of(const struct host *h, const char *path)
{
	return xasprintf("%s/%s", h->root, path);
}

static bool
stat_of(const struct host *h, const char *path, struct stat *ret_st)
{
	AUTO_FREE char *file = file_of(h, path);

	return !stat(file, ret_st);
}

static bool
has(const struct host *h, const char *path)
{
	struct stat st;

	return stat_of(h, path, &st);
}

/* Random bytes, n at each of the places; size bytes in all. */
static void
make_image(const struct host *h, uint64_t size, size_t n, const uint64_t *places)
{
	AUTO_FREE char *file = file_of(h, FROM);
	AUTO_FREE char *vms = file_of(h, "vms");
	AUTO_FREE char *folder = file_of(h, "vms/vm-7");
	AUTO_FREE uint8_t *p = xmalloc(n);
	int fd;

	(void)mkdir(vms, 0711);
	assert_int_equal(mkdir(folder, 0711), 0);
	fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 12) + 1);
	for (; *places != UINT64_MAX; places++)
		assert_int_equal(pwrite(fd, p, n, (off_t)*places), n);
	close(fd);
}

static void
write_zeros(const struct host *h, uint64_t at, size_t n)
{
	AUTO_FREE char *file = file_of(h, FROM);
	AUTO_FREE uint8_t *p = xcalloc(1, n);
	int fd = open(file, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, p, n, (off_t)at), n);
	close(fd);
}

static void
assert_same_content(struct world *w)
{
	AUTO_FREE char *a = file_of(&w->host[A], FROM);
	AUTO_FREE char *b = file_of(&w->host[B], TO);
	AUTO_FREE char *cmp = xasprintf("cmp '%s' '%s'", a, b);

	assert_int_equal(system(cmp), 0); /* NOLINT(cert-env33-c): our own */
}

static void
make_full_image(struct world *w)
{
	const uint64_t places[] = { 0, UINT64_MAX };

	make_image(&w->host[A], 6 * MIB, 6 * MIB, places);
}

static void
make_small_image(struct world *w)
{
	const uint64_t places[] = { 0, UINT64_MAX };

	make_image(&w->host[A], MIB, MIB, places);
}

static void
assert_nothing_left(struct world *w)
{
	assert_false(has(&w->host[B], TO ".new"));
	assert_false(has(&w->host[B], TO));
	assert_false(has(&w->host[B], "vms/vm-8"));
}

/* ---- what goes well ---- */

static void
test_sparse_image_arrives_equal_and_sparse(void **state)
{
	struct world *w = *state;
	const uint64_t places[] = { 0, MIB + 4096, 40 * MIB + 100,
		64 * MIB + 512 - 70 * KIB, UINT64_MAX };
	const Drover__CopyFacts *out, *in;
	struct stat st;

	make_image(&w->host[A], 64 * MIB + 512, 70 * KIB, places);
	write_zeros(&w->host[A], 10 * MIB, 8 * MIB);
	let_receive(w);
	assert_false(has(&w->host[B], TO));
	order_send(&w->host[A], 1, 0);
	out = facts_of(&w->host[A], 1);
	in = facts_of(&w->host[B], 2);
	assert_string_equal(out->sha256, in->sha256);
	assert_int_equal(strlen(in->sha256), 64);
	assert_int_equal(in->bytes, 64 * MIB + 512);
	assert_int_equal(out->bytes, in->bytes);
	assert_int_equal(out->wire_bytes, in->wire_bytes);
	assert_true(in->wire_bytes < 2 * MIB);
	assert_same_content(w);
	assert_false(has(&w->host[B], TO ".new"));
	assert_true(stat_of(&w->host[B], TO, &st));
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_true((uint64_t)st.st_blocks * 512 < 2 * MIB);
}

static void
test_empty_image_is_one_too(void **state)
{
	struct world *w = *state;
	const uint64_t nowhere[] = { UINT64_MAX };

	make_image(&w->host[A], 3 * MIB, 1, nowhere);
	let_receive(w);
	order_send(&w->host[A], 1, 0);
	assert_string_equal(
	    facts_of(&w->host[A], 1)->sha256, facts_of(&w->host[B], 2)->sha256);
	assert_same_content(w);
}

static void
test_template_is_kept_as_one(void **state)
{
	struct world *w = *state;
	Drover__ImageReceive o = a_receive(w);
	struct stat st;

	make_small_image(w);
	o.path = borrow("templates/template-3/disk.raw");
	order_receive(&w->host[B], 1, &o);
	assert_int_equal(fault_of(&w->host[B], 1), 0);
	order_send(&w->host[A], 1, 0);
	facts_of(&w->host[A], 1);
	assert_true(stat_of(&w->host[B], o.path, &st));
	assert_int_equal(st.st_mode & 07777, 0440);
}

static void
test_orders_may_be_repeated(void **state)
{
	struct world *w = *state;
	const Drover__ImageReceive o = a_receive(w);
	struct host *a = &w->host[A], *b = &w->host[B];

	make_small_image(w);
	order_receive(b, 1, &o);
	order_receive(b, 3, &o);
	assert_int_equal(fault_of(b, 1), 0);
	assert_int_equal(fault_of(b, 3), 0);
	order_receive(b, 4, &o);
	assert_int_equal(fault_of(b, 4), 0);
	order_send(a, 1, 0);
	order_send(a, 2, 0);
	assert_string_equal(facts_of(a, 1)->sha256, facts_of(a, 2)->sha256);
	order_received(b, 2);
	facts_of(b, 2);
	/* It is over, and remembered. */
	order_received(b, 5);
	assert_string_equal(facts_of(b, 5)->sha256, facts_of(a, 1)->sha256);
	order_send(a, 3, 0);
	assert_string_equal(facts_of(a, 3)->sha256, facts_of(a, 1)->sha256);
	order_receive(b, 6, &o);
	assert_int_equal(fault_of(b, 6), 0);
}

static void
test_failed_one_may_be_begun_again(void **state)
{
	struct world *w = *state;
	const Drover__ImageReceive o = a_receive(w);
	struct host *b = &w->host[B];

	let_receive(w);
	assert_true(copies_cancel(b->copies, name_of(2), "enough"));
	assert_int_equal(fault_of(b, 2), ERR_CANCELLED);
	order_receive(b, 3, &o);
	assert_int_equal(fault_of(b, 3), 0);
	make_small_image(w);
	order_send(&w->host[A], 1, 0);
	facts_of(&w->host[A], 1);
	assert_same_content(w);
}

/* ---- what is refused ---- */

static void
refused(struct world *w, const Drover__ImageReceive *o, int code)
{
	order_receive(&w->host[B], 1, o);
	assert_int_equal(fault_of(&w->host[B], 1), code);
}

static void
test_no_room_is_said_first(void **state)
{
	Drover__ImageReceive o = a_receive(*state);

	o.size_bytes = UINT64_C(1) << 60;
	refused(*state, &o, ERR_NO_CAPACITY);
	assert_nothing_left(*state);
}

static void
test_users_files_are_out_of_reach(void **state)
{
	Drover__ImageReceive o = a_receive(*state);

	o.path = borrow("isos/x.raw");
	refused(*state, &o, ERR_DENIED);
}

static void
test_path_stays_within(void **state)
{
	Drover__ImageReceive o = a_receive(*state);

	o.path = borrow("vms/../../x.raw");
	refused(*state, &o, ERR_INVALID);
}

static void
test_what_is_there_is_not_written_over(void **state)
{
	struct world *w = *state;
	Drover__ImageReceive o = a_receive(w);
	const uint64_t places[] = { 0, UINT64_MAX };

	make_image(&w->host[B], MIB, 16, places);
	o.path = borrow(FROM);
	refused(w, &o, ERR_EXISTS);
	assert_true(has(&w->host[B], FROM));
}

static void
test_what_it_stands_on_must_be_there(void **state)
{
	Drover__ImageReceive o = a_receive(*state);
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
	Drover__ImageReceive o = a_receive(*state);

	o.key.len = 8;
	refused(*state, &o, ERR_INVALID);
}

static void
test_host_without_a_channel(void **state)
{
	struct world *w = *state;
	const Drover__ImageReceive o = a_receive(w);

	open_copies(&w->host[B], NULL, 0);
	refused(w, &o, ERR_UNAVAILABLE);
}

static void
test_what_is_not_there_is_not_sent(void **state)
{
	struct world *w = *state;

	order_send(&w->host[A], 1, 0);
	assert_int_equal(fault_of(&w->host[A], 1), ERR_NOT_FOUND);
	order_received(&w->host[B], 1);
	assert_int_equal(fault_of(&w->host[B], 1), ERR_LOST);
}

static void
test_copies_are_limited(void **state)
{
	struct world *w = *state;
	struct host *b = &w->host[B];
	Drover__ImageReceive o = a_receive(w);
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
	struct world *w = *state;
	Drover__ImageReceive o = a_receive(w);

	order_receive(&w->host[B], 1, &o);
	w->key[0]++;
	order_receive(&w->host[B], 2, &o);
	assert_int_equal(fault_of(&w->host[B], 2), ERR_BUSY);
	assert_int_equal(fault_of(&w->host[B], 1), 0);
}

static void
test_wrong_key_does_not_get_in(void **state)
{
	struct world *w = *state;

	make_small_image(w);
	let_receive(w);
	w->key[3]++;
	order_send(&w->host[A], 1, 0);
	assert_int_equal(fault_of(&w->host[A], 1), ERR_DENIED);
	assert_nothing_left(w);
}

static void
test_wrong_host_does_not_get_in(void **state)
{
	struct world *w = *state;
	Drover__ImageReceive o = a_receive(w);

	make_small_image(w);
	open_copies(&w->host[B], w->host[B].channel, 500);
	o.source_uuid = borrow(UUID_C);
	order_receive(&w->host[B], 1, &o);
	assert_int_equal(fault_of(&w->host[B], 1), 0);
	order_received(&w->host[B], 2);
	order_send(&w->host[A], 1, 0);
	assert_int_equal(fault_of(&w->host[A], 1), ERR_DENIED);
	/* Whom it waits for does not come. */
	assert_int_equal(fault_of(&w->host[B], 2), ERR_TIMEOUT);
	assert_nothing_left(w);
}

/* ---- what ends in its middle ---- */

static bool
has_begun(void *arg)
{
	struct stat st;

	return stat_of(arg, TO ".new", &st) && st.st_blocks > 0;
}

static void
begin_slow(struct world *w)
{
	make_full_image(w);
	let_receive(w);
	order_send(&w->host[A], 1, MIB);
	until(w, has_begun, &w->host[B]);
	assert_false(w->host[A].answers[1].given);
}

static void
test_source_is_cancelled(void **state)
{
	struct world *w = *state;

	begin_slow(w);
	assert_true(copies_cancel(w->host[A].copies, name_of(1), "enough"));
	assert_int_equal(fault_of(&w->host[A], 1), ERR_CANCELLED);
	assert_int_equal(fault_of(&w->host[B], 2), ERR_LOST);
	assert_nothing_left(w);
	assert_true(has(&w->host[A], FROM));
	assert_false(copies_cancel(w->host[A].copies, name_of(1), "enough"));
}

static void
test_target_is_cancelled(void **state)
{
	struct world *w = *state;

	begin_slow(w);
	assert_true(copies_cancel(w->host[B].copies, name_of(2), "enough"));
	assert_int_equal(fault_of(&w->host[B], 2), ERR_CANCELLED);
	assert_int_not_equal(fault_of(&w->host[A], 1), 0);
	assert_nothing_left(w);
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
	struct world *w = *state;
	Drover__Report r = DROVER__REPORT__INIT;

	begin_slow(w);
	until(w, is_noted, w->host[A].progress);
	progress_fill(w->host[A].progress, &r);
	assert_int_equal(r.progress[0]->total_bytes, 6 * MIB);
	copies_cancel(w->host[A].copies, name_of(1), "enough");
	assert_int_equal(fault_of(&w->host[A], 1), ERR_CANCELLED);
	r = (Drover__Report)DROVER__REPORT__INIT;
	progress_fill(w->host[A].progress, &r);
	assert_int_equal(r.n_progress, 0);
}

struct cut {
	const struct host *to;
	uint64_t bytes;
};

static bool
has_come(void *arg)
{
	const struct cut *c = arg;
	struct stat st;

	return !c->bytes || (stat_of(c->to, TO ".new", &st) &&
				(uint64_t)st.st_blocks * 512 >= c->bytes);
}

static void
cut_at(struct world *w, uint64_t bytes)
{
	struct cut c = { &w->host[B], bytes };
	struct proxy p;

	make_full_image(w);
	open_copies(&w->host[B], w->host[B].channel, bytes ? 0 : 1000);
	let_receive(w);
	proxy_start(&p, channel_port(w->host[B].channel));
	order_send_to(&w->host[A], 1, p.port, 4 * MIB);
	until(w, has_come, &c);
	p.mode = PROXY_CUT;
	if (bytes)
		assert_int_equal(fault_of(&w->host[B], 2), ERR_LOST);
	else
		assert_int_not_equal(fault_of(&w->host[B], 2), 0);
	assert_int_not_equal(fault_of(&w->host[A], 1), 0);
	assert_nothing_left(w);
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
	struct world *w = *state;
	AUTO_FREE char *folder = file_of(&w->host[B], "vms/vm-8");
	AUTO_FREE char *vms = file_of(&w->host[B], "vms");
	AUTO_FREE char *file = file_of(&w->host[B], TO ".new");
	int fd;

	(void)mkdir(vms, 0711);
	assert_int_equal(mkdir(folder, 0711), 0);
	fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_int_equal(write(fd, "half of it", 10), 10);
	close(fd);
	make_small_image(w);
	let_receive(w);
	order_send(&w->host[A], 1, 0);
	facts_of(&w->host[B], 2);
	assert_same_content(w);
	assert_false(has(&w->host[B], TO ".new"));
}

static void
test_what_is_no_image_is_not_kept(void **state)
{
	struct world *w = *state;
	Drover__ImageReceive o = a_receive(w);

	make_small_image(w);
	o.format = borrow("qcow2");
	order_receive(&w->host[B], 1, &o);
	order_received(&w->host[B], 2);
	assert_int_equal(fault_of(&w->host[B], 1), 0);
	order_send(&w->host[A], 1, 0);
	/* Both are told why. */
	assert_int_not_equal(fault_of(&w->host[B], 2), 0);
	assert_int_equal(fault_of(&w->host[A], 1), fault_of(&w->host[B], 2));
	assert_nothing_left(w);
}

/* ---- hosts that lie ---- */

static void
add_frame(struct str *s, const struct image_frame *f, size_t n)
{
	static const uint8_t bytes[2 * IMAGE_PIECE_MAX] = { 1 };
	uint8_t head[IMAGE_HEAD_BYTES];

	image_frame_pack(f, head);
	str_addn(s, (const char *)head, sizeof(head));
	str_addn(s, (const char *)bytes, n);
}

static void
add_begin(struct str *s, uint64_t bytes, uint64_t data)
{
	const struct image_frame f = {
		.kind = IMAGE_BEGIN, .bytes = bytes, .data = data
	};

	add_frame(s, &f, 0);
}

static void
add_piece(struct str *s, uint64_t at, uint32_t n)
{
	const struct image_frame f = { .kind = IMAGE_PIECE, .at = at, .n = n };

	add_frame(s, &f, n < 2 * IMAGE_PIECE_MAX ? n : 0);
}

static void
add_end(struct str *s)
{
	const struct image_frame f = { .kind = IMAGE_END, .n = IMAGE_SUM_BYTES };

	add_frame(s, &f, f.n);
}

static void
lie_ends_early(struct str *s)
{
	add_begin(s, MIB, BLOCK);
}

static void
lie_half_a_head(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	str_addn(s, "\2\1", 2);
}

static void
lie_half_a_piece(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
	s->len -= 10;
}

static void
lie_no_end(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
}

static void
lie_no_begin(struct str *s)
{
	add_piece(s, 0, BLOCK);
}

static void
lie_two_begins(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_begin(s, MIB, BLOCK);
}

static void
lie_beyond_the_end(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, MIB, BLOCK);
}

static void
lie_far_beyond(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, UINT64_MAX - BLOCK + 1, BLOCK);
}

static void
lie_more_than_said(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
	add_piece(s, BLOCK, BLOCK);
}

static void
lie_backwards(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, BLOCK, BLOCK);
	add_piece(s, 0, BLOCK);
}

static void
lie_between_blocks(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, 512, BLOCK);
}

static void
lie_half_a_block(struct str *s)
{
	add_begin(s, MIB, MIB);
	add_piece(s, 0, 512);
}

static void
lie_huge_piece(struct str *s)
{
	add_begin(s, UINT64_C(1) << 40, MIB);
	add_piece(s, 0, UINT32_MAX);
}

static void
lie_huge_image(struct str *s)
{
	add_begin(s, UINT64_C(1) << 62, MIB);
}

static void
lie_more_data_than_image(struct str *s)
{
	add_begin(s, MIB, 2 * MIB);
}

static void
lie_no_room(struct str *s)
{
	add_begin(s, IMAGE_BYTES_MAX, IMAGE_BYTES_MAX);
}

static void
lie_other_sum(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	add_piece(s, 0, BLOCK);
	add_end(s);
}

static void
lie_verdict(struct str *s)
{
	const struct image_frame f = { .kind = IMAGE_VERDICT };

	add_begin(s, MIB, BLOCK);
	add_frame(s, &f, 0);
}

static void
lie_other_version(struct str *s)
{
	add_begin(s, MIB, BLOCK);
	s->s[1]++;
}

static void
lie_noise(struct str *s)
{
	for (size_t i = 0; i < 4096; i++)
		str_addn(s, "\xa5", 1);
}

struct talker {
	struct channel_stream *stream;
	struct waiter up;
	int fd;
};

static struct channel_opening
opening(struct world *w, struct talker *t)
{
	int fds[2];

	ASSERT(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	t->fd = fds[0];
	return (struct channel_opening){
		.key = w->key,
		.name = "image",
		.fd_take = fds[1],
		.ends = { waiter_start(&t->up, w->loop, w->flows), WAKE_NONE },
	};
}

static void
stop_talking(struct talker *t)
{
	channel_stream_free(t->stream);
	close(t->fd);
}

static void
lie(struct world *w, void (*say)(struct str *s), int code)
{
	AUTO(str) struct str s = STR_INIT;
	struct talker t = { .stream = NULL };
	const struct channel_dest to = { loopback, 1, channel_port(w->host[B].channel),
		UUID_B };
	struct channel_opening o = opening(w, &t);

	let_receive(w);
	assert_int_equal(channel_dial(w->host[A].channel, &o, &to, &t.stream, NULL), 0);
	assert_int_equal(waiter_end(&t.up, w->loop), 0);
	say(&s);
	assert_int_equal(send(t.fd, s.s, s.len, MSG_NOSIGNAL), s.len);
	shutdown(t.fd, SHUT_WR);
	if (fault_of(&w->host[B], 2) != code)
		fail_msg("%s", w->host[B].answers[2].fault.msg);
	assert_nothing_left(w);
	stop_talking(&t);
}

#define LIE(l, code)                       \
	static void test_##l(void **state) \
	{                                  \
		lie(*state, l, code);      \
	}

LIE(lie_ends_early, ERR_LOST)
LIE(lie_half_a_head, ERR_LOST)
LIE(lie_half_a_piece, ERR_LOST)
LIE(lie_no_end, ERR_LOST)
LIE(lie_no_begin, ERR_CORRUPT)
LIE(lie_two_begins, ERR_CORRUPT)
LIE(lie_beyond_the_end, ERR_CORRUPT)
LIE(lie_far_beyond, ERR_CORRUPT)
LIE(lie_more_than_said, ERR_CORRUPT)
LIE(lie_backwards, ERR_CORRUPT)
LIE(lie_between_blocks, ERR_CORRUPT)
LIE(lie_half_a_block, ERR_CORRUPT)
LIE(lie_huge_piece, ERR_CORRUPT)
LIE(lie_huge_image, ERR_CORRUPT)
LIE(lie_more_data_than_image, ERR_CORRUPT)
LIE(lie_no_room, ERR_NO_CAPACITY)
LIE(lie_other_sum, ERR_CORRUPT)
LIE(lie_verdict, ERR_CORRUPT)
LIE(lie_other_version, ERR_UNSUPPORTED)
LIE(lie_noise, ERR_CORRUPT)

/* The taking host says text at once, and reads nothing. */
static void
judge(struct world *w, const char *text, size_t n, int code)
{
	struct talker t = { .stream = NULL };
	const struct image_frame f = { .kind = IMAGE_VERDICT, .n = (uint32_t)n };
	struct channel_opening o = opening(w, &t);
	uint8_t head[IMAGE_HEAD_BYTES];

	make_full_image(w);
	assert_int_equal(
	    channel_expect(w->host[B].channel, &o, UUID_A, &t.stream, NULL), 0);
	order_send(&w->host[A], 1, 0);
	image_frame_pack(&f, head);
	assert_int_equal(write(t.fd, head, sizeof(head)), sizeof(head));
	assert_int_equal(write(t.fd, text, n), n);
	if (fault_of(&w->host[A], 1) != code)
		fail_msg("%s", w->host[A].answers[1].fault.msg);
	stop_talking(&t);
}

static void
test_reason_of_the_other_host_is_told(void **state)
{
	struct world *w = *state;
	const char text[] = "no_capacity datastore local is full";

	judge(w, text, strlen(text), ERR_NO_CAPACITY);
	assert_non_null(strstr(w->host[A].answers[1].fault.msg, "local is full"));
}

static void
test_praise_before_the_end_is_not_believed(void **state)
{
	judge(*state, "", 0, ERR_LOST);
}

static void
test_verdict_of_success_has_no_reason(void **state)
{
	judge(*state, "ok it is here", 13, ERR_LOST);
}

static void
test_verdict_that_is_no_text(void **state)
{
	judge(*state, "io a\0b", 6, ERR_CORRUPT);
}

/* ---- frames ---- */

static void
test_frames_come_back(void **state)
{
	const struct image_frame all[] = {
		{ .kind = IMAGE_BEGIN, .bytes = IMAGE_BYTES_MAX, .data = MIB },
		{ .kind = IMAGE_PIECE, .at = 3 * BLOCK, .n = IMAGE_PIECE_MAX },
		{ .kind = IMAGE_END, .n = IMAGE_SUM_BYTES },
		{ .kind = IMAGE_VERDICT, .n = 7 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		uint8_t head[IMAGE_HEAD_BYTES];
		struct image_frame f;

		image_frame_pack(&all[i], head);
		assert_int_equal(image_frame_unpack(head, &f, NULL), 0);
		assert_int_equal(f.kind, all[i].kind);
		assert_int_equal(f.n, all[i].n);
		assert_int_equal(f.at, all[i].at);
		assert_int_equal(f.bytes, all[i].bytes);
		assert_int_equal(f.data, all[i].data);
	}
}

static void
test_verdicts_come_back(void **state)
{
	struct err why = ERR_INIT, back = ERR_INIT;
	char text[IMAGE_WORD_MAX];
	size_t n = image_verdict_pack(&why, text);

	assert_int_equal(image_verdict_unpack(text, n, &back), 0);
	err_set(&why, ERR_NO_CAPACITY, "no room on \"%s\"", "x");
	n = image_verdict_pack(&why, text);
	assert_int_equal(image_verdict_unpack(text, n, &back), ERR_NO_CAPACITY);
	assert_string_equal(back.msg, why.msg);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)

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
		TEST(test_lie_ends_early),
		TEST(test_lie_half_a_head),
		TEST(test_lie_half_a_piece),
		TEST(test_lie_no_end),
		TEST(test_lie_no_begin),
		TEST(test_lie_two_begins),
		TEST(test_lie_beyond_the_end),
		TEST(test_lie_far_beyond),
		TEST(test_lie_more_than_said),
		TEST(test_lie_backwards),
		TEST(test_lie_between_blocks),
		TEST(test_lie_half_a_block),
		TEST(test_lie_huge_piece),
		TEST(test_lie_huge_image),
		TEST(test_lie_more_data_than_image),
		TEST(test_lie_no_room),
		TEST(test_lie_other_sum),
		TEST(test_lie_verdict),
		TEST(test_lie_other_version),
		TEST(test_lie_noise),
		TEST(test_reason_of_the_other_host_is_told),
		TEST(test_praise_before_the_end_is_not_believed),
		TEST(test_verdict_of_success_has_no_reason),
		TEST(test_verdict_that_is_no_text),
		cmocka_unit_test(test_frames_come_back),
		cmocka_unit_test(test_verdicts_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
