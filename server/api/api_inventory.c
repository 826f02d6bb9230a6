#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/filter.h"
#include "server/inventory/inv_json.h"
#include "server/ops/ops.h"

#define LIMIT_PRESET 200
#define LIMIT_MAX    1000
#define MAX_SORT     4
#define MAX_OP_ID    64

struct sort_key {
	const struct field *field; /* NULL: by name */
	bool down;
};

struct sort {
	struct sort_key keys[MAX_SORT];
	size_t n;
};

static int
parse_sort(const char *text, enum obj_kind kind, struct sort *s, struct err *e)
{
	char name[64];

	while (text && *text) {
		size_t n = strcspn(text, ",");
		bool down = *text == '-';
		struct sort_key *k = &s->keys[s->n];
		if (s->n == MAX_SORT)
			return err_set(
			    e, ERR_INVALID, "sort: at most %d fields", MAX_SORT);
		snprintf(name, sizeof(name), "%.*s", (int)(n - down), text + down);
		*k = (struct sort_key){ field_find(kind, name), down };
		if (!k->field)
			return err_set(e, ERR_INVALID, "sort: %s have no field \"%s\"",
			    kind_plural(kind), name);
		s->n++;
		text += n + (text[n] == ',');
	}
	return 0;
}

static int
compare(const void *pa, const void *pb, void *arg)
{
	const struct obj *a = *(const struct obj *const *)pa;
	const struct obj *b = *(const struct obj *const *)pb;
	const struct sort *s = arg;

	for (size_t i = 0; i < s->n; i++) {
		int d = field_compare(a, b, s->keys[i].field);
		if (d)
			return s->keys[i].down ? -d : d;
	}
	return a->id.v < b->id.v ? -1 : a->id.v > b->id.v;
}

/* Everything of the kind that the filter lets through; caller frees. */
static const struct obj **
gather(struct api_call *c, const struct filter *f, size_t *ret_n)
{
	const struct inv *inv = c->api->d.inv;
	const struct obj **v =
	    xreallocarray(NULL, inv_count(inv, c->route->kind) + 1, sizeof(void *));
	size_t n = 0;

	INV_EACH(inv, c->route->kind, o)
	{
		if (!f || filter_match(f, inv, o))
			v[n++] = o;
	}
	*ret_n = n;
	return v;
}

