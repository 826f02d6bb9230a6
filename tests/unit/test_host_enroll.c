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
#include "loop/link.h"
#include "loop/worker.h"
#include "proto/msg.h"
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

/* ---- renewal ---- */

/* The agent's end of a link that was opened with that certificate. */
struct agent {
	struct link *link;
	unsigned welcomes, refusals, grants;
	bool signs;
	uint64_t request;
	char fault[32];
	char fingerprint[65]; /* of what was granted last */
};

static void
agent_up(struct link *k, void *arg)
{
}

static void
agent_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct agent *a = arg;
	AUTO(msg) Drover__Envelope *m = NULL;

	assert_int_equal(msg_unpack(p, n, &m, NULL), 0);
	if (m->body_case == DROVER__ENVELOPE__BODY_WELCOME) {
		a->welcomes++;
		a->signs = m->welcome->signs;
	} else if (m->body_case == DROVER__ENVELOPE__BODY_REFUSE) {
		a->refusals++;
	} else if (m->body_case == DROVER__ENVELOPE__BODY_CERT_GRANT) {
		const Drover__CertGrant *g = m->cert_grant;
		a->grants++;
		assert_int_equal(g->request, a->request);
		snprintf(
		    a->fault, sizeof(a->fault), "%s", g->fault ? g->fault->code : "");
		if (!g->fault)
			assert_int_equal(
			    tls_pem_fingerprint(g->certificate, a->fingerprint, NULL),
			    0);
	}
}

static void
agent_down(struct link *k, const struct err *why, void *arg)
{
}

static void
agent_say(struct agent *a, Drover__Envelope *m)
{
	AUTO_FREE uint8_t *bytes = NULL;
	size_t n;

	m->version = PROTO_VERSION;
	assert_int_equal(msg_pack(m, &bytes, &n, NULL), 0);
	assert_int_equal(link_send(a->link, bytes, n, NULL), 0);
}

static void
agent_dial(struct world *w, struct agent *a, const char *fingerprint)
{
	static const struct link_events ev = { agent_up, agent_frame, agent_down };
	struct tls_identity host = { .role = TLS_ROLE_HOST };
	struct tls_identity server = { .role = TLS_ROLE_SERVER };
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__Hello hello = DROVER__HELLO__INIT;
	Drover__HostFacts facts = DROVER__HOST_FACTS__INIT;
	char boot[] = "boot";
	struct link *theirs;

	link_free(a->link);
	*a = (struct agent){ .request = a->request };
	snprintf(host.uuid, sizeof(host.uuid), "%s", w->uuid);
	snprintf(host.fingerprint, sizeof(host.fingerprint), "%s", fingerprint);
	link_pair(w->loop, &host, &server, &a->link, &theirs);
	link_set_events(a->link, &ev, a);
	hosts_accept(w->hosts, theirs, "10.0.0.9:40000");
	settle(w);
	hello.version_min = PROTO_VERSION_MIN;
	hello.version_max = PROTO_VERSION;
	hello.host_uuid = w->uuid;
	hello.boot_id = boot;
	hello.facts = &facts;
	m.body_case = DROVER__ENVELOPE__BODY_HELLO;
	m.hello = &hello;
	agent_say(a, &m);
	settle(w);
}

static void
agent_ask(struct world *w, struct agent *a, const char *held)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__CertRequest q = DROVER__CERT_REQUEST__INIT;
	AUTO_FREE char *csr = csr_new();
	AUTO_FREE char *own = xstrdup(held);

	q.request = ++a->request;
	q.held = own;
	q.csr = csr;
	m.body_case = DROVER__ENVELOPE__BODY_CERT_REQUEST;
	m.cert_request = &q;
	agent_say(a, &m);
}

static const char *
agent_await(struct world *w, struct agent *a, unsigned grants)
{
	uint64_t end = clock_mono_ms(clock_system()) + 20000;

	while (a->grants < grants && clock_mono_ms(clock_system()) < end)
		loop_turn(w->loop, 20);
	assert_int_equal(a->grants, grants);
	settle(w);
	return a->fault;
}

static const struct host *
row(const struct world *w)
{
	return inv_host(w->inv, w->host);
}

