#include "server/export/push_text.h"

#include <string.h>

#define DIGITS 7

void
push_text_graphite(const char *prefix, const struct push_object *o, struct str *out)
{
	for (size_t i = 0; i < o->n; i++)
		str_addf(out, "%s.%s.%s.%s %.*g %llu\n", prefix, o->kind, o->id,
		    o->samples[i].metric->name, DIGITS, (double)o->samples[i].v,
		    (unsigned long long)o->at_s);
}

/* What divides a line is escaped; names have no line's end. */
static void
add_tag(struct str *out, const char *key, const char *value)
{
	if (!*value)
		return;
	str_addf(out, ",%s=", key);
	for (; *value; value++) {
		if (strchr(", =\\", *value))
			str_addc(out, '\\');
		str_addc(out, *value);
	}
}

void
push_text_influx(const struct push_object *o, struct str *out)
{
	if (!o->n)
		return;
	str_add(out, "drover");
	add_tag(out, "kind", o->kind);
	add_tag(out, "object", o->id);
	add_tag(out, "name", o->name);
	for (size_t i = 0; i < o->n; i++)
		str_addf(out, "%c%s=%.*g", i ? ',' : ' ', o->samples[i].metric->name,
		    DIGITS, (double)o->samples[i].v);
	str_addf(out, " %llu000000000\n", (unsigned long long)o->at_s);
}
