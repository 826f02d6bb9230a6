#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/mem.h"
#include "tests/lib/make_certs.h"

#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

static int
setup(void **state)
{
	*state = certs_new("test CA");
	return 0;
}

static int
teardown(void **state)
{
	certs_free(*state);
	return 0;
}

static X509 *
read_pem(const char *path)
{
	FILE *fp = fopen(path, "re");
	X509 *cert;

	assert_non_null(fp);
	cert = PEM_read_X509(fp, NULL, NULL, NULL);
	fclose(fp);
	assert_non_null(cert);
	return cert;
}

static int
identify_san(struct certs *c, const char *san, struct tls_identity *id, struct err *e)
{
	struct tls_files f = certs_make(c, "peer", &(struct cert_wish){ .san = san });
	X509 *cert = read_pem(f.cert);
	int rc = tls_identify(cert, id, e);

	X509_free(cert);
	return rc;
}

static void
a_certificate_says_who_it_is(void **state)
{
	struct tls_identity id;
	struct err e = ERR_INIT;

	assert_int_equal(identify_san(*state, "URI:drover:server,DNS:a", &id, &e), 0);
	assert_int_equal(id.role, TLS_ROLE_SERVER);
	assert_string_equal(id.uuid, "");
	assert_int_equal(strlen(id.fingerprint), 64);
	assert_int_equal(identify_san(*state, "URI:drover:host:" UUID, &id, &e), 0);
	assert_int_equal(id.role, TLS_ROLE_HOST);
	assert_string_equal(id.uuid, UUID);
	assert_int_equal(identify_san(*state,
			     "URI:https://drover:server/,DNS:drover:server", &id, &e),
	    0);
	assert_int_equal(id.role, TLS_ROLE_NONE);
	assert_int_equal(identify_san(*state, NULL, &id, &e), 0);
	assert_int_equal(id.role, TLS_ROLE_NONE);
}

static void
odd_roles_are_refused(void **state)
{
	static const char *const odd[] = {
		"URI:drover:server,URI:drover:host:" UUID,
		"URI:drover:server,URI:drover:server",
		"URI:drover:serverx",
		"URI:drover:",
		"URI:drover:host:",
		"URI:drover:host:" UUID "0",
		"URI:drover:host:3F2504E0-4F89-41D3-9A0C-0305E82C3301",
		"URI:drover:host:3f2504e0-4f89-41d3-9a0c-0305e82c330/",
	};
	struct tls_identity id = { .role = TLS_ROLE_NONE };

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++) {
		struct err e = ERR_INIT;

		assert_int_equal(identify_san(*state, odd[i], &id, &e), ERR_DENIED);
		assert_int_equal(id.role, TLS_ROLE_NONE);
		assert_true(e.msg[0]);
	}
}

static int
sign(struct certs *c, const char *csr, char **ret_pem, struct tls_identity *id,
    struct err *e)
{
	return tls_sign_host(
	    csr, certs_ca(c), certs_ca_key(c), UUID, 30, ret_pem, id, e);
}

static X509 *
parse(const char *pem)
{
	BIO *in = BIO_new_mem_buf(pem, -1);
	X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);

	BIO_free(in);
	assert_non_null(cert);
	return cert;
}

static void
enrolment_gives_a_host_its_certificate(void **state)
{
	struct certs *c = *state;
	AUTO_FREE char *key = NULL, *csr = NULL, *pem = NULL;
	struct tls_identity id, again;
	struct err e = ERR_INIT;
	char print[65];
	X509 *cert, *ca;
	EVP_PKEY *ca_key;

	assert_int_equal(tls_make_key_csr("I am drover:server", &key, &csr, &e), 0);
	assert_non_null(strstr(key, "BEGIN PRIVATE KEY"));
	assert_int_equal(sign(c, csr, &pem, &id, &e), 0);
	assert_int_equal(id.role, TLS_ROLE_HOST);
	assert_string_equal(id.uuid, UUID);
	assert_int_equal(tls_pem_fingerprint(pem, print, &e), 0);
	assert_string_equal(print, id.fingerprint);

	cert = parse(pem);
	ca = read_pem(certs_ca(c));
	ca_key = X509_get_pubkey(ca);
	assert_int_equal(tls_identify(cert, &again, &e), 0);
	assert_string_equal(again.serial, id.serial);
	assert_int_equal(X509_verify(cert, ca_key), 1);
	assert_int_equal(X509_check_issued(ca, cert), X509_V_OK);
	/* The name that was asked for is nowhere in it. */
	assert_int_equal(X509_check_host(cert, "I am drover:server", 0, 0, NULL), 0);
	assert_true(
	    X509_get_extended_key_usage(cert) == (XKU_SSL_SERVER | XKU_SSL_CLIENT));
	assert_int_equal(X509_check_ca(cert), 0);
	EVP_PKEY_free(ca_key);
	X509_free(ca);
	X509_free(cert);
}

static void
two_signings_differ_in_their_serial(void **state)
{
	AUTO_FREE char *key = NULL, *csr = NULL, *pem_a = NULL, *pem_b = NULL;
	struct tls_identity a, b;
	struct err e = ERR_INIT;

	assert_int_equal(tls_make_key_csr("h1", &key, &csr, &e), 0);
	assert_int_equal(sign(*state, csr, &pem_a, &a, &e), 0);
	assert_int_equal(sign(*state, csr, &pem_b, &b, &e), 0);
	assert_string_not_equal(a.serial, b.serial);
}

