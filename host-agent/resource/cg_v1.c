#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define NS_PER_US 1000
#define MB_BYTES  UINT64_C(0x100000)
#define MEMORY    "memory.limit_in_bytes"
#define MEMSW     "memory.memsw.limit_in_bytes"
#define SOFT      "memory.soft_limit_in_bytes"

struct part {
	const char *controller;
	int (*set)(const char *dir, const struct cg_values *v, struct err *e);
	int (*usage)(const char *dir, struct cg_usage *u, struct err *e);
	int (*count)(const char *dir, struct counters *to, struct err *e);
};

/* ---- memory ---- */

/* Older kernels count what groups below use only if they are told to. */
static int
nest(const char *dir, struct err *e)
{
	uint64_t nests = 1;

	if (cg_read_u64(dir, "memory.use_hierarchy", &nests, NULL) || nests)
		return 0;
	return cg_write(dir, "memory.use_hierarchy", "1", e);
}

/* The kernel takes back what it can, and refuses if that is not enough. */
static int
limit_memory(const char *dir, const char *file, uint64_t bytes, struct err *e)
{
	struct err why = ERR_INIT;
	uint64_t used = 0;

	if (!cg_write_u64(dir, file, bytes, &why))
		return 0;
	if (why.sys != EBUSY)
		return err_set(e, why.code, "%s", why.msg);
	cg_read_u64(dir, "memory.usage_in_bytes", &used, NULL);
	return err_set(e, ERR_BUSY,
	    "cannot do with %" PRIu64 " MB of memory: %" PRIu64 " MB are in use",
	    bytes / MB_BYTES, (used + MB_BYTES - 1) / MB_BYTES);
}

/* Both together first: they are never less than memory alone. */
static int
unlimit_memory(const char *dir, struct err *e)
{
	uint64_t had = 0;

	if (cg_read_limit(dir, MEMORY, &had, NULL) || !had)
		return 0;
	if (cg_has(dir, MEMSW) && cg_write(dir, MEMSW, "-1", e))
		return e ? e->code : ERR_IO;
	return cg_write(dir, MEMORY, "-1", e);
}

/* What is above it is taken back before that of others. */
static int
keep_memory(const char *dir, const struct cg_values *v, struct err *e)
{
	if (!v->memory_kept_bytes || !cg_has(dir, SOFT))
		return 0;
	return cg_write_u64(dir, SOFT, v->memory_kept_bytes, e);
}

/* Memory alone is never above memory and swap together. */
static int
limit_both(const char *dir, const struct cg_values *v, uint64_t had_both, struct err *e)
{
	uint64_t both = v->memory_bytes + v->swap_bytes, had = 0;
	int rc = cg_read_u64(dir, MEMORY, &had, e);

	if (!rc && v->memory_bytes > had_both)
		rc = limit_memory(dir, MEMSW, both, e);
	if (!rc)
		rc = limit_memory(dir, MEMORY, v->memory_bytes, e);
	if (rc)
		return rc;
	rc = limit_memory(dir, MEMSW, both, e);
	if (rc && had <= had_both)
		(void)cg_write_u64(dir, MEMORY, had, NULL);
	return rc;
}

static int
set_memory(const char *dir, const struct cg_values *v, struct err *e)
{
	uint64_t had_both = 0;
	bool swaps = !cg_read_u64(dir, MEMSW, &had_both, NULL);
	int rc = v->memory_bytes ? nest(dir, e) : unlimit_memory(dir, e);

	if (!rc)
		rc = keep_memory(dir, v, e);
	if (rc || !v->memory_bytes)
		return rc;
	if (swaps && v->swap_bytes != CG_SWAP_ANY)
		return limit_both(dir, v, had_both, e);
	if (swaps)
		rc = cg_write(dir, MEMSW, "-1", e);
	return rc ? rc : limit_memory(dir, MEMORY, v->memory_bytes, e);
}

static int
memory_used(const char *dir, struct cg_usage *u, struct err *e)
{
	(void)cg_read_key(
	    dir, "memory.stat", "total_inactive_file", &u->idle_bytes, NULL);
	return cg_read_u64(dir, "memory.usage_in_bytes", &u->memory_bytes, e);
}

