#include "shell/rest.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "shell/connect.h"
#include "shell/http.h"

#define FIRST_PAUSE_MS 200
#define MAX_PAUSE_MS   5000
#define PAGE           1000
#define FIRST_PAGE     100
#define API            "/api/v1"

void
url_add(struct str *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || strchr("-._~", c))
			str_addc(b, (char)c);
		else
			str_addf(b, "%%%02X", c);
	}
}

static void
new_op_id(char out[37])
{
	unsigned char r[16];
	char hex[33];

	rng_secret(r, sizeof(r));
	r[6] = (unsigned char)((r[6] & 0x0f) | 0x40);
	r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
	hex_encode(r, sizeof(r), hex);
	snprintf(out, 37, "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
	    hex + 20);
}

static int
code_of_status(int status)
{
	switch (status) {
	case 400:
		return ERR_INVALID;
	case 401:
		return ERR_UNAUTHENTICATED;
	case 403:
		return ERR_DENIED;
	case 404:
		return ERR_NOT_FOUND;
	case 409:
		return ERR_BAD_STATE;
	case 413:
		return ERR_TOO_LARGE;
	case 429:
		return ERR_RATE_LIMITED;
	case 502:
		return ERR_LOST;
	case 503:
		return ERR_UNAVAILABLE;
	case 504:
		return ERR_TIMEOUT;
	default:
		return ERR_INTERNAL;
	}
}

/* A server that does not lead says who does; it is there, whatever it refuses. */
static void
note_leader(struct site *s, const json *fault)
{
	const char *leader = NULL;

	if (!json_get(fault, "leader"))
		return;
	s->answered = true;
	if (json_read_str(fault, "leader", JSON_OPTIONAL, 300, &leader, NULL) == 0)
		s->leader = xstrdup(leader);
}

/* The server's own words about what is wrong. */
static int
fault_of(struct site *s, const struct http_reply *r, struct err *e)
{
	AUTO(json) json *j = NULL;
	const char *code = NULL, *message = NULL, *id = NULL;
	const json *o = NULL;

	s->request_id[0] = '\0';
	free(MOVE(s->leader));
	if (json_parse(str_cstr(&r->body), r->body.len, "answer", &j, NULL) == 0 &&
	    json_what(j) == JSON_IS_OBJECT)
		o = json_get(j, "error");
	if (o && json_what(o) == JSON_IS_OBJECT &&
	    json_read_str(o, "code", JSON_REQUIRED, 64, &code, NULL) == 0 &&
	    json_read_str(o, "message", JSON_REQUIRED, 4096, &message, NULL) == 0) {
		if (json_read_str(o, "request_id", JSON_OPTIONAL, 63, &id, NULL) == 0 &&
		    id)
			snprintf(s->request_id, sizeof(s->request_id), "%s", id);
		note_leader(s, o);
		return err_set(e, err_from_name(code), "%s", message);
	}
	return err_set(e, code_of_status(r->status),
	    "the server answered with status %d", r->status);
}

static bool
is_passing(int code)
{
	return code == ERR_LOST || code == ERR_UNAVAILABLE;
}

static int
pause_ms(unsigned ms, struct err *e)
{
	struct timespec left = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&left, &left) < 0 && !shell_interrupted())
		;
	return shell_interrupted() ? err_set(e, ERR_CANCELLED, "interrupted") : 0;
}

/* One exchange; a failure of the server's is an error too. */
static int
exchange(
    struct site *s, const struct http_request *q, struct http_reply *r, struct err *e)
{
	int rc = http_call(s->http, q, r, e);

	if (rc < 0)
		return rc;
	if (r->status >= 200 && r->status < 300) {
		s->answered = true;
		return 0;
	}
	rc = fault_of(s, r, e);
	s->answered = s->answered || !is_passing(rc);
	str_fini(&r->body);
	return rc;
}

/*
 * The same again while the server is away, and from another one if there is one.  A
 * server that was never reached in this run is not waited for: who waits for a wrong
 * address wants to know.
 */
