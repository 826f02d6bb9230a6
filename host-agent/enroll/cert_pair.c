#include "host-agent/enroll/cert_pair.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "host-agent/record/record.h"

#define PEM_MAX   ((size_t)65536)
#define KEY_MODE  0600
#define CERT_MODE 0644

static X509 *
x509_of(const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert = in ? PEM_read_bio_X509(in, NULL, NULL, NULL) : NULL;

	BIO_free(in);
	return cert;
}

static int
read_time(const ASN1_TIME *t, uint64_t *ret_ms)
{
	struct tm tm;
	time_t s;

	if (!ASN1_TIME_to_tm(t, &tm))
		return ERR_INVALID;
	s = timegm(&tm);
	*ret_ms = s > 0 ? (uint64_t)s * 1000 : 0;
	return 0;
}

static int
read_facts(X509 *cert, struct cert_facts *f, struct err *e)
{
	int rc = tls_identify(cert, &f->id, e);

	if (!rc && (read_time(X509_get0_notBefore(cert), &f->from_ms) ||
		       read_time(X509_get0_notAfter(cert), &f->to_ms)))
		rc = err_set(e, ERR_INVALID, "a certificate without a life");
	return rc;
}

int
cert_parse(const char *pem, struct cert_facts *ret_facts, struct err *e)
{
	struct cert_facts f;
	X509 *cert = x509_of(pem);
	int rc = cert ? read_facts(cert, &f, e)
		      : err_set(e, ERR_CORRUPT, "it is no certificate");

	X509_free(cert);
	if (!rc)
		*ret_facts = f;
	return rc;
}

int
cert_read(const char *path, struct cert_facts *ret_facts, struct err *e)
{
	AUTO(str) struct str pem = STR_INIT;
	int rc = record_file_read(path, PEM_MAX, &pem, e);

	if (!rc && cert_parse(str_cstr(&pem), ret_facts, e))
		rc = err_wrap(e, "certificate %s", path);
	return rc;
}

static bool
is_of_key(X509 *cert, const char *key_pem)
{
	BIO *in = BIO_new_mem_buf(key_pem, -1);
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, NULL, NULL) : NULL;
	bool same = key && X509_check_private_key(cert, key) == 1;

	EVP_PKEY_free(key);
	BIO_free(in);
	return same;
}

static bool
is_signed_by(X509 *cert, const char *ca_pem)
{
	X509 *ca = x509_of(ca_pem);
	EVP_PKEY *key = ca ? X509_get0_pubkey(ca) : NULL;
	bool good = key && X509_verify(cert, key) == 1;

	X509_free(ca);
	return good;
}

int
cert_check(const char *pem, const char *uuid, const char *key_pem, const char *ca_pem,
    struct err *e)
{
	X509 *cert = x509_of(pem);
	struct tls_identity id;
	int rc = 0;

	if (!cert || tls_identify(cert, &id, NULL))
		rc = err_set(e, ERR_CORRUPT, "the server sent no certificate");
	else if (id.role != TLS_ROLE_HOST || !str_same(id.uuid, uuid))
		rc = err_set(e, ERR_CORRUPT,
		    "the certificate is not for the host that the server named");
	else if (!is_of_key(cert, key_pem))
		rc = err_set(e, ERR_CORRUPT, "the certificate is for another key");
	else if (!is_signed_by(cert, ca_pem))
		rc = err_set(e, ERR_DENIED, "the certificate is not signed by the CA");
	X509_free(cert);
	return rc;
}

/* ---- the two files ---- */

static char *
next_of(const char *path)
{
	return xasprintf("%s.next", path);
}

static int
replace(const char *next, const char *path, struct err *e)
{
	if (rename(next, path))
		return err_sys(e, ERR_IO, errno, "renaming %s to %s", next, path);
	return record_dir_sync(path, e);
}

static int
put(const char *path, mode_t mode, const char *text, struct err *e)
{
	return record_file_write(path, mode, text, strlen(text), e);
}

static bool
fit(const char *key_path, const char *pem)
{
	AUTO(str) struct str key = STR_INIT;
	X509 *cert = x509_of(pem);
	bool same = cert && !record_file_read(key_path, PEM_MAX, &key, NULL) &&
		    is_of_key(cert, str_cstr(&key));

	if (key.len)
		secret_wipe(key.s, key.len);
	X509_free(cert);
	return same;
}

int
cert_pair_settle(const struct tls_files *f, struct err *e)
{
	AUTO_FREE char *key_next = next_of(f->key);
	AUTO_FREE char *cert_next = next_of(f->cert);
	AUTO(str) struct str pem = STR_INIT;
	bool decided = !record_file_read(cert_next, PEM_MAX, &pem, NULL);
	int rc = 0;

	if (decided && fit(key_next, str_cstr(&pem)))
		rc = replace(key_next, f->key, e);
	else if (!decided || !fit(f->key, str_cstr(&pem)))
		decided = false;
	if (!rc && decided)
		rc = replace(cert_next, f->cert, e);
	if (rc || decided)
		return rc;
	rc = record_file_remove(cert_next, e);
	return rc ? rc : record_file_remove(key_next, e);
}

int
cert_pair_store(
    const struct tls_files *f, const char *key_pem, const char *pem, struct err *e)
{
	AUTO_FREE char *key_next = next_of(f->key);
	AUTO_FREE char *cert_next = next_of(f->cert);

	/* What an older exchange has left must not be taken for this one's half. */
	if (record_file_remove(cert_next, e) || put(key_next, KEY_MODE, key_pem, e) ||
	    put(cert_next, CERT_MODE, pem, e))
		return e->code;
	return cert_pair_settle(f, e);
}
