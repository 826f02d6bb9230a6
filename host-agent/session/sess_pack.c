#include "host-agent/session/sess_pack.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/session/sess_root.h"

#define NOBODY        65534u
#define USTAR_NAME    100u
#define USTAR_SIZE    UINT64_C(0x1ffffffff) /* 8 GiB - 1, in 11 octal digits */
#define END_BLOCKS    2u
#define MAX_LINK_TEXT 4096u

struct level {
	DIR *dir;
	size_t name_len; /* of the member's name up to here */
};

struct pack {
	uint32_t id_base, n_ids;
	struct level levels[PACK_DEPTH_MAX];
	size_t n_levels;
	dev_t device;    /* of the folder that it began at */
	struct str name; /* of the member at hand */
	struct str head; /* what is ready to go out */
	size_t head_at;
	int file_fd; /* -1: none is under way */
	uint64_t file_left, pad;
	bool ended;
};

void
pack_free(struct pack *p)
{
	if (!p)
		return;
	while (p->n_levels)
		closedir(p->levels[--p->n_levels].dir);
	if (p->file_fd >= 0)
		close(p->file_fd);
	str_fini(&p->name);
	str_fini(&p->head);
	free(p);
}

/* ---- headers ---- */

static void
put_octal(uint8_t *field, size_t n, uint64_t v)
{
	field[n - 1] = '\0';
	for (size_t i = n - 1; i-- > 0; v >>= 3)
		field[i] = (uint8_t)('0' + (v & 7));
}

