#include "server/alarm/alarm_parse.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/metric.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/inventory/inv_json.h"

#define NAME_MAX_BYTES 128u
#define OWN_EVENTS     "Alarm" /* how the types of events about alarms begin */
#define S_PER_MIN      60u

enum obj_kind
alarm_target_kind(enum alarm_target t)
{
	switch (t) {
	case ALARM_OF_VM:
		return KIND_VM;
	case ALARM_OF_HOST:
		return KIND_HOST;
	case ALARM_OF_CLUSTER:
		return KIND_CLUSTER;
	case ALARM_OF_POOL:
		return KIND_POOL;
	case ALARM_OF_DATASTORE:
		return KIND_DATASTORE;
	case ALARM_OF_SERVER:
	case alarm_target_COUNT_:
		return KIND_NONE;
	}
	return KIND_NONE;
}

unsigned
alarm_target_counted(enum alarm_target t)
{
	switch (t) {
	case ALARM_OF_VM:
		return METRIC_OF_GUEST;
	case ALARM_OF_HOST:
		return METRIC_OF_HOST;
	case ALARM_OF_CLUSTER:
		return METRIC_OF_CLUSTER;
	case ALARM_OF_POOL:
		return METRIC_OF_POOL;
	case ALARM_OF_DATASTORE:
		return METRIC_OF_DATASTORE;
	case ALARM_OF_SERVER:
	case alarm_target_COUNT_:
		return 0;
	}
	return 0;
}

/* ---- counters ---- */

/* Absent is fine, and leaves *ret as it was. */
static int
read_number(const json *o, const char *key, bool *ret_has, float *ret_v, struct err *e)
{
	const json *j = json_get(o, key);
	enum json_type type = j ? json_what(j) : JSON_IS_NULL;

	*ret_has = false;
	if (type == JSON_IS_NULL)
		return 0;
	if (type != JSON_IS_INT && type != JSON_IS_REAL)
		return err_set(e, ERR_INVALID, "%s: wants a number", key);
	*ret_has = true;
	*ret_v = (float)json_number(j);
	return 0;
}

static int
read_counter(const json *o, const char *key, enum alarm_target target,
    uint32_t *ret_counter, struct err *e)
{
	AUTO(str) struct str near = STR_INIT;
	const char *name = NULL;
	const struct metric *m;
	int rc = json_read_str(o, key, JSON_OPTIONAL, NAME_MAX_BYTES, &name, e);

	if (rc || !name)
		return rc;
	m = metric_find(name);
	if (!m) {
		metric_near(name, &near);
		return err_set(e, ERR_INVALID, "%s: there is no counter \"%s\"%s%s",
		    key, name, near.len ? "; there are " : "", str_cstr(&near));
	}
	if (!(m->objects & alarm_target_counted(target)))
		return err_set(e, ERR_INVALID, "%s: %s is not counted of a %s", key,
		    m->name, alarm_target_text(target));
	*ret_counter = m->number;
	return 0;
}

static int
read_limit(const json *o, const char *key, float hysteresis, const struct alarm_cond *c,
    struct alarm_limit *ret, struct err *e)
{
	int rc = read_number(o, key, &ret->set, &ret->raise, e);

	ret->clear = c->below ? ret->raise + hysteresis : ret->raise - hysteresis;
	return rc;
}

static int
check_limits(const struct alarm_cond *c, float hysteresis, struct err *e)
{
	if (!c->yellow.set && !c->red.set)
		return err_set(e, ERR_INVALID, "wants \"yellow\" or \"red\", or both");
	if (hysteresis < 0)
		return err_set(e, ERR_INVALID, "hysteresis: cannot be negative");
	if (c->yellow.set && c->red.set &&
	    (c->below ? c->red.raise > c->yellow.raise
		      : c->red.raise < c->yellow.raise))
		return err_set(e, ERR_INVALID, "red: comes before yellow");
	return 0;
}

static int
parse_counter(
    const json *o, enum alarm_target target, struct alarm_cond *c, struct err *e)
{
	static const char *const known[] = { "counter", "of", "operator", "yellow",
		"red", "hysteresis", "for_s", NULL };
	const char *op = "above";
	float hysteresis = 0;
	bool has;
	int rc = json_only(o, known, e);

	if (!rc)
		rc = read_counter(o, "counter", target, &c->counter, e);
	if (!rc)
		rc = read_counter(o, "of", target, &c->of, e);
	if (!rc)
		rc =
		    json_read_str(o, "operator", JSON_OPTIONAL, NAME_MAX_BYTES, &op, e);
	if (!rc && !str_same(op, "above") && !str_same(op, "below"))
		rc = err_set(
		    e, ERR_INVALID, "operator: wants above or below, got \"%s\"", op);
	c->below = str_same(op, "below");
	if (!rc)
		rc = read_number(o, "hysteresis", &has, &hysteresis, e);
	if (!rc)
		rc = read_limit(o, "yellow", hysteresis, c, &c->yellow, e);
	if (!rc)
		rc = read_limit(o, "red", hysteresis, c, &c->red, e);
	return rc ? rc : check_limits(c, hysteresis, e);
}

