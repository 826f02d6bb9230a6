#include "host-agent/collect/col_host.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"

/* cpuinfo has about 1.5 kB a CPU. */
#define PROC_FILE_MAX ((size_t)8 << 20)
#define MHZ_UNKNOWN   2000u

static int
read_file(const char *root, const char *path, struct str *out, struct err *e)
{
	AUTO_FREE char *full = xasprintf("%s%s", root, path);

	return record_file_read(full, PROC_FILE_MAX, out, e);
}

/* The file's first line, "" if it cannot be read. */
static void
read_line(const char *root, const char *path, char *out, size_t cap)
{
	AUTO(str) struct str text = STR_INIT;

	*out = '\0';
	if (!read_file(root, path, &text, NULL))
		snprintf(out, cap, "%.*s", (int)strcspn(str_cstr(&text), "\n"),
		    str_cstr(&text));
}

static uint32_t
top_mhz(const char *root)
{
	char line[32];
	uint64_t khz;

	read_line(root, "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", line,
	    sizeof(line));
	if (parse_u64(line, 1, UINT32_MAX, "frequency", &khz, NULL))
		return 0;
	return (uint32_t)(khz / 1000);
}

int
col_machine_read(const char *root, struct col_machine *ret_m, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	struct col_machine m = { 0 };
	struct proc_cpuinfo info;
	struct proc_memory mem;
	struct proc_cpu cpu;
	struct utsname uts;

	if (read_file(root, "/proc/cpuinfo", &text, e) ||
	    proc_parse_cpuinfo(str_cstr(&text), &info, e))
		return e->code;
	if (read_file(root, "/proc/meminfo", &text, e) ||
	    proc_parse_memory(str_cstr(&text), &mem, e))
		return e->code;
	if (read_file(root, "/proc/stat", &text, e) ||
	    proc_parse_cpu(str_cstr(&text), &cpu, e))
		return e->code;
	m.cpus = info.cpus;
	m.mhz = top_mhz(root);
	if (!m.mhz)
		m.mhz = info.mhz ? info.mhz : MHZ_UNKNOWN;
	m.memory_bytes = mem.total_bytes;
	m.boot_time_ms = cpu.boot_time_s * 1000;
	snprintf(m.cpu_model, sizeof(m.cpu_model), "%s", info.model);
	snprintf(m.cpu_flags, sizeof(m.cpu_flags), "%s", info.flags);
	read_line(root, "/sys/class/dmi/id/product_name", m.product, sizeof(m.product));
	if (!uname(&uts))
		snprintf(m.kernel, sizeof(m.kernel), "%.60s %.60s", uts.sysname,
		    uts.release);
	if (gethostname(m.host_name, sizeof(m.host_name) - 1))
		m.host_name[0] = '\0';
	*ret_m = m;
	return 0;
}

int
col_sample_read(const char *root, struct col_sample *ret_s, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	struct col_sample s = { 0 };
	struct proc_memory mem;

	if (read_file(root, "/proc/stat", &text, e) ||
	    proc_parse_cpu(str_cstr(&text), &s.cpu, e))
		return e->code;
	if (read_file(root, "/proc/meminfo", &text, e) ||
	    proc_parse_memory(str_cstr(&text), &mem, e))
		return e->code;
	if (read_file(root, "/proc/uptime", &text, e) ||
	    proc_parse_uptime(str_cstr(&text), &s.uptime_s, e))
		return e->code;
	if (read_file(root, "/proc/loadavg", &text, e) ||
	    proc_parse_load(str_cstr(&text), &s.load_permille, e))
		return e->code;
	s.memory_used_bytes = mem.total_bytes - mem.available_bytes;
	*ret_s = s;
	return 0;
}

int
col_pressure_read(
    const char *root, struct col_stalls *s, struct pressure_view *v, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	struct col_stalls was = *s;
	struct proc_memory mem;

	if (read_file(root, "/proc/meminfo", &text, e) ||
	    proc_parse_memory(str_cstr(&text), &mem, e))
		return e->code;
	v->total_bytes = mem.total_bytes;
	v->available_bytes = mem.available_bytes;
	/* A kernel without it, or one that was told not to count, has no file. */
	if (read_file(root, "/proc/pressure/memory", &text, NULL) ||
	    pressure_parse(str_cstr(&text), &s->some_us, &s->full_us, NULL) ||
	    !was.some_us) {
		v->span_us = 0;
		return 0;
	}
	v->some_us = s->some_us - was.some_us;
	v->full_us = s->full_us - was.full_us;
	return 0;
}

int
col_pid_read(const char *root, int32_t pid, uint64_t *ret_cpu_us,
    uint64_t *ret_rss_bytes, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	uint64_t tick_us = 1000000u / (uint64_t)sysconf(_SC_CLK_TCK);
	struct proc_pid p;
	char path[40];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	rc = read_file(root, path, &text, e);
	if (!rc)
		rc = proc_parse_pid(str_cstr(&text), &p, e);
	if (rc)
		return rc;
	*ret_cpu_us = p.cpu_ticks * tick_us;
	*ret_rss_bytes = p.rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
	return 0;
}

void
col_share_of(const struct col_machine *m, uint64_t cpus, uint64_t mhz,
    uint64_t memory_mb, struct col_share *ret_s)
{
	uint64_t spare = COL_RESERVE_BYTES;

	if (m->memory_bytes > spare)
		spare += (m->memory_bytes - spare) / COL_RESERVE_PART;
	else
		spare = m->memory_bytes / 2;
	ret_s->cpus = cpus ? (uint32_t)cpus : m->cpus;
	ret_s->mhz = mhz ? (uint32_t)mhz : m->mhz;
	ret_s->memory_bytes = memory_mb ? memory_mb << 20 : m->memory_bytes - spare;
	ret_s->partial = ret_s->cpus < m->cpus || memory_mb != 0;
}