/* A request whose key is not of the wanted kind. */
static char *
make_csr(EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();
	BIO *out = BIO_new(BIO_s_mem());
	char *p, *pem;
	long n;

	assert_non_null(key);
	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509_REQ(out, req), 1);
	n = BIO_get_mem_data(out, &p);
	pem = xstrndup(p, (size_t)n);
	BIO_free(out);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	return pem;
}

static void
bad_requests_are_refused(void **state)
{
	struct certs *c = *state;
	AUTO_FREE char *rsa = make_csr(EVP_RSA_gen(2048));
	AUTO_FREE char *p384 = make_csr(EVP_EC_gen("P-384"));
	AUTO_FREE char *key = NULL, *good = NULL, *pem = NULL;
	struct tls_identity id;
	struct err e = ERR_INIT;

	assert_int_equal(sign(c, rsa, &pem, &id, &e), ERR_INVALID);
	assert_string_equal(e.msg, "signing request: the key is not EC P-256");
	assert_int_equal(sign(c, p384, &pem, &id, &e), ERR_INVALID);
	assert_int_equal(sign(c, "", &pem, &id, &e), ERR_INVALID);
	assert_int_equal(
	    sign(c, "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n", &pem, &id, &e),
	    ERR_INVALID);
	assert_int_equal(tls_make_key_csr("h1", &key, &good, &e), 0);
	/* One letter of the signature's base64. */
	good[strlen(good) - 60] = good[strlen(good) - 60] == 'A' ? 'B' : 'A';
	assert_int_equal(sign(c, good, &pem, &id, &e), ERR_INVALID);
	assert_null(pem);
}

static void
signing_checks_its_arguments(void **state)
{
	struct certs *c = *state;
	AUTO_FREE char *key = NULL, *csr = NULL, *pem = NULL;
	struct tls_files other =
	    certs_make(c, "other", &(struct cert_wish){ .san = NULL });
	struct tls_identity id;
	struct err e = ERR_INIT;

	assert_int_equal(tls_make_key_csr("h1", &key, &csr, &e), 0);
	assert_int_equal(tls_sign_host(csr, certs_ca(c), certs_ca_key(c),
			     "x,URI:drover:server", 30, &pem, &id, &e),
	    ERR_INVALID);
	assert_int_equal(
	    tls_sign_host(csr, certs_ca(c), certs_ca_key(c), UUID, 0, &pem, &id, &e),
	    ERR_INVALID);
	assert_int_equal(
	    tls_sign_host(csr, certs_ca(c), other.key, UUID, 30, &pem, &id, &e),
	    ERR_INVALID);
	assert_int_equal(
	    tls_sign_host(csr, "/nowhere/ca.pem", other.key, UUID, 30, &pem, &id, &e),
	    ERR_IO);
	assert_non_null(strstr(e.msg, "/nowhere/ca.pem"));
	assert_int_equal(
	    tls_make_key_csr("a name that is far longer than the sixty-four characters "
			     "that X.509 allows",
		&pem, &pem, &e),
	    ERR_INVALID);
	assert_null(pem);
}

static void
contexts_name_the_file_that_is_wrong(void **state)
{
	struct certs *c = *state;
	struct tls_files f = certs_make(c, "a", &(struct cert_wish){ .san = NULL });
	struct tls_files g = certs_make(c, "b", &(struct cert_wish){ .san = NULL });
	struct ssl_ctx_st *ctx = NULL;
	struct err e = ERR_INIT;

	assert_int_equal(tls_server_ctx(&f, &ctx, &e), 0);
	tls_ctx_free(ctx);
	assert_int_equal(tls_client_ctx(&f, &ctx, &e), 0);
	tls_ctx_free(ctx);
	f.key = g.key;
	assert_int_equal(tls_server_ctx(&f, &ctx, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, g.key));
	f.cert = "/nowhere/cert.pem";
	assert_int_equal(tls_client_ctx(&f, &ctx, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "/nowhere/cert.pem"));
	g.ca = g.key;
	assert_int_equal(tls_client_ctx(&g, &ctx, &e), ERR_INVALID);
	assert_non_null(strstr(e.msg, "CA file"));
}

static void
an_encrypted_key_is_refused_without_asking(void **state)
{
	struct certs *c = *state;
	struct tls_files f = certs_make(c, "a", &(struct cert_wish){ .san = NULL });
	EVP_PKEY *key = EVP_EC_gen("P-256");
	struct ssl_ctx_st *ctx = NULL;
	struct err e = ERR_INIT;
	FILE *fp = fopen(f.key, "we");

	assert_int_equal(PEM_write_PrivateKey(fp, key, EVP_aes_256_cbc(),
			     (const unsigned char *)"secret", 6, NULL, NULL),
	    1);
	fclose(fp);
	EVP_PKEY_free(key);
	assert_int_equal(tls_server_ctx(&f, &ctx, &e), ERR_INVALID);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_certificate_says_who_it_is),
		CASE(odd_roles_are_refused),
		CASE(enrolment_gives_a_host_its_certificate),
		CASE(two_signings_differ_in_their_serial),
		CASE(bad_requests_are_refused),
		CASE(signing_checks_its_arguments),
		CASE(contexts_name_the_file_that_is_wrong),
		CASE(an_encrypted_key_is_refused_without_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
