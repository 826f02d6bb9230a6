#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_int.h"
#include "host-agent/record/record.h"

#define RUN_MAX   16384
#define FILES_MAX 1048576u

static const char *const phase_names[] = {
	[OCI_NONE] = "none",
	[OCI_STARTING] = "starting",
	[OCI_UP] = "up",
	[OCI_SAVING] = "saving",
	[OCI_LEAVING] = "leaving",
	[OCI_GIVEN] = "given",
	[OCI_ARRIVING] = "arriving",
};

void
oci_spec_take(struct oci_guest *c, const Drover__GuestSpec *spec)
{
	size_t n = drover__guest_spec__get_packed_size(spec);
	AUTO_FREE uint8_t *buf = xmalloc(n ? n : 1);

	drover__guest_spec__pack(spec, buf);
	if (c->spec)
		drover__guest_spec__free_unpacked(c->spec, NULL);
	c->spec = drover__guest_spec__unpack(NULL, n, buf);
}

/* ---- the folder ---- */

/* What is in the container's namespace of mounts is looked up with its own ids. */
static int
check_open(const char *path, struct err *e)
{
	struct stat st;

	if (stat(path, &st) || (st.st_mode & S_IXOTH))
		return 0;
	return err_set(e, ERR_DENIED,
	    "folder %s keeps the container's ids out: it wants mode 0711", path);
}

static int
make_folder(const char *path, struct err *e)
{
	if (mkdir(path, 0711) && errno != EEXIST)
		return err_sys(e, ERR_IO, errno, "cannot make %s", path);
	return 0;
}

static int
make_folders(const char *dir, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/", dir);
	int rc = 0;

	for (char *p = strchr(path + 1, '/'); !rc && p; p = strchr(p + 1, '/')) {
		*p = '\0';
		rc = make_folder(path, e);
		if (!rc)
			rc = check_open(path, e);
		*p = '/';
	}
	return rc;
}

/* What runs does not outlive the host, nor need its files. */
static int
write_file(const char *dir, const char *name, const char *text, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

	return record_file_swap(path, text, e);
}

/* ---- config.json ---- */

static int
find_devices(struct oci_config_in *in, struct err *e)
{
	const Drover__ContainerSpec *ct = in->spec->container;
	struct stat st;

	for (size_t i = 0; ct && i < ct->n_devices; i++) {
		struct oci_device *d = &in->devices[in->n_devices];

		if (in->n_devices == OCI_DEVICES_MAX)
			return err_set(
			    e, ERR_INVALID, "more than %d devices", OCI_DEVICES_MAX);
		if (stat(ct->devices[i], &st) || !S_ISCHR(st.st_mode))
			return err_set(e, ERR_NOT_FOUND,
			    "this host has no character device %s", ct->devices[i]);
		d->path = ct->devices[i];
		d->major = major(st.st_rdev);
		d->minor = minor(st.st_rdev);
		in->n_devices++;
	}
	return 0;
}

static uint32_t
files_allowed(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_max > FILES_MAX)
		return FILES_MAX;
	return (uint32_t)r.rlim_max;
}

static int
write_config(const struct oci_guest *c, struct err *e)
{
	AUTO_FREE char *bundle = xasprintf("%s/bundle", c->g.dir);
	AUTO_FREE char *text = NULL;
	struct oci_config_in in = {
		.spec = c->spec,
		.dir = c->g.dir,
		.stage = c->oci->stage,
		.init = c->oci->init,
		.cgroup = c->run.cgroup,
		.id_base = oci_id_base(c->oci, c->g.number),
		.max_files = files_allowed(),
		.time_ns = c->oci->has_time_ns,
		.cgroup_v2 = !access(OCI_CGROUPS "/cgroup.controllers", F_OK),
	};
	int rc = find_devices(&in, e);

	if (rc)
		return rc;
	text = oci_config_text(&in);
	return write_file(bundle, "config.json", text, e);
}

int
oci_dir_prepare(struct oci_guest *c, struct err *e)
{
	static const char *const folders[] = { "bundle", "root", "mnt" };
	AUTO_FREE char *log = xasprintf("%s/stderr.log", c->g.dir);
	int rc = make_folders(c->g.dir, e);

	for (size_t i = 0; !rc && i < ARRAY_SIZE(folders); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", c->g.dir, folders[i]);

		rc = make_folder(path, e);
	}
	if (!rc)
		rc = make_folders(c->oci->runtime_root, e);
	/* The wires are shut while a container is in no kernel: there is nobody to
	 * lock out. */
	if (!rc)
		rc = write_file(c->g.dir, "criu.conf", "network-lock skip\n", e);
	unlink(log);
	return rc ? rc : write_config(c, e);
}

