#include "host-agent/engine/oci/oci_pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/str.h"

#define CHUNK     262144u
#define NAME_LEN  64u
#define SUM_BYTES 32u
#define MAGIC_LEN (sizeof(OCI_PACK_MAGIC) - 1)
#define FILE_HEAD (1u + 2u + 8u)
#define END_HEAD  (1u + 4u + 8u)

enum mark { MARK_FILE = 1, MARK_END, MARK_SEAL };

/* One end of a stream under way. */
struct pack {
	const struct oci_wire *wire;
	EVP_MD_CTX *md;
	uint8_t *buf; /* CHUNK */
	uint64_t bytes;
	uint32_t files;
};

static int
pack_begin(struct pack *p, const struct oci_wire *w, struct err *e)
{
	*p = (struct pack){ .wire = w, .md = EVP_MD_CTX_new() };
	if (!p->md || EVP_DigestInit_ex(p->md, EVP_sha256(), NULL) != 1) {
		EVP_MD_CTX_free(MOVE(p->md));
		return err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
	}
	p->buf = xmalloc(CHUNK);
	return 0;
}

static void
pack_end(struct pack *p)
{
	EVP_MD_CTX_free(p->md);
	free(p->buf);
}

static int
put(struct pack *p, const void *from, size_t n, struct err *e)
{
	if (EVP_DigestUpdate(p->md, from, n) != 1)
		return err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
	return oci_wire_write(p->wire, from, n, e);
}

static int
get(struct pack *p, void *to, size_t n, struct err *e)
{
	int rc = oci_wire_read(p->wire, to, n, e);

	if (!rc && EVP_DigestUpdate(p->md, to, n) != 1)
		return err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
	return rc;
}

static int
sum(struct pack *p, uint8_t ret_sum[SUM_BYTES], struct err *e)
{
	if (EVP_DigestFinal_ex(p->md, ret_sum, NULL) != 1)
		return err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
	return 0;
}

/* ---- out ---- */

typedef int (*file_fn)(
    int fd, const char *name, uint64_t size, void *arg, struct err *e);

static int
each_file(int dir_fd, file_fn fn, void *arg, struct err *e)
{
	const struct dirent *d;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return err_sys(e, ERR_IO, errno, "cannot read the folder of images");
	}
	while (!rc && (d = readdir(dir))) {
		AUTO_CLOSE int file = -1;
		struct stat st;

		if (d->d_name[0] == '.')
			continue;
		file = openat(dir_fd, d->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
		if (file < 0 || fstat(file, &st))
			rc = err_sys(e, ERR_IO, errno, "image %s", d->d_name);
		else if (!S_ISREG(st.st_mode) || !name_is_file_safe(d->d_name))
			rc = err_set(e, ERR_UNSUPPORTED,
			    "image %s: not a file that can travel", d->d_name);
		else
			rc = fn(file, d->d_name, (uint64_t)st.st_size, arg, e);
	}
	closedir(dir);
	return rc;
}

static int
put_file(int fd, const char *name, uint64_t size, void *arg, struct err *e)
{
	struct pack *p = arg;
	uint8_t head[FILE_HEAD];
	size_t n = strlen(name);
	int rc;

	head[0] = MARK_FILE;
	oci_wire_put(head + 1, n, 2);
	oci_wire_put(head + 3, size, 8);
	rc = put(p, head, sizeof(head), e);
	if (!rc)
		rc = put(p, name, n, e);
	while (!rc && size > 0) {
		size_t want = size < CHUNK ? (size_t)size : CHUNK;
		ssize_t r = read(fd, p->buf, want);

		if (r <= 0)
			return err_sys(
			    e, ERR_IO, r < 0 ? errno : EIO, "image %s", name);
		rc = put(p, p->buf, (size_t)r, e);
		size -= (uint64_t)r;
		p->bytes += (uint64_t)r;
	}
	p->files++;
	return rc;
}

static int
put_end(struct pack *p, struct err *e)
{
	uint8_t end[END_HEAD], digest[SUM_BYTES];
	int rc;

	end[0] = MARK_END;
	oci_wire_put(end + 1, p->files, 4);
	oci_wire_put(end + 5, p->bytes, 8);
	rc = put(p, end, sizeof(end), e);
	if (!rc)
		rc = sum(p, digest, e);
	return rc ? rc : oci_wire_write(p->wire, digest, sizeof(digest), e);
}

int
oci_pack(int dir_fd, const struct oci_wire *w, struct err *e)
{
	struct pack p;
	int rc = pack_begin(&p, w, e);

	if (rc)
		return rc;
	rc = put(&p, OCI_PACK_MAGIC, MAGIC_LEN, e);
	if (!rc)
		rc = each_file(dir_fd, put_file, &p, e);
	if (!rc && p.files == 0)
		rc = err_set(e, ERR_IO, "there are no images");
	if (!rc)
		rc = put_end(&p, e);
	pack_end(&p);
	return rc;
}

