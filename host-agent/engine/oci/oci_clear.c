#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move.h"

#define LOOK_MS 3 /* between two looks at what is left */
#define DEAD_MS 5000
#define GONE_MS 15000
/* Looks before processes outside of its group are searched for, and between searches.
 */
#define SEARCH_AT    5
#define SEARCH_EVERY 100
#define WAITERS      4
#define DEPTH_MAX    8 /* of groups that a container makes in its own */
#define TREES_MAX    24
#define V1_FREEZER   OCI_CGROUPS "/freezer"

struct oci_clearing {
	struct oci_guest *c;
	struct wake waiters[WAITERS];
	unsigned n_waiters;
	unsigned looks;
	uint64_t until_ms;
	char left[96]; /* what is not gone yet */
};

/* ---- its groups ---- */

/* The folders where it may have a group; the caller frees each. */
static unsigned
list_groups(const struct oci_guest *c, char *ret_dirs[TREES_MAX])
{
	DIR *top = opendir(OCI_CGROUPS);
	const struct dirent *d;
	unsigned n = 0;

	if (!*c->run.cgroup || !top) {
		if (top)
			closedir(top);
		return 0;
	}
	ret_dirs[n++] = xasprintf(OCI_CGROUPS "/%s/ct", c->run.cgroup);
	while (n < TREES_MAX && (d = readdir(top)) != NULL) {
		if (*d->d_name == '.' || d->d_type != DT_DIR)
			continue;
		ret_dirs[n] =
		    xasprintf(OCI_CGROUPS "/%s/%s/ct", d->d_name, c->run.cgroup);
		if (access(ret_dirs[n], F_OK))
			free(ret_dirs[n]);
		else
			n++;
	}
	closedir(top);
	return n;
}

static int
put_text(const char *dir, const char *file, const char *text)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text)
		   ? 0
		   : -errno;
}

static unsigned
kill_listed(const char *dir)
{
	AUTO_FREE char *path = xasprintf("%s/cgroup.procs", dir);
	FILE *f = fopen(path, "re");
	unsigned n = 0;
	char line[32];
	uint64_t pid;

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		/* 0 is one of another pid namespace. */
		if (parse_u64(line, 2, INT32_MAX, "pid", &pid, NULL))
			continue;
		kill((pid_t)pid, SIGKILL);
		n++;
	}
	if (f)
		fclose(f);
	return n;
}

/* What is in dir and below it is killed, and empty groups are removed. */
static unsigned
empty_group(const char *dir, unsigned depth)
{
	unsigned n = kill_listed(dir);
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && depth && (e = readdir(d)) != NULL) {
		AUTO_FREE char *below = NULL;

		if (*e->d_name == '.' || e->d_type != DT_DIR)
			continue;
		below = xasprintf("%s/%s", dir, e->d_name);
		n += empty_group(below, depth - 1);
	}
	if (d)
		closedir(d);
	if (!n)
		rmdir(dir);
	return n;
}

int
oci_thaw(const struct oci_guest *c, struct err *e)
{
	AUTO_FREE char *v1 = xasprintf(V1_FREEZER "/%s/ct", c->run.cgroup);
	AUTO_FREE char *v2 = xasprintf(OCI_CGROUPS "/%s/ct", c->run.cgroup);
	int rc = *c->run.cgroup ? -ENOENT : 0;

	if (rc && !access(v1, F_OK))
		rc = put_text(v1, "freezer.state", "THAWED");
	else if (rc && !access(v2, F_OK))
		rc = put_text(v2, "cgroup.freeze", "0");
	return !rc || rc == -ENOENT
		   ? 0
		   : err_sys(e, ERR_IO, -rc, "%s: cannot thaw it", c->who);
}

/* ---- what its groups do not know ---- */

static bool
has_mount(const char *pid, const char *dir)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/mountinfo", pid);
	AUTO_FREE char *root = xasprintf(" %s/root ", dir);
	AUTO_FREE char *mnt = xasprintf(" %s/mnt ", dir);
	FILE *f = fopen(path, "re");
	AUTO_FREE char *line = NULL;
	size_t cap = 0;
	bool has = false;

	while (f && !has && getline(&line, &cap, f) > 0)
		has = strstr(line, root) || strstr(line, mnt);
	if (f)
		fclose(f);
	return has;
}

