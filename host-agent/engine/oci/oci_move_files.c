#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/xattr.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_criu_timers.h"
#include "host-agent/engine/oci/oci_move_int.h"

#define MAGIC_BYTES   8 /* at the beginning of an image */
#define WHY_MAX       160
#define CRIU_MS       15000u /* a hundred times what it takes without memory */
#define SLOW_MB_PER_S 32u

uint32_t
oci_move_patience_ms(const struct oci_guest *c)
{
	uint64_t ms = CRIU_MS + c->spec->memory_mb * 1000 / SLOW_MB_PER_S;

	return ms < OCI_SAVE_MS ? (uint32_t)ms : OCI_SAVE_MS;
}

char *
oci_move_path(const struct oci_guest *c, const char *name)
{
	return xasprintf("%s/%s", c->g.dir, name);
}

/* ---- images/ ---- */

static void
remove_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *f;

	while (d && (f = readdir(d)))
		if (!str_same(f->d_name, ".") && !str_same(f->d_name, ".."))
			unlinkat(dirfd(d), f->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}

/* A restore reads the folder as root of the host and as root inside, and nobody else is
 * to: what is in it is the container's memory. */
static int
let_in(const char *path, uint32_t id)
{
	const struct {
		struct posix_acl_xattr_header head;
		struct posix_acl_xattr_entry entries[5];
	} acl = {
		{ htole32(POSIX_ACL_XATTR_VERSION) },
		{
		    { htole16(ACL_USER_OBJ), htole16(7),
			htole32((uint32_t)ACL_UNDEFINED_ID) },
		    { htole16(ACL_USER), htole16(5), htole32(id) },
		    { htole16(ACL_GROUP_OBJ), 0, htole32((uint32_t)ACL_UNDEFINED_ID) },
		    { htole16(ACL_MASK), htole16(5),
			htole32((uint32_t)ACL_UNDEFINED_ID) },
		    { htole16(ACL_OTHER), 0, htole32((uint32_t)ACL_UNDEFINED_ID) },
		},
	};

	return setxattr(path, XATTR_NAME_POSIX_ACL_ACCESS, &acl, sizeof(acl), 0);
}

static int
make_folder(const char *path, uint32_t id, struct err *e)
{
	remove_folder(path);
	if (mkdir(path, 0700) || let_in(path, id))
		return err_sys(e, ERR_IO, errno, "cannot make %s", path);
	return 0;
}

