#include "host-agent/engine/oci/oci_pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#define CHUNK     262144u
#define NAME_LEN  64u
#define SUM_BYTES 32u
#define MAGIC_LEN (sizeof(OCI_PACK_MAGIC) - 1)
#define FILE_HEAD (1u + 2u + 8u)
#define END_HEAD  (1u + 4u + 8u)

/* What CRIU writes memory into, from its beginning to its end. */
#define PAGES "pages-"

enum mark { MARK_FILE = 1, MARK_END, MARK_SEAL, MARK_MORE };

/* One end of a stream under way. */
struct pack {
	const struct oci_wire *wire;
	EVP_MD_CTX *md;
	uint8_t *buf; /* CHUNK */
	uint64_t bytes;
	uint32_t files;
	struct map *sent; /* uint64_t, by name: bytes that went before all was there */
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
	p->sent = map_new_str();
	return 0;
}

static void
pack_end(struct pack *p)
{
	EVP_MD_CTX_free(p->md);
	free(p->buf);
	MAP_EACH(p->sent, it) {
		free(it.value);
	}
	map_free(p->sent);
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
put_head(struct pack *p, enum mark mark, const char *name, uint64_t size, struct err *e)
{
	uint8_t head[FILE_HEAD];
	size_t n = strlen(name);
	int rc;

	head[0] = (uint8_t)mark;
	oci_wire_put(head + 1, n, 2);
	oci_wire_put(head + 3, size, 8);
	rc = put(p, head, sizeof(head), e);
	return rc ? rc : put(p, name, n, e);
}

/* What is behind the bytes that went before. */
static int
put_file(int fd, const char *name, uint64_t size, void *arg, struct err *e)
{
	struct pack *p = arg;
	const uint64_t *sent = map_get_str(p->sent, name);
	uint64_t at = sent ? *sent : 0;
	int rc;

	if (sent && size <= at)
		return size == at ? 0 : err_set(e, ERR_IO, "image %s: it shrank", name);
	rc = put_head(p, sent ? MARK_MORE : MARK_FILE, name, size - at, e);
	while (!rc && at < size) {
		size_t want = size - at < CHUNK ? (size_t)(size - at) : CHUNK;
		ssize_t r = pread(fd, p->buf, want, (off_t)at);

		if (r <= 0)
			return err_sys(
			    e, ERR_IO, r < 0 ? errno : EIO, "image %s", name);
		rc = put(p, p->buf, (size_t)r, e);
		at += (uint64_t)r;
		p->bytes += (uint64_t)r;
	}
	if (!sent)
		p->files++;
	return rc;
}

/* ---- out, while the folder is written ---- */

static int
put_early(struct pack *p, int dir_fd, const char *name, struct err *e)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	uint64_t *sent = map_get_str(p->sent, name);
	struct stat st;
	int rc;

	/* Whatever is wrong with it is still so when the folder is whole. */
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    !name_is_file_safe(name) ||
	    (uint64_t)st.st_size < (sent ? *sent : 0) + CHUNK)
		return 0;
	rc = put_file(fd, name, (uint64_t)st.st_size, p, e);
	if (rc)
		return rc;
	if (!sent) {
		sent = xmalloc(sizeof(*sent));
		map_put_str(p->sent, name, sent);
	}
	*sent = (uint64_t)st.st_size;
	return 0;
}

static int
put_news(struct pack *p, int dir_fd, int news_fd, struct err *e)
{
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n = read(news_fd, buf, sizeof(buf));
	const struct inotify_event *event;
	int rc = 0;

	for (ssize_t at = 0; !rc && at < n;
	     at += (ssize_t)(sizeof(*event) + event->len)) {
		event = (const struct inotify_event *)(const void *)(buf + at);
		if (event->len && str_starts(event->name, PAGES))
			rc = put_early(p, dir_fd, event->name, e);
	}
	return rc;
}

/* Where the kernel gives no news everything goes when the folder is whole. */
static int
follow(struct pack *p, int dir_fd, int whole_fd, struct err *e)
{
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", dir_fd);
	AUTO_CLOSE int news_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	struct pollfd polls[] = {
		{ .fd = whole_fd, .events = POLLIN },
		{ .fd = p->wire->fd },
		{ .fd = news_fd, .events = POLLIN },
	};
	int rc = 0;

	if (news_fd >= 0 && inotify_add_watch(news_fd, path, IN_MODIFY) < 0)
		polls[2].fd = -1;
	while (!rc) {
		if (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, errno, "cannot wait for images");
		if (polls[0].revents)
			return 0;
		if (polls[1].revents)
			return err_set(e, ERR_LOST, "the stream broke");
		if (polls[2].revents)
			rc = put_news(p, dir_fd, news_fd, e);
	}
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
oci_pack(int dir_fd, int whole_fd, const struct oci_wire *w, struct err *e)
{
	struct pack p;
	int rc = pack_begin(&p, w, e);

	if (rc)
		return rc;
	rc = put(&p, OCI_PACK_MAGIC, MAGIC_LEN, e);
	if (!rc && whole_fd >= 0)
		rc = follow(&p, dir_fd, whole_fd, e);
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
get_head(struct pack *p, char name[NAME_LEN + 1], uint64_t *ret_size, struct err *e)
{
	uint8_t head[FILE_HEAD - 1];
	size_t n;
	int rc = get(p, head, sizeof(head), e);

	if (rc)
		return rc;
	n = (size_t)oci_wire_get(head, 2);
	*ret_size = oci_wire_get(head + 2, 8);
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
	return 0;
}

/* A file, or more of one that must be there. */
static int
get_file(struct pack *p, enum mark mark, int dir_fd, uint64_t max_bytes, struct err *e)
{
	int how = mark == MARK_FILE ? O_CREAT | O_EXCL : O_APPEND;
	char name[NAME_LEN + 1];
	AUTO_CLOSE int fd = -1;
	uint64_t size;
	int rc = get_head(p, name, &size, e);

	if (rc)
		return rc;
	if (size > max_bytes || p->bytes > max_bytes - size)
		return err_set(
		    e, ERR_TOO_LARGE, "images: more than %" PRIu64 " bytes", max_bytes);
	fd = openat(dir_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | how, 0644);
	if (fd < 0 || fchmod(fd, 0644))
		return err_sys(e,
		    errno == EEXIST || errno == ENOENT ? ERR_CORRUPT : ERR_IO, errno,
		    "image %s", name);
	if (mark == MARK_FILE)
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
		if (!rc && mark != MARK_FILE && mark != MARK_MORE)
			return err_set(e, ERR_CORRUPT,
			    "images: neither a file nor their end after file %" PRIu32,
			    p->files);
		if (!rc)
			rc = get_file(p, mark, dir_fd, max_bytes, e);
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
