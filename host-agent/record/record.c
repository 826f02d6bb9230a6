#include "host-agent/record/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/crc32c.h"
#include "base/mem.h"
#include "base/str.h"

static void
put_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

static uint32_t
get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void
record_add(struct str *out, const void *p, size_t n)
{
	uint8_t head[RECORD_HEAD];

	ASSERT(n > 0 && n <= MAX_RECORD);
	put_be32(head, (uint32_t)n);
	put_be32(head + 4, crc32c(crc32c(0, head, 4), p, n));
	str_addn(out, head, sizeof(head));
	str_addn(out, p, n);
}

int
record_peek(const uint8_t *p, size_t n, uint32_t *ret_n, struct err *e)
{
	uint32_t len;

	if (n < RECORD_HEAD)
		return 0;
	len = get_be32(p);
	if (len == 0 || len > MAX_RECORD)
		return err_set(e, ERR_CORRUPT, "a record of %u bytes cannot be", len);
	if (n - RECORD_HEAD < len)
		return 0;
	if (crc32c(crc32c(0, p, 4), p + RECORD_HEAD, len) != get_be32(p + 4))
		return err_set(
		    e, ERR_CORRUPT, "checksum of a %u-byte record is wrong", len);
	*ret_n = len;
	return 1;
}

static int
read_all(int fd, const char *path, size_t max, struct str *out, struct err *e)
{
	char buf[16384];
	ssize_t got;

	while ((got = read(fd, buf, sizeof(buf))) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, ERR_IO, errno, "reading %s", path);
		if (out->len + (size_t)got > max)
			return err_set(
			    e, ERR_TOO_LARGE, "%s is larger than %zu bytes", path, max);
		str_addn(out, buf, (size_t)got);
	}
	return 0;
}

int
record_file_read(const char *path, size_t max, struct str *out, struct err *e)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	int rc;

	if (fd < 0)
		return err_sys(
		    e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "%s", path);
	str_reset(out);
	rc = read_all(fd, path, max, out, e);
	if (rc)
		str_fini(out);
	return rc;
}

static int
write_all(int fd, const char *path, const void *p, size_t n, struct err *e)
{
	const char *b = p;

	while (n > 0) {
		ssize_t put = write(fd, b, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return err_sys(e, ERR_IO, errno, "writing %s", path);
		b += put;
		n -= (size_t)put;
	}
	return 0;
}

static int
sync_file(int fd, const char *path, struct err *e)
{
	if (fsync(fd))
		return err_sys(e, ERR_IO, errno, "syncing %s", path);
	return 0;
}

/* An empty file beside path, whatever an earlier try has left there. */
static int
open_beside(const char *tmp, mode_t mode, int *ret_fd, struct err *e)
{
	if (unlink(tmp) && errno != ENOENT)
		return err_sys(e, ERR_IO, errno, "removing %s", tmp);
	*ret_fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (*ret_fd < 0)
		return err_sys(e, ERR_IO, errno, "making %s", tmp);
	return 0;
}

/* RC: what became of tmp so far. */
static int
put_in_place(const char *tmp, const char *path, int rc, struct err *e)
{
	if (!rc && rename(tmp, path))
		rc = err_sys(e, ERR_IO, errno, "renaming %s to %s", tmp, path);
	if (rc)
		unlink(tmp);
	return rc;
}

int
record_dir_sync(const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir =
	    slash ? xstrndup(path, slash == path ? 1 : (size_t)(slash - path))
		  : xstrdup(".");
	AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd))
		return err_sys(e, ERR_IO, errno, "syncing folder %s", dir);
	return 0;
}

int
record_file_write(const char *path, mode_t mode, const void *p, size_t n, struct err *e)
{
	AUTO_FREE char *tmp = xasprintf("%s.tmp", path);
	AUTO_CLOSE int fd = -1;
	int rc = open_beside(tmp, mode, &fd, e);

	if (rc)
		return rc;
	rc = write_all(fd, tmp, p, n, e);
	if (!rc)
		rc = sync_file(fd, tmp, e);
	rc = put_in_place(tmp, path, rc, e);
	return rc ? rc : record_dir_sync(path, e);
}

int
record_file_swap(const char *path, const char *text, struct err *e)
{
	AUTO_FREE char *tmp = xasprintf("%s.tmp", path);
	AUTO_CLOSE int fd = -1;
	int rc = open_beside(tmp, 0600, &fd, e);

	if (rc)
		return rc;
	rc = write_all(fd, tmp, text, strlen(text), e);
	return put_in_place(tmp, path, rc, e);
}

int
record_file_remove(const char *path, struct err *e)
{
	if (unlink(path)) {
		if (errno == ENOENT)
			return 0;
		return err_sys(e, ERR_IO, errno, "removing %s", path);
	}
	return record_dir_sync(path, e);
}

int
record_dir_make(const char *path, mode_t mode, struct err *e)
{
	AUTO_FREE char *p = xstrdup(path);
	struct stat st;

	for (char *s = p + 1; *s; s++) {
		if (*s != '/')
			continue;
		*s = '\0';
		if (mkdir(p, 0755) && errno != EEXIST)
			return err_sys(e, ERR_IO, errno, "making folder %s", p);
		*s = '/';
	}
	if (mkdir(p, mode) && errno != EEXIST)
		return err_sys(e, ERR_IO, errno, "making folder %s", p);
	if (stat(p, &st) || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_IO, "%s is not a folder", p);
	return 0;
}