/* Enrolled, and linked with what enrolment gave. */
static void
begin(struct world *w, struct agent *a, char first[65])
{
	AUTO_FREE char *csr = csr_new();

	answer(w, LATER, NULL);
	assert_int_equal(enroll(w, "id.secret", csr), 0);
	snprintf(first, 65, "%s", row(w)->cert_fingerprint);
	agent_dial(w, a, first);
	assert_int_equal(a->welcomes, 1);
	assert_true(a->signs);
}

static void
both_certificates_are_good_until_the_new_one_was_used(void **state)
{
	struct world *w = *state;
	struct agent a = { .link = NULL };
	char first[65], second[65];

	begin(w, &a, first);
	agent_ask(w, &a, first);
	assert_string_equal(agent_await(w, &a, 1), "");
	snprintf(second, sizeof(second), "%s", a.fingerprint);
	assert_string_equal(row(w)->cert_fingerprint, first);
	assert_string_equal(row(w)->cert_next, second);

	agent_dial(w, &a, first);
	assert_int_equal(a.welcomes, 1);
	assert_string_equal(row(w)->cert_next, second);
	agent_dial(w, &a, second);
	assert_int_equal(a.welcomes, 1);
	assert_string_equal(row(w)->cert_fingerprint, second);
	assert_null(row(w)->cert_next);
	agent_dial(w, &a, first);
	assert_int_equal(a.welcomes, 0);
	assert_int_equal(a.refusals, 1);
	link_free(a.link);
}

/* Renewed again over the same link: what the host holds stays good, whatever else. */
static void
what_the_host_holds_stays_good(void **state)
{
	struct world *w = *state;
	struct agent a = { .link = NULL };
	char first[65], second[65];

	begin(w, &a, first);
	agent_ask(w, &a, first);
	agent_await(w, &a, 1);
	snprintf(second, sizeof(second), "%s", a.fingerprint);
	/* It was stored, and is held now. */
	clock_advance(w->clock, 1000);
	agent_ask(w, &a, second);
	assert_string_equal(agent_await(w, &a, 2), "");
	assert_string_equal(row(w)->cert_fingerprint, second);
	assert_string_equal(row(w)->cert_next, a.fingerprint);
	/* That one was lost on the way, and another takes its place. */
	clock_advance(w->clock, 1000);
	agent_ask(w, &a, second);
	assert_string_equal(agent_await(w, &a, 3), "");
	assert_string_equal(row(w)->cert_fingerprint, second);
	assert_string_equal(row(w)->cert_next, a.fingerprint);
	link_free(a.link);
}

static void
who_asks_without_right_or_rest_gets_none(void **state)
{
	struct world *w = *state;
	struct agent a = { .link = NULL };
	char first[65];

	begin(w, &a, first);
	agent_ask(w, &a, "0000");
	assert_string_equal(agent_await(w, &a, 1), "denied");
	agent_ask(w, &a, first);
	assert_string_equal(agent_await(w, &a, 2), "");
	agent_ask(w, &a, first);
	assert_string_equal(agent_await(w, &a, 3), "busy");
	/* Whoever enrols again ends all that was given before. */
	AUTO_FREE char *csr = csr_new();
	assert_int_equal(enroll(w, "id.other", csr), 0);
	assert_null(row(w)->cert_next);
	clock_advance(w->clock, 1000);
	agent_ask(w, &a, first);
	assert_string_equal(agent_await(w, &a, 4), "denied");
	link_free(a.link);
}

static void
a_certificate_that_was_not_stored_is_not_given(void **state)
{
	struct world *w = *state;
	struct agent a = { .link = NULL };
	char first[65];

	begin(w, &a, first);
	db_fake_fail_next(w->db, ERR_UNAVAILABLE);
	agent_ask(w, &a, first);
	assert_string_equal(agent_await(w, &a, 1), "unavailable");
	assert_null(row(w)->cert_next);
	assert_string_equal(row(w)->cert_fingerprint, first);
	link_free(a.link);
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
		T(both_certificates_are_good_until_the_new_one_was_used),
		T(what_the_host_holds_stays_good),
		T(who_asks_without_right_or_rest_gets_none),
		T(a_certificate_that_was_not_stored_is_not_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
