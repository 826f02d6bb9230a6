#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define MB_BYTES UINT64_C(0x100000)

static bool
has_word(const char *text, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = strstr(text, word); p; p = strstr(p + 1, word)) {
		bool begins = p == text || p[-1] == ' ';
		bool ends = p[n] == '\0' || p[n] == ' ' || p[n] == '\n';

		if (begins && ends)
			return true;
	}
	return false;
}

/* Hand the controllers down to the children of dir; those that are missing stay so. */
static int
hand_down(const char *dir, struct err *e)
{
	static const char *const wanted[] = { "cpu", "memory", "pids", "io" };
	char have[CG_TEXT_MAX], word[16];
	int rc = cg_read(dir, "cgroup.controllers", have, sizeof(have), e);

	for (size_t i = 0; i < ARRAY_SIZE(wanted) && !rc; i++) {
		if (!has_word(have, wanted[i]))
			continue;
		snprintf(word, sizeof(word), "+%s", wanted[i]);
		rc = cg_write(dir, "cgroup.subtree_control", word, e);
	}
	return rc;
}

int
cg_v2_open(struct cg *cg, const char *root, const char *base, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/%s", root, base);
	char have[CG_TEXT_MAX];
	size_t at = strlen(root);
	int rc = cg_read(root, "cgroup.controllers", have, sizeof(have), e);

	cg->back = &cg_v2;
	if (rc)
		return rc;
	if (!has_word(have, "cpu") || !has_word(have, "memory"))
		return err_set(
		    e, ERR_UNSUPPORTED, "%s has no cpu and memory controller", root);
	cg->trees[0] = (struct cg_tree){
		.controller = "", .path = xstrdup(path), .has_pools = true
	};
	cg->n_trees = 1;
	rc = cg_make(path, e);
	/* Root, each group on the way, and the agent's own. */
	while (!rc) {
		char kept = path[at];

		path[at] = '\0';
		rc = hand_down(path, e);
		path[at] = kept;
		if (kept == '\0')
			break;
		at += 1 + strcspn(path + at + 1, "/");
	}
	return rc;
}

/* ---- values ---- */

/* Unlike v1 the kernel would kill for a limit below what is used; here it is asked to
 * take back what it can, and then the limit is refused. */
static int
make_room(const char *dir, uint64_t bytes, struct err *e)
{
	uint64_t used = 0;

	if (cg_read_u64(dir, "memory.current", &used, NULL) || used <= bytes)
		return 0;
	(void)cg_write_u64(dir, "memory.reclaim", used - bytes, NULL);
	if (cg_read_u64(dir, "memory.current", &used, NULL) || used <= bytes)
		return 0;
	return err_set(e, ERR_BUSY,
	    "cannot do with %" PRIu64 " MB of memory: %" PRIu64 " MB are in use",
	    bytes / MB_BYTES, (used + MB_BYTES - 1) / MB_BYTES);
}

/* 0 is none, whatever the file calls it. */
static int
write_limit(const char *dir, const char *file, uint64_t bytes, struct err *e)
{
	uint64_t had = 0;

	if (!bytes && (cg_read_limit(dir, file, &had, NULL) || !had))
		return 0;
	return bytes ? cg_write_u64(dir, file, bytes, e)
		     : cg_write(dir, file, "max", e);
}

static int
keep_memory(const char *dir, uint64_t kept, uint64_t reserved, struct err *e)
{
	int rc = cg_has(dir, "memory.min")
		     ? cg_write_u64(dir, "memory.min", reserved, e)
		     : 0;

	if (rc || !cg_has(dir, "memory.low"))
		return rc;
	return cg_write_u64(dir, "memory.low", kept > reserved ? kept : reserved, e);
}

static int
set_memory(const char *dir, const struct cg_values *v, struct err *e)
{
	int rc = v->memory_bytes ? make_room(dir, v->memory_bytes, e) : 0;

	if (!rc)
		rc =
		    keep_memory(dir, v->memory_kept_bytes, v->memory_reserved_bytes, e);
	if (!rc)
		rc = write_limit(dir, "memory.max", v->memory_bytes, e);
	if (rc || !v->memory_bytes)
		return rc;
	if (rc || !cg_has(dir, "memory.swap.max"))
		return rc;
	return v->swap_bytes == CG_SWAP_ANY
		   ? cg_write(dir, "memory.swap.max", "max", e)
		   : cg_write_u64(dir, "memory.swap.max", v->swap_bytes, e);
}

