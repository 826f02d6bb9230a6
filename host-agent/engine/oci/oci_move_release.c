/*
 * Who is at work on a container's processes, and that they have let go of them.
 *
 * A runtime outlives the agent that started it, and a CRIU the runtime that was killed.
 * Such a CRIU notices that nobody listens and undoes what it did, which ends with the
 * freezer as it found it: frozen.  Whoever thaws the container before that leaves it
 * frozen for good.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_move_int.h"

#define WORDS_MAX  8192
#define RELEASE_MS 20000 /* then it is ended */

/* The words of a process' command line, each with its end. */
struct words {
	char text[WORDS_MAX + 1];
	size_t n;
};

static bool
read_words(pid_t pid, struct words *ret_w)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/cmdline", (int)pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, ret_w->text, WORDS_MAX);

	ret_w->n = n > 0 ? (size_t)n : 0;
	ret_w->text[ret_w->n] = '\0';
	return ret_w->n > 0;
}

static bool
has_word(const struct words *w, const char *word)
{
	for (size_t i = 0; i < w->n; i += strlen(w->text + i) + 1)
		if (str_same(w->text + i, word))
			return true;
	return false;
}

static bool
has_open(pid_t pid, const struct stat *what)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/fd", (int)pid);
	DIR *fds = opendir(path);
	const struct dirent *d;
	bool found = false;
	struct stat st;

	while (fds && !found && (d = readdir(fds)))
		found = !fstatat(dirfd(fds), d->d_name, &st, 0) &&
			st.st_ino == what->st_ino && st.st_dev == what->st_dev;
	if (fds)
		closedir(fds);
	return found;
}

/* Its runtime, or a CRIU that has its images open, whoever started that. */
static bool
works_for(const struct oci_guest *c, pid_t pid, const struct stat *images)
{
	struct words w;

	if (!read_words(pid, &w))
		return false;
	if (has_word(&w, "swrk"))
		return images && has_open(pid, images);
	return has_word(&w, c->oci->runtime_root) && has_word(&w, c->who);
}

static pid_t
worker_of(const struct oci_guest *c)
{
	AUTO_FREE char *path = oci_move_path(c, "images");
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	struct stat images;
	bool has_images = !stat(path, &images);
	pid_t found = 0;
	uint64_t pid;

	while (proc && !found && (d = readdir(proc)))
		if (!parse_u64(d->d_name, 2, INT32_MAX, "pid", &pid, NULL) &&
		    works_for(c, (pid_t)pid, has_images ? &images : NULL))
			found = (pid_t)pid;
	if (proc)
		closedir(proc);
	return found;
}

bool
oci_move_is_at_work(const struct oci_guest *c)
{
	return worker_of(c) != 0;
}

enum flow_rc
oci_release_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;
	uint64_t now = loop_now_ms(c->g.engine->loop);
	pid_t worker;

	if (oci_is_gone(c) || !c->move)
		return FLOW_FAIL;
	worker = worker_of(c);
	if (!worker)
		return FLOW_NEXT;
	if (!c->move->release_ms)
		c->move->release_ms = now;
	/* Behind a runtime there may be a CRIU: each is looked at anew. */
	if (now - c->move->release_ms > RELEASE_MS) {
		log_warn("engine", "%s: process %d does not let go of it, and is ended",
		    c->who, (int)worker);
		kill(worker, SIGKILL);
		c->move->release_ms = now;
	}
	flow_set_timeout(f, OCI_WORK_MS);
	(void)flow_wake(f);
	return FLOW_WAIT;
}

enum flow_rc
oci_release_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	return oci_move_is_cut(c, rc) ? FLOW_FAIL : FLOW_AGAIN;
}
