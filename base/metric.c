#include "base/metric.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define NEAR_MAX  3u
#define NAME_SPAN 48u

#define METRIC(...)
#define METRIC_UNIT(e, name, sign) \
	static const char unit_##e[] = name, sign_##e[] = sign;
#include "base/metric.def"
#undef METRIC_UNIT
#undef METRIC

#define HOST      METRIC_OF_HOST
#define MACHINE   METRIC_OF_MACHINE
#define CONTAINER METRIC_OF_CONTAINER
#define GUEST     METRIC_OF_GUEST
#define DATASTORE METRIC_OF_DATASTORE
#define POOL      METRIC_OF_POOL
#define CLUSTER   METRIC_OF_CLUSTER
#define SERVER    METRIC_OF_SERVER
#define METRIC_UNIT(...)
#define METRIC(e, no, full_name, u, k, r, lvl, objs, text) \
	[no] = { .number = (no),                           \
		.name = (full_name),                       \
		.unit = unit_##u,                          \
		.sign = sign_##u,                          \
		.kind = METRIC_##k,                        \
		.rollup = METRIC_##r,                      \
		.level = (lvl),                            \
		.objects = (objs),                         \
		.help = (text) },
static const struct metric metrics[METRIC_MAX] = {
#include "base/metric.def"
};
#undef METRIC
#undef METRIC_UNIT

#define METRIC_INSTANCE(e, objs) [METRIC_##e] = (objs),
static const uint8_t of_instances[METRIC_MAX] = {
#include "base/metric_instance.def"
};
#undef METRIC_INSTANCE

const struct metric *
metric_at(uint32_t number)
{
	return number < METRIC_MAX && metrics[number].number ? &metrics[number] : NULL;
}

const struct metric *
metric_next(const struct metric *m)
{
	for (uint32_t i = m ? m->number + 1 : 1; i < METRIC_MAX; i++) {
		if (metrics[i].number && metrics[i].level != METRIC_LEVEL_TOTAL)
			return &metrics[i];
	}
	return NULL;
}

const struct metric *
metric_find(const char *name)
{
	const struct metric *m = NULL;

	while ((m = metric_next(m)) != NULL) {
		if (!strcasecmp(m->name, name))
			return m;
	}
	return NULL;
}

bool
metric_has_instances(const struct metric *m, unsigned objects)
{
	return of_instances[m->number] & objects;
}

bool
metric_instance_valid(const char *name)
{
	size_t n = strlen(name);

	if (!n || n >= METRIC_INSTANCE_TEXT)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!isalnum((unsigned char)name[i]) && !strchr("-_.:@", name[i]))
			return false;
	}
	return true;
}

size_t
metrics_of(unsigned objects, uint8_t ret_numbers[METRIC_MAX])
{
	const struct metric *m = NULL;
	size_t n = 0;

	while ((m = metric_next(m)) != NULL) {
		if (m->objects & objects)
			ret_numbers[n++] = (uint8_t)m->number;
	}
	return n;
}

/* How many letters differ: put in, left out or another. */
static unsigned
distance(const char *a, const char *b)
{
	unsigned row[NAME_SPAN + 1];
	size_t na = strnlen(a, NAME_SPAN), nb = strnlen(b, NAME_SPAN);

	for (unsigned j = 0; j <= nb; j++)
		row[j] = j;
	for (unsigned i = 1; i <= na; i++) {
		unsigned corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			unsigned best = corner + (a[i - 1] != b[j - 1]);

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[nb];
}

void
metric_near(const char *name, struct str *out)
{
	const struct metric *m = NULL, *best[NEAR_MAX] = { NULL };
	unsigned far[NEAR_MAX] = { 0 };

	while ((m = metric_next(m)) != NULL) {
		const struct metric *in = m;
		unsigned d = distance(name, m->name);

		/* What shares no more than its ending is no guess. */
		if ((size_t)d * 2 > strlen(m->name))
			continue;
		for (size_t i = 0; i < NEAR_MAX && in; i++) {
			const struct metric *was = best[i];
			unsigned was_far = far[i];

			if (was && was_far <= d)
				continue;
			best[i] = in;
			far[i] = d;
			in = was;
			d = was_far;
		}
	}
	for (size_t i = 0; i < NEAR_MAX && best[i]; i++)
		str_addf(out, "%s%s", i ? ", " : "", best[i]->name);
}

const char *
metric_kind_text(enum metric_kind k)
{
	static const char *const text[] = { "rate", "delta", "absolute" };

	return text[k];
}

const char *
metric_rollup_text(enum metric_rollup r)
{
	static const char *const text[] = { "average", "summation", "latest" };

	return text[r];
}
