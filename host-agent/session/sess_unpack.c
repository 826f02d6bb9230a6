#include "host-agent/session/sess_unpack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/session/sess_root.h"

#define MAX_EXTENDED  65536u /* bytes before a member that say more of it */
#define MAX_NAME      4095u
#define FOLDER_MODE   0755
#define MODE_BITS     07777u
#define MAX_FILE_SIZE ((uint64_t)1 << 46)

/* What a tar says of one member. */
struct member {
	char type;
	char *name, *link;
	uint64_t size, mtime;
	uint32_t mode, uid, gid;
};

enum unpack_at {
	AT_HEADER,
	AT_EXTENDED, /* text that belongs to the next member */
	AT_FILE,
	AT_SKIPPED,
	AT_PADDING,
	AT_END, /* empty blocks, and whatever comes after */
};

struct unpack {
	int base_fd;
	dev_t root_dev;
	enum root_rule rule;
	uint32_t id_base, n_ids;
	enum unpack_at at;
	uint8_t block[TAR_BLOCK];
	size_t block_len;
	uint64_t left, pad;
	char extended; /* type of what is gathered */
	struct str text;
	struct member m;             /* the one under way */
	char *long_name, *long_link; /* of the next one */
	bool has_size;
	uint64_t long_size;
	int file_fd;
};

static void
member_fini(struct member *m)
{
	free(m->name);
	free(m->link);
	memset(m, 0, sizeof(*m));
}

void
unpack_free(struct unpack *u)
{
	if (!u)
		return;
	if (u->file_fd >= 0)
		close(u->file_fd);
	close(u->base_fd);
	member_fini(&u->m);
	free(u->long_name);
	free(u->long_link);
	str_fini(&u->text);
	free(u);
}

int
unpack_new(const struct engine_root *root, const char *path, struct unpack **ret_u,
    struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct unpack *u;
	struct stat st;

	if (*path != '/')
		return err_set(
		    e, ERR_INVALID, "path: \"%.120s\" is not absolute", path);
	fd = root_open(root->fd, path, O_PATH | O_DIRECTORY, ROOT_INSIDE);
	if (fd < 0)
		return root_err(e, errno, "path", path);
	if (fstat(root->fd, &st))
		return root_err(e, errno, "path", "/");
	if (root_check_write(fd, st.st_dev, path, e))
		return e->code;
	u = xcalloc(1, sizeof(*u));
	u->base_fd = MOVE_FD(fd);
	u->root_dev = st.st_dev;
	/* Only there absolute links mean what they mean inside. */
	u->rule = path[strspn(path, "/")] ? ROOT_BELOW : ROOT_INSIDE;
	u->id_base = root->id_base;
	u->n_ids = root->n_ids;
	u->file_fd = -1;
	*ret_u = u;
	return 0;
}

/* ---- reading headers ---- */

static int
corrupt(struct err *e, const char *why)
{
	return err_set(e, ERR_INVALID, "the tar cannot be read: %s", why);
}

/* Octal digits among blanks, or a base 256 number with its first bit set. */
static int
read_number(const uint8_t *f, size_t n, uint64_t *ret_v, struct err *e)
{
	uint64_t v = 0;
	size_t i = 0;

	if (*f & 0x80) {
		v = *f & 0x7f;
		for (i = 1; i < n; i++) {
			if (v >> 55)
				return corrupt(e, "a number is too large");
			v = v << 8 | f[i];
		}
		*ret_v = v;
		return 0;
	}
	while (i < n && f[i] == ' ')
		i++;
	for (; i < n && f[i] >= '0' && f[i] <= '7'; i++)
		v = v << 3 | (uint64_t)(f[i] - '0');
	if (i < n && f[i] != ' ' && f[i])
		return corrupt(e, "a number has other digits");
	*ret_v = v;
	return 0;
}

static int
check_sum(const uint8_t block[TAR_BLOCK], struct err *e)
{
	uint64_t told, sum = 0;

	if (read_number(block + 148, 8, &told, e))
		return e->code;
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : block[i];
	return told == sum ? 0 : corrupt(e, "a header's sum is wrong");
}

