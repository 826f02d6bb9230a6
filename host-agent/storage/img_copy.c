#include "host-agent/storage/img_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/disk_int.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_ext4.h"
#include "loop/timer.h"

#define TICK_MS 1000u
/* qemu-img: a thread for each request under way, and tables of hostile sizes. */
#define MEMORY_MAX (2ull << 30)
/* Seconds of processor time: a start, and a slow machine's unpacking. */
#define CPU_BASE_S      120u
#define CPU_BYTES_PER_S (20ull << 20)

#define FIRST_SOURCE 4 /* in the child, behind the target */
#define SECTOR_BYTES 512u

struct img_copy {
	struct loop *loop;
	struct child *child;
	struct timer *timer;
	struct img_copy_ops ops;
	const char *too_large;
	uint64_t total_bytes;
	uint64_t read_bytes, written_bytes; /* at the last look */
	uint64_t looked_ms, moved_ms;
	bool stalled, unwanted;
};

/* ---- what is copied ---- */

int
img_lend(int fd, const struct disk_conf *conf, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "cannot look at the image");
	if (geteuid() != 0 || !conf->uid || st.st_uid == conf->uid ||
	    (st.st_gid == conf->gid && (st.st_mode & S_IRGRP)))
		return 0;
	/* Its mode stays: nobody else runs as that user. */
	if (fchown(fd, conf->uid, (gid_t)-1))
		return err_sys(e, ERR_IO, errno, "cannot lend the image to qemu-img");
	return 0;
}

static const char *
native_driver(const char *format)
{
	return str_same(format, "qcow2") ? "qcow2" : "raw";
}

/* Users' files become a guest's disk by an import alone, which looks at them first. */
int
img_place_check(const char *path, struct err *e)
{
	int rc = ds_path_check(path, e);

	if (!rc && !str_starts(path, "vms/") && !str_starts(path, "templates/"))
		rc = err_set(e, ERR_DENIED,
		    "\"%.100s\" is no disk of a guest or a template", path);
	return rc;
}

static int
open_image(const struct datastore *ds, const struct disk_image *im,
    const struct disk_conf *conf, struct img_source *s, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct img_facts facts = { .virtual_bytes = 0 };
	struct stat st;
	int rc = img_place_check(im->path, e);

	if (!rc)
		rc = disk_image_open(ds, im, O_RDONLY, &fd, &facts, e);
	if (!rc)
		rc = img_lend(fd, conf, e);
	if (!rc && fstat(fd, &st))
		rc = err_sys(e, ERR_IO, errno, "cannot look at it");
	if (rc)
		return err_wrap(
		    e, "\"%.100s\" on datastore %s", im->path, datastore_name(ds));
	if (!s->n)
		s->virtual_bytes = facts.virtual_bytes;
	s->used_bytes += (uint64_t)st.st_blocks * SECTOR_BYTES;
	s->images[s->n].driver = native_driver(im->format);
	s->images[s->n++].fd = MOVE_FD(fd);
	return 0;
}

int
img_source_open(const struct datastore *ds, const Drover__DiskSource *s,
    const struct disk_conf *conf, struct img_source *ret_s, struct err *e)
{
	struct img_source open = { .n = 0 };
	struct disk_image im = { s->path, s->format, NULL };
	/* Layers of files cannot be read as blocks: they stay what they are. */
	size_t n_below = img_format_is_ext4(s->format) ? 0 : s->n_backing;
	int rc = 0;

	if (s->n_backing >= ENGINE_LAYERS_MAX)
		return err_set(e, ERR_INVALID, "a chain of %zu images: at most %d",
		    s->n_backing + 1, ENGINE_LAYERS_MAX);
	for (size_t i = 0; i <= n_below && !rc; i++) {
		im.below = i < n_below ? s->backing[i] : NULL;
		rc = open_image(ds, &im, conf, &open, e);
		if (im.below) {
			im.path = im.below->path;
			im.format = im.below->format;
		}
	}
	if (rc) {
		img_source_close(&open);
		return rc;
	}
	*ret_s = open;
	return 0;
}

void
img_source_close(struct img_source *s)
{
	for (size_t i = 0; i < s->n; i++)
		close(s->images[i].fd);
	s->n = 0;
}

Drover__DiskSource *
img_source_dup(const Drover__DiskSource *s)
{
	size_t n = drover__disk_source__get_packed_size(s);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__disk_source__pack(s, p);
	return drover__disk_source__unpack(NULL, n, p);
}

bool
img_reflink(int from, int to)
{
	return ioctl(to, FICLONE, from) == 0;
}

/* ---- the child ---- */

