#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

static bool
is_listed(char *list, const char *controller)
{
	const char *word;

	while ((word = strsep(&list, ",")) != NULL)
		if (str_same(word, controller))
			return true;
	return false;
}

const char *
cg_own_group(char *text, const char *controller)
{
	char *line;

	/* "4:cpu,cpuacct:/system.slice/x", in v2 "0::/system.slice/x" */
	while ((line = strsep(&text, "\n")) != NULL) {
		char *number = strsep(&line, ":"), *list = strsep(&line, ":");

		if (*number && list && line && *line == '/' &&
		    is_listed(list, controller))
			return line;
	}
	return NULL;
}

void
cg_stir(const struct cg *cg)
{
	const struct cg_tree *t = &cg->trees[0];
	size_t top = strlen(t->path) - strlen(cg->base) - 1;
	char text[CG_TEXT_MAX];
	const char *own;

	if (cg_read("/proc/self", "cgroup", text, sizeof(text), NULL))
		return;
	own = cg_own_group(text, t->controller);
	if (!own)
		return;
	AUTO_FREE char *dir = xasprintf("%.*s%s", (int)top, t->path, own);
	if (cg_has(dir, "cgroup.procs"))
		(void)cg_write_u64(dir, "cgroup.procs", (uint64_t)getpid(), NULL);
}