static char *
plain_name(const uint8_t block[TAR_BLOCK])
{
	const char *b = (const char *)block;
	AUTO_FREE char *name = xstrndup(b, strnlen(b, 100));
	AUTO_FREE char *prefix = xstrndup(b + 345, strnlen(b + 345, 155));

	/* GNU keeps times where ustar has the prefix. */
	if (!*prefix || memcmp(block + 257, "ustar", 6) != 0)
		return MOVE(name);
	return xasprintf("%s/%s", prefix, name);
}

static int
read_ids(const uint8_t block[TAR_BLOCK], struct member *m, struct err *e)
{
	uint64_t mode, uid, gid;

	if (read_number(block + 100, 8, &mode, e) ||
	    read_number(block + 108, 8, &uid, e) ||
	    read_number(block + 116, 8, &gid, e) ||
	    read_number(block + 136, 12, &m->mtime, e))
		return e->code;
	m->mode = (uint32_t)(mode & MODE_BITS);
	m->uid = uid > UINT32_MAX ? UINT32_MAX : (uint32_t)uid;
	m->gid = gid > UINT32_MAX ? UINT32_MAX : (uint32_t)gid;
	return 0;
}

static int
read_member(struct unpack *u, struct err *e)
{
	const char *b = (const char *)u->block;
	struct member *m = &u->m;

	member_fini(m);
	m->type = u->block[156] ? b[156] : '0';
	if (read_ids(u->block, m, e) || read_number(u->block + 124, 12, &m->size, e))
		return e->code;
	m->name = u->long_name ? MOVE(u->long_name) : plain_name(u->block);
	m->link = u->long_link ? MOVE(u->long_link)
			       : xstrndup(b + 157, strnlen(b + 157, 100));
	if (u->has_size)
		m->size = u->long_size;
	u->has_size = false;
	if (m->size > MAX_FILE_SIZE)
		return corrupt(e, "a member is too large");
	return 0;
}

/* ---- extended headers ---- */

static int
take_pax(struct unpack *u, const char *key, const char *value, struct err *e)
{
	if (str_same(key, "path")) {
		free(u->long_name);
		u->long_name = xstrdup(value);
	} else if (str_same(key, "linkpath")) {
		free(u->long_link);
		u->long_link = xstrdup(value);
	} else if (str_same(key, "size")) {
		if (parse_u64(value, 0, MAX_FILE_SIZE, "size", &u->long_size, e))
			return corrupt(e, "a member is too large");
		u->has_size = true;
	} else if (str_starts(key, "GNU.sparse")) {
		return err_set(e, ERR_UNSUPPORTED, "the tar has sparse files");
	}
	return 0;
}

/* One "LENGTH key=value\n" at *at; moves behind it. */
static int
take_record(struct unpack *u, size_t *at, struct err *e)
{
	const char *s = u->text.s + *at;
	size_t room = u->text.len - *at, len = 0, i = 0;
	const char *eq;
	int rc;

	for (; i < room && s[i] >= '0' && s[i] <= '9' && len <= MAX_EXTENDED; i++)
		len = len * 10 + (size_t)(s[i] - '0');
	if (!i || i + 1 >= len || len > room || s[i] != ' ' || s[len - 1] != '\n')
		return corrupt(e, "an extended header is broken");
	eq = memchr(s + i, '=', len - i);
	if (!eq)
		return corrupt(e, "an extended header is broken");
	AUTO_FREE char *key = xstrndup(s + i + 1, (size_t)(eq - s) - i - 1);
	AUTO_FREE char *value = xstrndup(eq + 1, len - (size_t)(eq - s) - 2);
	rc = take_pax(u, key, value, e);
	*at += len;
	return rc;
}

static int
take_extended(struct unpack *u, struct err *e)
{
	size_t at = 0;
	int rc = 0;

	if (u->extended == 'L') {
		free(u->long_name);
		u->long_name = xstrndup(str_cstr(&u->text), u->text.len);
	} else if (u->extended == 'K') {
		free(u->long_link);
		u->long_link = xstrndup(str_cstr(&u->text), u->text.len);
	} else {
		while (!rc && at < u->text.len)
			rc = take_record(u, &at, e);
	}
	str_reset(&u->text);
	return rc;
}

