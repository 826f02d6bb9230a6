/*
 * A host asks for a new certificate over the link that the older one opened.
 *
 * Both are good until it has come with the new one: the host may die between the
 * commit here and its own disk, and any line to another server was opened with the
 * older.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/worker.h"
#include "server/hosts/host_int.h"
#include "server/inventory/caller.h"

#define CSR_MAX       16384u
#define RENEW_REST_MS 1000u /* a host that asks without end gets no more than this */

/* From the request to the grant: sign (on a worker), store, answer. */
struct renewal {
	struct pending p;
	obj_id host;
	uint64_t request;
	char *held;
	bool signing; /* a worker has it */
	struct signing sign;
};

bool
host_cert_is_good(const struct host *h, const char *fingerprint)
{
	return (h->cert_fingerprint && str_same(h->cert_fingerprint, fingerprint)) ||
	       (h->cert_next && str_same(h->cert_next, fingerprint));
}

void
host_cert_used(struct host *edit, const char *fingerprint)
{
	if (!edit->cert_next || !str_same(edit->cert_next, fingerprint))
		return;
	text_set(&edit->cert_fingerprint, fingerprint);
	text_set(&edit->cert_next, NULL);
}

static void
send_grant(struct host_rec *rec, uint64_t request, const struct err *why,
    const char *certificate)
{
	Drover__CertGrant g = DROVER__CERT_GRANT__INIT;
	Drover__Fault fault = DROVER__FAULT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	AUTO_FREE char *code = xstrdup(why ? err_name(why->code) : "");
	AUTO_FREE char *message = xstrdup(why ? why->msg : "");
	AUTO_FREE char *pem = xstrdup(certificate ? certificate : "");

	if (!rec->conn)
		return;
	fault.code = code;
	fault.message = message;
	g.request = request;
	g.fault = why ? &fault : NULL;
	g.certificate = pem;
	m.body_case = DROVER__ENVELOPE__BODY_CERT_GRANT;
	m.cert_grant = &g;
	conn_send(rec->conn, &m);
}

static void
renewal_free(struct renewal *n)
{
	signing_fini(&n->sign);
	free(n->held);
	free(n);
}

/* What a worker has it gives back: on_signed. */
static void
drop_renewal(struct pending *p)
{
	struct renewal *n = LIST_ENTRY(p, struct renewal, p);

	if (!n->signing)
		renewal_free(n);
}

/* The answer goes out; the hosts may be gone. */
static void
renewal_end(struct renewal *n, const struct err *why)
{
	struct hosts *hs = pending_end(&n->p);
	struct host_rec *rec = hs ? rec_find(hs, n->host) : NULL;

	if (rec) {
		rec->renewing = false;
		rec->renewed_ms = loop_now_ms(hs->loop);
		if (why)
			log_warn("hosts", "host \"%s\": no new certificate: %s",
			    inv_name(hs->inv, n->host), why->msg);
		send_grant(rec, n->request, why, n->sign.certificate);
	}
	renewal_free(n);
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	renewal_end(arg, rc ? e : NULL);
}

/* held was looked at before the signing: an enrolment may have come between. */
static int
check_held(const struct host *h, const char *held, struct err *e)
{
	if (!h)
		return err_set(e, ERR_NOT_FOUND, "the host was removed");
	if (!host_cert_is_good(h, held))
		return err_set(e, ERR_DENIED,
		    "host \"%s\" was enrolled again: its certificate is not renewed",
		    h->o.name);
	return 0;
}

static void
store(struct renewal *n)
{
	struct hosts *hs = n->p.hs;
	const struct host_rec *rec = rec_find(hs, n->host);
	struct caller who = caller_server;

	if (check_held(inv_host(hs->inv, n->host), n->held, &n->sign.err)) {
		renewal_end(n, &n->sign.err);
		return;
	}
	struct txn *t = txn_new(hs->inv);
	struct host *h = txn_edit(t, n->host);
	host_cert_used(h, n->held);
	text_set(&h->cert_next, n->sign.identity.fingerprint);
	if (rec)
		snprintf(who.address, sizeof(who.address), "%s", rec->address);
	txn_audit(t, &who, "host.renew", n->host, h->o.name, 0, NULL);
	txn_commit(t, on_stored, n);
}

static int
run_sign(void *job)
{
	return signing_run(&((struct renewal *)job)->sign);
}

static void
on_signed(void *job, int rc)
{
	struct renewal *n = job;

	n->signing = false;
	if (rc && !n->sign.err.code)
		err_set(&n->sign.err, rc, "the certificate was not signed");
	if (rc || !n->p.hs)
		renewal_end(n, &n->sign.err);
	else
		store(n);
}

static int
check_request(const struct host_rec *rec, const Drover__CertRequest *q, struct err *e)
{
	const struct hosts *hs = rec->hs;
	uint64_t rest_ms = loop_now_ms(hs->loop) - rec->renewed_ms;

	if (!hosts_sign(hs))
		return err_set(
		    e, ERR_UNSUPPORTED, "this server has no key to sign with");
	if (rec->renewing || (rec->renewed_ms && rest_ms < RENEW_REST_MS))
		return err_set(e, ERR_BUSY, "it has asked a moment ago");
	if (strlen(q->csr) > CSR_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "its signing request has more than %u bytes", CSR_MAX);
	return check_held(inv_host(hs->inv, rec->id), q->held, e);
}

void
host_renew_take(struct host_rec *rec, const Drover__CertRequest *q)
{
	struct hosts *hs = rec->hs;
	struct err e = ERR_INIT;

	if (check_request(rec, q, &e)) {
		log_warn("hosts", "host \"%s\": no new certificate: %s",
		    inv_name(hs->inv, rec->id), e.msg);
		send_grant(rec, q->request, &e, NULL);
		return;
	}
	struct renewal *n = xcalloc(1, sizeof(*n));
	n->host = rec->id;
	n->request = q->request;
	n->held = xstrdup(q->held);
	signing_init(&n->sign, hs, q->csr);
	snprintf(
	    n->sign.uuid, sizeof(n->sign.uuid), "%s", inv_host(hs->inv, rec->id)->uuid);
	pending_add(hs, &n->p, drop_renewal);
	rec->renewing = true;
	n->signing = true;
	if (worker_run(hs->workers, run_sign, on_signed, n, &n->sign.err)) {
		n->signing = false;
		renewal_end(n, &n->sign.err);
	}
}
