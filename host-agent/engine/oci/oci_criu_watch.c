#include "host-agent/engine/oci/oci_criu_watch.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "loop/timer.h"

#define LOOK_MS        200
#define CHILDREN_BYTES 1024 /* a runtime has a few */

struct oci_criu_watch {
	struct loop *loop;
	struct child *const *runtime;
	enum oci_runtime_is is;
	struct timer *timer;
	pid_t dead; /* 0: all live */
	uint64_t dead_since_ms;
	bool is_over;
};

static bool
is_dead(pid_t pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	char line[512] = "";
	const char *state;

	if (f && !fgets(line, sizeof(line), f))
		*line = '\0';
	if (f)
		fclose(f);
	/* Its name is whatever it likes. */
	state = strrchr(line, ')');
	return state && state[1] == ' ' && state[2] == 'Z';
}

static bool
is_any(pid_t pid)
{
	return true;
}

/* The first such one of those that one thread has started. */
static pid_t
child_of_thread(pid_t pid, const char *thread, bool (*is_so)(pid_t pid))
{
	AUTO_FREE char *path = xasprintf("/proc/%d/task/%s/children", (int)pid, thread);
	FILE *f = fopen(path, "re");
	char line[CHILDREN_BYTES] = "", *rest = line;
	pid_t found = 0;
	uint64_t child;

	if (f && !fgets(line, sizeof(line), f))
		*line = '\0';
	if (f)
		fclose(f);
	for (const char *word; !found && (word = strsep(&rest, " "));)
		if (!parse_u64(word, 2, INT32_MAX, "pid", &child, NULL) &&
		    is_so((pid_t)child))
			found = (pid_t)child;
	return found;
}

static pid_t
child_such(pid_t pid, bool (*is_so)(pid_t pid))
{
	AUTO_FREE char *path = xasprintf("/proc/%d/task", (int)pid);
	DIR *threads = opendir(path);
	const struct dirent *d;
	pid_t found = 0;

	while (threads && !found && (d = readdir(threads)))
		if (d->d_name[0] != '.')
			found = child_of_thread(pid, d->d_name, is_so);
	if (threads)
		closedir(threads);
	return found;
}

static void
on_look(void *arg)
{
	struct oci_criu_watch *w = arg;
	pid_t runtime = *w->runtime ? child_pid(*w->runtime) : 0;
	pid_t dead;
	uint64_t now = loop_now_ms(w->loop);

	if (runtime && w->is == OCI_RUNTIME_ENTERED)
		runtime = child_such(runtime, is_any);
	dead = runtime ? child_such(runtime, is_dead) : 0;
	if (!dead || dead != w->dead) {
		w->dead = dead;
		w->dead_since_ms = now;
	} else if (now - w->dead_since_ms >= OCI_CRIU_DEAD_MS) {
		w->is_over = true;
		timer_stop(w->timer);
		child_kill(*w->runtime, SIGKILL);
	}
}

struct oci_criu_watch *
oci_criu_watch_new(struct loop *l, struct child *const *runtime, enum oci_runtime_is is)
{
	struct oci_criu_watch *w = xcalloc(1, sizeof(*w));

	w->loop = l;
	w->runtime = runtime;
	w->is = is;
	w->timer = timer_new(l, on_look, w);
	timer_every(w->timer, LOOK_MS);
	return w;
}

void
oci_criu_watch_free(struct oci_criu_watch *w)
{
	if (!w)
		return;
	timer_free(w->timer);
	free(w);
}

bool
oci_criu_is_dead(const struct oci_criu_watch *w)
{
	return w && w->is_over;
}