/* ---- members ---- */

/* The name without what stands before it: below the folder whatever it begins with. */
static int
clean_name(const char *given, const char *what, char **ret_name, struct err *e)
{
	struct str out = STR_INIT;

	for (const char *p = given; *p;) {
		size_t n = strcspn(p, "/");

		if (n == 2 && p[0] == '.' && p[1] == '.') {
			str_fini(&out);
			return err_set(e, ERR_DENIED,
			    "%s \"%.120s\" climbs out of the folder", what, given);
		}
		if (n && !(n == 1 && *p == '.')) {
			if (out.len)
				str_addc(&out, '/');
			str_addn(&out, p, n);
		}
		p += n;
		p += strspn(p, "/");
	}
	if (out.len > MAX_NAME) {
		str_fini(&out);
		return err_set(
		    e, ERR_INVALID, "%s \"%.60s…\" is too long", what, given);
	}
	*ret_name = out.s ? str_take(&out) : xstrdup("");
	return 0;
}

static int
own(const struct unpack *u, int fd, const struct member *m, struct err *e)
{
	if (fchownat(fd, "", u->id_base + m->uid, u->id_base + m->gid, AT_EMPTY_PATH))
		return root_err(e, errno, "member", m->name);
	return 0;
}

/* What has just been made may have been replaced meanwhile, by a mount of something of
 * the host's even. */
static int
own_made(
    const struct unpack *u, int dir_fd, const char *leaf, mode_t type, struct err *e)
{
	AUTO_CLOSE int fd = openat(dir_fd, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return root_err(e, errno, "member", u->m.name);
	if ((st.st_mode & S_IFMT) != type)
		return err_set(e, ERR_DENIED,
		    "member \"%.120s\" was replaced in the guest meanwhile", u->m.name);
	if (root_check_read(fd, u->m.name, e))
		return e->code;
	return own(u, fd, &u->m, e);
}

/* The mode last: a change of owner takes bits away. */
static int
finish_fd(const struct unpack *u, int fd, const struct member *m, struct err *e)
{
	const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT },
		{ .tv_sec = (time_t)m->mtime } };

	if (own(u, fd, m, e))
		return e->code;
	if (fchmod(fd, m->mode) || futimens(fd, times))
		return root_err(e, errno, "member", m->name);
	return 0;
}