int
oci_pack_seal(const struct oci_wire *w, struct err *e)
{
	const uint8_t seal = MARK_SEAL;

	return oci_wire_write(w, &seal, 1, e);
}

static int
add_size(int fd, const char *name, uint64_t size, void *arg, struct err *e)
{
	*(uint64_t *)arg += FILE_HEAD + strlen(name) + size;
	return 0;
}

int
oci_pack_size(int dir_fd, uint64_t *ret_bytes, struct err *e)
{
	uint64_t bytes = MAGIC_LEN + END_HEAD + SUM_BYTES + 1;
	int rc = each_file(dir_fd, add_size, &bytes, e);

	if (!rc)
		*ret_bytes = bytes;
	return rc;
}

/* ---- in ---- */

static int
write_all(int fd, const uint8_t *from, size_t n, const char *name, struct err *e)
{
	while (n > 0) {
		ssize_t r = write(fd, from, n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return err_sys(e, errno == ENOSPC ? ERR_NO_CAPACITY : ERR_IO,
			    errno, "image %s", name);
		from += r;
		n -= (size_t)r;
	}
	return 0;
}

static int
get_bytes(struct pack *p, int fd, const char *name, uint64_t size, struct err *e)
{
	int rc = 0;

	while (!rc && size > 0) {
		size_t n = size < CHUNK ? (size_t)size : CHUNK;

		rc = get(p, p->buf, n, e);
		if (!rc)
			rc = write_all(fd, p->buf, n, name, e);
		size -= n;
		p->bytes += n;
	}
	return rc;
}

static int
get_file(struct pack *p, int dir_fd, uint64_t max_bytes, struct err *e)
{
	uint8_t head[FILE_HEAD - 1];
	char name[NAME_LEN + 1];
	AUTO_CLOSE int fd = -1;
	uint64_t size;
	size_t n;
	int rc = get(p, head, sizeof(head), e);

	if (rc)
		return rc;
	n = (size_t)oci_wire_get(head, 2);
	size = oci_wire_get(head + 2, 8);
	if (n == 0 || n > NAME_LEN || p->files == OCI_PACK_FILES_MAX)
		return err_set(e, ERR_CORRUPT, "images: file %" PRIu32 " has no name",
		    p->files + 1);
	rc = get(p, name, n, e);
	if (rc)
		return rc;
	name[n] = '\0';
	if (strlen(name) != n || !name_is_file_safe(name))
		return err_set(e, ERR_CORRUPT,
		    "images: file %" PRIu32 " has a name that no image has",
		    p->files + 1);
	if (size > max_bytes || p->bytes > max_bytes - size)
		return err_set(
		    e, ERR_TOO_LARGE, "images: more than %" PRIu64 " bytes", max_bytes);
	fd = openat(
	    dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	if (fd < 0 || fchmod(fd, 0644))
		return err_sys(
		    e, errno == EEXIST ? ERR_CORRUPT : ERR_IO, errno, "image %s", name);
	p->files++;
	return get_bytes(p, fd, name, size, e);
}

static int
get_end(struct pack *p, struct err *e)
{
	uint8_t end[END_HEAD - 1], mine[SUM_BYTES], theirs[SUM_BYTES], seal = 0;
	int rc = get(p, end, sizeof(end), e);

	if (!rc)
		rc = sum(p, mine, e);
	if (!rc)
		rc = oci_wire_read(p->wire, theirs, sizeof(theirs), e);
	if (rc)
		return rc;
	if (memcmp(mine, theirs, sizeof(mine)) != 0 || p->files == 0 ||
	    oci_wire_get(end, 4) != p->files || oci_wire_get(end + 4, 8) != p->bytes)
		return err_set(e, ERR_CORRUPT, "images: not what was sent");
	rc = oci_wire_read(p->wire, &seal, 1, e);
	if (!rc && seal != MARK_SEAL)
		rc = err_set(e, ERR_CORRUPT, "images: they end with another byte");
	return rc;
}

static int
get_all(struct pack *p, int dir_fd, uint64_t max_bytes, struct err *e)
{
	char magic[MAGIC_LEN];
	int rc = get(p, magic, sizeof(magic), e);

	if (!rc && memcmp(magic, OCI_PACK_MAGIC, sizeof(magic)) != 0)
		return err_set(e, ERR_CORRUPT, "images: not a container's");
	while (!rc) {
		uint8_t mark = 0;

		rc = get(p, &mark, 1, e);
		if (!rc && mark == MARK_END)
			return get_end(p, e);
		if (!rc && mark != MARK_FILE)
			return err_set(e, ERR_CORRUPT,
			    "images: neither a file nor their end after file %" PRIu32,
			    p->files);
		if (!rc)
			rc = get_file(p, dir_fd, max_bytes, e);
	}
	return rc;
}

int
oci_unpack(int dir_fd, const struct oci_wire *w, uint64_t max_bytes, struct err *e)
{
	struct pack p;
	int rc = pack_begin(&p, w, e);

	if (rc)
		return rc;
	rc = get_all(&p, dir_fd, max_bytes, e);
	pack_end(&p);
	return rc;
}
