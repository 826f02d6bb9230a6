#include "server/hosts/host_enroll.h"

#include <stdio.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/secret.h"
#include "base/str.h"
#include "loop/worker.h"
#include "server/db/db.h"
#include "server/event/event.h"
#include "server/hosts/host_int.h"
#include "server/hosts/uuid.h"

#define ENROLL_MAGIC    0x656e726cu
#define TOKEN_ID_BYTES  8
#define TOKEN_KEY_BYTES 24
#define TOKEN_MAX       200
#define HASH_TEXT       65
#define KEEP_SPENT_MS   (7ULL * 24 * 3600 * 1000)

/* From the token to the certificate: look up, sign (on a worker), store. */
struct enroll {
	uint32_t magic;
	struct pending p;
	char hash[HASH_TEXT];
	obj_id host;
	bool signing; /* a worker has it */
	struct caller who;
	host_enroll_fn done;
	void *arg;
	struct signing sign; /* with the error, whoever made it */
};

static void
hash_token(const char *token, char out[HASH_TEXT])
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	int ok = EVP_Digest(token, strlen(token), digest, &n, EVP_sha256(), NULL);
	ASSERT(ok == 1 && n == 32);
	hex_encode(digest, n, out);
}

static char *
token_new(void)
{
	uint8_t id[TOKEN_ID_BYTES], key[TOKEN_KEY_BYTES];
	char id_hex[2 * TOKEN_ID_BYTES + 1], key_hex[2 * TOKEN_KEY_BYTES + 1];

	rng_secret(id, sizeof(id));
	rng_secret(key, sizeof(key));
	hex_encode(id, sizeof(id), id_hex);
	hex_encode(key, sizeof(key), key_hex);
	char *token = xasprintf("%s.%s", id_hex, key_hex);
	secret_wipe(key, sizeof(key));
	secret_wipe(key_hex, sizeof(key_hex));
	return token;
}

static const char *
number_text(uint64_t v, char buf[24])
{
	snprintf(buf, 24, "%llu", (unsigned long long)v);
	return buf;
}

int
host_token_make(
    struct hosts *hs, struct txn *t, obj_id host, struct host_token *k, struct err *e)
{
	const struct obj *row = txn_view(t, host);
	uint64_t now_ms = clock_wall_ms(loop_clock(hs->loop));
	uint64_t expires_ms = now_ms + (uint64_t)k->ttl_s * 1000;
	char hash[HASH_TEXT], id[OBJ_ID_TEXT], cluster[OBJ_ID_TEXT];
	char created[24], expires[24], old[24];

	if (!hosts_sign(hs))
		return err_set(e, ERR_UNSUPPORTED,
		    "this server has no key to sign certificates of hosts with");
	if (!row)
		return err_set(
		    e, ERR_NOT_FOUND, "there is no host %s", obj_id_text(host, id));
	char *token = token_new();
	hash_token(token, hash);
	const char *params[] = {
		hash,
		obj_id_text(host, id),
		obj_id_text(row->parent, cluster),
		row->name,
		number_text(now_ms, created),
		number_text(expires_ms, expires),
		k->created_by,
	};
	const char *prune[] = {
		number_text(now_ms > KEEP_SPENT_MS ? now_ms - KEEP_SPENT_MS : 0, old),
	};
	txn_sql(t, STMT_ENROLL_PRUNE, 1, prune);
	txn_sql(t, STMT_ENROLL_INSERT, ARRAY_SIZE(params), params);
	k->text = token;
	k->expires_ms = expires_ms;
	return 0;
}

const char *
hosts_ca_fingerprint(const struct hosts *hs)
{
	return hs->ca_fingerprint;
}

static void
enroll_free(struct enroll *en)
{
	signing_fini(&en->sign);
	en->magic = 0;
	free(en);
}

/* What a worker has it gives back: on_signed. */
static void
drop_enroll(struct pending *p)
{
	struct enroll *en = LIST_ENTRY(p, struct enroll, p);

	if (!en->signing)
		enroll_free(en);
}

static void
enroll_fail(struct enroll *en)
{
	if (pending_end(&en->p))
		en->done(en->arg, en->sign.err.code, &en->sign.err, NULL);
	enroll_free(en);
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	struct enroll *en = CAST_OBJ(enroll, arg, ENROLL_MAGIC);

	if (rc) {
		en->sign.err = *e;
		enroll_fail(en);
		return;
	}
	struct hosts *hs = pending_end(&en->p);
	struct host_enrolled out = {
		.host = en->host,
		.uuid = en->sign.uuid,
		.certificate = en->sign.certificate,
		.ca = hs->ca_pem,
	};
	en->done(en->arg, 0, NULL, &out);
	enroll_free(en);
}

