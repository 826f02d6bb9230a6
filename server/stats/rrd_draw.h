/*
 * rrd_draw: a graph as librrd draws it, in a process of its own.
 *
 * librrd's graphs are not thread-safe, load fonts and take time; so the program runs
 * itself with RRD_DRAW as its first argument and gets a PNG on its standard output.
 */
#pragma once
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

#define RRD_DRAW "--draw-graph"

#define RRD_LINES_MAX 8u

struct rrd_line {
	const char *path, *legend;
	unsigned counter;
	double scale; /* to the unit that is shown */
};

struct rrd_drawing {
	const char *daemon; /* rrdcached's address; "": none */
	const char *title, *unit;
	uint64_t start_s, end_s;
	unsigned width, height; /* of the graph alone, pixels */
	bool dark;
	bool binary; /* units are of 1024 */
	bool peaks;  /* the highest of each row, too */
	const struct rrd_line *lines;
	size_t n_lines;
};

/* What such a process is given, one after the other, after its own name; NULL-ended.
 * Free each and the list. */
char **rrd_draw_args(const struct rrd_drawing *d);
/* That process. */
_Noreturn void rrd_draw_main(int argc, char **argv);
