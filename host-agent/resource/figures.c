#include "host-agent/resource/figures.h"

#include <math.h>

#include "base/mem.h"

#define KB        1024.0
#define US_PER_S  1e6
#define US_PER_MS 1e3

void
figures_init(struct figures *f, unsigned object)
{
	*f = (struct figures){ .object = object };
	for (size_t i = 0; i < FIG_COUNT_; i++)
		f->v[i] = FIG_NONE;
}

void
figures_init_instance(struct figures *f, const struct figures *whole)
{
	figures_init(f, whole->object);
	f->is_instance = true;
	f->run = whole->run;
	f->at_us = whole->at_us;
	f->mhz = whole->mhz;
}

void
figures_add(struct figures *f, enum figure of, uint64_t more)
{
	f->v[of] = f->v[of] == FIG_NONE ? more : f->v[of] + more;
}

void
figures_add_times(struct figures *f, const struct figures_times *t)
{
	figures_add(f, FIG_DISK_READS_TIMED, t->reads);
	figures_add(f, FIG_DISK_READ_US, t->read_us);
	figures_add(f, FIG_DISK_WRITES_TIMED, t->writes);
	figures_add(f, FIG_DISK_WRITE_US, t->write_us);
}

/* Two looks at one thing. */
struct span {
	const struct figures *was; /* NULL: there is but one */
	const struct figures *is;
	double us;
};

static bool
now(const struct span *s, enum figure f, double *ret)
{
	*ret = (double)s->is->v[f];
	return s->is->v[f] != FIG_NONE;
}

static bool
grown(const struct span *s, enum figure f, double *ret)
{
	if (!s->was || s->is->v[f] == FIG_NONE || s->was->v[f] == FIG_NONE ||
	    s->is->v[f] < s->was->v[f])
		return false;
	*ret = (double)(s->is->v[f] - s->was->v[f]);
	return true;
}

/* Of the time of all its CPUs. */
static bool
cpu_percent(const struct span *s, enum figure f, double *ret)
{
	if (!s->is->cpus || !grown(s, f, ret))
		return false;
	*ret *= 100.0 / (s->us * s->is->cpus);
	return true;
}

static bool
percent_of_time(const struct span *s, enum figure f, double *ret)
{
	if (!grown(s, f, ret))
		return false;
	*ret = fmin(100.0, *ret * 100.0 / s->us);
	return true;
}

static bool
cpu_mhz(const struct span *s, enum figure f, double *ret)
{
	if (!grown(s, f, ret))
		return false;
	*ret *= s->is->mhz / s->us;
	return true;
}

static bool
ms_of(const struct span *s, enum figure f, double *ret)
{
	if (!grown(s, f, ret))
		return false;
	*ret /= US_PER_MS;
	return true;
}

static bool
per_second(const struct span *s, enum figure f, double *ret)
{
	if (!grown(s, f, ret))
		return false;
	*ret *= US_PER_S / s->us;
	return true;
}

static bool
kb_per_second(const struct span *s, enum figure f, double *ret)
{
	if (!per_second(s, f, ret))
		return false;
	*ret /= KB;
	return true;
}

static bool
kb(const struct span *s, enum figure f, double *ret)
{
	if (!now(s, f, ret))
		return false;
	*ret /= KB;
	return true;
}

static bool
thousandths(const struct span *s, enum figure f, double *ret)
{
	if (!now(s, f, ret))
		return false;
	*ret /= 1000.0;
	return true;
}

static bool
demand(const struct span *s, enum figure f, double *ret)
{
	double used, ready = 0, limited = 0;

	if (!cpu_mhz(s, f, &used))
		return false;
	(void)cpu_mhz(s, FIG_CPU_READY_US, &ready);
	(void)cpu_mhz(s, FIG_CPU_LIMITED_US, &limited);
	*ret =
	    fmax(used, fmin(used + ready + limited, (double)s->is->cpus * s->is->mhz));
	return true;
}

static bool
total_mhz(const struct span *s, enum figure f, double *ret)
{
	*ret = (double)s->is->cpus * s->is->mhz;
	return true;
}

static bool
active(const struct span *s, enum figure f, double *ret)
{
	double idle;

	if (!now(s, f, ret) || !now(s, FIG_MEM_IDLE_BYTES, &idle))
		return false;
	*ret = fmax(0, *ret - idle) / KB;
	return true;
}

/* A host's memory is used up by what is consumed, a guest's by what it works with. */
static bool
memory_percent(const struct span *s, enum figure f, double *ret)
{
	double idle;

	if (!s->is->memory_bytes || !now(s, f, ret))
		return false;
	if (s->is->object == METRIC_OF_HOST || !now(s, FIG_MEM_IDLE_BYTES, &idle))
		idle = 0;
	*ret = fmin(100.0, fmax(0, *ret - idle) * 100.0 / (double)s->is->memory_bytes);
	return true;
}

static bool
granted(const struct span *s, enum figure f, double *ret)
{
	double balloon;

	if (!s->is->memory_bytes)
		return false;
	if (!now(s, f, &balloon))
		balloon = 0;
	*ret = fmax(0, (double)s->is->memory_bytes - balloon) / KB;
	return true;
}

/* Of each read or write that there was; f: how long they took together. */
static bool
latency(const struct span *s, enum figure f, double *ret)
{
	enum figure times =
	    f == FIG_DISK_READ_US ? FIG_DISK_READS_TIMED : FIG_DISK_WRITES_TIMED;
	double n;

	if (!ms_of(s, f, ret) || !grown(s, times, &n) || n < 1)
		return false;
	*ret /= n;
	return true;
}

