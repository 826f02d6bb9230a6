/*
 * host_enroll: a one-time token becomes a host's certificate.
 *
 * A token is "id.secret"; the database keeps its hash. It is spent in the transaction
 * that gives the host its uuid and fingerprint, so that it works once. Signing runs on
 * a worker. A host that exists may enrol again: its older certificate is refused from
 * then on. Core thread only.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "server/inventory/caller.h"

struct hosts;
struct txn;

#define ENROLL_TTL_S          3600u
#define ENROLL_TTL_MAX_S      604800u /* a week */
#define HOST_CERTIFICATE_DAYS 30u

struct host_token {
	/* asked */
	uint32_t ttl_s;
	const char *created_by;
	/* made */
	char *text;          /* "id.secret", malloc'd: shown once */
	uint64_t expires_ms; /* wall clock */
};

/* Make a token for a host that exists or that t adds; it works once t has committed. */
int host_token_make(struct hosts *hs, struct txn *t, obj_id host, struct host_token *k,
    struct err *e) WARN_UNUSED;

struct host_enrolled {
	obj_id host;
	const char *uuid;
	const char *certificate; /* PEM */
	const char *ca;          /* PEM */
};

/* en is borrowed, NULL on failure: ERR_DENIED for a token that is unknown, spent or
 * expired. */
typedef void (*host_enroll_fn)(
    void *arg, int rc, const struct err *e, const struct host_enrolled *en);
/* who is only audited: the address it came from. */
void host_enroll(struct hosts *hs, const char *token, const char *csr_pem,
    const struct caller *who, host_enroll_fn done, void *arg);
/* SHA-256 of the CA's certificate, lower-case hex: what an agent is told to trust. */
const char *hosts_ca_fingerprint(const struct hosts *hs);
