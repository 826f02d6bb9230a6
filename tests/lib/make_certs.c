#include "tests/lib/make_certs.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"

#define HOUR_S 3600

struct path {
	struct list_node node;
	char text[]; /* handed out, so kept until the end */
};

struct certs {
	char dir[64];
	struct list paths;
	const char *ca_pem, *ca_key_pem;
	X509 *ca;
	EVP_PKEY *ca_key;
	long serial;
};

static const char *
new_path(struct certs *c, const char *name, const char *ending)
{
	size_t n = strlen(c->dir) + strlen(name) + strlen(ending) + 2;
	struct path *p = xcalloc(1, sizeof(*p) + n);

	snprintf(p->text, n, "%s/%s%s", c->dir, name, ending);
	list_add_tail(&c->paths, &p->node);
	return p->text;
}

static const char *
write_cert(struct certs *c, const char *name, X509 *cert)
{
	const char *path = new_path(c, name, ".pem");
	FILE *fp = fopen(path, "we");

	ASSERT(fp && PEM_write_X509(fp, cert) == 1);
	fclose(fp);
	return path;
}

static const char *
write_key(struct certs *c, const char *name, EVP_PKEY *key)
{
	const char *path = new_path(c, name, ".key");
	FILE *fp = fopen(path, "we");

	ASSERT(fp && PEM_write_PrivateKey(fp, key, NULL, NULL, 0, NULL, NULL) == 1);
	fclose(fp);
	return path;
}

static void
add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ASSERT(ext && X509_add_ext(cert, ext, -1) == 1);
	X509_EXTENSION_free(ext);
}

/* A certificate without its extensions and signature. */
static X509 *
begin_cert(struct certs *c, const char *cn, EVP_PKEY *key, long from_s, long to_s)
{
	time_t now = (time_t)(clock_wall_ms(clock_system()) / 1000);
	X509 *cert = X509_new();

	ASSERT(cert && X509_set_version(cert, X509_VERSION_3) == 1);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), ++c->serial);
	ASSERT(X509_time_adj_ex(X509_getm_notBefore(cert), 0, from_s, &now));
	ASSERT(X509_time_adj_ex(X509_getm_notAfter(cert), 0, to_s, &now));
	ASSERT(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN",
		   MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0) == 1);
	ASSERT(X509_set_pubkey(cert, key) == 1);
	return cert;
}

struct certs *
certs_new(const char *ca_name)
{
	struct certs *c = xcalloc(1, sizeof(*c));

	list_init(&c->paths);
	snprintf(c->dir, sizeof(c->dir), "/tmp/drover-certs-XXXXXX");
	ASSERT(mkdtemp(c->dir));
	c->ca_key = EVP_EC_gen("P-256");
	c->ca = begin_cert(c, ca_name, c->ca_key, -HOUR_S, HOUR_S);
	ASSERT(X509_set_issuer_name(c->ca, X509_get_subject_name(c->ca)) == 1);
	add_ext(c->ca, c->ca, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(c->ca, c->ca, NID_key_usage, "critical,keyCertSign,cRLSign");
	add_ext(c->ca, c->ca, NID_subject_key_identifier, "hash");
	ASSERT(X509_sign(c->ca, c->ca_key, EVP_sha256()) > 0);
	c->ca_pem = write_cert(c, "ca", c->ca);
	c->ca_key_pem = write_key(c, "ca", c->ca_key);
	return c;
}

void
certs_free(struct certs *c)
{
	char path[512];
	DIR *d = opendir(c->dir);
	struct dirent *entry;

	while (d && (entry = readdir(d))) {
		snprintf(path, sizeof(path), "%s/%s", c->dir, entry->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
	rmdir(c->dir);
	LIST_EACH_SAFE(struct path, p, &c->paths, node) {
		free(p);
	}
	X509_free(c->ca);
	EVP_PKEY_free(c->ca_key);
	free(c);
}

const char *
certs_dir(const struct certs *c)
{
	return c->dir;
}

const char *
certs_ca(const struct certs *c)
{
	return c->ca_pem;
}

const char *
certs_ca_key(const struct certs *c)
{
	return c->ca_key_pem;
}

struct tls_files
certs_make(struct certs *c, const char *name, const struct cert_wish *w)
{
	bool is_now = !w->from_s && !w->to_s;
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = begin_cert(
	    c, name, key, is_now ? -HOUR_S : w->from_s, is_now ? HOUR_S : w->to_s);
	struct tls_files files = { .ca = c->ca_pem };

	ASSERT(X509_set_issuer_name(cert, X509_get_subject_name(c->ca)) == 1);
	add_ext(cert, c->ca, NID_basic_constraints, "critical,CA:FALSE");
	add_ext(
	    cert, c->ca, NID_ext_key_usage, w->eku ? w->eku : "clientAuth,serverAuth");
	if (w->san)
		add_ext(cert, c->ca, NID_subject_alt_name, w->san);
	ASSERT(X509_sign(cert, c->ca_key, EVP_sha256()) > 0);
	files.cert = write_cert(c, name, cert);
	files.key = write_key(c, name, key);
	X509_free(cert);
	EVP_PKEY_free(key);
	return files;
}