/* ---- the record ---- */

int
oci_run_save(const struct oci_guest *c, struct err *e)
{
	const struct oci_run *r = &c->run;
	AUTO(json) json *o = json_new_object();
	AUTO_FREE char *text = NULL;
	AUTO(str) struct str loops = STR_INIT;

	for (unsigned i = 0; i < r->n_loops; i++)
		str_addf(&loops, "%s%u", i ? " " : "", r->loops[i]);
	json_set_str(o, "phase", phase_names[r->phase]);
	json_set_u64(o, "pid", (uint64_t)r->pid);
	json_set_u64(o, "ticks", r->ticks);
	json_set_bool(o, "paused", r->paused);
	json_set_str(o, "cgroup", r->cgroup);
	json_set_str(o, "image", r->image);
	json_set_u64(o, "image_dev", r->image_dev);
	json_set_u64(o, "image_ino", r->image_ino);
	json_set_str(o, "loops", str_cstr(&loops));
	text = json_text(o);
	return write_file(c->g.dir, "run", text, e);
}

static int
read_phase(const json *o, enum oci_phase *ret_p, struct err *e)
{
	const char *name = "";
	int rc = json_read_str(o, "phase", JSON_REQUIRED, 32, &name, e);

	if (rc)
		return rc;
	for (size_t i = 0; i < ARRAY_SIZE(phase_names); i++) {
		if (!str_same(phase_names[i], name))
			continue;
		*ret_p = (enum oci_phase)i;
		return 0;
	}
	return err_set(e, ERR_CORRUPT, "phase: \"%s\" is not known", name);
}

/* "7 3 4" */
static void
read_loops(const char *text, struct oci_run *r)
{
	AUTO_FREE char *copy = xstrdup(text);
	char *rest = copy;
	uint64_t n;

	r->n_loops = 0;
	for (char *s; (s = strsep(&rest, " \n")) != NULL;)
		if (r->n_loops < ENGINE_LAYERS_MAX &&
		    !parse_u64(s, 0, 1u << 20, "loop", &n, NULL))
			r->loops[r->n_loops++] = (unsigned)n;
}

static int
read_run(const json *o, struct oci_run *r, struct err *e)
{
	const char *cgroup = "", *image = "", *loops = "";
	uint64_t pid = 0;
	int rc = read_phase(o, &r->phase, e);

	if (!rc)
		rc = json_read_u64(o, "pid", JSON_REQUIRED, 0, INT32_MAX, &pid, e);
	if (!rc)
		rc = json_read_u64(
		    o, "ticks", JSON_REQUIRED, 0, INT64_MAX, &r->ticks, e);
	if (!rc)
		rc = json_read_bool(o, "paused", JSON_REQUIRED, &r->paused, e);
	if (!rc)
		rc = json_read_str(
		    o, "cgroup", JSON_REQUIRED, sizeof(r->cgroup) - 1, &cgroup, e);
	if (!rc)
		rc = json_read_str(
		    o, "image", JSON_REQUIRED, sizeof(r->image) - 1, &image, e);
	if (!rc)
		rc = json_read_u64(
		    o, "image_dev", JSON_REQUIRED, 0, UINT64_MAX, &r->image_dev, e);
	if (!rc)
		rc = json_read_u64(
		    o, "image_ino", JSON_REQUIRED, 0, UINT64_MAX, &r->image_ino, e);
	if (!rc)
		rc = json_read_str(o, "loops", JSON_REQUIRED, 1024, &loops, e);
	if (rc)
		return rc;
	r->pid = (pid_t)pid;
	snprintf(r->cgroup, sizeof(r->cgroup), "%s", cgroup);
	snprintf(r->image, sizeof(r->image), "%s", image);
	read_loops(loops, r);
	return 0;
}

int
oci_run_load(struct oci_guest *c, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/run", c->g.dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct oci_run r = { .phase = OCI_NONE };
	AUTO(json) json *o = NULL;
	char buf[RUN_MAX];
	ssize_t n;
	int rc;

	if (fd < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open %s", path);
	n = read(fd, buf, sizeof(buf));
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot read %s", path);
	rc = json_parse(buf, (size_t)n, "run", &o, e);
	if (!rc)
		rc = read_run(o, &r, e);
	if (!rc)
		c->run = r;
	return rc;
}

void
oci_run_drop(struct oci_guest *c)
{
	static const char *const names[] = { "files", "run" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", c->g.dir, names[i]);

		if (unlink(path) && errno != ENOENT)
			log_warn(
			    "engine", "cannot remove %s: %s", path, strerror(errno));
	}
	c->run = (struct oci_run){ .phase = OCI_NONE };
}
