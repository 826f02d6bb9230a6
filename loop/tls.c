#include "loop/tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/tls_int.h"

#define URI_SCHEME   "drover:"
#define URI_SERVER   "drover:server"
#define URI_HOST     "drover:host:"
#define UUID_LEN     36
#define MAX_SERIAL   32 /* bytes; RFC 5280 allows 20 */
#define VERIFY_DEPTH 4

int
tls_fail(struct err *e, int code, const char *fmt, ...)
{
	unsigned long first = ERR_get_error();
	const char *reason = first ? ERR_reason_error_string(first) : NULL;
	char text[160];
	va_list ap;

	if (first && ERR_SYSTEM_ERROR(first))
		reason = strerror(ERR_GET_REASON(first));
	ERR_clear_error();
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return err_set(e, code, "%s: %s", text, reason ? reason : "no reason given");
}

int
tls_no_password(char *buf, int size, int for_writing, void *arg)
{
	return -1;
}

void
tls_ctx_free(struct ssl_ctx_st *ctx)
{
	SSL_CTX_free(ctx);
}

static int
load_ca(SSL_CTX *ctx, const char *path, struct err *e)
{
	STACK_OF(X509_NAME) * names;

	if (SSL_CTX_load_verify_file(ctx, path) != 1)
		return tls_fail(e, ERR_INVALID, "CA file %s", path);
	names = SSL_load_client_CA_file(path);
	if (!names)
		return tls_fail(e, ERR_INVALID, "CA file %s", path);
	SSL_CTX_set_client_CA_list(ctx, names);
	return 0;
}

static int
load_files(SSL_CTX *ctx, const struct tls_files *f, struct err *e)
{
	SSL_CTX_set_default_passwd_cb(ctx, tls_no_password);
	if (SSL_CTX_use_certificate_chain_file(ctx, f->cert) != 1)
		return tls_fail(e, ERR_INVALID, "certificate file %s", f->cert);
	if (SSL_CTX_use_PrivateKey_file(ctx, f->key, SSL_FILETYPE_PEM) != 1)
		return tls_fail(e, ERR_INVALID, "key file %s", f->key);
	if (SSL_CTX_check_private_key(ctx) != 1)
		return tls_fail(
		    e, ERR_INVALID, "key file %s does not fit %s", f->key, f->cert);
	return load_ca(ctx, f->ca, e);
}

static int
make_ctx(
    const SSL_METHOD *method, const struct tls_files *f, SSL_CTX **ret, struct err *e)
{
	SSL_CTX *ctx;
	int rc;

	ERR_clear_error();
	ctx = SSL_CTX_new(method);
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1) {
		SSL_CTX_free(ctx);
		return tls_fail(e, ERR_INTERNAL, "cannot set up TLS 1.3");
	}
	SSL_CTX_set_verify(
	    ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, VERIFY_DEPTH);
	/* A resumed session would skip the look at the peer's certificate. */
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(ctx, 0);
	/* A frame says where it ends; a peer that was killed sends no close_notify. */
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_NO_COMPRESSION);
	rc = load_files(ctx, f, e);
	if (rc) {
		SSL_CTX_free(ctx);
		return rc;
	}
	*ret = ctx;
	return 0;
}

int
tls_server_ctx(const struct tls_files *f, struct ssl_ctx_st **ret, struct err *e)
{
	return make_ctx(TLS_server_method(), f, ret, e);
}

int
tls_client_ctx(const struct tls_files *f, struct ssl_ctx_st **ret, struct err *e)
{
	return make_ctx(TLS_client_method(), f, ret, e);
}

int
tls_is_uuid(const char *s, size_t n)
{
	if (n != UUID_LEN)
		return 0;
	for (size_t i = 0; i < n; i++) {
		bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (is_dash ? s[i] != '-' : !strchr("0123456789abcdef", s[i]) || !s[i])
			return 0;
	}
	return 1;
}

/* One SAN URI of ours into id. */
static int
read_uri(const char *s, size_t n, struct tls_identity *id, struct err *e)
{
	size_t head = strlen(URI_HOST);

	if (id->role != TLS_ROLE_NONE)
		return err_set(e, ERR_DENIED, "certificate names more than one role");
	if (n == strlen(URI_SERVER) && !memcmp(s, URI_SERVER, n)) {
		id->role = TLS_ROLE_SERVER;
		return 0;
	}
	if (n > head && !memcmp(s, URI_HOST, head) && tls_is_uuid(s + head, n - head)) {
		id->role = TLS_ROLE_HOST;
		memcpy(id->uuid, s + head, n - head);
		return 0;
	}
	return err_set(e, ERR_DENIED, "certificate names a role that is none");
}

static int
read_role(X509 *cert, struct tls_identity *id, struct err *e)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int rc = 0;

	for (int i = 0; !rc && i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const char *s;
		size_t n;

		if (name->type != GEN_URI)
			continue;
		s = (const char *)ASN1_STRING_get0_data(
		    name->d.uniformResourceIdentifier);
		n = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
		if (n >= strlen(URI_SCHEME) &&
		    !memcmp(s, URI_SCHEME, strlen(URI_SCHEME)))
			rc = read_uri(s, n, id, e);
	}
	GENERAL_NAMES_free(names);
	return rc;
}

static int
fingerprint(const X509 *cert, char out[65], struct err *e)
{
	unsigned char sum[EVP_MAX_MD_SIZE];
	unsigned n;

	if (X509_digest(cert, EVP_sha256(), sum, &n) != 1 || n != 32)
		return tls_fail(e, ERR_INTERNAL, "cannot hash a certificate");
	hex_encode(sum, n, out);
	return 0;
}

static int
read_serial(X509 *cert, char out[65], struct err *e)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
	int n = ASN1_STRING_length(serial);

	if (n <= 0 || n > MAX_SERIAL)
		return err_set(
		    e, ERR_DENIED, "certificate has no usable serial number");
	hex_encode(ASN1_STRING_get0_data(serial), (size_t)n, out);
	return 0;
}

int
tls_identify(struct x509_st *cert, struct tls_identity *ret_id, struct err *e)
{
	struct tls_identity id = { .role = TLS_ROLE_NONE };
	int rc;

	rc = read_role(cert, &id, e);
	if (!rc)
		rc = fingerprint(cert, id.fingerprint, e);
	if (!rc)
		rc = read_serial(cert, id.serial, e);
	if (!rc)
		*ret_id = id;
	return rc;
}

struct x509_st *
tls_load_cert(const char *path, struct err *e)
{
	FILE *fp = fopen(path, "re");
	X509 *cert;

	if (!fp) {
		err_sys(e, ERR_IO, errno, "cannot open %s", path);
		return NULL;
	}
	ERR_clear_error();
	cert = PEM_read_X509(fp, NULL, NULL, NULL);
	if (!cert)
		tls_fail(e, ERR_INVALID, "certificate file %s", path);
	fclose(fp);
	return cert;
}

struct x509_st *
tls_parse_cert(const char *pem, const char *what, struct err *e)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert;

	ERR_clear_error();
	cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;
	if (!cert)
		tls_fail(e, ERR_INVALID, "%s", what);
	BIO_free(in);
	return cert;
}

int
tls_pem_fingerprint(const char *pem, char out[65], struct err *e)
{
	X509 *cert = tls_parse_cert(pem, "certificate", e);
	int rc;

	if (!cert)
		return ERR_INVALID;
	rc = fingerprint(cert, out, e);
	X509_free(cert);
	return rc;
}
