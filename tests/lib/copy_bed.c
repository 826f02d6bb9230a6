#include "tests/lib/copy_bed.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/flow.h"
#include "loop/worker.h"
#include "tests/lib/borrow.h"
#include "tests/lib/make_certs.h"

#define STORE_UUID "6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a%02zx"
#define MIB        UINT64_C(1048576)

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
	struct copy_answer *a = &((struct copy_host *)arg)->answers[name.step];

	assert_false(a->given);
	a->given = true;
	a->reply = r_take;
}

static void
on_fail(void *arg, struct order_name name, const struct err *e)
{
	struct copy_answer *a = &((struct copy_host *)arg)->answers[name.step];

	assert_false(a->given);
	a->given = true;
	a->fault = *e;
}

static void
nothing(void *arg)
{
}

void
copy_bed_open(struct copy_host *h, struct channel *c, uint32_t dial_ms)
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
open_channel(struct copy_host *h, const char *uuid)
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
open_host(struct copy_bed *w, size_t i, const char *uuid)
{
	struct copy_host *h = &w->host[i];
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
	copy_bed_open(h, h->channel, 0);
}

int
copy_bed_setup(void **state)
{
	struct copy_bed *w = xcalloc(1, sizeof(*w));

	log_set_level(LOG_LEVEL_ERR);
	w->fds = open_fds();
	snprintf(w->dir, sizeof(w->dir), "/tmp/drover-copy-XXXXXX");
	assert_non_null(mkdtemp(w->dir));
	w->loop = loop_new(clock_system());
	w->flows = flows_new(w->loop);
	w->workers = workers_new(w->loop, 1, 128);
	w->certs = certs_new("image copy");
	w->disk = (struct disk_conf){ .uid = 0 };
	memset(w->key, 7, sizeof(w->key));
	open_host(w, A, COPY_BED_A);
	open_host(w, B, COPY_BED_B);
	*state = w;
	return 0;
}