/* The kernel accounts both together. */
static void
count_swap(const char *dir, const struct counter *memory, struct counters *to)
{
	struct counter c = { .name = "swap", .unit = COUNTER_BYTES };
	uint64_t used, limit;

	if (cg_read_u64(dir, "memory.memsw.usage_in_bytes", &used, NULL) ||
	    cg_read_limit(dir, MEMSW, &limit, NULL))
		return;
	c.current = used > memory->current ? used - memory->current : 0;
	c.limit = limit > memory->limit ? limit - memory->limit : 0;
	counters_add(to, &c);
}

static void
count_kernel(const char *dir, struct counters *to)
{
	struct counter c = { .name = "kernel_memory", .unit = COUNTER_BYTES };

	if (cg_read_u64(dir, "memory.kmem.usage_in_bytes", &c.current, NULL))
		return;
	(void)cg_read_u64(dir, "memory.kmem.max_usage_in_bytes", &c.peak, NULL);
	(void)cg_read_limit(dir, "memory.kmem.limit_in_bytes", &c.limit, NULL);
	(void)cg_read_u64(dir, "memory.kmem.failcnt", &c.failures, NULL);
	counters_add(to, &c);
}

/* failcnt counts also what caches gave back in time: no refusal. */
static int
count_memory(const char *dir, struct counters *to, struct err *e)
{
	struct counter c = { .name = "memory", .unit = COUNTER_BYTES, .tells = true };
	int rc = cg_read_u64(dir, "memory.usage_in_bytes", &c.current, e);

	if (!rc)
		rc = cg_read_u64(dir, "memory.max_usage_in_bytes", &c.peak, e);
	if (!rc)
		rc = cg_read_limit(dir, MEMORY, &c.limit, e);
	if (rc)
		return rc;
	c.failures = cg_sum(dir, "memory.oom_control", "oom_kill");
	counters_add(to, &c);
	count_swap(dir, &c, to);
	count_kernel(dir, to);
	return 0;
}

/* ---- CPU ---- */

static uint64_t
quota_of(const char *dir)
{
	uint64_t us;

	/* "-1": none */
	return cg_read_u64(dir, "cpu.cfs_quota_us", &us, NULL) ? 0 : us;
}

static int
set_quota(const char *dir, uint64_t quota_us, struct err *e)
{
	int rc;

	if (!quota_us && !cg_has(dir, "cpu.cfs_quota_us"))
		return 0;
	rc = cg_write_u64(dir, "cpu.cfs_period_us", CG_PERIOD_US, e);
	if (rc)
		return rc;
	if (!quota_us)
		return cg_write(dir, "cpu.cfs_quota_us", "-1", e);
	return cg_write_u64(dir, "cpu.cfs_quota_us", quota_us, e);
}

static int
set_cpu_weight(const char *dir, const struct cg_slice *s, struct err *e)
{
	return cg_write_u64(dir, "cpu.shares", s->cpu_shares, e);
}

/* The kernel refuses a group more than the one around it has. */
static int
set_cpu(const char *dir, const struct cg_values *v, struct err *e)
{
	AUTO_FREE char *around = xasprintf("%s/..", dir);
	uint64_t most = quota_of(around), quota = v->cpu_quota_us;
	int rc = cg_write_u64(dir, "cpu.shares", v->cpu_shares, e);

	if (rc)
		return rc;
	return set_quota(dir, quota && most && most < quota ? most : quota, e);
}

static int
cpu_used(const char *dir, struct cg_usage *u, struct err *e)
{
	uint64_t ns = 0;
	int rc = cg_read_u64(dir, "cpuacct.usage", &ns, e);

	u->cpu_used_us = ns / NS_PER_US;
	return rc;
}

/* Its time is in another hierarchy than its ration. */
static int
count_cpu(const char *dir, struct counters *to, struct err *e)
{
	struct counter c = { .name = "cpu", .unit = COUNTER_US };
	struct cg_usage u = { 0 };
	int rc = cpu_used(dir, &u, e);

	if (rc)
		return rc;
	c.current = c.peak = u.cpu_used_us;
	counters_add(to, &c);
	return 0;
}

