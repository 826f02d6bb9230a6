#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define NS_PER_US 1000

static const char *const controllers[] = { "cpu", "cpuacct", "memory", "pids" };

_Static_assert(ARRAY_SIZE(controllers) <= CG_TREES_MAX, "one tree a controller");

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

int
cg_v1_open(struct cg *cg, const char *root, const char *base, struct err *e)
{
	int rc = 0;

	cg->back = &cg_v1;
	for (size_t i = 0; i < ARRAY_SIZE(controllers) && !rc; i++)
		if (is_mounted(root, controllers[i]))
			rc = open_tree(cg, root, base, controllers[i], e);
	if (!rc && cg->n_trees == 0)
		return err_set(
		    e, ERR_NOT_FOUND, "no controller is mounted below %s", root);
	return rc;
}

static int
v1_set(
    const struct cg_tree *t, const char *dir, const struct cg_values *v, struct err *e)
{
	if (str_same(t->controller, "cpu"))
		return cg_write_u64(dir, "cpu.shares", v->cpu_shares, e);
	if (str_same(t->controller, "pids"))
		return cg_write_u64(dir, "pids.max", v->pids_max, e);
	return 0;
}

static int
v1_usage(const struct cg_tree *t, const char *dir, struct cg_usage *u, struct err *e)
{
	uint64_t ns = 0;
	int rc;

	if (str_same(t->controller, "memory"))
		return cg_read_u64(dir, "memory.usage_in_bytes", &u->memory_bytes, e);
	if (str_same(t->controller, "pids"))
		return cg_read_u64(dir, "pids.current", &u->pids, e);
	if (!str_same(t->controller, "cpuacct"))
		return 0;
	rc = cg_read_u64(dir, "cpuacct.usage", &ns, e);
	u->cpu_used_us = ns / NS_PER_US;
	return rc;
}

/* A thread that moves itself alone spares the kernel waiting for every other process,
 * as cgroup.procs does for 5 to 20 ms. */
const struct cg_back cg_v1 = { "v1", "tasks", v1_set, v1_usage };
