/*
 * tls: contexts for server, agent and enrolment; who a certificate says it is.
 *
 * TLS 1.3 only between server and agents, both sides with certificates.  The role is in
 * the certificate's SAN URI: "drover:server", "drover:host:<uuid>".
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct ssl_ctx_st;
struct x509_st;

enum tls_role { TLS_ROLE_NONE, TLS_ROLE_SERVER, TLS_ROLE_HOST };

struct tls_identity {
	enum tls_role role;
	char uuid[40];        /* of a host; "" else */
	char fingerprint[65]; /* SHA-256 of the certificate, lower-case hex */
	char serial[65];      /* hex */
};

struct tls_files {
	const char *cert; /* PEM paths */
	const char *key;
	const char *ca;
};

/*
 * For an accepting (server) or dialling (agent) end that demands the peer's certificate
 * of the same CA.
 */
int tls_server_ctx(
    const struct tls_files *f, struct ssl_ctx_st **ret, struct err *e) WARN_UNUSED;
int tls_client_ctx(
    const struct tls_files *f, struct ssl_ctx_st **ret, struct err *e) WARN_UNUSED;
void tls_ctx_free(struct ssl_ctx_st *ctx);
int tls_identify(
    struct x509_st *cert, struct tls_identity *ret_id, struct err *e) WARN_UNUSED;

/* Enrolment. Keys are EC P-256; PEM text is malloc'd, caller frees (and wipes keys). */
int tls_make_key_csr(
    const char *cn, char **ret_key_pem, char **ret_csr_pem, struct err *e) WARN_UNUSED;
/*
 * Sign a CSR: every name in it is ignored; the certificate gets SAN URI
 * drover:host:<uuid>, EKU clientAuth (and serverAuth, for the migration channel), days
 * of life. ca_key_path is read for this call only.
 */
int tls_sign_host(const char *csr_pem, const char *ca_cert_path,
    const char *ca_key_path, const char *uuid, unsigned days, char **ret_cert_pem,
    struct tls_identity *ret_id, struct err *e) WARN_UNUSED;
/* SHA-256 of the first certificate in a PEM text, lower-case hex. */
int tls_pem_fingerprint(const char *pem, char out[65], struct err *e) WARN_UNUSED;
