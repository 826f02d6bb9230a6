/*
 * make_certs: a CA and certificates in a temporary folder, for tests of links and
 * enrolment.
 */
#pragma once
#include "loop/tls.h"

struct certs; /* a folder with ca.pem, ca.key and what make_cert puts there */

struct certs *certs_new(const char *ca_name);
void certs_free(struct certs *c); /* removes the folder */
const char *certs_dir(const struct certs *c);
const char *certs_ca(const struct certs *c);     /* path of ca.pem */
const char *certs_ca_key(const struct certs *c); /* path of ca.key */

struct cert_wish {
	const char
	    *san; /* as OpenSSL's config has it: "URI:drover:server,IP:127.0.0.1" */
	const char *eku;   /* NULL: "clientAuth,serverAuth" */
	long from_s, to_s; /* validity from now; both 0: an hour around now */
};

/* Paths in the result are c's and good until certs_free. */
struct tls_files certs_make(
    struct certs *c, const char *name, const struct cert_wish *w);
