#include "server/export/expo.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define WHOLE_MAX 9007199254740992.0 /* doubles tell whole numbers apart up to it */
#define DIGITS    15

static const char *const suffixes[] = {
	[EXPO_GAUGE] = "",
	[EXPO_COUNTER] = "_total",
	[EXPO_INFO] = "_info",
	[EXPO_HISTOGRAM] = "",
	[EXPO_SUMMARY] = "",
};

const char *
expo_content_type(enum expo_format f)
{
	return f == EXPO_OPENMETRICS
		   ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
		   : "text/plain; version=0.0.4; charset=utf-8";
}

void
expo_family(struct expo *x, const struct expo_family *f)
{
	static const char *const types[] = {
		[EXPO_GAUGE] = "gauge",
		[EXPO_COUNTER] = "counter",
		[EXPO_INFO] = "info",
		[EXPO_HISTOGRAM] = "histogram",
		[EXPO_SUMMARY] = "summary",
	};

	x->family = f;
	if (x->format == EXPO_OPENMETRICS) {
		str_addf(x->out, "# TYPE %s %s\n", f->name, types[f->type]);
		if (*f->unit)
			str_addf(x->out, "# UNIT %s %s\n", f->name, f->unit);
		str_addf(x->out, "# HELP %s %s.\n", f->name, f->help);
		return;
	}
	/* The classic format names a family as its samples and knows no "info". */
	str_addf(x->out, "# HELP %s%s %s.\n", f->name, suffixes[f->type], f->help);
	str_addf(x->out, "# TYPE %s%s %s\n", f->name, suffixes[f->type],
	    types[f->type == EXPO_INFO ? EXPO_GAUGE : f->type]);
}

static void
begin(struct expo *x, const char *suffix)
{
	str_add(x->out, x->family->name);
	str_add(x->out, suffix);
	x->labelled = false;
}

void
expo_begin(struct expo *x)
{
	begin(x, suffixes[x->family->type]);
}

void
expo_label(struct expo *x, const char *name, const char *value)
{
	str_addc(x->out, x->labelled ? ',' : '{');
	x->labelled = true;
	str_add(x->out, name);
	str_add(x->out, "=\"");
	while (*value) {
		size_t n = strcspn(value, "\\\"\n");

		str_addn(x->out, value, n);
		value += n;
		if (!*value)
			break;
		str_addc(x->out, '\\');
		str_addc(x->out, *value == '\n' ? 'n' : *value);
		value++;
	}
	str_addc(x->out, '"');
}

static void
add_number(struct str *b, double v)
{
	char text[32], *at = text + sizeof(text);

	if (v < 0 || v >= WHOLE_MAX || v != floor(v)) {
		str_addf(b, "%.*g", DIGITS, v);
		return;
	}
	uint64_t n = (uint64_t)v;
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	str_addn(b, at, (size_t)(text + sizeof(text) - at));
}

void
expo_value(struct expo *x, double v)
{
	str_add(x->out, x->labelled ? "} " : " ");
	add_number(x->out, v);
	str_addc(x->out, '\n');
}

void
expo_observe(struct expo_histogram *h, const struct expo_bounds *b, double v)
{
	size_t i = 0;

	ASSERT(b->n < EXPO_BUCKETS_MAX);
	while (i < b->n && v > b->upper[i])
		i++;
	h->bucket[i]++;
	h->sum += v;
}

static void
begin_part(struct expo *x, const char *suffix, const char *label, const char *value)
{
	begin(x, suffix);
	if (label)
		expo_label(x, label, value);
}

void
expo_histogram(struct expo *x, const char *label, const char *value,
    const struct expo_bounds *b, const struct expo_histogram *h)
{
	uint64_t total = 0;
	char upper[32];

	for (size_t i = 0; i <= b->n; i++) {
		total += h->bucket[i];
		if (i < b->n)
			snprintf(upper, sizeof(upper), "%g", b->upper[i]);
		begin_part(x, "_bucket", label, value);
		expo_label(x, "le", i < b->n ? upper : "+Inf");
		expo_value(x, (double)total);
	}
	begin_part(x, "_sum", label, value);
	expo_value(x, h->sum);
	begin_part(x, "_count", label, value);
	expo_value(x, (double)total);
}

void
expo_begin_sum(struct expo *x)
{
	begin(x, "_sum");
}

void
expo_begin_count(struct expo *x)
{
	begin(x, "_count");
}

void
expo_end(struct expo *x)
{
	if (x->format == EXPO_OPENMETRICS)
		str_add(x->out, "# EOF\n");
}
