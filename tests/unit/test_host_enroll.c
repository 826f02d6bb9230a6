#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/worker.h"
#include "server/db/db_fake.h"
#include "server/event/event_life.h"
#include "server/hosts/host_enroll.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/task/task.h"
#include "tests/lib/make_certs.h"

struct world {
	struct certs *certs;
	struct clock *clock;
	struct loop *loop;
	struct workers *workers;
	struct db *db;
	struct inv *inv;
	struct events *events;
	struct tasks *tasks;
	struct hosts *hosts;
	obj_id host;
	/* the last answer */
	unsigned calls;
	int rc;
	char msg[240];
	char *uuid, *certificate, *ca;
};

static const struct caller visitor = { .address = "10.0.0.7" };

static void
settle(struct world *w)
{
	while (loop_turn(w->loop, 0))
		;
}

static void
on_loaded(void *arg, int rc, const struct err *e)
{
	assert_int_equal(rc, 0);
}

static obj_id
add(struct world *w, enum obj_kind kind, obj_id parent, const char *name)
{
	struct txn *t = txn_new(w->inv);
	struct err e = ERR_INIT;
	void *obj;

	assert_int_equal(txn_add(t, kind, parent, name, &obj, &e), 0);
	obj_id id = ((struct obj *)obj)->id;
	txn_commit_wake(t, WAKE_NONE);
	settle(w);
	return id;
}

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct err e = ERR_INIT;

	w->certs = certs_new("Test CA");
	w->clock = clock_virtual_new(1000, 1767323045678);
	w->loop = loop_new(w->clock);
	w->workers = workers_new(w->loop, 1, 8);
	w->db = db_fake_new(w->loop, 5000);
	w->inv = inv_new(w->loop, w->db);
	w->events = events_new(w->inv);
	inv_load(w->inv, on_loaded, w);
	settle(w);
	w->tasks = tasks_new(w->inv);
	struct hosts_opts o = {
		.inv = w->inv,
		.tasks = w->tasks,
		.workers = w->workers,
		.epoch = 1,
		.ca_cert_path = certs_ca(w->certs),
		.ca_key_path = certs_ca_key(w->certs),
	};
	if (hosts_new(&o, &w->hosts, &e))
		fail_msg("%s", e.msg);
	obj_id dc = add(w, KIND_DATACENTER, OBJ_ID_NONE, "dc");
	obj_id cluster = add(w, KIND_CLUSTER, dc, "cl");
	w->host = add(w, KIND_HOST, cluster, "e1");
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	hosts_free(w->hosts);
	tasks_free(w->tasks);
	workers_free(w->workers);
	events_free(w->events);
	inv_free(w->inv);
	db_free(w->db);
	loop_free(w->loop);
	clock_free(w->clock);
	certs_free(w->certs);
	free(w->uuid);
	free(w->certificate);
	free(w->ca);
	free(w);
	return 0;
}

static void
keep(char **field, const char *v)
{
	free(*field);
	*field = xstrdup(v);
}

static void
on_enrolled(void *arg, int rc, const struct err *e, const struct host_enrolled *en)
{
	struct world *w = arg;

	w->calls++;
	w->rc = rc;
	snprintf(w->msg, sizeof(w->msg), "%s", e ? e->msg : "");
	assert_int_equal(en == NULL, rc != 0);
	if (!en)
		return;
	assert_int_equal(en->host.v, w->host.v);
	keep(&w->uuid, en->uuid);
	keep(&w->certificate, en->certificate);
	keep(&w->ca, en->ca);
}

/* The database's answer to the look-up of a token. */
static void
answer(struct world *w, const char *expires_ms, const char *spent_ms)
{
	static const char *row[7];

	row[0] = "host-1";
	row[1] = "cluster-1";
	row[2] = "e1";
	row[3] = "1";
	row[4] = expires_ms;
	row[5] = spent_ms;
	row[6] = "admin";
	db_fake_answer(w->db, STMT_ENROLL_GET, 7, 1, row);
}

static int
enroll(struct world *w, const char *token, const char *csr)
{
	uint64_t end = clock_mono_ms(clock_system()) + 20000;
	unsigned calls = w->calls;

	host_enroll(w->hosts, token, csr, &visitor, on_enrolled, w);
	assert_int_equal(w->calls, calls);
	while (w->calls == calls && clock_mono_ms(clock_system()) < end)
		loop_turn(w->loop, 20);
	assert_int_equal(w->calls, calls + 1);
	return w->rc;
}

