#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "server/advice/advice.h"
#include "server/api/api_int.h"
#include "server/api/openapi.h"
#include "server/db/db.h"
#include "server/hosts/host_enroll.h"
#include "server/hosts/hosts.h"
#include "server/migrate/migrate.h"

#define AUDIT_PRESET 100
#define AUDIT_MAX    1000
#define MAX_CSR       ((size_t)16 * 1024)

static uint64_t
limit_of(const struct api_call *c)
{
	const char *s = request_arg(c->req, "limit");
	uint64_t limit = 0;

	/* It was checked before the question went to the database. */
	return s && parse_u64(s, 0, AUDIT_MAX, "limit", &limit, NULL) == 0 && limit
		   ? limit
		   : AUDIT_PRESET;
}

/* A page of what only grows, newest first; last: the id of its last row. */
static void
reply_newest(struct api_call *c, json *items_take, const char *last)
{
	AUTO(str) struct str next = STR_INIT;
	json *j = json_new_object();

	if (json_count(items_take) == limit_of(c))
		str_addf(&next, "%s?limit=%llu&before=%s", c->req->path,
		    (unsigned long long)limit_of(c), last);
	json_set_str(j, "next", next.len ? str_cstr(&next) : NULL);
	json_set_json(j, "items", items_take);
	api_reply_json(c, 200, j);
}

static json *
audit_json(const struct db_rows *rows, size_t i)
{
	static const char *const names[] = { "user", "user_name", "address",
		"request_id", "action", "entity", "entity_name", "result", "detail",
		"hash" };
	json *o = json_new_object();
	char buf[32];

	json_set_u64(o, "id", db_value_u64(rows, i, 0));
	json_set_str(o, "time", clock_text(db_value_u64(rows, i, 1), buf));
	for (unsigned k = 0; k < ARRAY_SIZE(names); k++)
		json_set_str(o, names[k], db_value(rows, i, k + 2));
	return o;
}

static void
on_audit(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct api_call *c = arg;

	if (rc < 0) {
		api_reply_err(c, e);
		return;
	}
	json *items = json_new_array();
	size_t n = db_rows_count(rows);
	for (size_t i = 0; i < n; i++)
		json_add_json(items, audit_json(rows, i));
	reply_newest(c, items, n ? db_value(rows, n - 1, 0) : NULL);
}

void
api_audit_list(struct api_call *c)
{
	uint64_t before, limit;
	char b[24], l[24];

	if (api_arg_u64(c, "before", 0, INT64_MAX, &before) < 0 ||
	    api_arg_u64(c, "limit", AUDIT_PRESET, AUDIT_MAX, &limit) < 0)
		return;
	snprintf(b, sizeof(b), "%llu", (unsigned long long)before);
	snprintf(l, sizeof(l), "%llu", (unsigned long long)limit_of(c));
	db_query(c->api->d.db, STMT_AUDIT_LIST, 2, (const char *const[]){ b, l },
	    on_audit, c);
}

static void
on_checked(void *arg, int rc, const struct err *e, const struct db_rows *rows)
{
	struct api_call *c = arg;

	if (rc < 0) {
		api_reply_err(c, e);
		return;
	}
	json *j = json_new_object();
	bool whole = db_rows_count(rows) == 0;
	json_set_bool(j, "whole", whole);
	if (whole)
		json_set_null(j, "first_bad");
	else
		json_set_u64(j, "first_bad", db_value_u64(rows, 0, 0));
	api_reply_json(c, 200, j);
}

void
api_audit_check(struct api_call *c)
{
	db_query(c->api->d.db, STMT_AUDIT_CHECK, 0, NULL, on_checked, c);
}

void
api_system(struct api_call *c)
{
	const struct api_deps *d = &c->api->d;
	json *j = json_new_object();
	char buf[32];

	json_set_str(j, "version", DROVER_VERSION);
	json_set_str(j, "boot_id", c->api->boot);
	json_set_u64(j, "epoch", d->epoch(d->epoch_arg));
	json_set_str(j, "database", db_status(d->db));
	json_set_u64(j, "hosts", inv_count(d->inv, KIND_HOST));
	json_set_u64(j, "hosts_connected", hosts_up_count(d->hosts));
	json_set_u64(j, "vms", inv_count(d->inv, KIND_VM));
	json_set_u64(j, "rev", inv_rev(d->inv));
	json_set_str(j, "started_at", clock_text(c->api->started_ms, buf));
	json_set_str(j, "time", clock_text(clock_wall_ms(loop_clock(d->loop)), buf));
	api_reply_json(c, 200, j);
}

void
api_system_leader(struct api_call *c)
{
	const struct api_deps *d = &c->api->d;

	api_reply_json(c, 200, d->leader(d->epoch_arg));
}

void
api_system_servers(struct api_call *c)
{
	const struct api_deps *d = &c->api->d;
	json *j = json_new_object();

	json_set_json(j, "items", d->servers(d->epoch_arg));
	api_reply_json(c, 200, j);
}

void
api_openapi(struct api_call *c)
{
	api_reply_json(c, 200, openapi_document());
}

void
api_health(struct api_call *c)
{
	api_reply_text(c, "text/plain; charset=utf-8", xstrdup("ok\n"), 3);
}

void
api_placement(struct api_call *c)
{
	struct err e = ERR_INIT;
	json *j = NULL;

	if (!c->body)
		api_refuse(
		    c, ERR_INVALID, "the request needs a JSON object as its body");
	else if (advice_place_request(c->api->d.advice, c->body, &j, &e) < 0)
		api_reply_err(c, &e);
	else
		api_reply_json(c, 200, j);
}

void
api_migrate_check(struct api_call *c)
{
	const struct api_deps *d = &c->api->d;
	const struct mig_env env = { d->inv, d->hosts, d->advice, OBJ_ID_NONE };
	AUTO(json) json *none = json_new_object();
	struct err e = ERR_INIT;
	json *j = NULL;

	if (migrate_check_request(&env, c->id, c->body ? c->body : none, &j, &e))
		api_reply_err(c, &e);
	else
		api_reply_json(c, 200, j);
}

static void
on_enrolled(void *arg, int rc, const struct err *e, const struct host_enrolled *en)
{
	struct api_call *c = arg;
	char id[OBJ_ID_TEXT];

	if (rc < 0) {
		api_reply_err(c, e);
		return;
	}
	json *j = json_new_object();
	json_set_str(j, "host", obj_id_text(en->host, id));
	json_set_str(j, "uuid", en->uuid);
	json_set_str(j, "certificate", en->certificate);
	json_set_str(j, "ca", en->ca);
	api_reply_json(c, 200, j);
}

void
api_enroll(struct api_call *c)
{
	static const char *const known[] = { "token", "csr", NULL };
	const char *token = NULL, *csr = NULL;
	struct err e = ERR_INIT;

	if (api_need_body(c, known) < 0)
		return;
	if (json_read_str(c->body, "token", JSON_REQUIRED, 256, &token, &e) < 0 ||
	    json_read_str(c->body, "csr", JSON_REQUIRED, MAX_CSR, &csr, &e) < 0)
		api_reply_err(c, &e);
	else
		host_enroll(c->api->d.hosts, token, csr, &c->who, on_enrolled, c);
}