static uint64_t
quota_of(const char *dir)
{
	char text[64];
	uint64_t us;

	if (cg_read(dir, "cpu.max", text, sizeof(text), NULL))
		return 0;
	text[strcspn(text, " \n")] = '\0';
	return parse_u64(text, 0, UINT64_MAX, "cpu.max", &us, NULL) ? 0 : us;
}

static int
set_quota(const char *dir, uint64_t quota_us, struct err *e)
{
	char text[48] = "max";

	if (!quota_us && !cg_has(dir, "cpu.max"))
		return 0;
	if (quota_us)
		snprintf(text, sizeof(text), "%" PRIu64, quota_us);
	snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", CG_PERIOD_US);
	return cg_write(dir, "cpu.max", text, e);
}

static int
set_cpu_weight(const char *dir, const struct cg_slice *s, struct err *e)
{
	return cg_write_u64(dir, "cpu.weight", s->cpu_weight, e);
}

static int
set_cpu(const char *dir, const struct cg_values *v, struct err *e)
{
	int rc = cg_write_u64(dir, "cpu.weight", v->cpu_weight, e);

	return rc ? rc : set_quota(dir, v->cpu_quota_us, e);
}

static int
set_weight(const char *dir, const struct cg_values *v, struct err *e)
{
	static const char *const files[] = { "io.weight", "io.bfq.weight" };
	char text[32];

	snprintf(text, sizeof(text), "default %u", v->io_weight);
	for (size_t i = 0; v->io_weight && i < ARRAY_SIZE(files); i++) {
		if (cg_has(dir, files[i]))
			return cg_write(dir, files[i], text, e);
	}
	return 0;
}

static int
v2_set(
    const struct cg_tree *t, const char *dir, const struct cg_values *v, struct err *e)
{
	int rc = set_memory(dir, v, e);

	if (!rc)
		rc = set_cpu(dir, v, e);
	if (!rc)
		rc = cg_write_u64(dir, "pids.max", v->pids_max, e);
	if (!rc)
		rc = set_weight(dir, v, e);
	/* An engine makes a group below it, and then the kernel wants this one empty.
	 */
	return !rc && v->nests ? hand_down(dir, e) : rc;
}

static int
set_disk(const char *dir, const struct cg_disk *d, struct err *e)
{
	char bytes[24] = "max", ops[24] = "max", text[160];

	if (d->bytes_per_s)
		snprintf(bytes, sizeof(bytes), "%" PRIu64, d->bytes_per_s);
	if (d->iops)
		snprintf(ops, sizeof(ops), "%" PRIu64, d->iops);
	snprintf(text, sizeof(text), "%u:%u rbps=%s wbps=%s riops=%s wiops=%s",
	    major(d->dev), minor(d->dev), bytes, bytes, ops, ops);
	return cg_write(dir, "io.max", text, e);
}

/* ---- what is used ---- */

static int
v2_usage(const struct cg_tree *t, const char *dir, struct cg_usage *u, struct err *e)
{
	int rc = cg_read_key(dir, "cpu.stat", "usage_usec", &u->cpu_used_us, e);

	if (!rc)
		rc = cg_read_u64(dir, "memory.current", &u->memory_bytes, e);
	(void)cg_read_key(dir, "memory.stat", "inactive_file", &u->idle_bytes, NULL);
	if (!rc)
		rc = cg_read_u64(dir, "pids.current", &u->pids, e);
	return rc;
}

/* Files of one resource, as the kernel names them in every controller. */
struct files {
	const char *name, *unit;
	const char *current, *peak, *limit;
	const char *events, *refused; /* file, and its line */
};

static int
count_files(const char *dir, const struct files *f, struct counters *to, struct err *e)
{
	struct counter c = { .unit = f->unit, .tells = true };
	int rc = cg_read_u64(dir, f->current, &c.current, e);

	if (rc)
		return rc;
	snprintf(c.name, sizeof(c.name), "%s", f->name);
	(void)cg_read_u64(dir, f->peak, &c.peak, NULL);
	(void)cg_read_limit(dir, f->limit, &c.limit, NULL);
	(void)cg_read_key(dir, f->events, f->refused, &c.failures, NULL);
	counters_add(to, &c);
	return 0;
}

