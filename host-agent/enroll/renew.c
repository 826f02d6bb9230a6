#include "host-agent/enroll/renew.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "loop/worker.h"

#define PEM_MAX      ((size_t)65536)
#define ANSWER_MS    60000u   /* longer than any signing takes */
#define LOOK_MAX_MS  3600000u /* the wall clock may have been set meanwhile */
#define RETRY_MIN_MS 10000u
#define RETRY_PARTS  10u /* of the life that is left */

/* One answer on its way to the disk. */
struct renewal {
	struct renew *r; /* NULL: gone */
	struct tls_files files;
	char uuid[40];
	char *key_pem, *pem;
	struct cert_facts facts;
	struct err err;
};

struct renew {
	struct renew_conf conf;
	struct cert_facts now;
	struct timer *look;
	bool signs;              /* there is a link, and its server signs */
	uint64_t request;        /* the newest */
	char *key_pem;           /* of the request that is out, or NULL */
	struct renewal *storing; /* or NULL */
};

static void
wipe(char *pem)
{
	if (pem)
		secret_wipe(pem, strlen(pem));
	free(pem);
}

uint64_t
renew_due_ms(const struct cert_facts *f, uint64_t now_ms)
{
	uint64_t life_ms = f->to_ms > f->from_ms ? f->to_ms - f->from_ms : 0;
	uint64_t due_ms = f->from_ms + life_ms / 3 * 2;

	return due_ms > now_ms ? due_ms - now_ms : 0;
}

static void
try_later(struct renew *r, const char *why)
{
	uint64_t now_ms = clock_wall_ms(loop_clock(r->conf.loop));
	uint64_t left_ms = r->now.to_ms > now_ms ? r->now.to_ms - now_ms : 0;
	uint64_t wait_ms = left_ms / RETRY_PARTS;

	if (wait_ms > LOOK_MAX_MS)
		wait_ms = LOOK_MAX_MS;
	if (wait_ms < RETRY_MIN_MS)
		wait_ms = RETRY_MIN_MS;
	log_warn("renew",
	    "the certificate of this host, good for %llu more hours, was not renewed: "
	    "%s",
	    (unsigned long long)(left_ms / 3600000), why);
	timer_after(r->look, wait_ms);
}

static void
ask(struct renew *r)
{
	Drover__CertRequest q = DROVER__CERT_REQUEST__INIT;
	AUTO_FREE char *csr = NULL;
	struct err e = ERR_INIT;

	/* Also the one that nobody has answered. */
	wipe(MOVE(r->key_pem));
	if (tls_make_key_csr(r->now.id.uuid, &r->key_pem, &csr, &e)) {
		try_later(r, e.msg);
		return;
	}
	q.request = ++r->request;
	q.held = r->now.id.fingerprint;
	q.csr = csr;
	if (r->conf.send(r->conf.arg, &q))
		timer_after(r->look, ANSWER_MS);
	else
		wipe(MOVE(r->key_pem));
}

static void
on_look(void *arg)
{
	struct renew *r = arg;
	uint64_t now_ms = clock_wall_ms(loop_clock(r->conf.loop));
	uint64_t due_ms = renew_due_ms(&r->now, now_ms);

	if (r->storing)
		return;
	if (due_ms)
		timer_after(r->look, due_ms < LOOK_MAX_MS ? due_ms : LOOK_MAX_MS);
	else if (r->signs)
		ask(r);
	else
		try_later(r, "no server that signs is linked");
}

/* ---- the answer ---- */

static void
renewal_free(struct renewal *n)
{
	wipe(n->key_pem);
	free(n->pem);
	free(n);
}

static int
run_store(void *job)
{
	struct renewal *n = job;
	AUTO(str) struct str ca = STR_INIT;

	if (record_file_read(n->files.ca, PEM_MAX, &ca, &n->err) ||
	    cert_check(n->pem, n->uuid, n->key_pem, str_cstr(&ca), &n->err) ||
	    cert_parse(n->pem, &n->facts, &n->err) ||
	    cert_pair_store(&n->files, n->key_pem, n->pem, &n->err))
		return n->err.code;
	return 0;
}

static void
on_stored(void *job, int rc)
{
	struct renewal *n = job;
	struct renew *r = n->r;

	if (!r) {
		renewal_free(n);
		return;
	}
	r->storing = NULL;
	if (rc) {
		try_later(r, n->err.code ? n->err.msg : "it was not stored");
	} else {
		r->now = n->facts;
		log_notice("renew", "the certificate of this host was renewed: %.16s…",
		    r->now.id.fingerprint);
		timer_after(r->look, 0);
		r->conf.renewed(r->conf.arg);
	}
	renewal_free(n);
}

void
renew_granted(struct renew *r, const Drover__CertGrant *g)
{
	struct err e = ERR_INIT;

	if (!r->key_pem || g->request != r->request) {
		log_debug("renew", "an answer to a request of the past");
		return;
	}
	if (g->fault) {
		wipe(MOVE(r->key_pem));
		try_later(r, g->fault->message);
		return;
	}
	struct renewal *n = xcalloc(1, sizeof(*n));
	n->r = r;
	n->files = r->conf.files;
	memcpy(n->uuid, r->now.id.uuid, sizeof(n->uuid));
	n->key_pem = MOVE(r->key_pem);
	n->pem = xstrdup(g->certificate);
	if (worker_run(r->conf.workers, run_store, on_stored, n, &e)) {
		renewal_free(n);
		try_later(r, e.msg);
		return;
	}
	timer_stop(r->look);
	r->storing = n;
}

/* ---- from outside ---- */

void
renew_link_up(struct renew *r, bool signs)
{
	r->signs = signs;
	timer_after(r->look, 0);
}

void
renew_link_down(struct renew *r)
{
	r->signs = false;
	wipe(MOVE(r->key_pem));
}

void
renew_reload(struct renew *r, const struct cert_facts *now)
{
	r->now = *now;
	wipe(MOVE(r->key_pem));
	timer_after(r->look, 0);
}

struct renew *
renew_new(const struct renew_conf *c, const struct cert_facts *now)
{
	struct renew *r = xcalloc(1, sizeof(*r));

	r->conf = *c;
	r->now = *now;
	r->look = timer_new(c->loop, on_look, r);
	return r;
}

void
renew_free(struct renew *r)
{
	if (!r)
		return;
	timer_free(r->look);
	wipe(r->key_pem);
	if (r->storing)
		r->storing->r = NULL;
	free(r);
}