/* The token is spent and the host known by its certificate, or neither. */
static void
store(struct enroll *en)
{
	struct hosts *hs = en->p.hs;
	struct txn *t = txn_new(hs->inv);
	struct host *h = txn_edit(t, en->host);
	char now[24];

	if (!h) {
		err_set(
		    &en->sign.err, ERR_DENIED, "the host of this token was removed");
		txn_free(t);
		enroll_fail(en);
		return;
	}
	const char *params[] = {
		en->hash,
		number_text(clock_wall_ms(loop_clock(hs->loop)), now),
	};
	text_set(&h->uuid, en->sign.uuid);
	text_set(&h->cert_fingerprint, en->sign.identity.fingerprint);
	text_set(&h->cert_next, NULL);
	txn_sql(t, STMT_ENROLL_SPEND, ARRAY_SIZE(params), params);
	txn_event(t, EV_HOST_ADDED, en->host, OBJ_ID_NONE, NULL,
	    "Host %s was enrolled from %s", h->o.name, en->who.address);
	txn_audit(t, &en->who, "host.enroll", en->host, h->o.name, 0, NULL);
	txn_commit(t, on_stored, en);
}

static int
run_sign(void *job)
{
	return signing_run(&((struct enroll *)job)->sign);
}

static void
on_signed(void *job, int rc)
{
	struct enroll *en = job;

	en->signing = false;
	if (rc && !en->sign.err.code)
		err_set(&en->sign.err, rc, "the certificate was not signed");
	if (rc || !en->p.hs)
		enroll_fail(en);
	else
		store(en);
}

static int
check_row(struct enroll *en, const struct db_rows *rows, struct err *e)
{
	uint64_t now_ms = clock_wall_ms(loop_clock(en->p.hs->loop));

	if (!db_rows_count(rows))
		return err_set(e, ERR_DENIED, "the enrolment token is not known");
	if (db_value(rows, 0, 5))
		return err_set(e, ERR_DENIED, "the enrolment token was used already");
	if (db_value_u64(rows, 0, 4) <= now_ms)
		return err_set(e, ERR_DENIED, "the enrolment token has expired");
	if (obj_id_parse(db_value(rows, 0, 0), KIND_HOST, &en->host, e))
		return err_wrap(e, "enrolment token");
	if (!inv_host(en->p.hs->inv, en->host))
		return err_set(e, ERR_DENIED, "the host of this token was removed");
	return 0;
}

static void
on_row(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct enroll *en = CAST_OBJ(enroll, arg, ENROLL_MAGIC);

	if (rc)
		en->sign.err = *e;
	if (rc || check_row(en, rows, &en->sign.err)) {
		enroll_fail(en);
		return;
	}
	const struct host *h = inv_host(en->p.hs->inv, en->host);
	if (h->uuid && h->uuid[0])
		snprintf(en->sign.uuid, sizeof(en->sign.uuid), "%s", h->uuid);
	else
		uuid_make(en->sign.uuid);
	en->signing = true;
	if (worker_run(en->p.hs->workers, run_sign, on_signed, en, &en->sign.err)) {
		en->signing = false;
		enroll_fail(en);
	}
}

static void
on_refused(void *arg)
{
	enroll_fail(CAST_OBJ(enroll, arg, ENROLL_MAGIC));
}

void
host_enroll(struct hosts *hs, const char *token, const char *csr_pem,
    const struct caller *who, host_enroll_fn done, void *arg)
{
	struct enroll *en = xcalloc(1, sizeof(*en));

	en->magic = ENROLL_MAGIC;
	en->who = *who;
	en->done = done;
	en->arg = arg;
	signing_init(&en->sign, hs, csr_pem);
	pending_add(hs, &en->p, drop_enroll);
	if (!hosts_sign(hs))
		err_set(&en->sign.err, ERR_UNSUPPORTED, "this server enrols no hosts");
	else if (strlen(token) > TOKEN_MAX)
		err_set(&en->sign.err, ERR_DENIED, "the enrolment token is not known");
	if (en->sign.err.code) {
		post_call(hs->loop, on_refused, en);
		return;
	}
	hash_token(token, en->hash);
	const char *params[] = { en->hash };
	db_query(inv_db(hs->inv), STMT_ENROLL_GET, 1, params, on_row, en);
}
