#include "server/hosts/guest_counters.h"

#include <stdint.h>
#include <string.h>

#define NOTABLE_PART 20

json *
guest_counters_json(Drover__Counter *const *v, size_t n)
{
	json *list = NULL;

	for (size_t i = 0; i < n && i < GUEST_COUNTERS_MAX; i++) {
		const Drover__Counter *c = v[i];
		json *o;

		if (strlen(c->name) > GUEST_COUNTER_TEXT_MAX ||
		    strlen(c->unit) > GUEST_COUNTER_TEXT_MAX)
			continue;
		o = json_new_object();
		json_set_str(o, "name", c->name);
		json_set_str(o, "unit", c->unit);
		json_set_u64(o, "current", c->current);
		json_set_u64(o, "peak", c->peak);
		json_set_u64(o, "limit", c->limit);
		json_set_u64(o, "failures", c->failures);
		list = list ? list : json_new_array();
		json_add_json(list, o);
	}
	return list;
}

static int64_t
number(const json *o, const char *key)
{
	return json_int_value(json_get(o, key));
}

static bool
has_moved(const json *a, const json *b, const char *key)
{
	int64_t was = number(a, key), is = number(b, key);
	int64_t by = was > is ? was - is : is - was;

	return by > was / NOTABLE_PART;
}

static bool
differs(const json *a, const json *b)
{
	return !json_same(json_get(a, "name"), json_get(b, "name")) ||
	       number(a, "limit") != number(b, "limit") ||
	       number(a, "failures") != number(b, "failures") ||
	       has_moved(a, b, "current") || has_moved(a, b, "peak");
}

bool
guest_counters_differ(const json *shown, const json *fresh)
{
	if (!shown || !fresh)
		return shown != fresh;
	if (json_count(shown) != json_count(fresh))
		return true;
	for (size_t i = 0; i < json_count(fresh); i++) {
		if (differs(json_at(shown, i), json_at(fresh, i)))
			return true;
	}
	return false;
}
