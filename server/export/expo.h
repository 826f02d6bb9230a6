/*
 * expo: the text that Prometheus reads: its classic format (0.0.4) and OpenMetrics 1.0.
 *
 * A family's head comes once, all its samples follow.  Pure.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum expo_format { EXPO_CLASSIC, EXPO_OPENMETRICS };

enum expo_type { EXPO_GAUGE, EXPO_COUNTER, EXPO_INFO, EXPO_HISTOGRAM, EXPO_SUMMARY };

struct expo_family {
	const char *name; /* with its unit, without "_total" and "_info" */
	enum expo_type type;
	const char *unit; /* "seconds"; "": none */
	const char *help;
};

struct expo {
	struct str *out;
	enum expo_format format;
	const struct expo_family *family; /* whose samples come */
	bool labelled;                    /* the sample at hand has a label by now */
};

/* Upper ends of buckets, ascending; beyond the last there is one more. */
struct expo_bounds {
	const double *upper;
	size_t n;
};

#define EXPO_BUCKETS_MAX 16u

struct expo_histogram {
	uint64_t bucket[EXPO_BUCKETS_MAX];
	double sum;
};

const char *expo_content_type(enum expo_format f);
/* f is borrowed until the next one. */
void expo_family(struct expo *x, const struct expo_family *f);

/* A sample: begin, labels, value. */
void expo_begin(struct expo *x);
void expo_label(struct expo *x, const char *name, const char *value);
void expo_value(struct expo *x, double v);

void expo_observe(struct expo_histogram *h, const struct expo_bounds *b, double v);
/* All samples of a histogram, with one label or none (NULL). */
void expo_histogram(struct expo *x, const char *label, const char *value,
    const struct expo_bounds *b, const struct expo_histogram *h);
/* A sample of a summary: begin, labels, value, twice. */
void expo_begin_sum(struct expo *x);
void expo_begin_count(struct expo *x);
/* After the last family. */
void expo_end(struct expo *x);
