#include "host-agent/storage/ext4_blank.h"

#include <errno.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/rand.h>

#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_check.h"
#include "host-agent/storage/img_copy.h"
#include "host-agent/storage/layer_pool.h"

#define CHUNK       65536u
#define GIB         (1ull << 30)
#define GIBS_MAX    1024u /* a blank for each is still no great matter */
#define FOLDER_MODE 0711
#define IMAGE_MODE  0600
#define SPARES      2u /* of each size */

static bool
is_kept(uint64_t bytes)
{
	return bytes % GIB == 0 && bytes / GIB <= GIBS_MAX;
}

static char *
blank_name(uint64_t bytes)
{
	uint64_t gib = bytes / GIB;

	return xasprintf("blank-%" PRIu64 ".ext4", gib);
}

static bool
copy_stretch(int from, int to, off_t at, off_t end)
{
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);

	while (at < end) {
		size_t want = end - at < (off_t)CHUNK ? (size_t)(end - at) : CHUNK;
		ssize_t n = pread(from, buf, want, at);

		if (n <= 0 || pwrite(to, buf, (size_t)n, at) != n)
			return false;
		at += n;
	}
	return true;
}

/* All but the holes. */
static bool
copy_data(int from, int to)
{
	off_t at = lseek(from, 0, SEEK_DATA), end;

	for (; at >= 0; at = lseek(from, end, SEEK_DATA)) {
		end = lseek(from, at, SEEK_HOLE);
		if (end < 0 || !copy_stretch(from, to, at, end))
			return false;
	}
	return errno == ENXIO;
}

/* Its own name among file systems; nothing else in it depends on that. */
static bool
set_uuid(int fd)
{
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	ext2_filsys fs;

	if (ext2fs_open(path, EXT2_FLAG_RW | EXT2_FLAG_64BITS | EXT2_FLAG_SUPER_ONLY, 0,
		0, unix_io_manager, &fs))
		return false;
	if (RAND_bytes(fs->super->s_uuid, sizeof(fs->super->s_uuid)) != 1) {
		ext2fs_free(fs);
		return false;
	}
	fs->super->s_uuid[6] = (uint8_t)(0x40 | (fs->super->s_uuid[6] & 0x0f));
	fs->super->s_uuid[8] = (uint8_t)(0x80 | (fs->super->s_uuid[8] & 0x3f));
	ext2fs_mark_super_dirty(fs);
	if (!ext2fs_close2(fs, EXT2_FLAG_FLUSH_NO_SYNC))
		return true;
	ext2fs_free(fs);
	return false;
}

static bool
open_blank(const struct datastore *ds, const char *name, uint64_t bytes, int *ret_fd)
{
	AUTO_FREE char *path = xasprintf(LAYER_POOL "/%s", name);
	AUTO_CLOSE int fd = -1;
	struct img_facts facts;

	if (!is_kept(bytes) ||
	    ds_path_open(datastore_fd(ds), path, O_RDONLY, 0, &fd, NULL) ||
	    img_check_fd(fd, IMG_EXT4, IMG_BACKING_REFUSED, &facts, NULL) ||
	    facts.virtual_bytes != bytes)
		return false;
	*ret_fd = MOVE_FD(fd);
	return true;
}

bool
ext4_blank_take(const struct datastore *ds, int fd, uint64_t bytes)
{
	AUTO_FREE char *name = blank_name(bytes);
	AUTO_CLOSE int from = -1;

	if (!open_blank(ds, name, bytes, &from))
		return false;
	if ((img_reflink(from, fd) || copy_data(from, fd)) && set_uuid(fd))
		return true;
	/* Where this fails mke2fs says so. */
	(void)!ftruncate(fd, 0);
	(void)!ftruncate(fd, (off_t)bytes);
	return false;
}

static bool
open_pool(const struct datastore *ds, int *ret_fd)
{
	int root = datastore_fd(ds);

	return !ds_path_mkdirs(root, LAYER_POOL, FOLDER_MODE, NULL) &&
	       !ds_path_open(root, LAYER_POOL, O_RDONLY | O_DIRECTORY, 0, ret_fd, NULL);
}

/* A file without a name; it gets one when all of it is on disk. */
static int
open_nameless(int folder, mode_t mode, uint64_t bytes)
{
	AUTO_CLOSE int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);

	return fd >= 0 && !ftruncate(fd, (off_t)bytes) ? MOVE_FD(fd) : -1;
}

static void
sync_and_name(int fd, int folder, const char *name)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!fsync(fd))
		(void)!linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}

void
ext4_blank_keep(const struct datastore *ds, int fd, uint64_t bytes)
{
	AUTO_FREE char *name = blank_name(bytes);
	AUTO_CLOSE int folder = -1;
	AUTO_CLOSE int to = -1;

	if (!is_kept(bytes) || !open_pool(ds, &folder) ||
	    !faccessat(folder, name, F_OK, 0))
		return;
	to = open_nameless(folder, 0400, bytes);
	if (to >= 0 && copy_data(fd, to))
		sync_and_name(to, folder, name);
}

/* ---- spares ---- */

static char *
spare_name(uint64_t bytes, unsigned i)
{
	uint64_t gib = bytes / GIB;

	return xasprintf("spare-%" PRIu64 "-%u.ext4", gib, i);
}

/* Another host may take the same one: it has it then. */
static bool
take_spare(const struct datastore *ds, unsigned i, const char *path, uint64_t bytes)
{
	AUTO_FREE char *name = spare_name(bytes, i);
	AUTO_CLOSE int spare = -1;
	AUTO_CLOSE int pool = -1;
	AUTO_CLOSE int folder = -1;
	const char *base;

	return open_blank(ds, name, bytes, &spare) && open_pool(ds, &pool) &&
	       !ds_path_parent(datastore_fd(ds), path, &folder, &base, NULL) &&
	       !renameat2(pool, name, folder, base, RENAME_NOREPLACE) && !fsync(folder);
}

bool
ext4_spare_take(const struct datastore *ds, const char *path, uint64_t bytes)
{
	for (unsigned i = 0; i < SPARES; i++)
		if (take_spare(ds, i, path, bytes))
			return true;
	return false;
}

void
ext4_spare_stock(const struct datastore *ds, uint64_t bytes)
{
	AUTO_CLOSE int folder = -1;

	if (!is_kept(bytes) || !open_pool(ds, &folder))
		return;
	for (unsigned i = 0; i < SPARES; i++) {
		AUTO_FREE char *name = spare_name(bytes, i);
		AUTO_CLOSE int fd = -1;

		if (!faccessat(folder, name, F_OK, 0))
			continue;
		fd = open_nameless(folder, IMAGE_MODE, bytes);
		if (fd >= 0 && ext4_blank_take(ds, fd, bytes))
			sync_and_name(fd, folder, name);
	}
}
