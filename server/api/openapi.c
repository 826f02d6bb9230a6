#include "server/api/openapi.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/inventory/inv_json.h"
#include "server/ops/ops.h"

static json *
schema_of_type(const char *type)
{
	json *s = json_new_object();

	json_set_str(s, "type", type);
	return s;
}

static json *
ref(const char *name)
{
	json *s = json_new_object();
	AUTO_FREE char *path = xasprintf("#/components/schemas/%s", name);

	json_set_str(s, "$ref", path);
	return s;
}

static json *
field_schema(const struct field *f)
{
	json *s;

	switch (f->type) {
	case FIELD_U32:
	case FIELD_U64:
		return schema_of_type("integer");
	case FIELD_BOOL:
		return schema_of_type("boolean");
	case FIELD_IDS:
		s = schema_of_type("array");
		json_set_json(s, "items", schema_of_type("string"));
		return s;
	case FIELD_JSON:
		return json_new_object();
	case FIELD_ENUM:
		s = schema_of_type("string");
		json *values = json_new_array();
		for (int v = 0; *f->enum_text(v); v++)
			json_add_str(values, f->enum_text(v));
		json_set_json(s, "enum", values);
		return s;
	case FIELD_STR:
	case FIELD_ID:
	case FIELD_TIME:
		s = schema_of_type("string");
		json_set_bool(s, "nullable", true);
		if (f->type == FIELD_TIME)
			json_set_str(s, "format", "date-time");
		return s;
	}
	return json_new_object();
}

static json *
kind_schema(enum obj_kind kind)
{
	static const char *const common[] = { "id", "kind", "name", "parent",
		"created_at" };
	json *s = schema_of_type("object"), *props = json_new_object();
	unsigned n;
	const struct field *f = fields_of(kind, &n);

	for (size_t i = 0; i < ARRAY_SIZE(common); i++)
		json_set_json(props, common[i], schema_of_type("string"));
	json_set_json(props, "rev", schema_of_type("integer"));
	for (unsigned i = 0; i < n; i++)
		if (field_find(kind, f[i].name)) /* not the secret ones */
			json_set_json(props, f[i].name, field_schema(&f[i]));
	json_set_json(s, "properties", props);
	return s;
}

static json *
arg_schema(const struct op_arg *a)
{
	json *s;

	switch (a->type) {
	case ARG_U32:
	case ARG_U64:
		s = schema_of_type("integer");
		json_set_u64(s, "minimum", a->min);
		json_set_u64(s, "maximum", a->max);
		break;
	case ARG_BOOL:
		s = schema_of_type("boolean");
		break;
	case ARG_IDS:
	case ARG_TEXTS:
		s = schema_of_type("array");
		json_set_json(s, "items", schema_of_type("string"));
		break;
	case ARG_LIST:
		s = schema_of_type("array");
		json_set_json(s, "items", schema_of_type("object"));
		break;
	case ARG_OBJECT:
		s = schema_of_type("object");
		break;
	case ARG_WORD:
		s = schema_of_type("string");
		json *words = json_new_array();
		for (const char *w = a->words; w && *w;) {
			size_t n = strcspn(w, "|");
			AUTO_FREE char *one = xstrndup(w, n);
			json_add_str(words, one);
			w += n + (w[n] == '|');
		}
		json_set_json(s, "enum", words);
		break;
	case ARG_TEXT:
	case ARG_SECRET:
	case ARG_NAME:
	case ARG_ID:
	default:
		s = schema_of_type("string");
		break;
	}
	json_set_str(s, "description", a->help);
	return s;
}

/* in_path: the argument that is no part of the body, or NULL. */
static json *
body_of_op(const struct op_info *op, const char *in_path)
{
	json *s = schema_of_type("object"), *props = json_new_object(),
	     *required = json_new_array();

	for (const struct op_arg *a = op->args; a && a->name; a++) {
		if (in_path && str_same(a->name, in_path))
			continue;
		json_set_json(props, a->name, arg_schema(a));
		if (a->required)
			json_add_str(required, a->name);
	}
	json_set_json(s, "properties", props);
	json_set_bool(s, "additionalProperties", false);
	if (json_count(required))
		json_set_json(s, "required", required);
	else
		json_free(required);
	json *media = json_new_object(), *content = json_new_object(),
	     *body = json_new_object();
	json_set_json(media, "schema", s);
	json_set_json(content, "application/json", media);
	json_set_json(body, "content", content);
	return body;
}