/* Microjoules in microseconds. */
static bool
watts(const struct span *s, enum figure f, double *ret)
{
	if (!grown(s, f, ret))
		return false;
	*ret /= s->us;
	return true;
}

static const struct {
	uint32_t counter;
	bool (*of)(const struct span *s, enum figure f, double *ret);
	enum figure figure;
} rules[] = {
	{ METRIC_CPU_USAGE, cpu_percent, FIG_CPU_US },
	{ METRIC_CPU_USAGEMHZ, cpu_mhz, FIG_CPU_US },
	{ METRIC_CPU_READY, ms_of, FIG_CPU_READY_US },
	{ METRIC_CPU_MAXLIMITED, ms_of, FIG_CPU_LIMITED_US },
	{ METRIC_CPU_DEMAND, demand, FIG_CPU_US },
	{ METRIC_CPU_ENTITLEMENT, now, FIG_CPU_ENTITLED_MHZ },
	{ METRIC_CPU_USER, cpu_percent, FIG_CPU_USER_US },
	{ METRIC_CPU_SYSTEM, cpu_percent, FIG_CPU_SYSTEM_US },
	{ METRIC_CPU_IOWAIT, cpu_percent, FIG_CPU_IOWAIT_US },
	{ METRIC_CPU_STEAL, cpu_percent, FIG_CPU_STEAL_US },
	{ METRIC_CPU_PRESSURE, percent_of_time, FIG_CPU_STALLED_US },
	{ METRIC_CPU_TOTALMHZ, total_mhz, FIG_CPU_US },
	{ METRIC_MEM_USAGE, memory_percent, FIG_MEM_BYTES },
	{ METRIC_MEM_CONSUMED, kb, FIG_MEM_BYTES },
	{ METRIC_MEM_ACTIVE, active, FIG_MEM_BYTES },
	{ METRIC_MEM_GRANTED, granted, FIG_MEM_BALLOON_BYTES },
	{ METRIC_MEM_BALLOON, kb, FIG_MEM_BALLOON_BYTES },
	{ METRIC_MEM_SWAPPED, kb, FIG_MEM_SWAPPED_BYTES },
	{ METRIC_MEM_PRESSURE, percent_of_time, FIG_MEM_STALLED_US },
	{ METRIC_DISK_READ, kb_per_second, FIG_DISK_READ_BYTES },
	{ METRIC_DISK_WRITE, kb_per_second, FIG_DISK_WRITTEN_BYTES },
	{ METRIC_DISK_READS, per_second, FIG_DISK_READS },
	{ METRIC_DISK_WRITES, per_second, FIG_DISK_WRITES },
	{ METRIC_DISK_READ_LATENCY, latency, FIG_DISK_READ_US },
	{ METRIC_DISK_WRITE_LATENCY, latency, FIG_DISK_WRITE_US },
	{ METRIC_DISK_READ_TIME, ms_of, FIG_DISK_READ_US },
	{ METRIC_DISK_WRITE_TIME, ms_of, FIG_DISK_WRITE_US },
	{ METRIC_DISK_READS_TIMED, grown, FIG_DISK_READS_TIMED },
	{ METRIC_DISK_WRITES_TIMED, grown, FIG_DISK_WRITES_TIMED },
	{ METRIC_DISK_PRESSURE, percent_of_time, FIG_DISK_STALLED_US },
	{ METRIC_DISK_USED, kb, FIG_DISK_USED_BYTES },
	{ METRIC_NET_RECEIVED, kb_per_second, FIG_NET_IN_BYTES },
	{ METRIC_NET_TRANSMITTED, kb_per_second, FIG_NET_OUT_BYTES },
	{ METRIC_NET_DROPPED_RX, grown, FIG_NET_IN_DROPPED },
	{ METRIC_NET_DROPPED_TX, grown, FIG_NET_OUT_DROPPED },
	{ METRIC_NET_UTILIZATION, percent_of_time, FIG_NET_BUSY_US },
	{ METRIC_SYS_UPTIME, now, FIG_UPTIME_S },
	{ METRIC_SYS_PROCESSES, now, FIG_PROCESSES },
	{ METRIC_SYS_LOAD, thousandths, FIG_LOAD_PERMILLE },
	{ METRIC_POWER, watts, FIG_ENERGY_UJ },
};

static bool
is_counted(uint32_t counter, const struct figures *f)
{
	const struct metric *m = metric_at(counter);

	return f->is_instance ? metric_has_instances(m, f->object)
			      : m->objects & f->object;
}

size_t
figures_samples(
    const struct figures *was, const struct figures *is, struct sample ret[METRIC_MAX])
{
	bool goes_on = was && was->run == is->run && is->at_us > was->at_us;
	const struct span s = {
		.was = goes_on ? was : NULL,
		.is = is,
		.us = goes_on ? (double)(is->at_us - was->at_us) : 0,
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		double v;

		if (!is_counted(rules[i].counter, is) ||
		    !rules[i].of(&s, rules[i].figure, &v))
			continue;
		v = nearbyint(v * METRIC_SCALE);
		/* A figure that nobody can have is a fault in what was read. */
		if (v < 0 || v >= 9e18)
			continue;
		ret[n++] = (struct sample){ rules[i].counter, (uint64_t)v };
	}
	return n;
}
