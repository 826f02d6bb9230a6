#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/enroll/renew.h"
#include "tests/lib/agent_bed.h"
#include "tests/lib/make_certs.h"

#define UUID  "3f2504e0-4f89-41d3-9a0c-0305e82c3301"
#define OTHER "3f2504e0-4f89-41d3-9a0c-0305e82c3302"

struct world {
	struct bed *bed;
	struct certs *certs;
	struct tls_files files;
	struct cert_facts first;
	struct renew *renew;
	bool linked;
	unsigned asked, renewed;
	uint64_t request;
	char *csr, held[65];
};

static bool
on_send(void *arg, Drover__CertRequest *q)
{
	struct world *w = arg;

	if (!w->linked)
		return false;
	w->asked++;
	w->request = q->request;
	snprintf(w->held, sizeof(w->held), "%s", q->held);
	free(w->csr);
	w->csr = xstrdup(q->csr);
	return true;
}

static void
on_renewed(void *arg)
{
	((struct world *)arg)->renewed++;
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->bed = bed_new();
	w->certs = certs_new("Test CA");
	w->files = certs_make(
	    w->certs, "host", &(struct cert_wish){ .san = "URI:drover:host:" UUID });
	assert_int_equal(cert_read(w->files.cert, &w->first, NULL), 0);
	w->linked = true;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	renew_free(w->renew);
	bed_free(w->bed);
	certs_free(w->certs);
	free(w->csr);
	free(w);
	return 0;
}

static void
begin(struct world *w, uint64_t from_ms, uint64_t to_ms)
{
	const struct renew_conf c = {
		.loop = w->bed->loop,
		.workers = w->bed->workers,
		.files = w->files,
		.send = on_send,
		.renewed = on_renewed,
		.arg = w,
	};
	struct cert_facts f = w->first;

	f.from_ms = from_ms;
	f.to_ms = to_ms;
	w->renew = renew_new(&c, &f);
}

/* A certificate that is due, and a link. */
static void
begin_due(struct world *w)
{
	uint64_t now_ms = clock_wall_ms(w->bed->clock);

	begin(w, now_ms - 80000, now_ms + 20000);
	renew_link_up(w->renew, true);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 1);
}

static char *
sign(const struct world *w, const char *csr, const char *uuid)
{
	struct tls_identity id;
	char *pem = NULL;

	assert_int_equal(tls_sign_host(csr, certs_ca(w->certs), certs_ca_key(w->certs),
			     uuid, 30, &pem, &id, NULL),
	    0);
	return pem;
}

static void
grant(struct world *w, uint64_t request, char *pem_take)
{
	AUTO_FREE char *pem = pem_take;
	Drover__CertGrant g = DROVER__CERT_GRANT__INIT;

	g.request = request;
	g.certificate = pem;
	renew_granted(w->renew, &g);
}

static void
assert_kept(const struct world *w)
{
	struct cert_facts f;

	assert_int_equal(cert_read(w->files.cert, &f, NULL), 0);
	assert_string_equal(f.id.fingerprint, w->first.id.fingerprint);
}

/* The files are a pair, and another than the first. */
static void
assert_replaced(const struct world *w)
{
	struct ssl_ctx_st *ctx = NULL;
	struct cert_facts f;
	struct err e = ERR_INIT;

	assert_int_equal(cert_read(w->files.cert, &f, NULL), 0);
	assert_string_not_equal(f.id.fingerprint, w->first.id.fingerprint);
	assert_string_equal(f.id.uuid, UUID);
	if (tls_client_ctx(&w->files, &ctx, &e))
		fail_msg("%s", e.msg);
	tls_ctx_free(ctx);
}

static void
it_is_due_two_thirds_into_its_life(void **state)
{
	const struct cert_facts f = { .from_ms = 1000, .to_ms = 31000 };
	const struct cert_facts odd = { .from_ms = 5000, .to_ms = 4000 };

	assert_int_equal(renew_due_ms(&f, 0), 21000);
	assert_int_equal(renew_due_ms(&f, 20999), 1);
	assert_int_equal(renew_due_ms(&f, 21000), 0);
	assert_int_equal(renew_due_ms(&f, 90000), 0);
	assert_int_equal(renew_due_ms(&odd, 4000), 1000);
}

static void
it_asks_when_it_is_due_and_stores_the_answer(void **state)
{
	struct world *w = *state;
	uint64_t now_ms = clock_wall_ms(w->bed->clock);

	begin(w, now_ms, now_ms + 30000);
	renew_link_up(w->renew, true);
	bed_settle(w->bed);
	clock_advance(w->bed->clock, 19999);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 0);
	clock_advance(w->bed->clock, 1);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 1);
	assert_string_equal(w->held, w->first.id.fingerprint);

	grant(w, w->request, sign(w, w->csr, UUID));
	bed_until_count(w->bed, &w->renewed, 1);
	assert_replaced(w);
}