static bool
is_elsewhere(const char *pid, const struct stat *ours)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/ns/mnt", pid);
	struct stat st;

	return !stat(path, &st) && st.st_ino != ours->st_ino;
}

/* A stage or a runtime whose agent was killed: it stands where the mounts are. */
static unsigned
kill_staged(const struct oci_guest *c)
{
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	struct stat ours;
	unsigned n = 0;
	uint64_t pid;

	if (!proc || stat("/proc/self/ns/mnt", &ours)) {
		if (proc)
			closedir(proc);
		return 0;
	}
	while ((d = readdir(proc)) != NULL) {
		if (parse_u64(d->d_name, 2, INT32_MAX, "pid", &pid, NULL) ||
		    !is_elsewhere(d->d_name, &ours) || !has_mount(d->d_name, c->g.dir))
			continue;
		kill((pid_t)pid, SIGKILL);
		n++;
	}
	closedir(proc);
	return n;
}

/* ---- its loop device ---- */

static bool
image_in_use(const struct oci_run *r)
{
	DIR *block;
	const struct dirent *d;
	bool used = false;
	uint64_t loop;

	if (!*r->image)
		return false;
	if (r->n_loops)
		return oci_loop_is_on(r->loops[0], r->image_dev, r->image_ino);
	block = opendir("/sys/block");
	while (block && !used && (d = readdir(block)) != NULL)
		used = str_starts(d->d_name, "loop") &&
		       !parse_u64(d->d_name + 4, 0, 1u << 20, "loop", &loop, NULL) &&
		       oci_loop_is_on((unsigned)loop, r->image_dev, r->image_ino);
	if (block)
		closedir(block);
	return used;
}

/* ---- the steps ---- */

static bool
is_gone(struct oci_clearing *k)
{
	struct oci_guest *c = k->c;
	char *dirs[TREES_MAX];
	unsigned n = list_groups(c, dirs), left = 0;

	for (unsigned i = 0; i < n; i++) {
		left += empty_group(dirs[i], DEPTH_MAX);
		free(dirs[i]);
	}
	k->looks++;
	if (k->looks % SEARCH_EVERY == SEARCH_AT)
		left += kill_staged(c);
	*k->left = '\0';
	/* Where the ground is held the device is, too. */
	if (!c->ground.n && image_in_use(&c->run))
		snprintf(k->left, sizeof(k->left), "its image's loop device");
	if (c->pidfd >= 0 && !c->ended)
		snprintf(
		    k->left, sizeof(k->left), "its first process %d", (int)c->run.pid);
	if (left)
		snprintf(k->left, sizeof(k->left), "%u of its processes", left);
	return !*k->left;
}

static enum flow_rc
kill_start(struct flow *f, void *arg)
{
	struct oci_clearing *k = arg;
	struct oci_guest *c = k->c;
	struct err e = ERR_INIT;

	oci_child_drop(c);
	oci_guard_kill(c);
	if (oci_thaw(c, &e))
		log_warn("engine", "%s", e.msg);
	if (c->pidfd >= 0 && !c->ended &&
	    pidfd_send_signal(c->pidfd, SIGKILL, NULL, 0) && errno != ESRCH)
		log_warn("engine", "%s: cannot kill process %d: %s", c->who,
		    (int)c->run.pid, strerror(errno));
	is_gone(k);
	return FLOW_NEXT;
}

