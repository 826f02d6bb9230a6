#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/clock.h"
#include "base/mem.h"
#include "loop/tls.h"
#include "loop/tls_int.h"

#define CURVE         "P-256"
#define CURVE_NAME    "prime256v1"
#define SERIAL_BITS   127 /* positive, and far from RFC 5280's 20 bytes */
#define CLOCK_SKEW_S  300 /* a host whose clock is late accepts its certificate */
#define MAX_CERT_DAYS 36500u

static char *
take_text(BIO *b)
{
	char *p;
	long n = BIO_get_mem_data(b, &p);

	return xstrndup(p, (size_t)n);
}

static int
build_csr(X509_REQ *req, EVP_PKEY *key, const char *cn, struct err *e)
{
	X509_NAME *subject = X509_REQ_get_subject_name(req);

	if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
		(const unsigned char *)cn, -1, -1, 0) != 1)
		return tls_fail(e, ERR_INVALID, "name \"%.64s\"", cn);
	if (X509_REQ_set_version(req, X509_REQ_VERSION_1) != 1 ||
	    X509_REQ_set_pubkey(req, key) != 1 ||
	    X509_REQ_sign(req, key, EVP_sha256()) <= 0)
		return tls_fail(e, ERR_INTERNAL, "cannot make a signing request");
	return 0;
}

int
tls_make_key_csr(const char *cn, char **ret_key_pem, char **ret_csr_pem, struct err *e)
{
	EVP_PKEY *key = EVP_EC_gen(CURVE);
	X509_REQ *req = X509_REQ_new();
	BIO *key_out = BIO_new(BIO_s_mem()), *req_out = BIO_new(BIO_s_mem());
	int rc;

	ERR_clear_error();
	if (!key || !req || !key_out || !req_out)
		rc = tls_fail(e, ERR_INTERNAL, "cannot make a key");
	else
		rc = build_csr(req, key, cn, e);
	if (!rc && (PEM_write_bio_PKCS8PrivateKey(
			key_out, key, NULL, NULL, 0, NULL, NULL) != 1 ||
		       PEM_write_bio_X509_REQ(req_out, req) != 1))
		rc = tls_fail(e, ERR_INTERNAL, "cannot write a key");
	if (!rc) {
		*ret_key_pem = take_text(key_out);
		*ret_csr_pem = take_text(req_out);
	}
	BIO_free(key_out); /* wipes its copy */
	BIO_free(req_out);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return rc;
}

/* The request's key, if it is of the kind we take and the sender holds it. */
static int
check_csr(X509_REQ *req, EVP_PKEY **ret_key, struct err *e)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(req);
	char group[32] = "";

	if (!key || !EVP_PKEY_is_a(key, "EC") ||
	    EVP_PKEY_get_utf8_string_param(
		key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group), NULL) != 1 ||
	    strcmp(group, CURVE_NAME) != 0)
		return err_set(
		    e, ERR_INVALID, "signing request: the key is not EC P-256");
	if (X509_REQ_verify(req, key) != 1)
		return tls_fail(e, ERR_INVALID, "signing request: wrong signature");
	*ret_key = key;
	return 0;
}

static int
add_ext(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	int ok = ext && X509_add_ext(cert, ext, -1) == 1;

	X509_EXTENSION_free(ext);
	return ok;
}

static int
add_exts(X509 *cert, X509 *ca, const char *uuid)
{
	char san[80];
	X509V3_CTX ctx;

	snprintf(san, sizeof(san), "URI:drover:host:%s", uuid);
	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, ca, cert, NULL, NULL, 0);
	return add_ext(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_ext(cert, &ctx, NID_key_usage, "critical,digitalSignature") &&
	       add_ext(cert, &ctx, NID_ext_key_usage, "clientAuth,serverAuth") &&
	       add_ext(cert, &ctx, NID_subject_alt_name, san) &&
	       add_ext(cert, &ctx, NID_subject_key_identifier, "hash") &&
	       add_ext(cert, &ctx, NID_authority_key_identifier, "keyid");
}