static int
make_folder(const struct unpack *u, int dir_fd, const char *leaf,
    const struct member *m, struct err *e)
{
	struct stat st;

	if (!fstatat(dir_fd, leaf, &st, AT_SYMLINK_NOFOLLOW) && !S_ISDIR(st.st_mode) &&
	    unlinkat(dir_fd, leaf, 0))
		return root_err(e, errno, "member", m->name);
	if (mkdirat(dir_fd, leaf, 0700) && errno != EEXIST)
		return root_err(e, errno, "member", m->name);
	AUTO_CLOSE int fd =
	    openat(dir_fd, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return root_err(e, errno, "member", m->name);
	if (root_check_write(fd, u->root_dev, m->name, e))
		return e->code;
	return finish_fd(u, fd, m, e);
}

/* A folder on the way that the tar does not name. */
static int
make_way(const struct unpack *u, const char *path, struct err *e)
{
	struct member way = { .mode = FOLDER_MODE };
	AUTO_FREE char *part = xstrdup(path);
	char *slash = strrchr(part, '/');
	const char *leaf = slash ? slash + 1 : part;
	AUTO_CLOSE int dir_fd = -1;

	if (slash)
		*slash = '\0';
	dir_fd =
	    root_open(u->base_fd, slash ? part : ".", O_PATH | O_DIRECTORY, u->rule);
	if (dir_fd < 0)
		return root_err(e, errno, "folder", path);
	if (root_check_write(dir_fd, u->root_dev, path, e))
		return e->code;
	way.name = part;
	if (mkdirat(dir_fd, leaf, 0700))
		return errno == EEXIST ? 0 : root_err(e, errno, "folder", path);
	return make_folder(u, dir_fd, leaf, &way, e);
}

static int
open_folder(const struct unpack *u, const char *path, int *ret_fd, struct err *e)
{
	AUTO_FREE char *part = xstrdup(path);

	*ret_fd = root_open(u->base_fd, path, O_PATH | O_DIRECTORY, u->rule);
	if (*ret_fd >= 0)
		return root_check_write(*ret_fd, u->root_dev, path, e);
	if (errno != ENOENT)
		return root_err(e, errno, "folder", path);
	for (char *slash = strchr(part, '/');; slash = strchr(slash + 1, '/')) {
		if (slash)
			*slash = '\0';
		AUTO_CLOSE int fd =
		    root_open(u->base_fd, part, O_PATH | O_DIRECTORY, u->rule);
		if (fd < 0 && make_way(u, part, e))
			return e->code;
		if (!slash)
			break;
		*slash = '/';
	}
	*ret_fd = root_open(u->base_fd, path, O_PATH | O_DIRECTORY, u->rule);
	return *ret_fd < 0 ? root_err(e, errno, "folder", path)
			   : root_check_write(*ret_fd, u->root_dev, path, e);
}

/* The folder that a cleaned name is in; *ret_leaf points into the name. */
static int
open_place(
    const struct unpack *u, char *name, char **ret_leaf, int *ret_fd, struct err *e)
{
	char *slash = strrchr(name, '/');
	int rc;

	if (slash)
		*slash = '\0';
	rc = open_folder(u, slash ? name : ".", ret_fd, e);
	*ret_leaf = slash ? slash + 1 : name;
	return rc;
}

static int
make_hard_link(const struct unpack *u, int dir_fd, const char *leaf,
    const struct member *m, struct err *e)
{
	AUTO_FREE char *to = NULL;
	AUTO_CLOSE int to_fd = -1;
	char *to_leaf = NULL;

	if (clean_name(m->link, "link to", &to, e) ||
	    open_place(u, to, &to_leaf, &to_fd, e))
		return e->code;
	if (linkat(to_fd, to_leaf, dir_fd, leaf, 0))
		return root_err(e, errno, "hard link", m->name);
	return 0;
}

static int
make_file(struct unpack *u, int dir_fd, const char *leaf, struct err *e)
{
	u->file_fd = openat(
	    dir_fd, leaf, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return u->file_fd < 0 ? root_err(e, errno, "file", u->m.name) : 0;
}

static int
make_leaf(struct unpack *u, int dir_fd, const char *leaf, struct err *e)
{
	const struct member *m = &u->m;

	if (m->type == '5')
		return make_folder(u, dir_fd, leaf, m, e);
	if (unlinkat(dir_fd, leaf, 0) && errno != ENOENT)
		return root_err(e, errno, "member", m->name);
	switch (m->type) {
	case '1':
		return make_hard_link(u, dir_fd, leaf, m, e);
	case '2':
		if (symlinkat(m->link, dir_fd, leaf))
			return root_err(e, errno, "link", m->name);
		return own_made(u, dir_fd, leaf, S_IFLNK, e);
	case '6':
		if (mkfifoat(dir_fd, leaf, m->mode))
			return root_err(e, errno, "fifo", m->name);
		return own_made(u, dir_fd, leaf, S_IFIFO, e);
	default:
		return make_file(u, dir_fd, leaf, e);
	}
}

static const char *
kind_text(char type)
{
	if (type == '3' || type == '4')
		return "devices";
	return type == 'S' ? "sparse files" : "members of an unknown type";
}

static int
check_member(const struct unpack *u, const struct member *m, struct err *e)
{
	if (!strchr("012567", m->type))
		return err_set(e, ERR_UNSUPPORTED,
		    "member \"%.120s\": %s are not unpacked", m->name,
		    kind_text(m->type));
	if (m->uid >= u->n_ids || m->gid >= u->n_ids)
		return err_set(e, ERR_INVALID,
		    "member \"%.120s\": its owner %u:%u is none of the guest's %u",
		    m->name, m->uid, m->gid, u->n_ids);
	return 0;
}

static int
begin_member(struct unpack *u, struct err *e)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int dir_fd = -1;
	char *leaf = NULL;

	if (check_member(u, &u->m, e) || clean_name(u->m.name, "member", &name, e) ||
	    !name)
		return e->code;
	if (!*name)
		return 0; /* the folder itself stays as it is */
	if (open_place(u, name, &leaf, &dir_fd, e))
		return e->code;
	return make_leaf(u, dir_fd, leaf, e);
}

static bool
is_zero(const uint8_t block[TAR_BLOCK])
{
	static const uint8_t zeros[TAR_BLOCK];

	return !memcmp(block, zeros, TAR_BLOCK);
}

static int
end_file(struct unpack *u, struct err *e)
{
	int rc = u->file_fd >= 0 ? finish_fd(u, u->file_fd, &u->m, e) : 0;

	if (u->file_fd >= 0)
		close(MOVE_FD(u->file_fd));
	return rc;
}

static void
expect(struct unpack *u, enum unpack_at at, uint64_t n)
{
	u->at = at;
	u->left = n;
	u->pad = -n & (TAR_BLOCK - 1);
}

static int
take_header(struct unpack *u, struct err *e)
{
	char type = u->block[156] ? (char)u->block[156] : '0';
	uint64_t size = 0;

	if (is_zero(u->block)) {
		u->at = AT_END;
		return 0;
	}
	if (check_sum(u->block, e) || read_number(u->block + 124, 12, &size, e))
		return e->code;
	if (strchr("LKxg", type)) {
		if (size > MAX_EXTENDED)
			return corrupt(e, "an extended header is too long");
		u->extended = type;
		expect(u, type == 'g' ? AT_SKIPPED : AT_EXTENDED, size);
		return 0;
	}
	if (read_member(u, e) || begin_member(u, e))
		return e->code;
	expect(u, u->file_fd >= 0 ? AT_FILE : AT_SKIPPED,
	    strchr("07", u->m.type) ? u->m.size : 0);
	return 0;
}

/* What was read has come to its end. */
static int
end_part(struct unpack *u, struct err *e)
{
	int rc = 0;

	if (u->at == AT_PADDING) {
		u->at = AT_HEADER;
		return 0;
	}
	if (u->at == AT_EXTENDED)
		rc = take_extended(u, e);
	else if (u->at == AT_FILE)
		rc = end_file(u, e);
	u->at = AT_PADDING;
	u->left = u->pad;
	return rc;
}

static int
write_file(const struct unpack *u, const uint8_t *p, size_t n, struct err *e)
{
	ssize_t done;

	for (; n; p += done, n -= (size_t)done) {
		done = write(u->file_fd, p, n);
		if (done < 0 && errno != EINTR)
			return root_err(e, errno, "file", u->m.name);
		if (done < 0)
			done = 0;
	}
	return 0;
}

/* Of the part that is being read; returns how much of the n bytes it took. */
static size_t
take_part(struct unpack *u, const uint8_t *p, size_t n, int *rc, struct err *e)
{
	if (n > u->left)
		n = (size_t)u->left;
	if (u->at == AT_EXTENDED)
		str_addn(&u->text, p, n);
	else if (u->at == AT_FILE)
		*rc = write_file(u, p, n, e);
	u->left -= n;
	return n;
}

static size_t
take_block(struct unpack *u, const uint8_t *p, size_t n, int *rc, struct err *e)
{
	if (n > TAR_BLOCK - u->block_len)
		n = TAR_BLOCK - u->block_len;
	memcpy(u->block + u->block_len, p, n);
	u->block_len += n;
	if (u->block_len == TAR_BLOCK) {
		u->block_len = 0;
		*rc = take_header(u, e);
	}
	return n;
}

int
unpack_some(struct unpack *u, const void *p, size_t n, struct err *e)
{
	const uint8_t *from = p;
	size_t done;
	int rc = 0;

	while (!rc && n && u->at != AT_END) {
		done = u->at == AT_HEADER ? take_block(u, from, n, &rc, e)
					  : take_part(u, from, n, &rc, e);
		from += done;
		n -= done;
		while (!rc && u->at != AT_HEADER && u->at != AT_END && !u->left)
			rc = end_part(u, e);
	}
	return rc;
}

int
unpack_end(const struct unpack *u, struct err *e)
{
	if (u->at == AT_END || (u->at == AT_HEADER && !u->block_len))
		return 0;
	return corrupt(e, "it ends in the middle of a member");
}
