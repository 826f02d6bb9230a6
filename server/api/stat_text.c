#include "server/api/stat_text.h"

#include <math.h>

#include "base/clock.h"
#include "base/mem.h"
#include "server/stats/stat_digest.h"
#include "server/stats/stat_query.h"

#define MS_PER_S UINT64_C(1000)
#define DIGITS   7

static void
add_value(struct str *b, float v, const char *gap)
{
	if (isnan(v))
		str_add(b, gap);
	else
		str_addf(b, "%.*g", DIGITS, (double)v);
}

/* ---- JSON ---- */

static const struct {
	const char *key;
	size_t offset; /* in struct stat_reduced */
} arrays[] = {
	{ "values", offsetof(struct stat_reduced, average) },
	{ "min", offsetof(struct stat_reduced, min) },
	{ "max", offsetof(struct stat_reduced, max) },
};

/* Of the values that are answered. */
static void
add_percentiles(const struct stat_text *t, const struct stat_series *s, struct str *b)
{
	AUTO_FREE float *room = xcalloc(t->a->n_values + 1, sizeof(*room));
	size_t known = stat_known(s->values.average, t->a->n_values, room);

	if (!t->n_percentiles)
		return;
	str_add(b, ",\"percentiles\":{");
	for (size_t i = 0; i < t->n_percentiles; i++) {
		str_addf(b, "%s\"p%g\":", i ? "," : "", t->percentiles[i]);
		add_value(b, stat_percentile(room, known, t->percentiles[i]), "null");
	}
	str_addc(b, '}');
}

/* False: its values are out. */
static bool
more_values(
    struct stat_text *t, const struct stat_series *s, size_t least, struct str *b)
{
	const float *v = *(float *const *)(const void *)((const char *)&s->values +
							 arrays[t->array].offset);

	if (!t->value)
		str_addf(b, ",\"%s\":[", arrays[t->array].key);
	for (; t->value < t->a->n_values; t->value++) {
		/* What opens it is out with its first value. */
		if (t->value && b->len > least)
			return true;
		if (t->value)
			str_addc(b, ',');
		add_value(b, v[t->value], "null");
	}
	str_addc(b, ']');
	t->value = 0;
	return false;
}

static void
more_of_series(struct stat_text *t, size_t least, struct str *b)
{
	const struct stat_series *s = &t->a->series[t->series];
	char id[OBJ_ID_TEXT];

	if (!t->array && !t->value) {
		str_addf(b,
		    "%s{\"object\":\"%s\",\"counter\":\"%s\",\"unit\":\"%s\","
		    "\"instance\":\"%s\"",
		    t->series ? "," : "", obj_id_text(s->id, id), s->metric->name,
		    s->metric->sign, s->instance);
	}
	if (more_values(t, s, least, b))
		return;
	t->array++;
	if (t->array < (t->extremes ? ARRAY_SIZE(arrays) : 1))
		return;
	add_percentiles(t, s, b);
	str_addc(b, '}');
	t->array = 0;
	t->series++;
}

static bool
more_json(struct stat_text *t, size_t least, struct str *b)
{
	const struct stat_answer *a = t->a;
	char time[32];

	if (!t->begun) {
		str_addf(b,
		    "{\"interval_s\":%u,\"first\":\"%s\",\"count\":%zu,\"series\":[",
		    a->interval_s, clock_text(a->first_s * MS_PER_S, time),
		    a->n_values);
	}
	t->begun = true;
	while (t->series < a->n_series) {
		if (b->len > least)
			return true;
		more_of_series(t, least, b);
	}
	str_add(b, "]}");
	return false;
}

/* ---- CSV ---- */

static void
add_row(const struct stat_text *t, struct str *b)
{
	const struct stat_series *s = &t->a->series[t->series];
	uint64_t at_s = t->a->first_s + t->value * t->a->interval_s;
	char id[OBJ_ID_TEXT], time[32];

	str_addf(b, "%s,%s,%s,%s,%s,", clock_text(at_s * MS_PER_S, time),
	    obj_id_text(s->id, id), s->metric->name, s->instance, s->metric->sign);
	add_value(b, s->values.average[t->value], "");
	if (t->extremes) {
		str_addc(b, ',');
		add_value(b, s->values.min[t->value], "");
		str_addc(b, ',');
		add_value(b, s->values.max[t->value], "");
	}
	str_add(b, "\r\n");
}

static bool
more_csv(struct stat_text *t, size_t least, struct str *b)
{
	if (!t->begun)
		str_addf(b, "time,object,counter,instance,unit,value%s\r\n",
		    t->extremes ? ",min,max" : "");
	t->begun = true;
	while (t->series < t->a->n_series && t->a->n_values) {
		if (b->len > least)
			return true;
		add_row(t, b);
		if (++t->value < t->a->n_values)
			continue;
		t->value = 0;
		t->series++;
	}
	return false;
}

bool
stat_text_more(struct stat_text *t, size_t least, struct str *out)
{
	return t->csv ? more_csv(t, least, out) : more_json(t, least, out);
}
