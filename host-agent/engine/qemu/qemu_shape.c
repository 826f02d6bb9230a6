#include "host-agent/engine/qemu/qemu_shape.h"

#include <stdio.h>

#include "base/str.h"
#include "host-agent/engine/qemu/qemu_block.h"

#define MAX_HOT_CPUS   16
#define MAX_HOT_FACTOR 4
/* The emulated CPU addresses a terabyte in all. */
#define MAX_HOT_MB    (256ull << 10)
#define MAX_MEMORY_MB (16ull << 20)
#define FIRST_LAYOUT  1 /* of those that do not say */
#define ODD_KB        8 /* not a multiple of the 256 that QEMU looks at together */

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t
most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void
qemu_shape_plan(struct qemu_shape *s, uint32_t num_cpu, uint64_t memory_mb,
    uint32_t host_cpus, uint64_t host_mb)
{
	uint64_t hot_mb = least(least(memory_mb * MAX_HOT_FACTOR, host_mb), MAX_HOT_MB);

	s->boot_cpus = s->num_cpu = num_cpu;
	s->max_cpus = (uint32_t)most(num_cpu, least(host_cpus, MAX_HOT_CPUS));
	s->boot_mb = memory_mb;
	/* A dimm's base is aligned, which costs up to a gigabyte of the window. */
	s->max_mb = most(hot_mb, memory_mb + QEMU_DIMM_MB) + 1024;
	s->n_dimms = 0;
	s->layout = QEMU_LAYOUT;
}

uint64_t
qemu_shape_mb(const struct qemu_shape *s)
{
	uint64_t mb = s->boot_mb;

	for (uint32_t i = 0; i < s->n_dimms; i++)
		mb += s->dimm_mb[i];
	return mb;
}

static bool
is_emulated(const struct qemu_shape *s)
{
	return str_same(s->accel, "tcg");
}

uint64_t
qemu_shape_boot_kb(const struct qemu_shape *s)
{
	return s->boot_mb * 1024 + (is_emulated(s) ? ODD_KB : 0);
}

const char *
qemu_shape_stays(const struct qemu_shape *s)
{
	if (!is_emulated(s) || !s->n_dimms)
		return NULL;
	return "memory was added while it ran without hardware virtualisation; stop "
	       "and start it once";
}

json *
qemu_shape_json(const struct qemu_shape *s)
{
	json *o = json_new_object(), *dimms = json_new_array(), *d;

	json_set_str(o, "machine", s->machine);
	json_set_str(o, "accel", s->accel);
	json_set_u64(o, "boot_cpus", s->boot_cpus);
	json_set_u64(o, "max_cpus", s->max_cpus);
	json_set_u64(o, "num_cpu", s->num_cpu);
	json_set_u64(o, "boot_mb", s->boot_mb);
	json_set_u64(o, "max_mb", s->max_mb);
	json_set_u64(o, "layout", s->layout);
	for (uint32_t i = 0; i < s->n_dimms; i++) {
		d = json_new_object();
		json_set_u64(d, "mb", s->dimm_mb[i]);
		json_add_json(dimms, d);
	}
	json_set_json(o, "dimms", dimms);
	return o;
}

static int
read_dimms(const json *o, struct qemu_shape *s, struct err *e)
{
	const json *dimms = json_get(o, "dimms");
	int rc = 0;

	if (!dimms || json_what(dimms) != JSON_IS_ARRAY)
		return err_set(e, ERR_CORRUPT, "dimms: wants a list");
	if (json_count(dimms) > QEMU_DIMMS_MAX)
		return err_set(e, ERR_CORRUPT, "dimms: more than %d", QEMU_DIMMS_MAX);
	s->n_dimms = (uint32_t)json_count(dimms);
	for (uint32_t i = 0; i < s->n_dimms && !rc; i++)
		rc = json_read_u64(json_at(dimms, i), "mb", JSON_REQUIRED, 1,
		    MAX_MEMORY_MB, &s->dimm_mb[i], e);
	return rc;
}

static int
read_cpus(const json *o, const char *key, uint32_t *ret_n, struct err *e)
{
	uint64_t n = 0;
	int rc = json_read_u64(o, key, JSON_REQUIRED, 1, QEMU_CPUS_MAX, &n, e);

	*ret_n = (uint32_t)n;
	return rc;
}

int
qemu_shape_parse(const json *o, struct qemu_shape *ret_s, struct err *e)
{
	struct qemu_shape s = { .n_dimms = 0 };
	const char *machine = "", *accel = "";
	uint64_t layout = FIRST_LAYOUT;
	int rc;

	rc = json_read_str(
	    o, "machine", JSON_REQUIRED, sizeof(s.machine) - 1, &machine, e);
	if (!rc)
		rc = json_read_str(
		    o, "accel", JSON_REQUIRED, sizeof(s.accel) - 1, &accel, e);
	if (!rc)
		rc = read_cpus(o, "boot_cpus", &s.boot_cpus, e);
	if (!rc)
		rc = read_cpus(o, "max_cpus", &s.max_cpus, e);
	if (!rc)
		rc = read_cpus(o, "num_cpu", &s.num_cpu, e);
	if (!rc)
		rc = json_read_u64(
		    o, "boot_mb", JSON_REQUIRED, 1, MAX_MEMORY_MB, &s.boot_mb, e);
	if (!rc)
		rc = json_read_u64(
		    o, "max_mb", JSON_REQUIRED, 1, 2 * MAX_MEMORY_MB, &s.max_mb, e);
	if (!rc)
		rc = json_read_u64(
		    o, "layout", JSON_OPTIONAL, FIRST_LAYOUT, UINT32_MAX, &layout, e);
	if (!rc)
		rc = read_dimms(o, &s, e);
	if (rc)
		return rc;
	snprintf(s.machine, sizeof(s.machine), "%s", machine);
	snprintf(s.accel, sizeof(s.accel), "%s", accel);
	s.layout = (uint32_t)layout;
	*ret_s = s;
	return 0;
}

static int
refuse(struct err *e, const char *what, uint64_t from, uint64_t to, const char *why)
{
	return err_set(e, ERR_UNSUPPORTED, "needs power off: %s from %llu to %llu: %s",
	    what, (unsigned long long)from, (unsigned long long)to, why);
}

int
qemu_shape_grow(const struct qemu_shape *s, uint32_t num_cpu, uint64_t memory_mb,
    struct qemu_growth *ret_g, struct err *e)
{
	uint64_t now_mb = qemu_shape_mb(s);
	struct qemu_growth g = { 0, 0 };

	if (num_cpu < s->num_cpu)
		return refuse(e, "CPUs", s->num_cpu, num_cpu, "they can only be added");
	if (num_cpu > s->max_cpus)
		return refuse(e, "CPUs", s->num_cpu, num_cpu,
		    "it was started with room for fewer");
	if (memory_mb < now_mb)
		return refuse(
		    e, "memory MB", now_mb, memory_mb, "it can only be added");
	g.add_cpus = num_cpu - s->num_cpu;
	g.add_mb = memory_mb - now_mb;
	if (g.add_mb % QEMU_DIMM_MB)
		return refuse(e, "memory MB", now_mb, memory_mb,
		    "it can be added in steps of 128 MB");
	if (g.add_mb && s->n_dimms == QEMU_DIMMS_MAX)
		return refuse(e, "memory MB", now_mb, memory_mb, "all slots are taken");
	if (g.add_mb && memory_mb + 1024 > s->max_mb)
		return refuse(e, "memory MB", now_mb, memory_mb,
		    "it was started with room for less");
	*ret_g = g;
	return 0;
}
