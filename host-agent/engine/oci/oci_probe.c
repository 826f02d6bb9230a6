/*
 * What this host can do is found out by doing it: a container of two empty images and a
 * first process that waits to be killed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_int.h"

#define MKE2FS       "/sbin/mke2fs"
#define IMAGES       2 /* its own and a layer */
#define RUNC_MAJOR   1
#define RUNC_MINOR   1
#define TIME_NS_FROM 2 /* runc 1.2 knows time namespaces */
#define PROBE_MS     30000

struct oci_probe {
	struct oci *oci;
	struct oci_guest *c;
	struct wake wake;
	unsigned images; /* made so far */
	char cgroup[64],
	    earlier[128]; /* ours, and that of a probe that was cut short */
	Drover__GuestSpec spec;
	Drover__ContainerSpec container;
	char *args[1];
	char wait[3];
};

/* ---- the runtime ---- */

static enum flow_rc
version_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;
	const char *const argv[] = { p->oci->runtime, "--version", NULL };

	return oci_program_run(p->c, argv, flow_wake(f), flow_err(f)) ? FLOW_FAIL
								      : FLOW_WAIT;
}

/* "runc version 1.1.5+ds1": what is not runc may count otherwise. */
static int
check_version(struct oci *oci, const char *said, struct err *e)
{
	char name[32] = "", number[48] = "";
	unsigned long major, minor;
	char *dot;

	if (sscanf(said, "%31s version %47s", name, number) != 2)
		return err_set(e, ERR_UNAVAILABLE,
		    "%s does not tell its version as runtimes do", oci->runtime);
	snprintf(oci->en.facts.version, sizeof(oci->en.facts.version), "%.15s %.47s",
	    name, number);
	if (!str_same(name, "runc"))
		return 0;
	major = strtoul(number, &dot, 10);
	minor = *dot == '.' ? strtoul(dot + 1, NULL, 10) : 0;
	if (major < RUNC_MAJOR || (major == RUNC_MAJOR && minor < RUNC_MINOR))
		return err_set(
		    e, ERR_UNAVAILABLE, "runc %s is too old: 1.1 is needed", number);
	oci->has_time_ns = (major > RUNC_MAJOR || minor >= TIME_NS_FROM) &&
			   !access("/proc/self/ns/time", F_OK);
	return 0;
}

static enum flow_rc
version_finish(struct flow *f, void *arg, int rc)
{
	struct oci_probe *p = arg;

	if (rc) {
		err_wrap(flow_err(f), "the runtime %s", p->oci->runtime);
		return FLOW_FAIL;
	}
	return check_version(p->oci, p->c->child_out, flow_err(f)) ? FLOW_FAIL
								   : FLOW_NEXT;
}

/* ---- what the host must have ---- */

static enum flow_rc
host_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;
	struct err *e = flow_err(f);

	if (geteuid() != 0)
		err_set(e, ERR_UNAVAILABLE, "containers take root");
	else if (access(p->oci->runtime, X_OK))
		err_sys(e, ERR_UNAVAILABLE, errno, "no runtime %s", p->oci->runtime);
	else if (access("/proc/self/ns/user", F_OK))
		err_set(e, ERR_UNAVAILABLE, "the kernel has no user namespaces");
	else if (access(OCI_CGROUPS "/cgroup.controllers", F_OK) &&
		 (access(OCI_CGROUPS "/freezer", F_OK) ||
		     access(OCI_CGROUPS "/devices", F_OK)))
		err_set(e, ERR_UNAVAILABLE, "no control groups at " OCI_CGROUPS);
	else if (access("/dev/loop-control", F_OK))
		err_set(e, ERR_UNAVAILABLE, "the kernel has no loop devices");
	else if (access(p->oci->stage, X_OK) || access(p->oci->init, X_OK))
		err_set(e, ERR_UNAVAILABLE,
		    "no program %s, or no drover-init beside it", p->oci->stage);
	else if (access(MKE2FS, X_OK))
		err_set(e, ERR_UNAVAILABLE, "no program " MKE2FS);
	else
		return FLOW_NEXT;
	return FLOW_FAIL;
}

/* ---- images ---- */

static char *
image_path(const struct oci_probe *p, unsigned i)
{
	return xasprintf("%s/image-%u", p->c->g.dir, i);
}