static json *
file_of(size_t i)
{
	AUTO_FREE char *path = xasprintf("/dev/fd/%zu", FIRST_SOURCE + i);
	json *n = json_new_object();

	json_set_str(n, "driver", "file");
	json_set_str(n, "filename", path);
	return n;
}

/* Only a stretch of the file is the image. */
static json *
stretch_of(const struct img_source *s)
{
	json *n = json_new_object();

	json_set_str(n, "driver", "raw");
	json_set_u64(n, "offset", s->at);
	json_set_u64(n, "size", s->bytes);
	json_set_json(n, "file", file_of(0));
	return n;
}

/* The whole chain, from its end up: headers are not asked. */
static char *
source_text(const struct img_source *s)
{
	json *below = NULL;
	AUTO_FREE char *text = NULL;

	for (size_t i = s->n; i--;) {
		json *n = json_new_object();

		json_set_str(n, "driver", s->images[i].driver);
		json_set_json(
		    n, "file", i == 0 && s->bytes ? stretch_of(s) : file_of(i));
		if (below)
			json_set_json(n, "backing", below);
		else if (!str_same(s->images[i].driver, "raw"))
			json_set_null(n, "backing");
		below = n;
	}
	text = json_text(below);
	json_free(below);
	return xasprintf("json:%s", text);
}

static void
add_target(const char **argv, size_t *n, enum img_target target)
{
	static const char *const words[][5] = {
		[IMG_TARGET_SIZED_QCOW2] = { "-O", "qcow2", "-n", "--target-is-zero" },
		[IMG_TARGET_SIZED_RAW] = { "-O", "raw", "-n", "--target-is-zero" },
		[IMG_TARGET_QCOW2] = { "-O", "qcow2" },
		[IMG_TARGET_STREAM] = { "-O", "vmdk", "-o",
		    "subformat=streamOptimized" },
	};

	for (size_t i = 0; words[target][i]; i++)
		argv[(*n)++] = words[target][i];
}

/*
 * Past the page cache: the copy is on disk when its order has ended, and writing it
 * back only then would double the time.  Out of order, so that one write need not wait
 * for the next read; pieces of 2 MiB stay whole.
 */