int
copy_bed_teardown(void **state)
{
	struct copy_bed *w = *state;
	AUTO_FREE char *sweep = xasprintf("rm -rf -- '%s'", w->dir);
	size_t fds = w->fds;

	flows_free(w->flows);
	for (size_t i = 0; i < HOSTS; i++) {
		struct copy_host *h = &w->host[i];

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

void
copy_bed_until(struct copy_bed *w, bool (*cond)(void *arg), void *arg)
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
	return ((struct copy_answer *)arg)->given;
}

const struct copy_answer *
copy_bed_answer(struct copy_host *h, uint32_t step)
{
	copy_bed_until(h->w, is_given, &h->answers[step]);
	return &h->answers[step];
}

int
copy_bed_fault(struct copy_host *h, uint32_t step)
{
	return copy_bed_answer(h, step)->fault.code;
}

const Drover__CopyFacts *
copy_bed_facts(struct copy_host *h, uint32_t step)
{
	const struct copy_answer *a = copy_bed_answer(h, step);

	if (a->fault.code)
		fail_msg("%s", a->fault.msg);
	assert_int_equal(a->reply->result_case, DROVER__REPLY__RESULT_COPY);
	return a->reply->copy;
}

struct order_name
copy_bed_name(uint32_t step)
{
	return (struct order_name){ 1, step };
}

Drover__ImageReceive
copy_bed_to_receive(struct copy_bed *w)
{
	Drover__ImageReceive o = DROVER__IMAGE_RECEIVE__INIT;

	o.datastore = 1;
	o.path = borrow(COPY_TO);
	o.format = borrow("raw");
	o.key = (ProtobufCBinaryData){ sizeof(w->key), w->key };
	o.source_uuid = borrow(COPY_BED_A);
	o.size_bytes = 64 * MIB;
	return o;
}

void
copy_bed_receive(struct copy_host *h, uint32_t step, const Drover__ImageReceive *o)
{
	struct err e = ERR_INIT;

	if (copies_receive(h->copies, copy_bed_name(step), h->ds, o, &e))
		on_fail(h, copy_bed_name(step), &e);
}

void
copy_bed_send_to(struct copy_host *h, uint32_t step, uint16_t port, uint64_t cap)
{
	Drover__ImageSend o = DROVER__IMAGE_SEND__INIT;
	char *addresses[] = { borrow("127.0.0.1") };
	struct err e = ERR_INIT;

	o.datastore = 1;
	o.path = borrow(COPY_FROM);
	o.key = (ProtobufCBinaryData){ sizeof(h->w->key), h->w->key };
	o.target_uuid = borrow(COPY_BED_B);
	o.addresses = addresses;
	o.n_addresses = 1;
	o.port = port;
	o.bytes_per_s = cap;
	if (copies_send(h->copies, copy_bed_name(step), h->ds, &o, &e))
		on_fail(h, copy_bed_name(step), &e);
}

void
copy_bed_send(struct copy_host *h, uint32_t step, uint64_t cap)
{
	copy_bed_send_to(h, step, channel_port(h->w->host[B].channel), cap);
}

void
copy_bed_received(struct copy_host *h, uint32_t step)
{
	Drover__ImageReceived o = DROVER__IMAGE_RECEIVED__INIT;
	struct err e = ERR_INIT;

	o.key = (ProtobufCBinaryData){ sizeof(h->w->key), h->w->key };
	if (copies_received(h->copies, copy_bed_name(step), &o, &e))
		on_fail(h, copy_bed_name(step), &e);
}

void
copy_bed_expect(struct copy_bed *w)
{
	const Drover__ImageReceive o = copy_bed_to_receive(w);
	const Drover__Reply *ready;

	copy_bed_receive(&w->host[B], 1, &o);
	if (copy_bed_fault(&w->host[B], 1))
		fail_msg("%s", w->host[B].answers[1].fault.msg);
	ready = w->host[B].answers[1].reply;
	assert_int_equal(ready->result_case, DROVER__REPLY__RESULT_ARRIVE_READY);
	assert_string_equal(ready->arrive_ready->addresses[0], "127.0.0.1");
	assert_int_equal(ready->arrive_ready->port, channel_port(w->host[B].channel));
	copy_bed_received(&w->host[B], 2);
}

/* ---- files ---- */

char *
copy_bed_file(const struct copy_host *h, const char *path)
{
	return xasprintf("%s/%s", h->root, path);
}

bool
copy_bed_stat(const struct copy_host *h, const char *path, struct stat *ret_st)
{
	AUTO_FREE char *file = copy_bed_file(h, path);

	return !stat(file, ret_st);
}

bool
copy_bed_has(const struct copy_host *h, const char *path)
{
	struct stat st;

	return copy_bed_stat(h, path, &st);
}

void
copy_bed_image(
    const struct copy_host *h, uint64_t size, size_t n, const uint64_t *places)
{
	AUTO_FREE char *file = copy_bed_file(h, COPY_FROM);
	AUTO_FREE char *vms = copy_bed_file(h, "vms");
	AUTO_FREE char *folder = copy_bed_file(h, "vms/vm-7");
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

void
copy_bed_is_same(struct copy_bed *w)
{
	AUTO_FREE char *a = copy_bed_file(&w->host[A], COPY_FROM);
	AUTO_FREE char *b = copy_bed_file(&w->host[B], COPY_TO);
	AUTO_FREE char *cmp = xasprintf("cmp '%s' '%s'", a, b);

	assert_int_equal(system(cmp), 0); /* NOLINT(cert-env33-c): our own */
}

void
copy_bed_full_image(struct copy_bed *w)
{
	const uint64_t places[] = { 0, UINT64_MAX };

	copy_bed_image(&w->host[A], 6 * MIB, 6 * MIB, places);
}

void
copy_bed_small_image(struct copy_bed *w)
{
	const uint64_t places[] = { 0, UINT64_MAX };

	copy_bed_image(&w->host[A], MIB, MIB, places);
}

void
copy_bed_is_clean(struct copy_bed *w)
{
	assert_false(copy_bed_has(&w->host[B], COPY_TO ".new"));
	assert_false(copy_bed_has(&w->host[B], COPY_TO));
	assert_false(copy_bed_has(&w->host[B], "vms/vm-8"));
}
