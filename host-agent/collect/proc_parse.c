#include "host-agent/collect/proc_parse.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define CPU_FIELDS 8 /* user nice system idle iowait irq softirq steal */
#define CPU_USER   0
#define CPU_NICE   1
#define CPU_SYSTEM 2
#define CPU_IDLE   3
#define CPU_IOWAIT 4
#define CPU_IRQ    5
#define CPU_SOFT   6
#define CPU_STEAL  7
#define PID_FIELDS 22 /* from the state (field 3) to rss (field 24) */
#define PID_UTIME  11
#define PID_STIME  12
#define PID_START  19
#define PID_RSS    21

/* Blanks and a decimal number at *p; moves *p behind it. False: there is none. */
static bool
take_u64(const char **p, uint64_t *ret_v)
{
	const char *s = *p;
	uint64_t v = 0;

	while (*s == ' ' || *s == '\t')
		s++;
	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++) {
		if (__builtin_mul_overflow(v, 10u, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(*s - '0'), &v))
			return false;
	}
	*p = s;
	*ret_v = v;
	return true;
}

/* Behind key at the start of a line; NULL if no line begins with it. */
static const char *
find_line(const char *text, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = text; p && *p; p = strchr(p, '\n')) {
		if (*p == '\n')
			p++;
		if (!strncmp(p, key, n))
			return p + n;
	}
	return NULL;
}

/* The times behind a line's name. */
static int
take_times(const char **p, struct proc_cpu *ret, struct err *e)
{
	struct proc_cpu c = { 0 };
	uint64_t v[CPU_FIELDS] = { 0 };
	int i;

	for (i = 0; i < CPU_FIELDS && take_u64(p, &v[i]); i++) {
		if (__builtin_add_overflow(c.total, v[i], &c.total))
			return err_set(e, ERR_CORRUPT, "stat: cpu times overflow");
		if (i != CPU_IDLE && i != CPU_IOWAIT)
			c.busy += v[i];
	}
	/* Old kernels have no iowait and what follows it. */
	if (i <= CPU_IDLE)
		return err_set(e, ERR_CORRUPT, "stat: too few times of a CPU");
	c.user = v[CPU_USER] + v[CPU_NICE];
	c.system = v[CPU_SYSTEM] + v[CPU_IRQ] + v[CPU_SOFT];
	c.iowait = v[CPU_IOWAIT];
	c.steal = v[CPU_STEAL];
	*ret = c;
	return 0;
}

int
proc_parse_cpu(const char *stat, struct proc_cpu *ret, struct err *e)
{
	const char *p = find_line(stat, "cpu ");
	struct proc_cpu c;
	int rc;

	if (!p)
		return err_set(e, ERR_CORRUPT, "stat: no line of all CPUs");
	rc = take_times(&p, &c, e);
	if (rc)
		return rc;
	p = find_line(stat, "btime ");
	if (p)
		(void)take_u64(&p, &c.boot_time_s);
	*ret = c;
	return 0;
}

bool
proc_parse_core(const char **at, unsigned *ret_core, struct proc_cpu *ret)
{
	const char *p = *at;
	uint64_t core;

	while ((p = find_line(p, "cpu")) != NULL) {
		/* Not "cpu ", the line of all of them. */
		if (isdigit((unsigned char)*p) && take_u64(&p, &core) &&
		    core <= UINT32_MAX && !take_times(&p, ret, NULL)) {
			*ret_core = (unsigned)core;
			*at = p;
			return true;
		}
		p = strchr(p, '\n');
		if (!p)
			break;
	}
	return false;
}

static bool
meminfo_kb(const char *meminfo, const char *key, uint64_t *ret_bytes)
{
	const char *p = find_line(meminfo, key);
	uint64_t kb;

	if (!p || !take_u64(&p, &kb) || strncmp(p, " kB", 3) != 0 ||
	    kb > UINT64_MAX / 1024)
		return false;
	*ret_bytes = kb * 1024;
	return true;
}

int
proc_parse_memory(const char *meminfo, struct proc_memory *ret, struct err *e)
{
	struct proc_memory m = { 0 };
	uint64_t swap, left;

	if (!meminfo_kb(meminfo, "MemTotal:", &m.total_bytes))
		return err_set(e, ERR_CORRUPT, "meminfo: no MemTotal");
	if (!meminfo_kb(meminfo, "MemAvailable:", &m.available_bytes))
		return err_set(e, ERR_CORRUPT, "meminfo: no MemAvailable");
	if (m.available_bytes > m.total_bytes)
		m.available_bytes = m.total_bytes;
	if (meminfo_kb(meminfo, "SwapTotal:", &swap) &&
	    meminfo_kb(meminfo, "SwapFree:", &left) && left < swap)
		m.swapped_bytes = swap - left;
	*ret = m;
	return 0;
}

