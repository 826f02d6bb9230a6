#include "host-agent/enroll/enroll.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "host-agent/enroll/cert_pair.h"
#include "host-agent/enroll/https.h"
#include "host-agent/record/record.h"
#include "loop/tls.h"

#define PEM_MAX  65536u
#define API_PATH "/api/v1/enroll"

/* What came back, checked. */
struct answer {
	const char *certificate, *ca; /* PEM, borrowed from the JSON */
	const char *uuid;
};

static int
clean_fingerprint(const char *s, char out[65], struct err *e)
{
	size_t n = 0;

	for (const char *p = s; *p; p++) {
		if (*p == ':')
			continue;
		if (!isxdigit((unsigned char)*p) || n == 64)
			n = 65;
		else
			out[n++] = (char)tolower((unsigned char)*p);
		if (n > 64)
			break;
	}
	if (n != 64)
		return err_set(e, ERR_INVALID,
		    "the CA's fingerprint wants 64 hex digits (SHA-256)");
	out[64] = '\0';
	return 0;
}

/* A refusal in the server's own words, with what to do about it. */
static int
refused(const struct https_reply *r, struct err *e)
{
	AUTO(json) json *j = NULL;
	const json *fault;
	const char *code = "", *message = "no reason given";
	int rc;

	if (!json_parse(str_cstr(r->body), r->body->len, "answer", &j, NULL) &&
	    json_what(j) == JSON_IS_OBJECT && (fault = json_get(j, "error")) &&
	    json_what(fault) == JSON_IS_OBJECT) {
		(void)!json_read_str(fault, "code", JSON_OPTIONAL, 64, &code, NULL);
		(void)!json_read_str(
		    fault, "message", JSON_OPTIONAL, 4096, &message, NULL);
	}
	rc = *code ? err_from_name(code) : ERR_INTERNAL;
	if (r->status == 401 || r->status == 403)
		return err_set(e, rc,
		    "the server refused the token: %s (it is for one use and expires)",
		    message);
	return err_set(
	    e, rc, "the server refused the enrolment (%d): %s", r->status, message);
}

static int
read_answer(const json *j, struct answer *a, struct err *e)
{
	if (json_read_str(
		j, "certificate", JSON_REQUIRED, PEM_MAX, &a->certificate, e) ||
	    json_read_str(j, "ca", JSON_REQUIRED, PEM_MAX, &a->ca, e) ||
	    json_read_str(j, "uuid", JSON_REQUIRED, 39, &a->uuid, e))
		return err_wrap(e, "the server's answer");
	return 0;
}

static int
check_answer(
    const struct answer *a, const char *key_pem, const char *fingerprint, struct err *e)
{
	char got[65];

	if (tls_pem_fingerprint(a->ca, got, e) || !str_same(got, fingerprint))
		return err_set(
		    e, ERR_DENIED, "the server sent another CA than its own");
	return cert_check(a->certificate, a->uuid, key_pem, a->ca, e);
}

static int
make_folder(const char *path, struct err *e)
{
	AUTO_FREE char *dir = xstrdup(path);
	char *slash = strrchr(dir, '/');

	if (!slash || slash == dir)
		return 0;
	*slash = '\0';
	return record_dir_make(dir, 0700, e);
}

static int
put(const char *path, mode_t mode, const char *text, struct err *e)
{
	int rc = make_folder(path, e);

	return rc ? rc : record_file_write(path, mode, text, strlen(text), e);
}

static int
write_all(const struct enroll_order *o, const struct answer *a, const char *key_pem,
    struct err *e)
{
	AUTO_FREE char *line = xasprintf("%s\n", a->uuid);

	const struct tls_files pair = { .cert = o->cert, .key = o->key };

	/* The pair last: while it is not there the host is not enrolled. */
	if (put(o->ca, 0644, a->ca, e) || put(o->uuid_file, 0644, line, e) ||
	    make_folder(o->key, e) || make_folder(o->cert, e) ||
	    cert_pair_store(&pair, key_pem, a->certificate, e))
		return e->code;
	return 0;
}

static int
ask(const struct enroll_order *o, const char *fingerprint, const char *csr,
    struct str *body, struct err *e)
{
	AUTO(json) json *j = json_new_object();
	AUTO_FREE char *ca_pem = NULL;
	struct https_reply r = { 0, body };
	int rc;

	json_set_str(j, "token", o->token);
	json_set_str(j, "csr", csr);
	AUTO_FREE char *text = json_text(j);
	const struct https_post p = {
		.host = o->host,
		.port = o->port,
		.ca_fingerprint = fingerprint,
		.path = API_PATH,
		.body = text,
		.timeout_ms = o->timeout_ms ? o->timeout_ms : ENROLL_TIMEOUT_MS,
	};

	rc = https_post(&p, &r, &ca_pem, e);
	secret_wipe(text, strlen(text));
	if (rc)
		return rc;
	return r.status == 200 || r.status == 201 ? 0 : refused(&r, e);
}

static int
run(const struct enroll_order *o, const char *key_pem, const char *csr,
    char ret_uuid[40], struct err *e)
{
	AUTO(str) struct str body = STR_INIT;
	AUTO(json) json *j = NULL;
	struct answer a;
	char fingerprint[65];

	if (clean_fingerprint(o->ca_fingerprint, fingerprint, e) ||
	    ask(o, fingerprint, csr, &body, e) ||
	    json_parse(str_cstr(&body), body.len, "the server's answer", &j, e) ||
	    read_answer(j, &a, e) || check_answer(&a, key_pem, fingerprint, e) ||
	    write_all(o, &a, key_pem, e))
		return e->code;
	snprintf(ret_uuid, 40, "%s", a.uuid);
	return 0;
}

int
enroll(const struct enroll_order *o, char ret_uuid[40], struct err *e)
{
	AUTO_FREE char *key_pem = NULL;
	AUTO_FREE char *csr = NULL;
	struct err why = ERR_INIT;
	char name[256] = "host";
	int rc;

	if (gethostname(name, sizeof(name) - 1) || strlen(name) > 64)
		snprintf(name, sizeof(name), "host");
	rc = tls_make_key_csr(name, &key_pem, &csr, &why);
	if (!rc)
		rc = run(o, key_pem, csr, ret_uuid, &why);
	if (key_pem)
		secret_wipe(key_pem, strlen(key_pem));
	return rc ? err_set(e, rc, "%s", why.msg) : 0;
}