static void
a_server_that_does_not_sign_is_not_asked(void **state)
{
	struct world *w = *state;
	uint64_t now_ms = clock_wall_ms(w->bed->clock);

	begin(w, now_ms - 80000, now_ms + 20000);
	renew_link_up(w->renew, false);
	bed_settle(w->bed);
	clock_advance(w->bed->clock, 60000);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 0);
	renew_link_up(w->renew, true);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 1);
}

static void
a_refusal_is_followed_by_another_request(void **state)
{
	struct world *w = *state;
	char code[] = "busy", message[] = "later";
	Drover__CertGrant g = DROVER__CERT_GRANT__INIT;
	Drover__Fault fault = DROVER__FAULT__INIT;

	begin_due(w);
	fault.code = code;
	fault.message = message;
	g.request = w->request;
	g.fault = &fault;
	renew_granted(w->renew, &g);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 1);
	clock_advance(w->bed->clock, 10000);
	bed_settle(w->bed);
	assert_int_equal(w->asked, 2);
}

static void
an_answer_that_does_not_fit_changes_nothing(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *csr = NULL;
	unsigned asked = 1;

	begin_due(w);
	assert_int_equal(tls_make_key_csr("x", &key, &csr, NULL), 0);
	char *bad[] = { sign(w, csr, UUID), sign(w, w->csr, OTHER), xstrdup("garbage"),
		xstrdup("") };
	/* Asked again each time, with another key. */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		grant(w, w->request, bad[i]);
		for (; w->asked == asked; clock_advance(w->bed->clock, 1000))
			loop_turn(w->bed->loop, 1);
		asked = w->asked;
		assert_kept(w);
	}
	assert_int_equal(w->renewed, 0);
	/* Of a request before this one, and without any. */
	grant(w, w->request - 1, sign(w, w->csr, UUID));
	renew_link_down(w->renew);
	grant(w, w->request, sign(w, w->csr, UUID));
	bed_settle(w->bed);
	assert_kept(w);
}

static void
it_may_go_while_an_answer_is_being_stored(void **state)
{
	struct world *w = *state;

	begin_due(w);
	grant(w, w->request, sign(w, w->csr, UUID));
	renew_free(w->renew);
	w->renew = NULL;
	bed_settle(w->bed);
	assert_int_equal(w->renewed, 0);
}

/* ---- an exchange that was cut short ---- */

static void
put_next(const char *path, const char *text)
{
	AUTO_FREE char *next = xasprintf("%s.next", path);

	bed_write(next, text, strlen(text));
}

static void
settle(struct world *w)
{
	struct err e = ERR_INIT;

	if (cert_pair_settle(&w->files, &e))
		fail_msg("%s", e.msg);
	AUTO_FREE char *key_next = xasprintf("%s.next", w->files.key);
	AUTO_FREE char *cert_next = xasprintf("%s.next", w->files.cert);
	assert_false(bed_exists(key_next));
	assert_false(bed_exists(cert_next));
}

static void
an_exchange_cut_short_is_ended_or_forgotten(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *key = NULL;
	AUTO_FREE char *csr = NULL;
	AUTO_FREE char *stray_key = NULL;
	AUTO_FREE char *stray_csr = NULL;

	assert_int_equal(tls_make_key_csr("x", &key, &csr, NULL), 0);
	assert_int_equal(tls_make_key_csr("x", &stray_key, &stray_csr, NULL), 0);
	AUTO_FREE char *pem = sign(w, csr, UUID);

	settle(w); /* nothing to do */
	put_next(w->files.key, key);
	settle(w);
	assert_kept(w);
	put_next(w->files.key, stray_key);
	put_next(w->files.cert, pem);
	settle(w);
	assert_kept(w);
	/* Both are there: decided. */
	put_next(w->files.key, key);
	put_next(w->files.cert, pem);
	settle(w);
	assert_replaced(w);
	/* The key was exchanged already. */
	assert_int_equal(unlink(w->files.cert), 0);
	put_next(w->files.cert, pem);
	settle(w);
	assert_replaced(w);
	settle(w);
	assert_replaced(w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_due_two_thirds_into_its_life),
		cmocka_unit_test_setup_teardown(
		    it_asks_when_it_is_due_and_stores_the_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_server_that_does_not_sign_is_not_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_refusal_is_followed_by_another_request, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_answer_that_does_not_fit_changes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    it_may_go_while_an_answer_is_being_stored, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    an_exchange_cut_short_is_ended_or_forgotten, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