static int
make_tree(const char *dir, struct err *e)
{
	static const char *const folders[] = { "", "/upper", "/work", "/log" };

	for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
		AUTO_FREE char *path = xasprintf("%s/tree%s", dir, folders[i]);

		if (mkdir(path, 0755) && errno != EEXIST)
			return err_sys(e, ERR_IO, errno, "cannot make %s", path);
	}
	return 0;
}

static enum flow_rc
folder_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;

	snprintf(p->c->run.cgroup, sizeof(p->c->run.cgroup), "%s", p->cgroup);
	return oci_dir_prepare(p->c, flow_err(f)) || make_tree(p->c->g.dir, flow_err(f))
		   ? FLOW_FAIL
		   : FLOW_NEXT;
}

static enum flow_rc
image_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;
	AUTO_FREE char *path = image_path(p, p->images);
	AUTO_FREE char *tree = xasprintf("%s/tree", p->c->g.dir);
	const char *const argv[] = { MKE2FS, "-q", "-F", "-t", "ext4", "-O",
		"^has_journal", "-d", tree, path, "4M", NULL };

	if (p->images == IMAGES)
		return FLOW_NEXT;
	if (oci_program_run(p->c, argv, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static enum flow_rc
image_finish(struct flow *f, void *arg, int rc)
{
	struct oci_probe *p = arg;

	if (rc)
		return FLOW_FAIL;
	p->images++;
	return FLOW_AGAIN;
}

/* ---- a container ---- */

static int
open_images(struct oci_probe *p, struct err *e)
{
	for (unsigned i = 0; i < IMAGES; i++) {
		AUTO_FREE char *path = image_path(p, i);
		int fd = open(path, (i ? O_RDONLY : O_RDWR) | O_CLOEXEC);

		if (fd < 0)
			return err_sys(e, ERR_IO, errno, "cannot open %s", path);
		p->c->ground.fds[p->c->ground.n++] = fd;
	}
	oci_ground_name(p->c);
	return 0;
}

static enum flow_rc
container_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;
	static const struct oci_launch run = { .verb = "run" };

	p->c->run.phase = OCI_STARTING;
	if (open_images(p, flow_err(f)) || oci_run_save(p->c, flow_err(f)) ||
	    oci_launch(p->c, &run, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

static enum flow_rc
container_finish(struct flow *f, void *arg, int rc)
{
	struct oci_probe *p = arg;

	if (rc) {
		err_wrap(flow_err(f), "a container cannot be started");
		return FLOW_FAIL;
	}
	return oci_launched(p->c, OCI_STARTING, flow_err(f)) ? FLOW_FAIL : FLOW_NEXT;
}

/* What an earlier life's probe has left goes the same way. */
static enum flow_rc
clear_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;

	oci_ground_drop(p->c);
	oci_clear(p->c, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
criu_start(struct flow *f, void *arg)
{
	struct oci_probe *p = arg;

	return oci_criu_step(p->c, f);
}

static enum flow_rc
criu_finish(struct flow *f, void *arg, int rc)
{
	struct oci_probe *p = arg;

	return oci_criu_finish(p->c, f, rc);
}

static const struct flow_step probe_steps[] = {
	{ "host", host_start, NULL, NULL, 0 },
	{ "clear before", clear_start, NULL, NULL, PROBE_MS },
	{ "folder", folder_start, NULL, NULL, 0 },
	{ "version", version_start, version_finish, NULL, PROBE_MS },
	{ "images", image_start, image_finish, NULL, PROBE_MS },
	{ "container", container_start, container_finish, clear_start, PROBE_MS },
	{ "clear", clear_start, NULL, NULL, PROBE_MS },
	{ "criu", criu_start, criu_finish, NULL, 3 * PROBE_MS },
	{ NULL, NULL, NULL, NULL, 0 },
};

/* ---- around it ---- */

static void
remove_groups(const char *cgroup)
{
	DIR *top = opendir(OCI_CGROUPS);
	const struct dirent *d;
	AUTO_FREE char *v2 = xasprintf(OCI_CGROUPS "/%s", cgroup);

	rmdir(v2);
	while (top && (d = readdir(top)) != NULL) {
		AUTO_FREE char *path =
		    xasprintf(OCI_CGROUPS "/%s/%s", d->d_name, cgroup);

		if (*d->d_name != '.')
			rmdir(path);
	}
	if (top)
		closedir(top);
}

static void
remove_files(const struct oci_probe *p)
{
	static const char *const files[] = { "image-0", "image-1", "run", "pid",
		"criu.conf", "stderr.log", "bundle/config.json" };
	static const char *const folders[] = { "tree/upper", "tree/work", "tree/log",
		"tree", "bundle", "root", "mnt", "" };
	AUTO_CLOSE int dir =
	    open(p->c->g.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(files); i++)
		unlinkat(dir, files[i], 0);
	for (size_t i = 0; dir >= 0 && i < ARRAY_SIZE(folders); i++)
		if (*folders[i])
			unlinkat(dir, folders[i], AT_REMOVEDIR);
	rmdir(p->c->g.dir);
}

static void
show_facts(struct oci *oci, int rc, const struct err *e)
{
	static const enum engine_cap able[] = { ENGINE_CAP_GRACEFUL_STOP,
		ENGINE_CAP_RESET, ENGINE_CAP_PAUSE, ENGINE_CAP_HOT_CPU,
		ENGINE_CAP_HOT_MEMORY, ENGINE_CAP_CONSOLE, ENGINE_CAP_EXEC,
		ENGINE_CAP_MAKE_DISKS };

	static const struct {
		enum engine_cap cap;
		const char *why;
	} not_able[] = {
		{ ENGINE_CAP_BALLOON, "containers share the host's memory" },
		{ ENGINE_CAP_GUEST_AGENT, "containers need none" },
		{ ENGINE_CAP_VNC, "containers have no screen" },
		{ ENGINE_CAP_SNAPSHOT, "containers have no snapshots yet" },
	};
	struct engine_facts *f = &oci->en.facts;

	f->usable = !rc;
	snprintf(f->why_not, sizeof(f->why_not), "%.159s", rc ? e->msg : "");
	for (size_t i = 0; !rc && i < ARRAY_SIZE(able); i++)
		engine_fact_cap(f, able[i], NULL);
	for (size_t i = 0; i < ARRAY_SIZE(not_able); i++)
		engine_fact_cap(f, not_able[i].cap, not_able[i].why);
	engine_guard_probe(&oci->en, oci->guard);
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct oci_probe *p = owner;
	struct oci *oci = p->oci;
	struct wake w = p->wake;

	/* One that does not get here leaves its record to the next. */
	remove_groups(p->cgroup);
	if (*p->earlier)
		remove_groups(p->earlier);
	remove_files(p);
	show_facts(oci, rc, e);
	if (rc)
		log_warn("engine", "oci: %s", e->msg);
	oci_probe_drop(oci);
	post_wake(oci->en.loop, w, 0, NULL);
}

void
oci_probe_drop(struct oci *oci)
{
	struct oci_probe *p = MOVE(oci->probe);

	if (!p)
		return;
	engine_guest_free(&p->c->g);
	free(p);
}

static void
make_guest(struct oci_probe *p)
{
	AUTO_FREE char *dir = xasprintf("%s/probe", p->oci->state_dir);
	struct oci_guest *c =
	    oci_guest_of(engine_guest_new(&p->oci->en, 0, dir, NULL, NULL));

	p->c = c;
	oci_name(c);
	oci_spec_take(c, &p->spec);
	c->shows_end = true;
	snprintf(p->cgroup, sizeof(p->cgroup), "drover-probe-%d", (int)getpid());
	if (!oci_run_load(c, NULL))
		snprintf(p->earlier, sizeof(p->earlier), "%s", c->run.cgroup);
}

void
oci_op_probe(struct engine *en, struct wake w)
{
	static const struct flow_hooks hooks = { .ended = on_ended };
	struct oci *oci = oci_of(en);
	struct oci_probe *p = xcalloc(1, sizeof(*p));

	drover__guest_spec__init(&p->spec);
	drover__container_spec__init(&p->container);
	snprintf(p->wait, sizeof(p->wait), "-p");
	p->args[0] = p->wait;
	p->container.args = p->args;
	p->container.n_args = 1;
	p->spec.container = &p->container;
	p->oci = oci;
	p->wake = w;
	make_guest(p);
	oci->probe = p;
	flow_start(flow_new(oci->flows, "oci probe", probe_steps, p, &hooks, p));
}