static int
call(
    struct shell *sh, const struct http_request *q, struct http_reply *r, struct err *e)
{
	uint64_t until = clock_mono_ms(clock_system()) + RETRY_MS;
	unsigned pause = FIRST_PAUSE_MS, tried = 0;
	bool said = false;
	struct site *s;
	int rc = site_need(sh, &s, e);

	while (rc == 0) {
		err_clear(e);
		rc = exchange(s, q, r, e);
		if (rc == 0 || !is_passing(rc))
			break;
		/* Everybody once, and whoever they name, before anybody is waited for.
		 */
		if (tried++ < 2 * s->n_servers - 1 && site_go_on(s)) {
			rc = 0;
			continue;
		}
		if (!s->answered || clock_mono_ms(clock_system()) + pause > until)
			break;
		if (!said)
			fprintf(sh->screen.err,
			    "drover: %s; trying again for up to %u s\n", e->msg,
			    RETRY_MS / 1000);
		said = true;
		if (pause_ms(r->retry_after_s ? r->retry_after_s * 1000 : pause, e) < 0)
			return ERR_CANCELLED;
		pause = pause * 2 > MAX_PAUSE_MS ? MAX_PAUSE_MS : pause * 2;
		tried = 0;
		rc = site_go_on(s) || s->n_servers == 1 ? 0 : rc;
	}
	if (rc < 0 && sh->n_sites > 1)
		err_wrap(e, "%s", s->name);
	if (rc < 0 && (rc == ERR_UNAUTHENTICATED || (sh->site && !sh->site->answered)))
		sh->login_failed = true;
	return rc;
}

static int
call_json(struct shell *sh, struct http_request *q, json **ret_j, struct err *e)
{
	struct http_reply r = { 0 };
	struct site *s;
	int rc = site_need(sh, &s, e);

	if (rc < 0)
		return rc;
	q->bearer = s->token ? secret_cstr(s->token) : NULL;
	rc = call(sh, q, &r, e);
	if (rc < 0)
		return rc;
	*ret_j = NULL;
	if (r.body.len)
		rc = json_parse(r.body.s, r.body.len, "the server's answer", ret_j, e);
	else
		*ret_j = json_new_object();
	str_fini(&r.body);
	return rc;
}

int
rest_get(struct shell *sh, const char *path, json **ret_j, struct err *e)
{
	AUTO_FREE char *full =
	    str_starts(path, API) ? xstrdup(path) : xasprintf(API "%s", path);
	struct http_request q = { .method = "GET", .path = full };

	return call_json(sh, &q, ret_j, e);
}

int
rest_download(struct shell *sh, const char *path, struct str *ret_body, struct err *e)
{
	AUTO_FREE char *full = xasprintf(API "%s", path);
	struct http_request q = { .method = "GET", .path = full };
	struct http_reply r = { 0 };
	struct site *s;
	int rc = site_need(sh, &s, e);

	if (rc < 0)
		return rc;
	q.bearer = s->token ? secret_cstr(s->token) : NULL;
	rc = call(sh, &q, &r, e);
	if (!rc)
		*ret_body = r.body;
	return rc;
}

/* The first page is short, so that there is something to show; those behind it are not.
 */
static char *
page_after(const char *next)
{
	const char *limit = strstr(next, "limit=");
	size_t digits = limit ? strspn(limit + 6, "0123456789") : 0;

	if (!limit)
		return xstrdup(next);
	return xasprintf(
	    "%.*slimit=%d%s", (int)(limit - next), next, PAGE, limit + 6 + digits);
}

int
rest_pages(
    struct shell *sh, const char *path, rest_page_fn take, void *arg, struct err *e)
{
	AUTO_FREE char *next = xasprintf(
	    API "%s%climit=%d", path, strchr(path, '?') ? '&' : '?', FIRST_PAGE);