static void
add_direct(const char **argv, size_t *n)
{
	static const char *const words[] = { "-t", "none", "-W" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		argv[(*n)++] = words[i];
}

/* What lies below is not written: -B only says that there is something. */
static void
add_target_above(const char **argv, size_t *n)
{
	static const char *const words[] = { "-n", "-B", "below", "-F", "qcow2",
		"--target-image-opts" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		argv[(*n)++] = words[i];
}

/* The target and what it stands on, whose descriptors begin with fd. */
static char *
target_text(const struct img_source *below, size_t fd)
{
	AUTO(str) struct str text = STR_INIT;
	AUTO(str) struct str at = STR_INIT;

	str_add(&text, "driver=qcow2,file.driver=file,file.filename=/dev/fd/3");
	for (size_t i = 0; i < below->n; i++) {
		const char *driver = below->images[i].driver;

		str_add(&at, "backing.");
		str_addf(&text, ",%sdriver=%s,%sread-only=on", at.s, driver, at.s);
		str_addf(&text, ",%sfile.driver=file,%sfile.filename=/dev/fd/%zu", at.s,
		    at.s, fd + i);
	}
	return str_take(&text);
}

static int
start_child(
    struct img_copy *c, const struct img_copy_opts *o, child_fn done, struct err *e)
{
	static const char *const env[] = { "LANG=C.UTF-8", "MALLOC_ARENA_MAX=2", NULL };
	const struct img_source *s = o->source;
	AUTO_FREE char *from = source_text(s);
	AUTO_FREE char *to =
	    o->below ? target_text(o->below, FIRST_SOURCE + s->n) : NULL;
	char rate[24];
	const char *argv[20] = { qemu_img_program(o->conf), "convert" };
	int fds[1 + 2 * ENGINE_LAYERS_MAX] = { o->target_fd };
	size_t n = 2, n_below = o->below ? o->below->n : 0;
	struct child_opts co = {
		.argv = argv,
		.env = env,
		.pass_fds = fds,
		.n_pass_fds = 1 + s->n + n_below,
		.rlimit_as_bytes = MEMORY_MAX,
		.rlimit_cpu_s =
		    CPU_BASE_S + (uint32_t)(s->virtual_bytes / CPU_BYTES_PER_S),
		.rlimit_file_bytes = o->max_file_bytes,
		.confine = true,
	};

	for (size_t i = 0; i < s->n; i++)
		fds[1 + i] = s->images[i].fd;
	for (size_t i = 0; i < n_below; i++)
		fds[1 + s->n + i] = o->below->images[i].fd;
	if (o->bytes_per_s) {
		snprintf(rate, sizeof(rate), "%" PRIu64, o->bytes_per_s);
		argv[n++] = "-r";
		argv[n++] = rate;
	}
	if (o->target != IMG_TARGET_STREAM && image_takes_direct(o->target_fd))
		add_direct(argv, &n);
	if (to)
		add_target_above(argv, &n);
	else
		add_target(argv, &n, o->target);
	argv[n++] = from;
	argv[n++] = to ? to : "/dev/fd/3";
	if (geteuid() == 0) {
		co.uid = o->conf->uid;
		co.gid = o->conf->gid;
	}
	return child_start(o->loop, &co, done, c, &c->child, e);
}

/* ---- its progress and its end ---- */

void
img_copy_free(struct img_copy *c)
{
	if (!c)
		return;
	if (c->child)
		child_free(c->child);
	timer_free(c->timer);
	free(c);
}

/* "File too large", or the signal for it. */
static bool
grew_too_large(const struct child_result *r)
{
	return (WIFSIGNALED(r->status) && WTERMSIG(r->status) == SIGXFSZ) ||
	       (r->status && strstr(r->err_out, strerror(EFBIG)));
}

static void
on_ended(struct child *child, const struct child_result *r, void *arg)
{
	struct img_copy *c = arg;
	struct img_copy_ops ops = c->ops;
	struct err e = ERR_INIT;

	c->child = NULL;
	if (c->unwanted)
		err_set(&e, ERR_CANCELLED, "nobody waits for the copy any more");
	else if (c->stalled)
		err_set(&e, ERR_TIMEOUT, "no byte was copied for %u s",
		    IMG_COPY_STALL_MS / 1000);
	else if (grew_too_large(r))
		err_set(&e, ERR_NO_CAPACITY, "%s",
		    c->too_large ? c->too_large : "the image grew too large");
	else if (r->status && strstr(r->err_out, strerror(ENOSPC)))
		err_set(&e, ERR_NO_CAPACITY, "the datastore is full");
	else if (child_err(r, "qemu-img convert", &e))
		e.code = ERR_IO;
	img_copy_free(c);
	ops.done(ops.arg, e.code, &e);
}

/* Bytes that the child has read and written, by whatever way. */
static bool
look(const struct img_copy *c, uint64_t *ret_read, uint64_t *ret_written)
{
	AUTO_FREE char *path = xasprintf("/proc/%d/io", (int)child_pid(c->child));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	char text[512];
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	const char *r, *w;

	if (n <= 0)
		return false;
	text[n] = '\0';
	r = strstr(text, "rchar: ");
	w = strstr(text, "wchar: ");
	if (!r || !w)
		return false;
	*ret_read = strtoull(r + strlen("rchar: "), NULL, 10);
	*ret_written = strtoull(w + strlen("wchar: "), NULL, 10);
	return true;
}

static void
note(struct img_copy *c, uint64_t done, uint64_t written, uint64_t now)
{
	uint64_t gap = now > c->looked_ms ? now - c->looked_ms : 1;
	struct img_copied at = {
		.done_bytes = done < c->total_bytes ? done : c->total_bytes,
		.total_bytes = c->total_bytes,
		.bytes_per_s = (done - c->read_bytes) * 1000 / gap,
	};

	if (done != c->read_bytes || written != c->written_bytes)
		c->moved_ms = now;
	c->read_bytes = done;
	c->written_bytes = written;
	c->looked_ms = now;
	if (!c->ops.tick(c->ops.arg, &at))
		c->unwanted = true;
}

static void
on_tick(void *arg)
{
	struct img_copy *c = arg;
	uint64_t now = loop_now_ms(c->loop), done = c->read_bytes;
	uint64_t written = c->written_bytes;

	/* Where it cannot be looked at (another's process) it still ends unwanted. */
	(void)look(c, &done, &written);
	note(c, done, written, now);
	if (now - c->moved_ms >= IMG_COPY_STALL_MS)
		c->stalled = true;
	if (c->stalled || c->unwanted)
		child_kill(c->child, SIGKILL);
	else
		timer_after(c->timer, TICK_MS);
}

int
img_copy_start(const struct img_copy_opts *o, const struct img_copy_ops *ops,
    struct img_copy **ret_c, struct err *e)
{
	struct img_copy *c = xcalloc(1, sizeof(*c));
	int rc;

	c->loop = o->loop;
	c->ops = *ops;
	c->too_large = o->too_large;
	c->total_bytes = o->source->used_bytes;
	c->looked_ms = c->moved_ms = loop_now_ms(o->loop);
	c->timer = timer_new(o->loop, on_tick, c);
	rc = start_child(c, o, on_ended, e);
	if (rc) {
		img_copy_free(c);
		return rc;
	}
	timer_after(c->timer, TICK_MS);
	*ret_c = c;
	return 0;
}