static void
put_sum(uint8_t block[TAR_BLOCK])
{
	unsigned sum = 0;

	memset(block + 148, ' ', 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += block[i];
	put_octal(block + 148, 7, sum);
}

static void
add_zeros(struct str *b, size_t n)
{
	static const uint8_t zeros[TAR_BLOCK];

	for (size_t part; n; n -= part) {
		part = n < sizeof(zeros) ? n : sizeof(zeros);
		str_addn(b, zeros, part);
	}
}

static size_t
padding(uint64_t n)
{
	return (size_t)(-n & (TAR_BLOCK - 1));
}

/* "LENGTH key=value\n", whose length counts its own digits. */
static void
add_pax(struct str *b, const char *key, const char *value)
{
	size_t rest = strlen(key) + strlen(value) + 3, len = rest + 1;

	for (size_t digits = 1, limit = 10; len >= limit; limit *= 10)
		len = rest + ++digits;
	str_addf(b, "%zu %s=%s\n", len, key, value);
}

static void
fill_block(uint8_t block[TAR_BLOCK], const char *name, char type, uint64_t size)
{
	memset(block, 0, TAR_BLOCK);
	memcpy(block, name, strnlen(name, USTAR_NAME));
	put_octal(block + 100, 8, 0644);
	put_octal(block + 108, 8, 0);
	put_octal(block + 116, 8, 0);
	put_octal(block + 124, 12, size);
	put_octal(block + 136, 12, 0);
	block[156] = (uint8_t)type;
	memcpy(block + 257, "ustar\00000", 8);
}

/* What does not fit a plain header goes before it. */
static void
add_extended(struct pack *p, const char *name, const char *link, uint64_t size)
{
	struct str records = STR_INIT;
	uint8_t block[TAR_BLOCK];
	char digits[24];

	if (strlen(name) > USTAR_NAME)
		add_pax(&records, "path", name);
	if (strlen(link) > USTAR_NAME)
		add_pax(&records, "linkpath", link);
	if (size > USTAR_SIZE) {
		snprintf(digits, sizeof(digits), "%llu", (unsigned long long)size);
		add_pax(&records, "size", digits);
	}
	if (records.len) {
		fill_block(block, "pax", 'x', records.len);
		put_sum(block);
		str_addn(&p->head, block, TAR_BLOCK);
		str_addn(&p->head, records.s, records.len);
		add_zeros(&p->head, padding(records.len));
	}
	str_fini(&records);
}

static uint32_t
inside(const struct pack *p, uint32_t id)
{
	return id >= p->id_base && id - p->id_base < p->n_ids ? id - p->id_base
							      : NOBODY;
}

static void
add_header(struct pack *p, const struct stat *st, char type, const char *link)
{
	uint64_t size = type == '0' ? (uint64_t)st->st_size : 0;
	uint8_t block[TAR_BLOCK];

	add_extended(p, str_cstr(&p->name), link, size);
	fill_block(block, str_cstr(&p->name), type, size > USTAR_SIZE ? 0 : size);
	put_octal(block + 100, 8, st->st_mode & 07777);
	put_octal(block + 108, 8, inside(p, st->st_uid));
	put_octal(block + 116, 8, inside(p, st->st_gid));
	put_octal(block + 136, 12, st->st_mtime > 0 ? (uint64_t)st->st_mtime : 0);
	memcpy(block + 157, link, strnlen(link, USTAR_NAME));
	put_sum(block);
	str_addn(&p->head, block, TAR_BLOCK);
}

/* ---- the walk ---- */

static int
add_link(
    struct pack *p, int dir_fd, const char *leaf, const struct stat *st, struct err *e)
{
	char to[MAX_LINK_TEXT];
	ssize_t n = readlinkat(dir_fd, leaf, to, sizeof(to) - 1);

	if (n < 0)
		return root_err(e, errno, "link", str_cstr(&p->name));
	to[n] = '\0';
	add_header(p, st, '2', to);
	return 0;
}

static int
add_file(struct pack *p, int dir_fd, const char *leaf, struct err *e)
{
	/* It may have become something else since it was looked at. */
	AUTO_CLOSE int fd = openat(
	    dir_fd, leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return 0;
	if (fd < 0 || fstat(fd, &st))
		return root_err(e, errno, "file", str_cstr(&p->name));
	if (!S_ISREG(st.st_mode))
		return 0;
	if (root_check_read(fd, str_cstr(&p->name), e))
		return e->code;
	add_header(p, &st, '0', "");
	p->file_left = (uint64_t)st.st_size;
	p->pad = padding(p->file_left);
	p->file_fd = MOVE_FD(fd);
	return 0;
}

static int
enter(struct pack *p, int dir_fd, const char *leaf, struct err *e)
{
	AUTO_CLOSE int fd =
	    openat(dir_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;
	DIR *d;

	if (fd < 0 && (errno == ENOENT || errno == ELOOP || errno == ENOTDIR))
		return 0;
	if (fd < 0 || fstat(fd, &st))
		return root_err(e, errno, "folder", str_cstr(&p->name));
	str_addc(&p->name, '/');
	if ((!p->device || st.st_dev == p->device) &&
	    root_check_read(fd, str_cstr(&p->name), e))
		return e->code;
	add_header(p, &st, '5', "");
	if (!p->n_levels && !p->device)
		p->device = st.st_dev;
	if (st.st_dev != p->device)
		return 0;
	if (p->n_levels == PACK_DEPTH_MAX)
		return err_set(e, ERR_TOO_LARGE,
		    "folder \"%.120s\": more than %u of them in one another",
		    str_cstr(&p->name), PACK_DEPTH_MAX);
	d = fdopendir(fd);
	if (!d)
		return root_err(e, errno, "folder", str_cstr(&p->name));
	(void)MOVE_FD(fd);
	p->levels[p->n_levels++] = (struct level){ d, p->name.len };
	return 0;
}

/* The member p->name, which is called leaf in the folder. */
static int
add_member(struct pack *p, int dir_fd, const char *leaf, struct err *e)
{
	struct stat st;

	if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW))
		return errno == ENOENT ? 0
				       : root_err(e, errno, "file", str_cstr(&p->name));
	if (S_ISDIR(st.st_mode))
		return enter(p, dir_fd, leaf, e);
	if (S_ISREG(st.st_mode))
		return add_file(p, dir_fd, leaf, e);
	if (S_ISLNK(st.st_mode))
		return add_link(p, dir_fd, leaf, &st, e);
	if (S_ISFIFO(st.st_mode))
		add_header(p, &st, '6', "");
	return 0; /* sockets and devices stay where they are */
}

static void
cut_name(struct pack *p, size_t n)
{
	p->name.len = n;
	p->name.s[n] = '\0';
}

/* Prepare the next member; at the end of all the two empty blocks. */
static int
next_member(struct pack *p, struct err *e)
{
	struct level *at;
	struct dirent *de;

	if (!p->n_levels) {
		add_zeros(&p->head, (size_t)END_BLOCKS * TAR_BLOCK);
		p->ended = true;
		return 0;
	}
	at = &p->levels[p->n_levels - 1];
	cut_name(p, at->name_len);
	errno = 0;
	de = readdir(at->dir);
	if (!de && errno)
		return root_err(e, errno, "folder", str_cstr(&p->name));
	if (!de) {
		closedir(at->dir);
		p->n_levels--;
		return 0;
	}
	if (str_same(de->d_name, ".") || str_same(de->d_name, ".."))
		return 0;
	str_add(&p->name, de->d_name);
	return add_member(p, dirfd(at->dir), de->d_name, e);
}

/* What a file has lost since its header went out is made up for with zeros. */
static int
read_file(struct pack *p, uint8_t *buf, size_t cap, size_t *ret_n, struct err *e)
{
	size_t want = cap < p->file_left ? cap : (size_t)p->file_left;
	ssize_t n = 0;

	if (!p->file_left) {
		close(MOVE_FD(p->file_fd));
		add_zeros(&p->head, (size_t)p->pad);
		*ret_n = 0;
		return 0;
	}
	n = read(p->file_fd, buf, want);
	if (n < 0 && errno != EINTR)
		return root_err(e, errno, "file", str_cstr(&p->name));
	if (n == 0) {
		memset(buf, 0, want);
		n = (ssize_t)want;
	}
	*ret_n = n > 0 ? (size_t)n : 0;
	p->file_left -= *ret_n;
	return 0;
}

static size_t
take_head(struct pack *p, uint8_t *buf, size_t cap)
{
	size_t n = p->head.len - p->head_at;

	if (n > cap)
		n = cap;
	memcpy(buf, p->head.s + p->head_at, n);
	p->head_at += n;
	if (p->head_at == p->head.len) {
		str_reset(&p->head);
		p->head_at = 0;
	}
	return n;
}

int
pack_some(struct pack *p, void *buf, size_t cap, size_t *ret_n, struct err *e)
{
	uint8_t *to = buf;
	size_t n = 0, part;
	int rc = 0;

	while (!rc && n < cap) {
		part = 0;
		if (p->head.len)
			part = take_head(p, to + n, cap - n);
		else if (p->file_fd >= 0)
			rc = read_file(p, to + n, cap - n, &part, e);
		else if (p->ended)
			break;
		else
			rc = next_member(p, e);
		n += part;
	}
	if (!rc)
		*ret_n = n;
	return rc;
}

/* The folder that path's last part is in, and that part; "." of the root itself. */
static int
open_parent(const struct engine_root *root, const char *path, char **ret_leaf,
    int *ret_fd, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(path);
	size_t n = strlen(copy);
	char *slash;

	while (n > 1 && copy[n - 1] == '/')
		copy[--n] = '\0';
	slash = strrchr(copy, '/');
	if (!slash)
		return err_set(
		    e, ERR_INVALID, "path: \"%.120s\" is not absolute", path);
	if (str_same(slash, "/..") || str_same(slash, "/."))
		return err_set(
		    e, ERR_INVALID, "path: \"%.120s\" does not end in a name", path);
	*slash = '\0';
	*ret_fd =
	    root_open(root->fd, *copy ? copy : "/", O_PATH | O_DIRECTORY, ROOT_INSIDE);
	if (*ret_fd < 0)
		return root_err(e, errno, "path", path);
	*ret_leaf = xstrdup(slash[1] ? slash + 1 : ".");
	return 0;
}

int
pack_new(const struct engine_root *root, const char *path, struct pack **ret_p,
    struct err *e)
{
	AUTO_FREE char *leaf = NULL;
	AUTO_CLOSE int dir_fd = -1;
	struct stat st;
	struct pack *p;
	int rc = open_parent(root, path, &leaf, &dir_fd, e);

	if (!leaf)
		return rc;
	if (root_check_read(dir_fd, path, e))
		return e->code;
	if (fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW))
		return root_err(e, errno, "path", path);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
		return err_set(e, ERR_INVALID,
		    "path: \"%.120s\" is neither file nor folder", path);
	p = xcalloc(1, sizeof(*p));
	p->id_base = root->id_base;
	p->n_ids = root->n_ids;
	p->file_fd = -1;
	str_add(&p->name, leaf);
	rc = add_member(p, dir_fd, leaf, e);
	if (rc)
		pack_free(p);
	else
		*ret_p = p;
	return rc;
}