int
oci_move_images(const struct oci_guest *c, int *ret_fd, struct err *e)
{
	AUTO_FREE char *images = oci_move_path(c, "images");
	AUTO_FREE char *work = oci_move_path(c, "work");
	uint32_t id = oci_id_base(c->oci, c->g.number);
	int rc = make_folder(images, id, e);

	if (!rc)
		rc = make_folder(work, id, e);
	if (rc)
		return rc;
	*ret_fd = open(images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot open %s", images);
	return 0;
}

/* ---- whose ids they are ---- */

/* A protobuf number. */
static size_t
put_varint(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

/* CRIU's uid_gid_extent as field number field: 0 … 65535 are the ids from base on. */
static size_t
put_extent(uint8_t *to, unsigned field, uint32_t base)
{
	uint8_t extent[24];
	size_t n = 0;

	extent[n++] = 1 << 3;
	n += put_varint(extent + n, 0);
	extent[n++] = 2 << 3;
	n += put_varint(extent + n, base);
	extent[n++] = 3 << 3;
	n += put_varint(extent + n, OCI_IDS);
	to[0] = (uint8_t)(field << 3 | 2);
	to[1] = (uint8_t)n;
	memcpy(to + 2, extent, n);
	return n + 2;
}

/* Magic numbers, a length, an entry; only the entry is another. */
static int
write_map(int dir, const char *name, uint32_t base, struct err *e)
{
	AUTO_CLOSE int fd = openat(dir, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	uint8_t buf[MAGIC_BYTES + sizeof(uint32_t) + 64];
	size_t n = MAGIC_BYTES + sizeof(uint32_t);
	uint32_t len;

	if (fd < 0 || pread(fd, buf, MAGIC_BYTES, 0) != MAGIC_BYTES)
		return err_sys(e, ERR_CORRUPT, errno, "image %s", name);
	n += put_extent(buf + n, 1, base);
	n += put_extent(buf + n, 2, base);
	len = htole32((uint32_t)(n - MAGIC_BYTES - sizeof(len)));
	memcpy(buf + MAGIC_BYTES, &len, sizeof(len));
	if (pwrite(fd, buf, n, 0) != (ssize_t)n || ftruncate(fd, (off_t)n))
		return err_sys(e, ERR_IO, errno, "image %s", name);
	return 0;
}

int
oci_move_map_ids(const struct oci_guest *c, struct err *e)
{
	AUTO_FREE char *images = oci_move_path(c, "images");
	DIR *d = opendir(images);
	const struct dirent *f;
	int rc = 0;

	while (d && !rc && (f = readdir(d)))
		if (str_starts(f->d_name, "userns-"))
			rc = write_map(
			    dirfd(d), f->d_name, oci_id_base(c->oci, c->g.number), e);
	if (d)
		closedir(d);
	return rc;
}

/* ---- what CRIU would not restore as it was ---- */

int
oci_move_mend_timers(const struct oci_guest *c, struct err *e)
{
	AUTO_FREE char *path = oci_move_path(c, "images/files.img");
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	unsigned mended = 0;
	void *image;
	int rc;

	if (fd < 0 && errno == ENOENT)
		return 0; /* no process has a file */
	if (fd < 0 || fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "image files.img");
	image =
	    mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (image == MAP_FAILED)
		return err_sys(e, ERR_CORRUPT, errno, "image files.img");
	rc = oci_criu_timers_mend(image, (size_t)st.st_size, &mended, e);
	munmap(image, (size_t)st.st_size);
	if (mended)
		log_info("engine", "%s: %u timers were due while it stood still",
		    c->who, mended);
	return rc;
}

/* CRIU writes its inventory last. */
bool
oci_move_has_images(const struct oci_guest *c)
{
	AUTO_FREE char *last = oci_move_path(c, "images/inventory.img");

	return !access(last, F_OK);
}

void
oci_move_forget(struct oci_guest *c)
{
	AUTO_FREE char *images = oci_move_path(c, "images");
	AUTO_FREE char *work = oci_move_path(c, "work");

	remove_folder(images);
	remove_folder(work);
}

/* ---- its image and its layers ---- */

/* The loop device that file fd is under; false: there is none. */
static bool
find_loop(int fd, unsigned *ret_loop)
{
	DIR *block = opendir("/sys/block");
	const struct dirent *d;
	bool found = false;
	struct stat st;
	uint64_t number;

	while (block && !fstat(fd, &st) && !found && (d = readdir(block))) {
		if (!str_starts(d->d_name, "loop") ||
		    parse_u64(d->d_name + 4, 0, 1u << 20, "loop", &number, NULL))
			continue;
		found = oci_loop_is_on((unsigned)number, st.st_dev, st.st_ino);
		if (found)
			*ret_loop = (unsigned)number;
	}
	if (block)
		closedir(block);
	return found;
}

void
oci_move_find_loops(struct oci_guest *c)
{
	c->run.n_loops = 0;
	if (oci_ground_open(c, NULL))
		return;
	for (unsigned i = 0; i < c->ground.n; i++)
		if (!find_loop(c->ground.fds[i], &c->run.loops[i]))
			return;
	c->run.n_loops = c->ground.n;
}

bool
oci_move_image_is_free(const struct oci_guest *c)
{
	const struct oci_run *r = &c->run;

	return !r->n_loops || !oci_loop_is_on(r->loops[0], r->image_dev, r->image_ino);
}

/* ---- what CRIU says ---- */

void
oci_move_criu_says(const struct oci_guest *c, const char *log, struct err *e)
{
	AUTO_FREE char *name = xasprintf("work/%s", log);
	AUTO_FREE char *path = oci_move_path(c, name);
	FILE *f = fopen(path, "re");
	char line[512], why[WHY_MAX] = "";

	/* The first error is the reason, those behind it only follow from it; the one
	 * about a limit does not matter. */
	while (f && !*why && fgets(line, sizeof(line), f)) {
		const char *error = strstr(line, "Error (");

		if (error && !strstr(line, "rlimit:"))
			snprintf(
			    why, sizeof(why), "%.*s", (int)strcspn(error, "\n"), error);
	}
	if (f)
		fclose(f);
	if (*why)
		err_set(e, e->code ? e->code : ERR_IO, "CRIU: %s", why);
}
