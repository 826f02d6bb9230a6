#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/major.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_int.h"
#include "host-agent/network/port.h"

#define EXT4_IOC_RESIZE_FS _IOW('f', 16, uint64_t)

/* ---- its image, through the file that its console goes into ---- */

/* Everything inside is the container's, links too; what is opened is its own image's
 * or nothing. */
static int
open_console(struct oci_guest *c, struct err *e)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC,
		.resolve =
		    RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	struct engine_root root = { .fd = -1 };
	AUTO_CLOSE int fd = -1;
	struct stat st;
	int rc;

	if (!c->run.pid || !c->run.n_loops)
		return err_set(e, ERR_BAD_STATE, "%s does not run", c->who);
	rc = oci_op_root(&c->g, &root, e);
	if (rc)
		return rc;
	fd = (int)syscall(SYS_openat2, root.fd, "dev/console", &how, sizeof(how));
	close(root.fd);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    st.st_dev != makedev(LOOP_MAJOR, c->run.loops[0]))
		return err_set(e, ERR_NOT_FOUND, "%s has no console any more", c->who);
	return MOVE_FD(fd);
}

/* The same file for reading or writing. */
static int
reopen(int path_fd, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", path_fd);
	return open(path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

/* Whoever writes appends, so it goes on at the new end. */
static void
bound(int file, const struct stat *st)
{
	AUTO_CLOSE int fd = -1;

	if (st->st_size <= (off_t)ENGINE_CONSOLE_MAX)
		return;
	fd = reopen(file, O_WRONLY);
	if (fd >= 0 && ftruncate(fd, 0))
		log_warn("engine", "cannot truncate a console: %s", strerror(errno));
}

size_t
oci_op_console_tail(struct engine_guest *g, char *buf, size_t cap)
{
	struct oci_guest *c = oci_guest_of(g);
	AUTO_CLOSE int file = -1;
	AUTO_CLOSE int fd = -1;
	struct err e = ERR_INIT;
	struct stat st;
	ssize_t n;

	file = open_console(c, &e);
	if (file >= 0)
		fd = reopen(file, O_RDONLY);
	if (fd < 0 || fstat(fd, &st))
		return 0;
	n = pread(fd, buf, cap, st.st_size > (off_t)cap ? st.st_size - (off_t)cap : 0);
	bound(file, &st);
	return n > 0 ? (size_t)n : 0;
}

/* ---- wires ---- */

static enum flow_rc
end_of_stage(struct flow *f, void *arg, int rc)
{
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

/* The stage was started by the op; its end is this step's. */
static enum flow_rc
stage_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	if (oci_stage(c, c->device_args, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

/* A later start must not wait for its wire. */
static void
forget_nic(Drover__GuestSpec *spec, unsigned slot)
{
	size_t i = 0;

	while (i < spec->n_nics && engine_nic_slot(spec, i) != slot)
		i++;
	if (i == spec->n_nics)
		return;
	drover__nic_spec__free_unpacked(spec->nics[i], NULL);
	spec->n_nics--;
	for (; i < spec->n_nics; i++)
		spec->nics[i] = spec->nics[i + 1];
}

static enum flow_rc
wired_start(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_NEXT;
	if (c->drop_nic)
		forget_nic(c->spec, c->drop_nic - 1);
	oci_gates(c, true);
	return FLOW_NEXT;
}

static const struct flow_step wire_steps[] = {
	{ "stage", stage_start, end_of_stage, NULL, OCI_RUNTIME_MS + 5000 },
	{ "wired", wired_start, NULL, NULL, 0 },
	{ NULL, NULL, NULL, NULL, 0 },
};

static void
set_args(struct oci_guest *c, const char *const *args)
{
	size_t i = 0;

	for (; args[i]; i++) {
		free(c->device_own[i]);
		c->device_own[i] = xstrdup(args[i]);
		c->device_args[i] = c->device_own[i];
	}
	c->device_args[i] = NULL;
}

static void
plug_nic(struct oci_guest *c, const struct engine_device *d)
{
	const Drover__NicSpec *nic = d->spec->nics[d->i];
	unsigned slot = engine_nic_slot(d->spec, d->i);
	char link[PORT_NAME_MAX], name[16], pid[16];

	port_inner_name(c->g.number, slot, link);
	snprintf(name, sizeof(name), "eth%u", slot);
	snprintf(pid, sizeof(pid), "%d", (int)c->run.pid);
	set_args(c, (const char *const[]){ "nic", "--pid", pid, link, name, nic->mac,
			nic->address, nic->gateway, NULL });
	oci_spec_take(c, d->spec);
	c->drop_nic = 0;
	oci_run_flow(c, "oci plug", wire_steps);
}

static void
unplug_nic(struct oci_guest *c, const struct engine_device *d)
{
	unsigned slot = engine_nic_slot(d->spec, d->i);
	char outer[PORT_NAME_MAX], inner[PORT_NAME_MAX], pid[16];

	port_name(c->g.number, slot, outer);
	port_inner_name(c->g.number, slot, inner);
	snprintf(pid, sizeof(pid), "%d", (int)c->run.pid);
	set_args(
	    c, (const char *const[]){ "nic-out", "--pid", pid, outer, inner, NULL });
	oci_spec_take(c, d->spec);
	c->drop_nic = slot + 1;
	oci_run_flow(c, "oci unplug", wire_steps);
}

/* ---- disks ---- */

static int
grow(struct oci_guest *c, uint64_t size, struct err *e)
{
	AUTO_CLOSE int file = open_console(c, e);
	AUTO_CLOSE int fs = -1;
	AUTO_CLOSE int loop = -1;
	struct stat st;
	uint64_t blocks;
	char path[32];

	if (file < 0)
		return file;
	snprintf(path, sizeof(path), "/dev/loop%u", c->run.loops[0]);
	loop = open(path, O_RDWR | O_CLOEXEC);
	if (loop < 0 || ioctl(loop, LOOP_SET_CAPACITY, 0))
		return err_sys(e, ERR_IO, errno, "cannot grow %s", path);
	fs = reopen(file, O_RDONLY);
	if (fs < 0 || fstat(fs, &st))
		return err_sys(e, ERR_IO, errno, "cannot open its image");
	blocks = size / (uint64_t)st.st_blksize;
	if (!ioctl(fs, EXT4_IOC_RESIZE_FS, &blocks))
		return 0;
	if (errno == EPERM)
		return err_set(e, ERR_UNSUPPORTED,
		    "needs power off: this host's agent lacks the right to grow what "
		    "is mounted (CAP_SYS_RESOURCE)");
	return err_sys(e, ERR_UNSUPPORTED, errno,
	    "needs power off: its file system cannot grow while mounted");
}

static int
grow_disk(struct oci_guest *c, const struct engine_device *d, struct err *e)
{
	int rc = grow(c, d->spec->disks[d->i]->size_bytes, e);

	if (rc)
		return rc;
	oci_spec_take(c, d->spec);
	engine_done(&c->g, 0, NULL);
	return 0;
}

int
oci_op_device(struct engine_guest *g, const struct engine_device *d, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);

	if (g->verb == ENGINE_PLUG_NIC)
		plug_nic(c, d);
	else if (g->verb == ENGINE_UNPLUG_NIC)
		unplug_nic(c, d);
	else if (g->verb == ENGINE_GROW_DISK)
		return grow_disk(c, d, e);
	else if (g->verb != ENGINE_LIMIT_DISK)
		return err_set(
		    e, ERR_UNSUPPORTED, "a container has the disk of its root alone");
	else
		engine_done(
		    g, 0, NULL); /* its group's limits are its caller's to set */
	return 0;
}
