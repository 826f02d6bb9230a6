/*
 * How objects fared, as a picture.
 */
#include <string.h>

#include "base/mem.h"
#include "server/api/api_int.h"
#include "server/api/api_stat_ask.h"
#include "server/stats/stat_graph.h"
#include "server/stats/stat_reduce.h"

#define WIDTH      600u
#define WIDTH_MIN  100u
#define HEIGHT     160u
#define HEIGHT_MIN 40u

static void
on_drawn(void *arg, int rc, const struct err *e, const void *png, size_t n)
{
	struct api_call *c = arg;

	if (rc) {
		api_reply_err(c, e);
		return;
	}
	char *copy = xmalloc(n);
	memcpy(copy, png, n);
	api_reply_text(c, "image/png", copy, n);
}

static int
read_look(struct api_call *c, struct stat_graph_ask *ask)
{
	const char *theme = request_arg(c->req, "theme");
	uint64_t width, height;

	if (api_arg_u64(c, "width", WIDTH, STAT_GRAPH_WIDTH_MAX, &width) ||
	    api_arg_u64(c, "height", HEIGHT, STAT_GRAPH_HEIGHT_MAX, &height))
		return -1;
	if (width < WIDTH_MIN || height < HEIGHT_MIN) {
		api_refuse(c, ERR_INVALID, "a graph has at least %u x %u pixels",
		    WIDTH_MIN, HEIGHT_MIN);
		return -1;
	}
	if (theme && !str_same(theme, "light") && !str_same(theme, "dark")) {
		api_refuse(
		    c, ERR_INVALID, "theme: light or dark, not \"%.40s\"", theme);
		return -1;
	}
	ask->width = (unsigned)width;
	ask->height = (unsigned)height;
	ask->dark = str_same(theme, "dark");
	return 0;
}

void
api_stat_graph(struct api_call *c)
{
	AUTO(stat_names) struct stat_names *a = stat_names_new();
	const char *counters = request_arg(c->req, "counters");
	struct stat_graph_ask ask = { 0 };
	struct stat_want want;
	struct err e = ERR_INIT;

	if (!counters || !*counters) {
		api_refuse(c, ERR_INVALID,
		    "counters: name some of one unit, such as cpu.usage.average");
		return;
	}
	if (stat_names_read_objects(c, a) || stat_names_read_counters(c, a) ||
	    stat_want_read(c, &want) || read_look(c, &ask))
		return;
	if (want.end_s <= want.start_s) {
		api_refuse(c, ERR_RANGE, "the end is not after the start");
		return;
	}
	ask.ids = a->ids;
	ask.n_ids = a->n_ids;
	ask.counters = a->counters;
	ask.n_counters = a->n_counters;
	ask.start_s = want.start_s;
	ask.end_s = want.end_s;
	if (stats_graph(c->api->d.stats, &ask, on_drawn, c, &e))
		api_reply_err(c, &e);
}
