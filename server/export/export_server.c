/*
 * export_server: what the server says of itself.
 */
#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/mem.h"
#include "server/access/session.h"
#include "server/db/db.h"
#include "server/export/export_int.h"
#include "server/export/push.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_alarm.h"
#include "server/inventory/inv_life.h"

void
export_build(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put_as(x, NULL, "version", DROVER_VERSION, 1);
}

void
export_epoch(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->d.epoch)
		export_put(x, NULL, (double)r->x->d.epoch(r->x->d.epoch_arg));
}

void
export_database(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, NULL, db_is_up(inv_db(r->x->d.inv)));
}

void
export_revision(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, NULL, (double)inv_rev(r->x->d.inv));
}

void
export_sessions(const struct export_run *r, const struct obj *o, struct expo *x)
{
	const struct sessions *s = r->x->d.sessions;

	if (s)
		export_put(x, NULL,
		    (double)(sessions_count(s, SESSION_LOGIN) +
			     sessions_count(s, SESSION_TOKEN)));
}

void
export_ws_clients(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->api)
		r->x->api->ws_clients(r->x->api_arg, x);
}

void
export_ws_queue(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->api)
		r->x->api->ws_queue(r->x->api_arg, x);
}

void
export_ws_resyncs(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->api)
		r->x->api->ws_resyncs(r->x->api_arg, x);
}

void
export_requests(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->api)
		r->x->api->requests(r->x->api_arg, x);
}

void
export_latency(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->api)
		r->x->api->latency(r->x->api_arg, x);
}

void
export_hosts(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, NULL, (double)inv_count(r->x->d.inv, KIND_HOST));
}

void
export_hosts_connected(const struct export_run *r, const struct obj *o, struct expo *x)
{
	if (r->x->d.hosts)
		export_put(x, NULL, hosts_up_count(r->x->d.hosts));
}

void
export_vms(const struct export_run *r, const struct obj *o, struct expo *x)
{
	uint64_t n[power_state_COUNT_] = { 0 };

	INV_EACH(r->x->d.inv, KIND_VM, vm)
	n[inv_vm(r->x->d.inv, vm->id)->power_state]++;
	for (unsigned s = 0; s < power_state_COUNT_; s++)
		export_put_as(x, NULL, "power", power_state_text(s), (double)n[s]);
}

void
export_tasks(const struct export_run *r, const struct obj *o, struct expo *x)
{
	uint64_t n[task_state_COUNT_] = { 0 };

	INV_EACH(r->x->d.inv, KIND_TASK, task)
	n[inv_task(r->x->d.inv, task->id)->state]++;
	for (unsigned s = 0; s < task_state_COUNT_; s++)
		export_put_as(x, NULL, "state", task_state_text(s), (double)n[s]);
}

void
export_alarms(const struct export_run *r, const struct obj *o, struct expo *x)
{
	static const enum alarm_status shown[] = { ALARM_YELLOW, ALARM_RED };
	uint64_t n[alarm_status_COUNT_] = { 0 };

	INV_EACH(r->x->d.inv, KIND_ALARM, alarm)
	{
		const struct alarm *a = inv_alarm(r->x->d.inv, alarm->id);

		if (!a->acknowledged)
			n[a->status]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		export_put_as(x, NULL, "severity", alarm_status_text(shown[i]),
		    (double)n[shown[i]]);
}

void
export_events(const struct export_run *r, const struct obj *o, struct expo *x)
{
	MAP_EACH(export_tally_events(r->x->tally), it) {
		const struct tally_event *e = it.value;

		export_put_as(x, NULL, "type", it.skey, (double)e->n);
	}
}

void
export_push(const struct export_run *r, const struct obj *o, struct expo *x)
{
	struct push_count counts[2];
	size_t n = push_counts(r->x->d.push, counts);

	for (size_t i = 0; i < n; i++) {
		expo_begin(x);
		expo_label(x, "target", counts[i].target);
		expo_label(x, "result", "sent");
		expo_value(x, (double)counts[i].sent);
		expo_begin(x);
		expo_label(x, "target", counts[i].target);
		expo_label(x, "result", "dropped");
		expo_value(x, (double)counts[i].dropped);
	}
}

/* ---- the process ---- */

void
export_process_cpu(const struct export_run *r, const struct obj *o, struct expo *x)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u))
		return;
	export_put(x, NULL,
	    (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		(double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
}

/* The first two numbers of statm, in bytes. */
static bool
read_statm(double *ret_virtual, double *ret_resident)
{
	unsigned long long all, resident;
	FILE *f = fopen("/proc/self/statm", "re");
	double page = (double)sysconf(_SC_PAGESIZE);

	if (!f)
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
	bool read = fscanf(f, "%llu %llu", &all, &resident) == 2;
	fclose(f);
	if (!read)
		return false;
	*ret_virtual = (double)all * page;
	*ret_resident = (double)resident * page;
	return true;
}

void
export_process_resident(const struct export_run *r, const struct obj *o, struct expo *x)
{
	double all, resident;

	if (read_statm(&all, &resident))
		export_put(x, NULL, resident);
}

void
export_process_virtual(const struct export_run *r, const struct obj *o, struct expo *x)
{
	double all, resident;

	if (read_statm(&all, &resident))
		export_put(x, NULL, all);
}

void
export_process_fds(const struct export_run *r, const struct obj *o, struct expo *x)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d)
		return;
	while (readdir(d))
		n++;
	closedir(d);
	/* Neither ".", ".." nor the one that counted. */
	export_put(x, NULL, n - 3);
}

void
export_process_max_fds(const struct export_run *r, const struct obj *o, struct expo *x)
{
	struct rlimit l;

	if (!getrlimit(RLIMIT_NOFILE, &l) && l.rlim_cur != RLIM_INFINITY)
		export_put(x, NULL, (double)l.rlim_cur);
}

void
export_process_start(const struct export_run *r, const struct obj *o, struct expo *x)
{
	export_put(x, NULL, (double)r->x->started_ms / MS_PER_S);
}
