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

bool
ext4_blank_take(const struct datastore *ds, int fd, uint64_t bytes)
{
	AUTO_FREE char *name = blank_name(bytes);
	AUTO_FREE char *path = xasprintf(LAYER_POOL "/%s", name);
	AUTO_CLOSE int from = -1;
	struct img_facts facts;

	if (!is_kept(bytes) ||
	    ds_path_open(datastore_fd(ds), path, O_RDONLY, 0, &from, NULL) ||
	    img_check_fd(from, IMG_EXT4, IMG_BACKING_REFUSED, &facts, NULL) ||
	    facts.virtual_bytes != bytes)
		return false;
	if ((img_reflink(from, fd) || copy_data(from, fd)) && set_uuid(fd))
		return true;
	/* Where this fails mke2fs says so. */
	(void)!ftruncate(fd, 0);
	(void)!ftruncate(fd, (off_t)bytes);
	return false;
}

void
ext4_blank_keep(const struct datastore *ds, int fd, uint64_t bytes)
{
	AUTO_FREE char *name = blank_name(bytes);
	AUTO_CLOSE int folder = -1;
	AUTO_CLOSE int to = -1;
	char path[32];

	if (!is_kept(bytes) ||
	    ds_path_mkdirs(datastore_fd(ds), LAYER_POOL, FOLDER_MODE, NULL) ||
	    ds_path_open(datastore_fd(ds), LAYER_POOL, O_RDONLY | O_DIRECTORY, 0,
		&folder, NULL) ||
	    !faccessat(folder, name, F_OK, 0))
		return;
	to = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0400);
	if (to < 0 || ftruncate(to, (off_t)bytes) || !copy_data(fd, to) || fsync(to))
		return;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	(void)!linkat(AT_FDCWD, path, folder, name, AT_SYMLINK_FOLLOW);
}