static void
add_parameter(json *list, const char *name, const char *in, const char *type)
{
	json *p = json_new_object();

	json_set_str(p, "name", name);
	json_set_str(p, "in", in);
	json_set_bool(p, "required", !strcmp(in, "path"));
	json_set_json(p, "schema", schema_of_type(type));
	json_add_json(list, p);
}

/* What may be asked of statistics (docs/stats.md). */
static const struct {
	route_fn handler;
	const char *texts, *numbers;
} questions[] = {
	{ api_stats,
	    "objects kind within tag counters instance group aggregate percentiles "
	    "format",
	    "start end interval points" },
	{ api_stat_top, "objects kind within tag counters by order format",
	    "start end interval n" },
	{ api_stat_graph, "objects kind within tag counters theme",
	    "start end width height" },
	{ api_stat_counters, "object", "" },
};

static void
add_each(json *list, const char *names, const char *type)
{
	AUTO_FREE char *copy = xstrdup(names);
	char *rest = copy;

	for (const char *name; (name = strsep(&rest, " ")) != NULL;) {
		if (*name)
			add_parameter(list, name, "query", type);
	}
}

static void
add_question(json *list, const struct route *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		if (questions[i].handler != r->handler)
			continue;
		add_each(list, questions[i].texts, "string");
		add_each(list, questions[i].numbers, "integer");
	}
}

static json *
parameters_of(const struct route *r)
{
	json *list = json_new_array();

	if (strstr(r->path, "{id}"))
		add_parameter(list, "id", "path", "string");
	if (strstr(r->path, "{n}"))
		add_parameter(list, "n", "path", "string");
	AUTO_FREE char *arg = route_arg_name(r);
	if (arg)
		add_parameter(list, arg, "path", "string");
	if (r->handler == api_list) {
		add_parameter(list, "q", "query", "string");
		add_parameter(list, "sort", "query", "string");
		add_parameter(list, "limit", "query", "integer");
		add_parameter(list, "offset", "query", "integer");
		add_parameter(list, "after", "query", "string");
	}
	add_question(list, r);
	if (r->handler == api_task_get)
		add_parameter(list, "wait_ms", "query", "integer");
	if (r->method == HTTP_PATCH && r->op)
		add_parameter(list, "If-Match", "header", "string");
	return list;
}

static json *
answer(const char *text, json *schema_take)
{
	json *a = json_new_object();

	json_set_str(a, "description", text);
	if (schema_take) {
		json *media = json_new_object(), *content = json_new_object();
		json_set_json(media, "schema", schema_take);
		json_set_json(content, "application/json", media);
		json_set_json(a, "content", content);
	}
	return a;
}

static json *
list_schema(const char *of)
{
	json *s = schema_of_type("object"), *props = json_new_object(),
	     *items = schema_of_type("array");

	json_set_json(items, "items", ref(of));
	json_set_json(props, "items", items);
	json_set_json(props, "total", schema_of_type("integer"));
	json_set_json(props, "rev", schema_of_type("integer"));
	json_set_json(props, "next", schema_of_type("string"));
	json_set_json(s, "properties", props);
	return s;
}

static json *
answers_of(const struct route *r, const struct op_info *op)
{
	json *all = json_new_object();
	const char *kind = r->kind ? kind_prefix(r->kind) : NULL;

	if (op && op->is_task)
		json_set_json(
		    all, "202", answer("A task does it", ref("task_started")));
	else if (op && r->method == HTTP_POST)
		json_set_json(all, "201", answer("Made", NULL));
	else if (r->handler == api_list)
		json_set_json(all, "200", answer("A page of them", list_schema(kind)));
	else if (r->handler == api_get || r->handler == api_task_get)
		json_set_json(all, "200", answer("The object", ref(kind)));
	else
		json_set_json(all, "200", answer("Done", NULL));
	if (r->method == HTTP_PATCH && r->op)
		json_set_json(all, "412",
		    answer("It was changed since the revision that If-Match names",
			ref("changed")));
	json_set_json(all, "default", answer("What went wrong", ref("error")));
	return all;
}