	while (next) {
		AUTO(json) json *page = NULL;
		if (rest_get(sh, next, &page, e) < 0)
			return e->code;
		const json *items = json_get(page, "items"),
			   *more = json_get(page, "next");
		if (items && !take(arg, items))
			return 0;
		free(next);
		next = more && json_what(more) == JSON_IS_STR && json_count(items)
			   ? page_after(json_str_value(more, NULL))
			   : NULL;
	}
	return 0;
}

static bool
add_page(void *arg, const json *items)
{
	json *all = arg;

	for (size_t i = 0; i < json_count(items); i++)
		json_add_json(all, json_ref(json_at(items, i)));
	return true;
}

int
rest_list(struct shell *sh, const char *path, json **ret_items, struct err *e)
{
	json *all = json_new_array();

	if (rest_pages(sh, path, add_page, all, e) < 0) {
		json_free(all);
		return e->code;
	}
	*ret_items = all;
	return 0;
}

int
rest_change(struct shell *sh, const char *method, const char *path, const json *body,
    json **ret_j, struct err *e)
{
	AUTO_FREE char *full = xasprintf(API "%s", path);
	AUTO_FREE char *text = body ? json_text(body) : NULL;
	char op[37];
	struct http_request q = {
		.method = method, .path = full, .op_id = op, .body = text
	};

	new_op_id(op);
	if (text) {
		q.body_len = strlen(text);
		q.content_type = "application/json";
	}
	return call_json(sh, &q, ret_j, e);
}

int
rest_login(struct shell *sh, const json *body, json **ret_j, struct err *e)
{
	char *text = json_text(body);
	struct http_request q = { .method = "POST",
		.path = API "/sessions",
		.body = text,
		.body_len = strlen(text),
		.content_type = "application/json" };
	int rc = call_json(sh, &q, ret_j, e);

	secret_wipe(text, strlen(text));
	free(text);
	return rc;
}

int
rest_upload(struct shell *sh, const struct piece *p, struct err *e)
{
	struct str path = STR_INIT;
	AUTO(json) json *j = NULL;
	int rc;

	str_addf(&path, API "/datastores/%s/content?path=", p->datastore);
	url_add(&path, p->path);
	str_addf(&path, "&offset=%llu&last=%d", (unsigned long long)p->offset, p->last);
	struct http_request q = { .method = "PUT",
		.path = path.s,
		.body = p->data,
		.body_len = p->n,
		.content_type = "application/octet-stream" };
	rc = call_json(sh, &q, &j, e);
	str_fini(&path);
	return rc;
}

static char *
guest_path(const struct guest_piece *p)
{
	struct str b = STR_INIT;

	str_addf(&b, API "/vms/%s/files?path=", p->vm);
	url_add(&b, p->path);
	if (p->transfer)
		str_addf(&b, "&transfer=%llu&offset=%llu",
		    (unsigned long long)p->transfer, (unsigned long long)p->offset);
	return str_take(&b);
}

int
rest_guest_put(struct shell *sh, struct guest_piece *p, struct err *e)
{
	AUTO_FREE char *path = guest_path(p);
	AUTO_FREE char *full = xasprintf("%s&last=%d", path, p->last);
	AUTO(json) json *j = NULL;
	struct http_request q = { .method = "PUT",
		.path = full,
		.body = p->data,
		.body_len = p->n,
		.content_type = "application/x-tar" };
	int rc = call_json(sh, &q, &j, e);

	if (!rc)
		rc = json_read_u64(
		    j, "transfer", JSON_OPTIONAL, 0, INT64_MAX, &p->transfer, e);
	return rc;
}

int
rest_guest_get(
    struct shell *sh, struct guest_piece *p, struct str *ret_body, struct err *e)
{
	AUTO_FREE char *full = guest_path(p);
	struct http_request q = { .method = "GET", .path = full };
	struct http_reply r = { 0 };
	struct site *s;
	int rc = site_need(sh, &s, e);

	if (rc < 0)
		return rc;
	q.bearer = s->token ? secret_cstr(s->token) : NULL;
	rc = call(sh, &q, &r, e);
	if (rc < 0)
		return rc;
	*ret_body = r.body;
	p->transfer = r.transfer;
	return 0;
}