/* ---- states ---- */

static int
read_texts(
    const json *list, const char *key, char ***ret_v, size_t *ret_n, struct err *e)
{
	size_t n = list && json_what(list) == JSON_IS_ARRAY ? json_count(list) : 0;

	if (!n || n > ALARM_VALUES_MAX)
		return err_set(e, ERR_INVALID, "%s: wants a list of 1 to %u texts", key,
		    ALARM_VALUES_MAX);
	*ret_v = xcalloc(n, sizeof(**ret_v));
	for (size_t i = 0; i < n; i++) {
		const json *j = json_at(list, i);

		if (json_what(j) != JSON_IS_STR)
			return err_set(e, ERR_INVALID, "%s: wants texts alone", key);
		(*ret_v)[(*ret_n)++] = xstrdup(json_str_value(j, NULL));
	}
	return 0;
}

/* Of enumerations just their words. */
static int
check_values(const struct alarm_cond *c, struct err *e)
{
	for (size_t i = 0; i < c->n_values && c->field->enum_parse; i++) {
		if (c->field->enum_parse(c->values[i]) < 0)
			return err_set(e, ERR_INVALID, "property: %s is never \"%s\"",
			    c->field->name, c->values[i]);
	}
	return 0;
}

static int
read_status(const json *o, enum alarm_status *ret, struct err *e)
{
	const char *word = "red";
	int rc = json_read_str(o, "status", JSON_OPTIONAL, NAME_MAX_BYTES, &word, e);

	if (rc)
		return rc;
	if (!str_same(word, "red") && !str_same(word, "yellow"))
		return err_set(
		    e, ERR_INVALID, "status: wants yellow or red, got \"%s\"", word);
	*ret = (enum alarm_status)alarm_status_parse(word);
	return 0;
}

static int
parse_state(
    const json *o, enum alarm_target target, struct alarm_cond *c, struct err *e)
{
	static const char *const known[] = { "property", "is", "is_not", "status",
		"for_s", NULL };
	enum obj_kind kind = alarm_target_kind(target);
	const char *name = NULL;
	int rc = json_only(o, known, e);

	if (!rc)
		rc = json_read_str(
		    o, "property", JSON_REQUIRED, NAME_MAX_BYTES, &name, e);
	if (rc)
		return rc;
	c->field = kind == KIND_NONE ? NULL : field_find(kind, name);
	if (!c->field || c->field->type == FIELD_JSON)
		return err_set(e, ERR_INVALID,
		    "property: a %s has none \"%s\" that can be compared",
		    alarm_target_text(target), name);
	c->is_not = json_get(o, "is_not") != NULL;
	if (c->is_not == (json_get(o, "is") != NULL))
		return err_set(e, ERR_INVALID, "wants either \"is\" or \"is_not\"");
	const char *key = c->is_not ? "is_not" : "is";

	rc = read_texts(json_get(o, key), key, &c->values, &c->n_values, e);
	if (!rc)
		rc = check_values(c, e);
	return rc ? rc : read_status(o, &c->status, e);
}

/* ---- events ---- */

static bool
is_event(const char *type)
{
	for (unsigned i = 0; i < EV_COUNT_; i++) {
		if (str_same(event_type((enum event_code)i), type))
			return !str_starts(type, OWN_EVENTS);
	}
	return false;
}

static int
add_events(const json *of, const char *key, struct alarm_cond *c, struct err *e)
{
	char **types = NULL;
	size_t n = 0;
	int rc;

	if (!json_get(of, key))
		return 0;
	rc = read_texts(json_get(of, key), key, &types, &n, e);
	c->events = xreallocarray(c->events, c->n_events + n + 1, sizeof(*c->events));
	for (size_t i = 0; i < n; i++) {
		if (!rc && !is_event(types[i]))
			rc = err_set(e, ERR_INVALID,
			    "events: %s: there is no type \"%.80s\" to be watched", key,
			    types[i]);
		c->events[c->n_events++] = (struct alarm_event){ types[i],
			(enum alarm_status)alarm_status_parse(key) };
	}
	free(types);
	return rc;
}

