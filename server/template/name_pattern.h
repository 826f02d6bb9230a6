/*
 * name_pattern: "web-{01..50}" is fifty names.  Pure.
 *
 * One range of whole numbers; a first or last number with a leading zero pads all of
 * them to the longer one's width.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define NAME_PATTERN_MAX 500u /* names of one pattern */

struct name_pattern {
	const char *text; /* borrowed */
	uint32_t head;    /* bytes before the range */
	const char *tail; /* behind it, within text */
	uint32_t first, count, width;
};

/* Is it meant as one? No object's name has a brace otherwise. */
bool name_is_pattern(const char *name);
int name_pattern_parse(
    const char *name, struct name_pattern *ret, struct err *e) WARN_UNUSED;
/* The name at place i below count; caller frees. */
char *name_pattern_at(const struct name_pattern *p, uint32_t i);