int
proc_parse_uptime(const char *uptime, uint64_t *ret_s, struct err *e)
{
	const char *p = uptime;

	if (!take_u64(&p, ret_s))
		return err_set(e, ERR_CORRUPT, "uptime: no number");
	return 0;
}

int
proc_parse_load(const char *loadavg, uint32_t *ret_permille, struct err *e)
{
	const char *p = loadavg;
	uint64_t whole, scale = 100, permille;

	if (!take_u64(&p, &whole) || *p != '.' || whole > 1000000)
		return err_set(e, ERR_CORRUPT, "loadavg: no number");
	permille = whole * 1000;
	for (p++; isdigit((unsigned char)*p) && scale; p++, scale /= 10)
		permille += (uint64_t)(*p - '0') * scale;
	*ret_permille = (uint32_t)permille;
	return 0;
}

/* "key<blanks>: value" on the line at p; the value's start, or NULL. */
static const char *
cpuinfo_value(const char *p, const char *key)
{
	size_t n = strlen(key);

	if (strncmp(p, key, n) != 0)
		return NULL;
	p += n;
	while (*p == ' ' || *p == '\t')
		p++;
	if (*p != ':')
		return NULL;
	p++;
	while (*p == ' ')
		p++;
	return p;
}

static void
cpuinfo_line(const char *p, struct proc_cpuinfo *c)
{
	const char *v;
	uint64_t mhz;

	if (cpuinfo_value(p, "processor")) {
		c->cpus++;
	} else if ((v = cpuinfo_value(p, "model name"))) {
		if (!*c->model)
			snprintf(c->model, sizeof(c->model), "%.*s",
			    (int)strcspn(v, "\n"), v);
	} else if ((v = cpuinfo_value(p, "flags")) ||
		   (v = cpuinfo_value(p, "Features"))) {
		/* Cut off in the middle, a word would be another one. */
		if (!*c->flags && strcspn(v, "\n") < sizeof(c->flags))
			snprintf(c->flags, sizeof(c->flags), "%.*s",
			    (int)strcspn(v, "\n"), v);
	} else if ((v = cpuinfo_value(p, "cpu MHz"))) {
		if (take_u64(&v, &mhz) && mhz > c->mhz && mhz < 1000000)
			c->mhz = (uint32_t)mhz;
	}
}

int
proc_parse_cpuinfo(const char *cpuinfo, struct proc_cpuinfo *ret, struct err *e)
{
	struct proc_cpuinfo c = { 0 };

	for (const char *p = cpuinfo; *p;) {
		const char *end = strchrnul(p, '\n');

		cpuinfo_line(p, &c);
		p = *end ? end + 1 : end;
	}
	if (!c.cpus)
		return err_set(e, ERR_CORRUPT, "cpuinfo: no processor");
	*ret = c;
	return 0;
}

/* A number, which may be negative (priorities are): then it counts as 0. */
static bool
take_field(const char **p, uint64_t *ret_v)
{
	while (**p == ' ')
		(*p)++;
	if (**p != '-')
		return take_u64(p, ret_v);
	(*p)++;
	if (!take_u64(p, ret_v))
		return false;
	*ret_v = 0;
	return true;
}

int
proc_parse_pid(const char *stat, struct proc_pid *ret, struct err *e)
{
	const char *p = strrchr(stat, ')');
	uint64_t v[PID_FIELDS] = { 0 };
	char state;

	if (!p || p[1] != ' ' || !isalpha((unsigned char)p[2]))
		return err_set(e, ERR_CORRUPT, "stat of a process: no state");
	state = p[2];
	p += 3;
	for (int i = 1; i < PID_FIELDS; i++) {
		if (!take_field(&p, &v[i]))
			return err_set(e, ERR_CORRUPT,
			    "stat of a process: field %d is no number", i + 3);
	}
	*ret = (struct proc_pid){
		.cpu_ticks = v[PID_UTIME] + v[PID_STIME],
		.start_ticks = v[PID_START],
		.rss_pages = v[PID_RSS],
		.state = state,
	};
	return 0;
}

uint32_t
proc_busy_permille(const struct proc_cpu *was, const struct proc_cpu *is)
{
	uint64_t total = is->total - was->total;
	uint64_t busy = is->busy - was->busy;

	/* Counters of CPUs that went offline may run backwards. */
	if (is->total <= was->total || is->busy < was->busy)
		return 0;
	if (busy > total)
		busy = total;
	return (uint32_t)((double)busy * 1000.0 / (double)total);
}
