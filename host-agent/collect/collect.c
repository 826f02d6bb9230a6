#include "host-agent/collect/collect.h"

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine.h"
#include "host-agent/guest/guests.h"
#include "host-agent/health/health.h"
#include "host-agent/stores/stores.h"
#include "loop/timer.h"

struct collect {
	struct collect_conf conf;
	struct timer *tick, *soon, *memory_tick;
	uint64_t seq;
	uint64_t sent_ms;
	bool soon_armed;

	struct col_sample last;
	bool has_last;
	uint64_t sampled_ms;
	uint64_t guests_cpu_us; /* at the last sample */
	uint32_t cpu_usage_mhz;
	uint64_t memory_used_bytes;

	struct col_stalls stalls; /* at the last look at memory */
	uint64_t looked_us;
	enum pressure pressure;
};

static uint32_t
interval(uint32_t ms)
{
	return ms < COLLECT_MIN_MS   ? COLLECT_MIN_MS
	       : ms > COLLECT_MAX_MS ? COLLECT_MAX_MS
				     : ms;
}

static void
sample_guest(void *arg, const struct guest_view *v)
{
	struct collect *k = arg;
	struct guest_usage u;

	/* A container is more than its first process; guests_sample sees its group. */
	if (v->pid > 0 && !v->spec->container &&
	    !col_pid_read(k->conf.root, v->pid, &u.cpu_used_us, &u.memory_bytes, NULL))
		guests_set_usage(k->conf.guests, v->guest, &u);
}

/* Where the host is a share of a machine, only what its guests use counts. */
static void
use_guests_sum(struct collect *k, uint64_t now_ms)
{
	struct guest_usage u = guests_usage(k->conf.guests);
	uint64_t ms = now_ms - k->sampled_ms;

	/* It falls when a guest ends. */
	if (k->has_last && ms && u.cpu_used_us >= k->guests_cpu_us)
		k->cpu_usage_mhz = (uint32_t)((u.cpu_used_us - k->guests_cpu_us) *
					      k->conf.share.mhz / (ms * 1000));
	k->guests_cpu_us = u.cpu_used_us;
	k->memory_used_bytes = u.memory_bytes;
}

static void
sample(struct collect *k)
{
	uint64_t now = loop_now_ms(k->conf.loop);
	struct col_sample s;
	struct err e = ERR_INIT;

	guests_each(k->conf.guests, sample_guest, k);
	if (col_sample_read(k->conf.root, &s, &e)) {
		log_warn("collect", "%s", e.msg);
		return;
	}
	if (k->conf.share.partial) {
		use_guests_sum(k, now);
	} else {
		uint64_t all_mhz = (uint64_t)k->conf.share.cpus * k->conf.share.mhz;
		uint32_t busy = proc_busy_permille(&k->last.cpu, &s.cpu);

		if (k->has_last)
			k->cpu_usage_mhz = (uint32_t)(all_mhz * busy / 1000);
		k->memory_used_bytes = s.memory_used_bytes;
	}
	k->last = s;
	k->has_last = true;
	k->sampled_ms = now;
}

static void
free_lists(Drover__Report *r)
{
	for (size_t i = 0; i < r->n_guests; i++)
		drover__guest_status__free_unpacked(r->guests[i], NULL);
	for (size_t i = 0; i < r->n_datastores; i++)
		drover__datastore_status__free_unpacked(r->datastores[i], NULL);
	free(r->guests);
	free(r->datastores);
	if (r->health)
		drover__host_health__free_unpacked(r->health, NULL);
}

static void
send_report(struct collect *k)
{
	Drover__Report r = DROVER__REPORT__INIT;

	timer_stop(k->soon);
	k->soon_armed = false;
	if (!k->conf.wanted(k->conf.arg))
		return;
	k->sent_ms = loop_now_ms(k->conf.loop);
	r.seq = ++k->seq;
	r.wall_ms = clock_wall_ms(loop_clock(k->conf.loop));
	r.cpu_usage_mhz = k->cpu_usage_mhz;
	r.memory_used_bytes = k->memory_used_bytes;
	r.uptime_s = k->last.uptime_s;
	r.load_permille = k->last.load_permille;
	r.n_guests = guests_status(k->conf.guests, &r.guests);
	r.n_datastores = stores_status(k->conf.stores, &r.datastores);
	r.health = health_status(k->conf.health);
	k->conf.report(k->conf.arg, &r);
	free_lists(&r);
}

static void
on_tick(void *arg)
{
	struct collect *k = arg;

	sample(k);
	guests_sample(k->conf.guests);
	send_report(k);
	stores_sample(k->conf.stores);
}

/* Where the host is a share of a machine its guests have that much between them, and
 * what the machine itself waits for says nothing. */
static void
see_share(const struct collect *k, struct pressure_view *v)
{
	uint64_t total = k->conf.share.memory_bytes;
	uint64_t used = guests_usage(k->conf.guests).memory_bytes;
	uint64_t left = used < total ? total - used : 0;

	v->total_bytes = total;
	v->available_bytes = left < v->available_bytes ? left : v->available_bytes;
	v->some_us = v->full_us = v->span_us = 0;
}

static void
on_memory_tick(void *arg)
{
	struct collect *k = arg;
	uint64_t now_us = loop_now_ms(k->conf.loop) * 1000;
	struct pressure_view v = { .span_us = now_us - k->looked_us };
	struct err e = ERR_INIT;
	enum pressure is;

	guests_each(k->conf.guests, sample_guest, k);
	if (col_pressure_read(k->conf.root, &k->stalls, &v, &e)) {
		log_warn("collect", "%s", e.msg);
		return;
	}
	k->looked_us = now_us;
	if (k->conf.share.partial)
		see_share(k, &v);
	is = pressure_decide(&v);
	if (is != k->pressure)
		log_notice("collect", "memory is %s: %llu of %llu MB are available",
		    pressure_name(is), (unsigned long long)(v.available_bytes >> 20),
		    (unsigned long long)(v.total_bytes >> 20));
	k->pressure = is;
	guests_memory_turn(k->conf.guests, is);
}

static void
on_soon(void *arg)
{
	send_report(arg);
}

struct collect *
collect_new(const struct collect_conf *c)
{
	struct collect *k = xcalloc(1, sizeof(*k));

	k->conf = *c;
	k->tick = timer_new(c->loop, on_tick, k);
	k->soon = timer_new(c->loop, on_soon, k);
	k->memory_tick = timer_new(c->loop, on_memory_tick, k);
	return k;
}

void
collect_free(struct collect *k)
{
	if (!k)
		return;
	timer_free(k->tick);
	timer_free(k->soon);
	timer_free(k->memory_tick);
	free(k);
}

void
collect_start(struct collect *k)
{
	sample(k);
	timer_every(k->tick, interval(k->conf.report_ms));
	timer_every(k->memory_tick, COLLECT_MEMORY_MS);
}

void
collect_set_interval(struct collect *k, uint32_t report_ms)
{
	if (!report_ms || interval(report_ms) == interval(k->conf.report_ms))
		return;
	k->conf.report_ms = report_ms;
	timer_every(k->tick, interval(report_ms));
}

void
collect_changed(struct collect *k)
{
	uint64_t since = loop_now_ms(k->conf.loop) - k->sent_ms;

	if (k->soon_armed)
		return;
	k->soon_armed = true;
	timer_after(k->soon, since < COLLECT_GAP_MS ? COLLECT_GAP_MS - since : 0);
}