static void
add_escaped(struct str *b, const char *s)
{
	for (; *s; s++) {
		if (strchr("-._~*:,", *s) || (*s >= '0' && *s <= '9') ||
		    (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z'))
			str_addc(b, *s);
		else
			str_addf(b, "%%%02x", (unsigned char)*s);
	}
}

/* The part of a list that is asked for. */
struct part {
	uint64_t limit, offset;
	obj_id after; /* instead of an offset: what was last on the page before, or none
		       */
};

/*
 * In the order of ids the next page begins behind this one's last object, so that what
 * is made or deleted meanwhile moves nothing out of sight.
 */
static void
set_next(
    json *j, const struct api_call *c, const struct part *p, const struct obj *last)
{
	AUTO(str) struct str url = STR_INIT;
	static const char *const kept[] = { "q", "sort" };
	char id[OBJ_ID_TEXT];

	str_addf(&url, "%s?limit=%llu", c->req->path, (unsigned long long)p->limit);
	if (request_arg(c->req, "sort") || p->offset)
		str_addf(
		    &url, "&offset=%llu", (unsigned long long)(p->offset + p->limit));
	else
		str_addf(&url, "&after=%s", obj_id_text(last->id, id));
	for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
		const char *v = request_arg(c->req, kept[i]);
		if (!v)
			continue;
		str_addf(&url, "&%s=", kept[i]);
		add_escaped(&url, v);
	}
	json_set_str(j, "next", str_cstr(&url));
}

static size_t
first_of(const struct part *p, const struct obj *const *v, size_t n)
{
	size_t i = 0;

	if (obj_id_none(p->after))
		return p->offset < n ? (size_t)p->offset : n;
	while (i < n && v[i]->id.v <= p->after.v)
		i++;
	return i;
}

static void
reply_page(
    struct api_call *c, const struct filter *f, struct sort *s, const struct part *p)
{
	size_t n;
	AUTO_FREE const struct obj **v = gather(c, f, &n);
	json *j = json_new_object(), *items = json_new_array();

	if (s->n)
		qsort_r(v, n, sizeof(void *), compare, s);
	size_t from = first_of(p, v, n);
	size_t to = n - from > p->limit ? from + (size_t)p->limit : n;
	for (size_t i = from; i < to; i++)
		json_add_json(items, inv_json(c->api->d.inv, v[i]));
	json_set_json(j, "items", items);
	json_set_u64(j, "total", n);
	json_set_u64(j, "rev", inv_rev(c->api->d.inv));
	if (to < n)
		set_next(j, c, p, v[to - 1]);
	else
		json_set_null(j, "next");
	api_reply_json(c, 200, j);
}

/* "after" goes with the order of ids alone. */
static int
parse_after(const struct api_call *c, struct part *p, struct err *e)
{
	const char *after = request_arg(c->req, "after");

	if (!after)
		return 0;
	if (request_arg(c->req, "sort") || p->offset)
		return err_set(e, ERR_INVALID,
		    "\"after\" goes neither with \"sort\" nor with \"offset\"");
	if (obj_id_parse(after, c->route->kind, &p->after, e) < 0)
		return err_wrap(e, "after");
	return 0;
}

void
api_list(struct api_call *c)
{
	static const char *const known[] = { "q", "sort", "limit", "offset", "after" };
	AUTO(filter) struct filter *f = NULL;
	const char *q = request_arg(c->req, "q");
	struct part p = { .after = OBJ_ID_NONE };
	struct sort s = { .n = 0 };
	struct err e = ERR_INIT;

	for (size_t i = 0; i < c->req->n_args; i++) {
		size_t k = 0;
		while (
		    k < ARRAY_SIZE(known) && !str_same(known[k], c->req->args[i].name))
			k++;
		if (k == ARRAY_SIZE(known)) {
			api_refuse(c, ERR_INVALID, "lists take no argument \"%.40s\"",
			    c->req->args[i].name);
			return;
		}
	}
	if (api_arg_u64(c, "limit", LIMIT_PRESET, LIMIT_MAX, &p.limit) < 0 ||
	    api_arg_u64(c, "offset", 0, UINT32_MAX, &p.offset) < 0)
		return;
	p.limit = p.limit ? p.limit : LIMIT_PRESET;
	if ((q && filter_parse(q, c->route->kind, &f, &e) < 0) ||
	    parse_sort(request_arg(c->req, "sort"), c->route->kind, &s, &e) < 0 ||
	    parse_after(c, &p, &e) < 0) {
		api_reply_err(c, &e);
		return;
	}
	reply_page(c, f, &s, &p);
}

void
api_get(struct api_call *c)
{
	api_reply_object(c, 200, inv_get(c->api->d.inv, c->id));
}

/* {"task": …, "object": "vm-42"} */
static json *
begun_json(const struct inv *inv, const struct obj *task, obj_id object)
{
	json *j = json_new_object();
	char id[OBJ_ID_TEXT];

	if (task)
		json_set_json(j, "task", inv_json(inv, task));
	else
		json_set_null(j, "task");
	json_set_str(j, "object", obj_id_none(object) ? NULL : obj_id_text(object, id));
	return j;
}

static void
reply_parts(struct api_call *c, const struct op_result *r)
{
	const struct inv *inv = c->api->d.inv;
	json *j = json_new_object(), *items = json_new_array();

	for (size_t i = 0; i < r->n_parts; i++)
		json_add_json(items, begun_json(inv, inv_get(inv, r->parts[i].task),
					 r->parts[i].object));
	json_set_json(j, "items", items);
	api_reply_json(c, 202, j);
}

static void
refuse_op(struct api_call *c, const struct err *e)
{
	uint64_t rev;

	if (e->code == ERR_CHANGED && api_if_match(c, &rev, NULL) == 0)
		api_reply_changed(c, e, rev);
	else
		api_reply_err(c, e);
}

static void
on_op(const struct op_result *r, void *arg)
{
	struct api_call *c = arg;
	const struct inv *inv = c->api->d.inv;
	const struct obj *task = inv_get(inv, r->task), *o = inv_get(inv, r->object);

	if (r->rc < 0) {
		refuse_op(c, &r->err);
		return;
	}
	if (r->parts) {
		reply_parts(c, r);
		return;
	}
	if (task) {
		api_reply_json(c, 202, begun_json(inv, task, r->object));
		return;
	}
	bool made = c->req->method == HTTP_POST && (o || r->extra);
	if (o && !r->extra)
		api_reply_object(c, made ? 201 : 200, o);
	else
		api_reply_json(c, made ? 201 : 200,
		    r->extra ? json_dup(r->extra) : json_new_object());
}

/* A UUID is meant; whatever else a script has for a name will do. */
static bool
is_op_id(const char *s)
{
	size_t n = 0;

	while (s[n] > ' ' && s[n] <= '~')
		n++;
	return !s[n] && n && n <= MAX_OP_ID;
}

void
api_op(struct api_call *c)
{
	if (c->req->op_id && !is_op_id(c->req->op_id)) {
		api_refuse(c, ERR_INVALID,
		    "X-Drover-Op: wants 1 to %d printable characters, such as a UUID",
		    MAX_OP_ID);
		return;
	}
	struct op_request r = {
		.op = c->route->op,
		.entity = c->id,
		.args = c->body,
		.who = &c->who,
		.op_id = c->req->op_id,
	};
	struct err e = ERR_INIT;
	if (api_if_match(c, &r.if_rev, &e)) {
		api_reply_err(c, &e);
		return;
	}
	op_submit(c->api->d.ops, &r, on_op, c);
}