static json *
operation(const struct route *r)
{
	const struct op_info *op = r->op ? op_find(r->op) : NULL;
	AUTO_FREE char *in_path = route_arg_name(r);
	json *o = json_new_object();

	json_set_str(o, "summary", r->title);
	json_set_str(o, "x-role", role_text(r->min_role));
	if (r->op)
		json_set_str(o, "operationId", r->op);
	json_set_json(o, "parameters", parameters_of(r));
	if (op)
		json_set_json(o, "requestBody", body_of_op(op, in_path));
	json_set_json(o, "responses", answers_of(r, op));
	if (r->min_role == ROLE_NONE)
		json_set_json(o, "security", json_new_array());
	return o;
}

static json *
error_schema(void)
{
	json *s = schema_of_type("object"), *in = schema_of_type("object"),
	     *fields = json_new_object(), *props = json_new_object();

	json_set_json(fields, "code", schema_of_type("string"));
	json_set_json(fields, "message", schema_of_type("string"));
	json_set_json(fields, "request_id", schema_of_type("string"));
	json_set_json(in, "properties", fields);
	json_set_json(props, "error", in);
	json_set_json(s, "properties", props);
	return s;
}

/* An error that also tells what came between. */
static json *
changed_schema(void)
{
	json *s = error_schema(), *one = schema_of_type("object"),
	     *props = json_new_object(), *list = schema_of_type("array"),
	     *fields = schema_of_type("array");

	json_set_json(fields, "items", schema_of_type("string"));
	json_set_json(props, "rev", schema_of_type("integer"));
	json_set_json(props, "at", schema_of_type("string"));
	json_set_json(props, "user", schema_of_type("string"));
	json_set_json(props, "fields", fields);
	json_set_json(one, "properties", props);
	json_set_json(list, "items", one);
	json_set_json(json_get(s, "properties"), "changes", list);
	json_set_json(json_get(s, "properties"), "object", schema_of_type("object"));
	return s;
}

static json *
components(void)
{
	json *c = json_new_object(), *schemas = json_new_object(),
	     *schemes = json_new_object(), *bearer = json_new_object();
	json *started = schema_of_type("object"), *props = json_new_object();

	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++)
		if (k != KIND_EVENT)
			json_set_json(schemas, kind_prefix(k), kind_schema(k));
	json_set_json(props, "task", ref("task"));
	json_set_json(props, "object", schema_of_type("string"));
	json_set_json(started, "properties", props);
	json_set_json(schemas, "task_started", started);
	json_set_json(schemas, "error", error_schema());
	json_set_json(schemas, "changed", changed_schema());
	json_set_json(c, "schemas", schemas);
	json_set_str(bearer, "type", "http");
	json_set_str(bearer, "scheme", "bearer");
	json_set_json(schemes, "bearer", bearer);
	json_set_json(c, "securitySchemes", schemes);
	return c;
}

json *
openapi_document(void)
{
	json *doc = json_new_object(), *info = json_new_object(),
	     *paths = json_new_object(), *security = json_new_array(),
	     *one = json_new_object();
	size_t n;
	const struct route *r = api_routes(&n);

	json_set_str(doc, "openapi", "3.0.3");
	json_set_str(info, "title", "Drover");
	json_set_str(info, "version", DROVER_VERSION);
	json_set_json(doc, "info", info);
	json_set_json(one, "bearer", json_new_array());
	json_add_json(security, one);
	json_set_json(doc, "security", security);
	for (size_t i = 0; i < n; i++) {
		json *at = json_get(paths, r[i].path);
		if (!at) {
			json_set_json(paths, r[i].path, json_new_object());
			at = json_get(paths, r[i].path);
		}
		json_set_json(at, method_text(r[i].method), operation(&r[i]));
	}
	json_set_json(doc, "paths", paths);
	json_set_json(doc, "components", components());
	return doc;
}
