/*
 * api_metrics: what is told to Prometheus and its like (server/export).
 */
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/api_pieces.h"
#include "server/api/watch.h"
#include "server/export/export.h"
#include "server/stats/stat_self.h"

#define US_PER_S 1e6

/* ---- what only the API knows ---- */

static void
put(struct expo *x, double v)
{
	expo_begin(x);
	expo_value(x, v);
}

static void
ws_clients(void *arg, struct expo *x)
{
	const struct api *a = arg;

	put(x, (double)watch_clients(a->watch));
}

static void
ws_queue(void *arg, struct expo *x)
{
	const struct api *a = arg;

	put(x, (double)watch_queued(a->watch));
}

static void
ws_resyncs(void *arg, struct expo *x)
{
	const struct api *a = arg;

	put(x, (double)watch_resyncs(a->watch));
}

static uint64_t
count_requests(void *arg)
{
	const struct api *a = arg;
	size_t n;
	uint64_t all = 0;

	(void)api_routes(&n);
	/* The last one is of requests for no route. */
	for (size_t i = 0; i <= n; i++) {
		for (size_t cls = 0; cls < ARRAY_SIZE(a->stats[i].by_class); cls++)
			all += a->stats[i].by_class[cls];
	}
	return all;
}

static uint64_t
count_watches(void *arg)
{
	return watch_clients(((const struct api *)arg)->watch);
}

const struct stat_self_api api_self = { count_requests, count_watches };

/* Those of one route, or of requests for none, by class of status. */
static void
put_route(struct expo *x, const char *route, const struct route_stat *s)
{
	for (unsigned cls = 2; cls < 6; cls++) {
		char code[] = "0xx";

		if (!s->by_class[cls])
			continue;
		code[0] = (char)('0' + cls);
		expo_begin(x);
		expo_label(x, "route", route);
		expo_label(x, "code", code);
		expo_value(x, (double)s->by_class[cls]);
	}
}

static void
requests(void *arg, struct expo *x)
{
	const struct api *a = arg;
	size_t n;
	const struct route *r = api_routes(&n);

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *name =
		    xasprintf("%s %s", method_text(r[i].method), r[i].path);

		put_route(x, name, &a->stats[i]);
	}
	put_route(x, "none", &a->stats[n]);
}

static void
latency(void *arg, struct expo *x)
{
	const struct api *a = arg;
	double upper[LATENCY_BUCKETS - 1];
	const struct expo_bounds bounds = { upper, LATENCY_BUCKETS - 1 };
	struct expo_histogram h = { 0 };
	size_t n;

	(void)api_routes(&n);
	for (size_t k = 0; k < LATENCY_BUCKETS - 1; k++)
		upper[k] = (double)api_bucket_us[k] / US_PER_S;
	for (size_t i = 0; i <= n; i++) {
		for (size_t k = 0; k < LATENCY_BUCKETS; k++)
			h.bucket[k] += a->stats[i].bucket[k];
		h.sum += (double)a->stats[i].sum_us / US_PER_S;
	}
	expo_histogram(x, NULL, NULL, &bounds, &h);
}

const struct export_api api_export = {
	.ws_clients = ws_clients,
	.ws_queue = ws_queue,
	.ws_resyncs = ws_resyncs,
	.requests = requests,
	.latency = latency,
};

/* ---- the answer ---- */

static bool
more(void *arg, struct str *out)
{
	return export_more(arg, out);
}

static void
end(void *arg)
{
	export_end(arg);
}

static const struct piece_source source = { more, end };

/* collect[]=hosts&collect[]=pools; without it the preset stays. */
static int
read_collectors(const struct request *r, unsigned *ret, struct err *e)
{
	unsigned asked = 0;

	for (size_t i = 0; i < r->n_args; i++) {
		enum export_collector c;
		int rc;

		if (!str_same(r->args[i].name, "collect[]"))
			continue;
		rc = export_collector_parse(r->args[i].value, &c, e);
		if (rc)
			return rc;
		asked |= EXPORT_BIT(c);
	}
	if (asked)
		*ret = asked;
	return 0;
}

/* By its id or its name. */
static int
read_cluster(const struct inv *inv, const char *word, obj_id *ret, struct err *e)
{
	obj_id id;

	if (!word || !*word)
		return 0;
	if (!obj_id_parse(word, KIND_CLUSTER, &id, NULL) && inv_cluster(inv, id)) {
		*ret = id;
		return 0;
	}
	INV_EACH(inv, KIND_CLUSTER, o)
	{
		if (!str_same(o->name, word))
			continue;
		*ret = o->id;
		return 0;
	}
	return err_set(e, ERR_NOT_FOUND, "cluster: there is no \"%.80s\"", word);
}

static void
reply(struct api_call *c, unsigned collectors)
{
	struct export_ask ask = { .collectors = collectors };
	struct err e = ERR_INIT;

	/* Whoever asks from here is on the server's own machine. */
	if (!*c->session && !str_starts(c->req->peer, "127.")) {
		api_refuse(c, ERR_UNAUTHENTICATED, "metrics want a token, or loopback");
		return;
	}
	if (read_collectors(c->req, &ask.collectors, &e) ||
	    read_cluster(
		c->api->d.inv, request_arg(c->req, "cluster"), &ask.cluster, &e)) {
		api_reply_err(c, &e);
		return;
	}
	if (c->req->accept && strstr(c->req->accept, "application/openmetrics-text"))
		ask.format = EXPO_OPENMETRICS;
	api_reply_pieces(c, expo_content_type(ask.format), &source,
	    export_begin(c->api->d.exporter, &ask));
}

void
api_metrics(struct api_call *c)
{
	reply(c, EXPORT_SMALL);
}

void
api_metrics_vms(struct api_call *c)
{
	reply(c, EXPORT_BIT(EXPORT_VMS));
}