static int
parse_events(
    const json *o, enum alarm_target target, struct alarm_cond *c, struct err *e)
{
	static const char *const known[] = { "events", NULL };
	static const char *const levels[] = { "red", "yellow", "green", NULL };
	const json *of = json_get(o, "events");
	int rc = json_only(o, known, e);

	if (!rc && json_what(of) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_INVALID, "events: wants an object");
	if (!rc)
		rc = json_only(of, levels, e);
	for (size_t i = 0; !rc && levels[i]; i++)
		rc = add_events(of, levels[i], c, e);
	if (!rc && (!c->n_events || c->events[0].status == ALARM_GREEN))
		rc =
		    err_set(e, ERR_INVALID, "events: wants some for yellow or for red");
	return rc;
}

/* ---- all ---- */

static int
parse_one(const json *o, enum alarm_target target, struct alarm_cond *c, struct err *e)
{
	static const struct {
		const char *key;
		enum alarm_cond_type type;
		int (*parse)(const json *o, enum alarm_target target,
		    struct alarm_cond *c, struct err *e);
	} types[] = {
		{ "counter", ALARM_COUNTER, parse_counter },
		{ "property", ALARM_STATE, parse_state },
		{ "events", ALARM_EVENT, parse_events },
	};

	uint64_t for_s = 0;

	if (json_what(o) != JSON_IS_OBJECT)
		return err_set(e, ERR_INVALID, "wants an object");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (!json_get(o, types[i].key))
			continue;
		int rc = json_read_u64(
		    o, "for_s", JSON_OPTIONAL, 0, ALARM_FOR_MAX_S, &for_s, e);

		c->type = types[i].type;
		c->for_s = (uint32_t)for_s;
		return rc ? rc : types[i].parse(o, target, c, e);
	}
	return err_set(e, ERR_INVALID, "wants \"counter\", \"property\" or \"events\"");
}

int
alarm_conds_parse(const json *list, enum alarm_target target, struct alarm_conds *ret_c,
    struct err *e)
{
	struct alarm_conds c = { 0 };
	size_t n = list && json_what(list) == JSON_IS_ARRAY ? json_count(list) : 0;
	int rc = 0;

	if (!n || n > ALARM_CONDS_MAX)
		return err_set(e, ERR_INVALID,
		    "conditions: wants a list of 1 to %u conditions", ALARM_CONDS_MAX);
	c.v = xcalloc(n, sizeof(*c.v));
	for (size_t i = 0; !rc && i < n; i++) {
		rc = parse_one(json_at(list, i), target, &c.v[c.n++], e);
		if (rc)
			rc = err_wrap(e, "conditions[%zu]", i);
	}
	if (rc)
		alarm_conds_fini(&c);
	else
		*ret_c = c;
	return rc;
}

static void
cond_fini(struct alarm_cond *c)
{
	for (size_t i = 0; i < c->n_values; i++)
		free(c->values[i]);
	free(c->values);
	for (size_t i = 0; i < c->n_events; i++)
		free(c->events[i].type);
	free(c->events);
}

void
alarm_conds_fini(struct alarm_conds *c)
{
	for (size_t i = 0; i < c->n; i++)
		cond_fini(&c->v[i]);
	free(c->v);
	*c = (struct alarm_conds){ 0 };
}

/* ---- for people ---- */

static void
tell_time(uint32_t for_s, struct str *out)
{
	if (for_s >= S_PER_MIN && for_s % S_PER_MIN == 0)
		str_addf(out, " for %u min", for_s / S_PER_MIN);
	else if (for_s)
		str_addf(out, " for %u s", for_s);
}

static void
tell_counter(const struct alarm_cond *c, const struct alarm_state *s, struct str *out)
{
	const struct metric *m = metric_at(c->counter);
	const struct metric *of = c->of ? metric_at(c->of) : NULL;
	const struct alarm_limit *l = s->red ? &c->red : &c->yellow;

	str_addf(out, "%s%s%s is %.4g %s", m->name, of ? " of " : "",
	    of ? of->name : "", (double)s->value, of ? "%" : m->sign);
	if (!s->red && !s->yellow)
		return;
	str_addf(out, ", %s %.4g", c->below ? "below" : "above", (double)l->raise);
	tell_time(c->for_s, out);
}

void
alarm_cond_tell(
    const struct alarm_cond *c, const struct alarm_state *s, struct str *out)
{
	switch (c->type) {
	case ALARM_COUNTER:
		if (s->level == ALARM_GRAY)
			str_addf(
			    out, "%s is not measured", metric_at(c->counter)->name);
		else
			tell_counter(c, s, out);
		return;
	case ALARM_STATE:
		str_addf(out, "%s is %s%s", c->field->name,
		    c->is_not == (s->level > ALARM_GREEN) ? "not " : "",
		    c->n_values ? c->values[0] : "");
		for (size_t i = 1; i < c->n_values; i++)
			str_addf(out, " or %s", c->values[i]);
		return;
	case ALARM_EVENT:
		str_add(out, s->by ? s->by->type : "it was reset");
		return;
	}
}
