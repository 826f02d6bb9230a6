#include "host-agent/engine/oci/oci_dump_check.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_move.h"

#define OBSTACLES_MAX 32 /* more are not read by anybody */
#define PROCS_MAX     65536
#define LINK_LEN      256
#define MEM_MAJOR     1 /* null, zero, full, random, urandom, kmsg */
#define TTY_MAJOR     5 /* tty, ptmx */
#define PTS_MAJOR     136

/* ---- what can be saved ---- */

const char *
oci_dump_obstacle(const char *link)
{
	static const struct {
		const char *begins, *what;
	} all[] = {
		{ "anon_inode:[io_uring]", "io_uring" },
		{ "anon_inode:[perf_event]", "a performance counter" },
		{ "anon_inode:bpf", "a BPF program or map" },
		{ "anon_inode:[bpf", "a BPF program or map" },
		{ "anon_inode:[userfaultfd]", "userfaultfd" },
		{ "anon_inode:kvm", "a virtual machine" },
		{ "anon_inode:[fanotify]", "a fanotify watch" },
		{ "anon_inode:[landlock", "a Landlock rule set" },
		{ "anon_inode:seccomp", "a seccomp listener" },
		{ "/dev/net/tun", "/dev/net/tun" },
		{ "/dev/fuse", "/dev/fuse" },
		{ "/dev/kvm", "/dev/kvm" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (str_starts(link, all[i].begins))
			return all[i].what;
	return NULL;
}

/* A device that only its own kernel knows. */
static bool
is_foreign_device(const struct stat *st)
{
	unsigned kind = major(st->st_rdev);

	if (S_ISBLK(st->st_mode))
		return true;
	return S_ISCHR(st->st_mode) && kind != MEM_MAJOR && kind != TTY_MAJOR &&
	       (kind < PTS_MAJOR || kind > PTS_MAJOR + 7);
}

/* ---- one process ---- */

struct check {
	struct oci_guest *c;
	char root_ns[LINK_LEN], net_ns[LINK_LEN]; /* of its first process */
	unsigned n_procs, n_said;
};

static bool
read_link(const char *pid, const char *name, char buf[LINK_LEN])
{
	AUTO_FREE char *path = xasprintf("/proc/%s/%s", pid, name);
	ssize_t n = readlink(path, buf, LINK_LEN - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void
say(struct check *k, const char *pid, const char *what)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/comm", pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO_FREE char *text = NULL;
	char name[32] = "?";
	ssize_t n = fd < 0 ? 0 : read(fd, name, sizeof(name) - 1);

	if (k->n_said++ >= OBSTACLES_MAX)
		return;
	if (n > 0) {
		name[n] = '\0';
		name[strcspn(name, "\n")] = '\0';
	}
	for (char *p = name; *p; p++)
		if ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)
			*p = '?';
	text = xasprintf("process %s (%s) %s", pid, name, what);
	engine_offer_obstacle(&k->c->g, text);
}

static void
check_fd(struct check *k, const char *pid, const char *fd)
{
	AUTO_FREE char *name = xasprintf("fd/%s", fd);
	AUTO_FREE char *path = xasprintf("/proc/%s/%s", pid, name);
	AUTO_FREE char *what = NULL;
	char link[LINK_LEN];
	struct stat st;

	if (!read_link(pid, name, link))
		return;
	if (oci_dump_obstacle(link))
		what = xasprintf("uses %s", oci_dump_obstacle(link));
	else if (*link == '/' && !stat(path, &st) && is_foreign_device(&st))
		what = xasprintf("has the device %.64s open", link);
	if (what)
		say(k, pid, what);
}

static void
check_fds(struct check *k, const char *pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/fd", pid);
	DIR *d = opendir(path);
	const struct dirent *f;

	while (d && (f = readdir(d)))
		if (*f->d_name != '.')
			check_fd(k, pid, f->d_name);
	if (d)
		closedir(d);
}

static void
check_status(struct check *k, const char *pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/status", pid);
	FILE *f = fopen(path, "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		uint64_t tracer = 0;

		line[strcspn(line, "\n")] = '\0';
		if (str_starts(line, "TracerPid:\t") &&
		    !parse_u64(line + 11, 0, INT32_MAX, "pid", &tracer, NULL) && tracer)
			say(k, pid, "is being traced by a debugger");
	}
	if (f)
		fclose(f);
}

/* Who was put in from outside and is not a child of anything inside. */
static void
check_parent(struct check *k, const char *pid)
{
	AUTO_FREE char *path = xasprintf("/proc/%s/stat", pid);
	FILE *f = fopen(path, "re");
	char line[512] = "", parent[24], ns[LINK_LEN];
	char *end, *rest;
	long ppid;

	if (!f)
		return;
	end = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	/* ") S 4711 …" */
	if (!end || strlen(end) < 5)
		return;
	ppid = strtol(end + 4, &rest, 10);
	if (rest == end + 4 || ppid <= 0)
		return;
	snprintf(parent, sizeof(parent), "%ld", ppid);
	if (read_link(parent, "ns/pid", ns) && !str_same(ns, k->root_ns))
		say(k, pid, "was started from outside: a session is open");
}

static void
check_process(struct check *k, const char *pid)
{
	char net[LINK_LEN];
	bool is_first = (uint64_t)k->c->run.pid == strtoull(pid, NULL, 10);

	k->n_procs++;
	check_fds(k, pid);
	check_status(k, pid);
	if (!is_first)
		check_parent(k, pid);
	if (read_link(pid, "ns/net", net) && !str_same(net, k->net_ns))
		say(k, pid, "has a network namespace of its own");
}

void
oci_dump_check(struct oci_guest *c)
{
	struct check k = { .c = c };
	char first[16], ns[LINK_LEN];
	DIR *proc = opendir("/proc");
	const struct dirent *d;
	uint64_t pid;

	snprintf(first, sizeof(first), "%d", (int)c->run.pid);
	if (!proc || !read_link(first, "ns/pid", k.root_ns) ||
	    !read_link(first, "ns/net", k.net_ns)) {
		if (proc)
			closedir(proc);
		engine_offer_obstacle(&c->g, "its processes cannot be looked at");
		return;
	}
	while (k.n_procs < PROCS_MAX && (d = readdir(proc)))
		if (!parse_u64(d->d_name, 2, INT32_MAX, "pid", &pid, NULL) &&
		    read_link(d->d_name, "ns/pid", ns) && str_same(ns, k.root_ns))
			check_process(&k, d->d_name);
	closedir(proc);
}

/* ---- what the target must have ---- */

static unsigned
cgroup_version(void)
{
	return access(OCI_CGROUPS "/cgroup.controllers", F_OK) ? 1 : 2;
}

char *
oci_shape_text(const struct oci_guest *c)
{
	AUTO(json) json *o = json_new_object();
	struct utsname u;

	uname(&u);
	json_set_str(o, "arch", u.machine);
	json_set_str(o, "kernel", u.release);
	json_set_u64(o, "cgroup", cgroup_version());
	json_set_str(o, "criu", c->oci->criu_facts.version);
	json_set_str(o, "runtime", c->oci->en.facts.version);
	return json_text(o);
}

/* "4.2.1": 4002 */
static unsigned
version_number(const char *s)
{
	unsigned big = 0, small = 0;

	/* NOLINTNEXTLINE(cert-err34-c): what is no number counts as 0 */
	sscanf(s, "%3u.%3u", &big, &small);
	return big * 1000 + small;
}

static int
check_fit(const struct oci_guest *c, const char *arch, const char *criu,
    uint64_t cgroup, struct err *e)
{
	const char *mine = c->oci->criu_facts.version;
	struct utsname u;

	uname(&u);
	if (!str_same(arch, u.machine))
		return err_set(e, ERR_UNSUPPORTED, "it runs on %s, this host is %s",
		    arch, u.machine);
	if (cgroup != cgroup_version())
		return err_set(e, ERR_UNSUPPORTED,
		    "it has control groups v%u, this host v%u", (unsigned)cgroup,
		    cgroup_version());
	if (version_number(criu) > version_number(mine))
		return err_set(e, ERR_UNSUPPORTED,
		    "CRIU %s saves it, this host has the older %s", criu, mine);
	return 0;
}

int
oci_shape_check(
    const struct oci_guest *c, const uint8_t *shape, size_t n, struct err *e)
{
	const char *arch = "", *criu = "", *kernel = "";
	AUTO(json) json *o = NULL;
	uint64_t cgroup = 0;
	int rc = json_parse((const char *)shape, n, "shape", &o, e);

	if (!rc && json_what(o) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_CORRUPT, "shape: wants an object");
	if (!rc)
		rc = json_read_str(o, "arch", JSON_REQUIRED, 64, &arch, e);
	if (!rc)
		rc = json_read_str(o, "criu", JSON_REQUIRED, 31, &criu, e);
	if (!rc)
		rc = json_read_str(o, "kernel", JSON_REQUIRED, 128, &kernel, e);
	if (!rc)
		rc = json_read_u64(o, "cgroup", JSON_REQUIRED, 1, 2, &cgroup, e);
	if (rc)
		return rc;
	if (!engine_can(&c->oci->en, ENGINE_CAP_LIVE_MIGRATION))
		return err_set(e, ERR_UNSUPPORTED, "%s",
		    c->oci->en.facts.caps[ENGINE_CAP_LIVE_MIGRATION].why_not);
	return check_fit(c, arch, criu, cgroup, e);
}

/* ---- the offer ---- */

int
oci_op_move_offer(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	const struct engine_cap_fact *able =
	    &c->oci->en.facts.caps[ENGINE_CAP_LIVE_MIGRATION];

	g->offer.shape = (uint8_t *)oci_shape_text(c);
	g->offer.n_shape = strlen((char *)g->offer.shape);
	g->offer.memory_bytes = c->spec->memory_mb << 20;
	if (!able->able)
		engine_offer_obstacle(g, able->why_not);
	if (!c->run.n_loops)
		engine_offer_obstacle(g, "nobody knows the loop devices it stands on");
	oci_dump_check(c);
	engine_done(g, 0, NULL);
	return 0;
}
