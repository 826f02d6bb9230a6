/*
 * cert_pair: this host's key and certificate on disk, replaced together.
 *
 * Two files cannot be renamed at once: the new ones are first written beside the old
 * (".next"), key before certificate.  While both are there the exchange is decided, and
 * whoever comes next ends it.  All calls block: for start-up and worker threads.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "loop/tls.h"

/* What a certificate says of itself; wall clock, ms since 1970. */
struct cert_facts {
	struct tls_identity id;
	uint64_t from_ms, to_ms;
};

int cert_read(
    const char *path, struct cert_facts *ret_facts, struct err *e) WARN_UNUSED;
int cert_parse(
    const char *pem, struct cert_facts *ret_facts, struct err *e) WARN_UNUSED;
/* Is the certificate that host's, of this key, and signed by that CA?  PEM texts. */
int cert_check(const char *pem, const char *uuid, const char *key_pem,
    const char *ca_pem, struct err *e) WARN_UNUSED;

/* f->key and f->cert become these, both or neither, also when the machine dies. */
int cert_pair_store(const struct tls_files *f, const char *key_pem, const char *pem,
    struct err *e) WARN_UNUSED;
/* End what an agent that died had begun; before the files are read. */
int cert_pair_settle(const struct tls_files *f, struct err *e) WARN_UNUSED;