/* The newer file has what the groups around it were held back too. */
static void
count_held_back(const char *dir, struct counters *to)
{
	struct counter c = { .name = "cpu_throttled", .unit = COUNTER_US };
	uint64_t ns;

	if (cg_read_key(dir, "cpu.stat.local", "throttled_time", &ns, NULL) &&
	    cg_read_key(dir, "cpu.stat", "throttled_time", &ns, NULL))
		return;
	c.current = c.peak = ns / NS_PER_US;
	counters_add(to, &c);
}

static int
count_throttled(const char *dir, struct counters *to, struct err *e)
{
	count_held_back(dir, to);
	cg_count_ready(dir, "tasks", to);
	for (size_t i = 0; i < to->n; i++) {
		if (str_same(to->v[i].name, "cpu"))
			(void)cg_read_key(
			    dir, "cpu.stat", "nr_throttled", &to->v[i].failures, NULL);
	}
	return 0;
}

/* ---- processes ---- */

static int
set_pids(const char *dir, const struct cg_values *v, struct err *e)
{
	return cg_write_u64(dir, "pids.max", v->pids_max, e);
}

static int
pids_used(const char *dir, struct cg_usage *u, struct err *e)
{
	return cg_read_u64(dir, "pids.current", &u->pids, e);
}

static int
count_pids(const char *dir, struct counters *to, struct err *e)
{
	struct counter c = {
		.name = "processes", .unit = COUNTER_COUNT, .tells = true
	};
	int rc = cg_read_u64(dir, "pids.current", &c.current, e);

	if (!rc)
		rc = cg_read_limit(dir, "pids.max", &c.limit, e);
	if (rc)
		return rc;
	(void)cg_read_u64(dir, "pids.peak", &c.peak, NULL);
	c.failures = cg_sum(dir, "pids.events", "max");
	counters_add(to, &c);
	return 0;
}

/* ---- disks ---- */

/* Which file there is depends on the scheduler; with some there is none. */
static int
set_weight(const char *dir, const struct cg_values *v, struct err *e)
{
	static const char *const files[] = { "blkio.weight", "blkio.bfq.weight" };

	for (size_t i = 0; v->io_weight && i < ARRAY_SIZE(files); i++) {
		if (cg_has(dir, files[i]))
			return cg_write_u64(dir, files[i], v->io_weight, e);
	}
	return 0;
}

static int
set_disk_of(const char *dir, void *arg, struct err *e)
{
	const struct cg_disk *d = arg;

	const struct {
		const char *file;
		uint64_t limit;
	} all[] = {
		{ "blkio.throttle.read_bps_device", d->bytes_per_s },
		{ "blkio.throttle.write_bps_device", d->bytes_per_s },
		{ "blkio.throttle.read_iops_device", d->iops },
		{ "blkio.throttle.write_iops_device", d->iops },
	};

	char text[64];
	int rc = 0;

	for (size_t i = 0; i < ARRAY_SIZE(all) && !rc; i++) {
		snprintf(text, sizeof(text), "%u:%u %" PRIu64, major(d->dev),
		    minor(d->dev), all[i].limit);
		rc = cg_write(dir, all[i].file, text, e);
	}
	return rc;
}

/* Here a limit binds the processes of the group itself, and those are below. */
static int
set_disk(const char *dir, const struct cg_disk *d, struct err *e)
{
	struct cg_disk copy = *d;
	const struct cg_visit v = { set_disk_of, &copy };

	return cg_each(dir, &v, e);
}

/* Memory, which may be refused, before what never is; time before its ration. */
static const struct part parts[] = {
	{ "memory", set_memory, memory_used, count_memory },
	{ "cpuacct", NULL, cpu_used, count_cpu },
	{ "cpu", set_cpu, NULL, count_throttled },
	{ "pids", set_pids, pids_used, count_pids },
	{ "blkio", set_weight, NULL, NULL },
};

_Static_assert(ARRAY_SIZE(parts) <= CG_TREES_MAX, "one tree a controller");

static const struct part *
part_of(const struct cg_tree *t)
{
	const struct part *p = parts;

	while (!str_same(p->controller, t->controller))
		p++;
	return p;
}