static int
set_serial(X509 *cert)
{
	BIGNUM *n = BN_new();
	int ok = n &&
		 BN_rand(n, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
		 BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;

	BN_free(n);
	return ok;
}

static int
set_times(X509 *cert, unsigned days)
{
	time_t now = (time_t)(clock_wall_ms(clock_system()) / 1000);

	return X509_time_adj_ex(X509_getm_notBefore(cert), 0, -CLOCK_SKEW_S, &now) &&
	       X509_time_adj_ex(X509_getm_notAfter(cert), (int)days, 0, &now);
}

static int
set_subject(X509 *cert, const char *uuid)
{
	return X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
		   MBSTRING_UTF8, (const unsigned char *)uuid, -1, -1, 0) == 1;
}

struct authority {
	X509 *cert;
	EVP_PKEY *key;
};

static int
load_authority(
    const char *cert_path, const char *key_path, struct authority *a, struct err *e)
{
	FILE *fp;

	a->cert = tls_load_cert(cert_path, e);
	if (!a->cert)
		return ERR_IO;
	fp = fopen(key_path, "re");
	if (!fp)
		return err_sys(e, ERR_IO, errno, "cannot open %s", key_path);
	a->key = PEM_read_PrivateKey(fp, NULL, tls_no_password, NULL);
	fclose(fp);
	if (!a->key)
		return tls_fail(e, ERR_INVALID, "key file %s", key_path);
	if (X509_check_private_key(a->cert, a->key) != 1)
		return tls_fail(
		    e, ERR_INVALID, "key file %s does not fit %s", key_path, cert_path);
	return 0;
}

static int
write_cert(X509 *cert, char **ret_pem, struct err *e)
{
	BIO *out = BIO_new(BIO_s_mem());
	int rc = 0;

	if (!out || PEM_write_bio_X509(out, cert) != 1)
		rc = tls_fail(e, ERR_INTERNAL, "cannot write a certificate");
	else
		*ret_pem = take_text(out);
	BIO_free(out);
	return rc;
}

/* Everything but the outputs' writing; cert is empty before. */
static int
fill_and_sign(X509 *cert, X509_REQ *req, const struct authority *a, const char *uuid,
    unsigned days, struct err *e)
{
	EVP_PKEY *key = NULL;
	int rc = check_csr(req, &key, e);

	if (rc)
		return rc;
	if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
	    !set_times(cert, days) || !set_subject(cert, uuid) ||
	    X509_set_issuer_name(cert, X509_get_subject_name(a->cert)) != 1 ||
	    X509_set_pubkey(cert, key) != 1 || !add_exts(cert, a->cert, uuid) ||
	    X509_sign(cert, a->key, EVP_sha256()) <= 0)
		return tls_fail(e, ERR_INTERNAL, "cannot sign for host %s", uuid);
	return 0;
}

static X509_REQ *
parse_csr(const char *pem, struct err *e)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509_REQ *req = in ? PEM_read_bio_X509_REQ(in, NULL, NULL, NULL) : NULL;

	if (!req)
		tls_fail(e, ERR_INVALID, "signing request");
	BIO_free(in);
	return req;
}

int
tls_sign_host(const char *csr_pem, const char *ca_cert_path, const char *ca_key_path,
    const char *uuid, unsigned days, char **ret_cert_pem, struct tls_identity *ret_id,
    struct err *e)
{
	struct authority a = { NULL, NULL };
	X509_REQ *req = NULL;
	X509 *cert = NULL;
	int rc = ERR_INVALID;

	if (!tls_is_uuid(uuid, strlen(uuid)))
		return err_set(e, ERR_INVALID, "\"%.40s\" is no uuid", uuid);
	if (days == 0 || days > MAX_CERT_DAYS)
		return err_set(
		    e, ERR_INVALID, "a certificate cannot last %u days", days);
	ERR_clear_error();
	req = parse_csr(csr_pem, e);
	if (!req)
		goto out;
	rc = load_authority(ca_cert_path, ca_key_path, &a, e);
	if (rc)
		goto out;
	cert = X509_new();
	rc = cert ? fill_and_sign(cert, req, &a, uuid, days, e)
		  : tls_fail(e, ERR_INTERNAL, "cannot make a certificate");
	if (!rc)
		rc = tls_identify(cert, ret_id, e);
	if (!rc)
		rc = write_cert(cert, ret_cert_pem, e);
out:
	X509_REQ_free(req);
	X509_free(cert);
	X509_free(a.cert);
	EVP_PKEY_free(a.key);
	return rc;
}