/* A runtime looks only now and then whether what it has killed is gone. */
static enum flow_rc
dead_start(struct flow *f, void *arg)
{
	struct oci_clearing *k = arg;

	if (!k->c->watch || k->c->ended)
		return FLOW_NEXT;
	k->c->gone_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
dead_finish(struct flow *f, void *arg, int rc)
{
	return rc == ERR_CANCELLED ? FLOW_FAIL : FLOW_NEXT;
}

/* All that it held is gone when it says so. */
static enum flow_rc
held_start(struct flow *f, void *arg)
{
	struct oci_clearing *k = arg;
	struct oci_guest *c = k->c;

	oci_guard_kill(c);
	if (oci_guard_is_over(c))
		return FLOW_NEXT;
	c->guard_wake = flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
held_finish(struct flow *f, void *arg, int rc)
{
	struct oci_clearing *k = arg;

	if (rc == ERR_CANCELLED)
		return FLOW_FAIL;
	if (!rc)
		return FLOW_AGAIN;
	log_warn("engine", "%s: its guard does not go", k->c->who);
	return FLOW_NEXT;
}

static bool
runtime_knows(const struct oci_guest *c)
{
	AUTO_FREE char *path = xasprintf("%s/%s", c->oci->runtime_root, c->who);

	return !access(path, F_OK);
}

static void
remove_tree(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		if (!str_same(e->d_name, ".") && !str_same(e->d_name, ".."))
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
	rmdir(dir);
}

/* Its record may be half written, or half deleted by a runtime that was killed. */
static void
delete_record(const struct oci_guest *c, const struct err *why)
{
	AUTO_FREE char *path = xasprintf("%s/%s", c->oci->runtime_root, c->who);

	if (why)
		log_warn(
		    "engine", "%s: the runtime cannot delete it: %s", c->who, why->msg);
	remove_tree(path);
}

/* Whoever is to go goes, also where the runtime has been removed meanwhile. */
static enum flow_rc
delete_start(struct flow *f, void *arg)
{
	struct oci_clearing *k = arg;
	struct oci_guest *c = k->c;
	const char *const force[] = { "delete", "--force", c->who, NULL };
	const char *const plain[] = { "delete", c->who, NULL };
	const char *const *args = c->ended ? plain : force;
	struct err e = ERR_INIT;

	if (!runtime_knows(c))
		return FLOW_NEXT;
	if (!oci_command(c, args, OCI_RUNTIME_MS, flow_wake(f), &e))
		return FLOW_WAIT;
	delete_record(c, &e);
	return FLOW_NEXT;
}

static enum flow_rc
delete_finish(struct flow *f, void *arg, int rc)
{
	struct oci_clearing *k = arg;

	if (rc == ERR_CANCELLED)
		return FLOW_FAIL;
	delete_record(k->c, rc ? flow_err(f) : NULL);
	return FLOW_NEXT;
}

static enum flow_rc
gone_start(struct flow *f, void *arg)
{
	struct oci_clearing *k = arg;

	if (!k->until_ms)
		k->until_ms = loop_now_ms(k->c->g.engine->loop) + GONE_MS;
	if (is_gone(k))
		return FLOW_NEXT;
	flow_set_timeout(f, LOOK_MS);
	(void)flow_wake(f);
	return FLOW_WAIT;
}

static enum flow_rc
gone_finish(struct flow *f, void *arg, int rc)
{
	struct oci_clearing *k = arg;

	if (rc == ERR_CANCELLED)
		return FLOW_FAIL;
	if (loop_now_ms(k->c->g.engine->loop) < k->until_ms)
		return FLOW_AGAIN;
	err_set(flow_err(f), ERR_TIMEOUT, "%s: %s does not go", k->c->who, k->left);
	return FLOW_FAIL;
}

static const struct flow_step clear_steps[] = {
	{ "kill", kill_start, NULL, NULL, 0 },
	{ "dead", dead_start, dead_finish, NULL, DEAD_MS },
	{ "held", held_start, held_finish, NULL, DEAD_MS },
	{ "delete", delete_start, delete_finish, NULL, OCI_RUNTIME_MS + 5000 },
	{ "gone", gone_start, gone_finish, NULL, LOOK_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
on_cleared(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct oci_clearing *k = owner;
	struct oci_guest *c = k->c;
	struct loop *l = c->g.engine->loop;

	bool lives;

	c->clearing = NULL;
	lives = oci_flow_ended(c);
	if (lives && !rc && !c->keeps_guard)
		oci_guard_forget(c);
	if (lives && !rc && !c->ground.n) {
		oci_move_forget(c);
		oci_run_drop(c);
	}
	for (unsigned i = 0; i < k->n_waiters; i++)
		post_wake(l, k->waiters[i], rc, e);
	free(k);
}

void
oci_clear(struct oci_guest *c, struct wake w)
{
	static const struct flow_hooks hooks = { .ended = on_cleared };
	struct oci_clearing *k = c->clearing;

	if (k && k->n_waiters < WAITERS) {
		k->waiters[k->n_waiters++] = w;
		return;
	}
	k = xcalloc(1, sizeof(*k));
	k->c = c;
	k->waiters[k->n_waiters++] = w;
	c->clearing = k;
	oci_flow_began(c);
	flow_start(flow_new(c->oci->flows, "oci clear", clear_steps, k, &hooks, k));
}

enum flow_rc
oci_clear_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_NEXT;
	oci_clear(c, flow_wake(f));
	return FLOW_WAIT;
}