static int
v1_set(
    const struct cg_tree *t, const char *dir, const struct cg_values *v, struct err *e)
{
	const struct part *p = part_of(t);

	return p->set ? p->set(dir, v, e) : 0;
}

static int
v1_usage(const struct cg_tree *t, const char *dir, struct cg_usage *u, struct err *e)
{
	const struct part *p = part_of(t);

	return p->usage ? p->usage(dir, u, e) : 0;
}

static int
v1_count(const struct cg_tree *t, const char *dir, struct counters *to, struct err *e)
{
	const struct part *p = part_of(t);

	return p->count ? p->count(dir, to, e) : 0;
}

/* ---- hierarchies ---- */

static bool
is_mounted(const char *root, const char *controller)
{
	AUTO_FREE char *probe = xasprintf("%s/%s/cgroup.procs", root, controller);

	return access(probe, F_OK) == 0;
}

static int
open_tree(struct cg *cg, const char *root, const char *base, const char *controller,
    struct err *e)
{
	struct cg_tree *t = &cg->trees[cg->n_trees++];

	t->controller = controller;
	t->path = xasprintf("%s/%s/%s", root, controller, base);
	return cg_make(t->path, e);
}

/* Pools divide CPU time.  Whose time is counted in the same hierarchy has no other
 * place. */
static void
note_pools(struct cg *cg)
{
	struct stat of_cpu = { 0 }, st;

	for (unsigned i = 0; i < cg->n_trees; i++) {
		struct cg_tree *t = &cg->trees[i];

		t->has_pools = str_same(t->controller, "cpu");
		if (t->has_pools && stat(t->path, &of_cpu))
			of_cpu.st_ino = 0;
	}
	for (unsigned i = 0; of_cpu.st_ino && i < cg->n_trees; i++) {
		struct cg_tree *t = &cg->trees[i];

		if (!stat(t->path, &st) && st.st_dev == of_cpu.st_dev &&
		    st.st_ino == of_cpu.st_ino)
			t->has_pools = true;
	}
}

/* A runtime makes its groups in every hierarchy that there is. */
static void
note_others(struct cg *cg, const char *root, const char *base)
{
	DIR *d = opendir(root);
	const struct dirent *m;

	while (d && cg->n_others < CG_OTHERS_MAX && (m = readdir(d)) != NULL) {
		struct cg_tree *t = &cg->others[cg->n_others];
		bool known = m->d_name[0] == '.' || m->d_type != DT_DIR;

		for (size_t i = 0; i < ARRAY_SIZE(parts) && !known; i++)
			known = str_same(m->d_name, parts[i].controller);
		if (known || !is_mounted(root, m->d_name))
			continue;
		*t = (struct cg_tree){ .controller = "",
			.path = xasprintf("%s/%s/%s", root, m->d_name, base) };
		cg->n_others++;
	}
	if (d)
		closedir(d);
}

int
cg_v1_open(struct cg *cg, const char *root, const char *base, struct err *e)
{
	int rc = 0;

	cg->back = &cg_v1;
	for (size_t i = 0; i < ARRAY_SIZE(parts) && !rc; i++)
		if (is_mounted(root, parts[i].controller))
			rc = open_tree(cg, root, base, parts[i].controller, e);
	if (!rc && cg->n_trees == 0)
		return err_set(
		    e, ERR_NOT_FOUND, "no controller is mounted below %s", root);
	if (!rc) {
		note_others(cg, root, base);
		note_pools(cg);
	}
	return rc;
}

/* A thread that moves itself alone spares the kernel waiting for every other process,
 * as cgroup.procs does for 5 to 20 ms. */
const struct cg_back cg_v1 = { .version = "v1",
	.entry = "tasks",
	.memory = "memory",
	.disks = "blkio",
	.set = v1_set,
	.set_memory = set_memory,
	.usage = v1_usage,
	.count = v1_count,
	.set_disk = set_disk,
	.io = cg_io_v1,
	.has_entrance = true,
	.set_weight = set_cpu_weight,
	.quota = quota_of,
	.set_quota = set_quota };
