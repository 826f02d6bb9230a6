/*
 * line_at: where in a text its reader is, for errors that tell the line.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"

struct line_at {
	const char *what; /* names the text */
	uint32_t line;
};

/* ERR_INVALID "cluster.data: line 7: is no number: "x"". */
int line_bad(const struct line_at *at, struct err *e, const char *why,
    const char *word) WARN_UNUSED;
/* What the view refuses is told with the line. */
int line_added(const struct line_at *at, int rc, struct err *e) WARN_UNUSED;