static int
count_cpu(const char *dir, struct counters *to, struct err *e)
{
	struct counter c = { .name = "cpu", .unit = COUNTER_US };
	struct counter held = { .name = "cpu_throttled", .unit = COUNTER_US };
	int rc = cg_read_key(dir, "cpu.stat", "usage_usec", &c.current, e);

	if (rc)
		return rc;
	c.peak = c.current;
	(void)cg_read_key(dir, "cpu.stat", "nr_throttled", &c.failures, NULL);
	counters_add(to, &c);
	if (!cg_read_key(
		dir, "cpu.stat.local", "throttled_usec", &held.current, NULL) ||
	    !cg_read_key(dir, "cpu.stat", "throttled_usec", &held.current, NULL)) {
		held.peak = held.current;
		counters_add(to, &held);
	}
	cg_count_ready(dir, "cgroup.threads", to);
	return 0;
}

static int
v2_count(const struct cg_tree *t, const char *dir, struct counters *to, struct err *e)
{
	static const struct files memory = { "memory", COUNTER_BYTES, "memory.current",
		"memory.peak", "memory.max", "memory.events", "oom" };
	static const struct files swap = { "swap", COUNTER_BYTES, "memory.swap.current",
		"memory.swap.peak", "memory.swap.max", "memory.swap.events", "fail" };
	static const struct files pids = { "processes", COUNTER_COUNT, "pids.current",
		"pids.peak", "pids.max", "pids.events", "max" };
	struct counter kernel = { .name = "kernel_memory", .unit = COUNTER_BYTES };
	int rc = count_files(dir, &memory, to, e);

	if (rc)
		return rc;
	if (cg_has(dir, swap.current))
		(void)count_files(dir, &swap, to, NULL);
	if (!cg_read_key(dir, "memory.stat", "kernel", &kernel.current, NULL))
		counters_add(to, &kernel);
	rc = count_cpu(dir, to, e);
	return rc ? rc : count_files(dir, &pids, to, e);
}

/* The kernel would kill to bring a pool down to a limit.  It goes no lower than what is
 * in use; its guests' own limits bring that down. */
static int
set_pool_memory(
    const char *dir, const struct cg_slice *s, bool *ret_waits, struct err *e)
{
	uint64_t limit = s->mem_limit_bytes, used = 0;
	int rc = keep_memory(dir, s->mem_kept_bytes, s->mem_reserved_bytes, e);

	if (rc)
		return rc;
	if (limit && !cg_read_u64(dir, "memory.current", &used, NULL) && used > limit) {
		limit = used;
		*ret_waits = true;
	}
	return write_limit(dir, "memory.max", limit, e);
}

/* Memory stays with the group that it was charged to.  What a machine has it has from
 * its start, so it cannot have it twice; a container could, and has groups below its
 * own that it looks at. */
static bool
may_carry(const char *from)
{
	char below[CG_TEXT_MAX];

	return cg_read(from, "cgroup.subtree_control", below, sizeof(below), NULL) ||
	       !below[strspn(below, " \n")];
}

/* One line a write, as the kernel wants them. */
static int
copy_file(const char *from, const char *to, const char *file, struct err *e)
{
	char text[CG_TEXT_MAX], *rest = text;
	int rc = 0;

	if (cg_read(from, file, text, sizeof(text), NULL) || !cg_has(to, file))
		return 0;
	for (char *line; !rc && (line = strsep(&rest, "\n")) != NULL;) {
		if (*line)
			rc = cg_write(to, file, line, e);
	}
	return rc;
}

/* It is bound in its new group before it comes there. */
static int
make_like(const char *from, const char *to, struct err *e)
{
	static const char *const files[] = { "memory.min", "memory.low", "memory.high",
		"memory.max", "memory.swap.max", "pids.max", "cpu.max", "io.weight",
		"io.bfq.weight", "io.max" };
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(files) && !rc; i++)
		rc = copy_file(from, to, files[i], e);
	return rc;
}

const struct cg_back cg_v2 = { .version = "v2",
	.entry = "cgroup.procs",
	.memory = "",
	.disks = "",
	.set = v2_set,
	.set_memory = set_memory,
	.usage = v2_usage,
	.count = v2_count,
	.set_disk = set_disk,
	.io = cg_io_v2,
	.may_carry = may_carry,
	.make_like = make_like,
	.make_pool = hand_down,
	.set_weight = set_cpu_weight,
	.set_pool_memory = set_pool_memory,
	.quota = quota_of,
	.set_quota = set_quota };
