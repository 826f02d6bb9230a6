#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "server/api/api_int.h"
#include "server/api/watch.h"
#include "server/db/db.h"
#include "server/hosts/hosts.h"

static void
family(struct str *b, const char *name, const char *type, const char *help)
{
	str_addf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
gauge(struct str *b, const char *name, const char *help, uint64_t v)
{
	family(b, name, "gauge", help);
	str_addf(b, "%s %llu\n", name, (unsigned long long)v);
}

static void
route_label(struct str *b, size_t i)
{
	size_t n;
	const struct route *r = api_routes(&n);

	if (i < n)
		str_addf(b, "route=\"%s %s\"", method_text(r[i].method), r[i].path);
	else
		str_add(b, "route=\"none\"");
}

static void
add_requests(struct str *b, const struct api *a, size_t n)
{
	static const char name[] = "drover_server_http_requests_total";

	family(b, name, "counter", "Answered requests by route and class of status.");
	for (size_t i = 0; i <= n; i++) {
		for (unsigned cls = 2; cls < 6; cls++) {
			if (!a->stats[i].by_class[cls])
				continue;
			str_addf(b, "%s{", name);
			route_label(b, i);
			str_addf(b, ",code=\"%uxx\"} %llu\n", cls,
			    (unsigned long long)a->stats[i].by_class[cls]);
		}
	}
}

static void
add_latency(struct str *b, const struct api *a, size_t n)
{
	static const char name[] = "drover_server_http_request_duration_seconds";
	uint64_t sum_us = 0, total = 0;

	family(b, name, "histogram", "From the request's last byte to its answer.");
	for (unsigned k = 0; k < LATENCY_BUCKETS; k++) {
		for (size_t i = 0; i <= n; i++)
			total += a->stats[i].bucket[k];
		if (k < LATENCY_BUCKETS - 1) {
			str_addf(b, "%s_bucket{le=\"%llu.%06llu\"} %llu\n", name,
			    (unsigned long long)(api_bucket_us[k] / 1000000),
			    (unsigned long long)(api_bucket_us[k] % 1000000),
			    (unsigned long long)total);
		} else {
			str_addf(b, "%s_bucket{le=\"+Inf\"} %llu\n", name,
			    (unsigned long long)total);
		}
	}
	for (size_t i = 0; i <= n; i++)
		sum_us += a->stats[i].sum_us;
	str_addf(b, "%s_sum %llu.%06llu\n%s_count %llu\n", name,
	    (unsigned long long)(sum_us / 1000000),
	    (unsigned long long)(sum_us % 1000000), name, (unsigned long long)total);
}

static void
add_tasks(struct str *b, const struct inv *inv)
{
	uint64_t n[task_state_COUNT_] = { 0 };

	INV_EACH(inv, KIND_TASK, o)
	n[inv_task(inv, o->id)->state]++;
	family(b, "drover_tasks", "gauge", "Tasks that are kept, by state.");
	for (unsigned s = 0; s < task_state_COUNT_; s++)
		str_addf(b, "drover_tasks{state=\"%s\"} %llu\n", task_state_text(s),
		    (unsigned long long)n[s]);
}

static void
add_guests(struct str *b, const struct inv *inv)
{
	uint64_t n[power_state_COUNT_] = { 0 };

	INV_EACH(inv, KIND_VM, o)
	n[inv_vm(inv, o->id)->power_state]++;
	family(b, "drover_vms", "gauge", "Virtual machines by power state.");
	for (unsigned s = 0; s < power_state_COUNT_; s++)
		str_addf(b, "drover_vms{power=\"%s\"} %llu\n", power_state_text(s),
		    (unsigned long long)n[s]);
}

static uint64_t
resident_bytes(void)
{
	char line[128];
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	bool read = fgets(line, sizeof(line), f) != NULL;
	fclose(f);
	/* The second of its numbers, in pages. */
	const char *second = read ? strchr(line, ' ') : NULL;
	return second ? strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE)
		      : 0;
}

void
api_metrics(struct api_call *c)
{
	const struct api *a = c->api;
	struct str b = STR_INIT;
	size_t n;

	if (!*c->session && !str_starts(c->req->peer, "127.")) {
		api_refuse(c, ERR_UNAUTHENTICATED, "metrics want a token, or loopback");
		return;
	}
	api_routes(&n);
	family(&b, "drover_build_info", "gauge", "Which version runs.");
	str_addf(&b, "drover_build_info{version=\"%s\"} 1\n", DROVER_VERSION);
	gauge(&b, "drover_server_epoch", "Number of our leadership.",
	    a->d.epoch(a->d.epoch_arg));
	gauge(&b, "drover_server_database_up", "The database answers.",
	    db_is_up(a->d.db));
	gauge(&b, "drover_server_resident_memory_bytes", "Resident memory.",
	    resident_bytes());
	gauge(&b, "drover_server_revision", "Newest change of the inventory.",
	    inv_rev(a->d.inv));
	gauge(&b, "drover_server_ws_clients", "Open watches.", watch_clients(a->watch));
	gauge(&b, "drover_server_ws_queue_bytes", "On their way to watches.",
	    watch_queued(a->watch));
	gauge(&b, "drover_server_sessions", "Logins and tokens.",
	    sessions_count(a->d.sessions, SESSION_LOGIN) +
		sessions_count(a->d.sessions, SESSION_TOKEN));
	gauge(&b, "drover_hosts", "Hosts in the inventory.",
	    inv_count(a->d.inv, KIND_HOST));
	gauge(&b, "drover_hosts_connected", "Hosts with a link.",
	    hosts_up_count(a->d.hosts));
	add_guests(&b, a->d.inv);
	add_tasks(&b, a->d.inv);
	add_requests(&b, a, n);
	add_latency(&b, a, n);
	size_t len = b.len;
	api_reply_text(
	    c, "text/plain; version=0.0.4; charset=utf-8", str_take(&b), len);
}
