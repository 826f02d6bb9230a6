#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define TEXT_MAX 4096

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
	static const char *const wanted[] = { "cpu", "memory", "pids" };
	char have[TEXT_MAX], word[16];
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
	char have[TEXT_MAX];
	size_t at = strlen(root);
	int rc = cg_read(root, "cgroup.controllers", have, sizeof(have), e);

	cg->back = &cg_v2;
	if (rc)
		return rc;
	if (!has_word(have, "cpu") || !has_word(have, "memory"))
		return err_set(
		    e, ERR_UNSUPPORTED, "%s has no cpu and memory controller", root);
	cg->trees[0] = (struct cg_tree){ "", xstrdup(path) };
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

static int
v2_set(
    const struct cg_tree *t, const char *dir, const struct cg_values *v, struct err *e)
{
	int rc = cg_write_u64(dir, "cpu.weight", v->cpu_weight, e);

	return rc ? rc : cg_write_u64(dir, "pids.max", v->pids_max, e);
}

static int
v2_usage(const struct cg_tree *t, const char *dir, struct cg_usage *u, struct err *e)
{
	char stat[TEXT_MAX], *p;
	int rc = cg_read(dir, "cpu.stat", stat, sizeof(stat), e);

	if (!rc)
		rc = cg_read_u64(dir, "memory.current", &u->memory_bytes, e);
	if (!rc)
		rc = cg_read_u64(dir, "pids.current", &u->pids, e);
	if (rc)
		return rc;
	p = strstr(stat, "usage_usec ");
	if (!p)
		return err_set(e, ERR_CORRUPT, "%s/cpu.stat has no usage_usec", dir);
	p += strlen("usage_usec ");
	p[strcspn(p, "\n")] = '\0';
	return parse_u64(p, 0, UINT64_MAX, "usage_usec", &u->cpu_used_us, e);
}

const struct cg_back cg_v2 = { "v2", "cgroup.procs", v2_set, v2_usage };