static char *
csr_new(void)
{
	char *key = NULL, *csr = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(tls_make_key_csr("whoever", &key, &csr, &e), 0);
	free(key);
	return csr;
}

#define LATER "1767323099999"

static void
a_token_is_made_hashed_and_limited(void **state)
{
	struct world *w = *state;
	struct host_token k = { .ttl_s = 3600, .created_by = "admin" };
	struct err e = ERR_INIT;
	struct txn *t = txn_new(w->inv);

	assert_int_equal(host_token_make(w->hosts, t, w->host, &k, &e), 0);
	txn_commit_wake(t, WAKE_NONE);
	settle(w);
	assert_int_equal(strlen(k.text), 16 + 1 + 48);
	assert_int_equal(k.text[16], '.');
	assert_int_equal(k.expires_ms, 1767323045678 + 3600000);
	assert_int_equal(db_fake_ran(w->db, STMT_ENROLL_INSERT), 1);
	assert_int_equal(strlen(hosts_ca_fingerprint(w->hosts)), 64);
	free(k.text);
}

static void
a_good_token_becomes_a_certificate_that_the_inventory_knows(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *csr = csr_new();
	char fingerprint[65];
	struct err e = ERR_INIT;

	answer(w, LATER, NULL);
	assert_int_equal(enroll(w, "id.secret", csr), 0);
	const struct host *h = inv_host(w->inv, w->host);
	assert_string_equal(h->uuid, w->uuid);
	assert_int_equal(tls_pem_fingerprint(w->certificate, fingerprint, &e), 0);
	assert_string_equal(h->cert_fingerprint, fingerprint);
	assert_int_equal(tls_pem_fingerprint(w->ca, fingerprint, &e), 0);
	assert_string_equal(fingerprint, hosts_ca_fingerprint(w->hosts));
	assert_int_equal(db_fake_ran(w->db, STMT_ENROLL_SPEND), 1);
	assert_int_equal(db_fake_ran(w->db, STMT_AUDIT_ADD), 1);

	/* Again, as after a disk was lost: the same host, another certificate. */
	AUTO_FREE char *first = xstrdup(h->cert_fingerprint);
	AUTO_FREE char *uuid = xstrdup(h->uuid);
	assert_int_equal(enroll(w, "id.other", csr), 0);
	h = inv_host(w->inv, w->host);
	assert_string_equal(h->uuid, uuid);
	assert_string_not_equal(h->cert_fingerprint, first);
}

static void
a_bad_token_is_denied_with_the_reason(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *csr = csr_new();
	AUTO_FREE char *endless = xmalloc(100001);

	assert_int_equal(enroll(w, "id.unknown", csr), ERR_DENIED);
	assert_non_null(strstr(w->msg, "not known"));
	answer(w, LATER, "1767323045000");
	assert_int_equal(enroll(w, "id.used", csr), ERR_DENIED);
	assert_non_null(strstr(w->msg, "used already"));
	answer(w, "1767323045678", NULL);
	assert_int_equal(enroll(w, "id.late", csr), ERR_DENIED);
	assert_non_null(strstr(w->msg, "expired"));
	memset(endless, 'x', 100000);
	endless[100000] = '\0';
	assert_int_equal(enroll(w, endless, csr), ERR_DENIED);
	assert_null(inv_host(w->inv, w->host)->uuid);
}

static void
two_at_once_with_one_token_make_one_certificate(void **state)
{
	struct world *w = *state;
	AUTO_FREE char *csr = csr_new();

	/* Both find it unspent; the database lets one of them spend it. */
	answer(w, LATER, NULL);
	db_fake_fail_next(w->db, ERR_DENIED);
	assert_int_equal(enroll(w, "id.secret", csr), ERR_DENIED);
	assert_null(inv_host(w->inv, w->host)->cert_fingerprint);
}

static void
a_bad_request_does_not_spend_the_token(void **state)
{
	struct world *w = *state;

	answer(w, LATER, NULL);
	assert_int_not_equal(enroll(w, "id.secret", "no PEM at all"), 0);
	assert_int_equal(db_fake_ran(w->db, STMT_ENROLL_SPEND), 0);
	assert_true(w->msg[0]);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_token_is_made_hashed_and_limited),
		T(a_good_token_becomes_a_certificate_that_the_inventory_knows),
		T(a_bad_token_is_denied_with_the_reason),
		T(two_at_once_with_one_token_make_one_certificate),
		T(a_bad_request_does_not_spend_the_token),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
