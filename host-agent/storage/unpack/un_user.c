#include "host-agent/storage/unpack/un_user.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define FILE_MAX   (1u << 20)
#define ID_MAX     65535u
#define FIELDS_MAX 7u
#define NAME_BYTES 256u

/* ---- the files ---- */

/* 0 with NULL: it is not there. */
static long
read_file(ext2_filsys fs, ext2_ino_t ino, char **ret_text)
{
	AUTO_FREE char *text = xmalloc(FILE_MAX + 1);
	ext2_file_t f;
	unsigned n = 0;
	long rc = ext2fs_file_open(fs, ino, 0, &f);

	if (rc)
		return rc;
	rc = ext2fs_file_read(f, text, FILE_MAX, &n);
	(void)ext2fs_file_close(f);
	text[n] = '\0';
	if (!rc)
		*ret_text = MOVE(text);
	return rc;
}

static long
look_in(const char *layer, const char *path, char **ret_text)
{
	AUTO_FREE char *full = xasprintf("upper/%s", path);
	struct ext2_inode node;
	ext2_filsys fs;
	ext2_ino_t ino;
	long rc = ext2fs_open(layer, EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);

	if (rc)
		return rc;
	rc = ext2fs_namei(fs, EXT2_ROOT_INO, EXT2_ROOT_INO, full, &ino);
	if (!rc)
		rc = ext2fs_read_inode(fs, ino, &node);
	if (!rc && LINUX_S_ISREG(node.i_mode))
		rc = read_file(fs, ino, ret_text);
	else if (!rc)
		*ret_text = xstrdup("");
	/* An upper layer that does not have it leaves it to the next. */
	if (rc == EXT2_ET_FILE_NOT_FOUND)
		rc = 0;
	ext2fs_free(fs);
	return rc;
}

int
un_user_file(const char *const *layers, size_t n, const char *path, char **ret_text,
    struct err *e)
{
	char *text = NULL;

	for (size_t i = 0; !text && i < n; i++) {
		long rc = look_in(layers[i], path, &text);

		if (rc)
			return err_set(e, ERR_IO,
			    "cannot read \"%s\" in layer %zu (ext2fs error %ld)", path,
			    i, rc);
	}
	*ret_text = text ? text : xstrdup("");
	return 0;
}

/* ---- what they say ---- */

struct fields {
	size_t n;
	char v[FIELDS_MAX][NAME_BYTES];
};

/* One line of a file of fields with colons; NULL: there was none left. */
static const char *
next_line(const char *at, struct fields *f)
{
	size_t left;

	if (!*at)
		return NULL;
	left = strcspn(at, "\n");
	f->n = 0;
	while (f->n < FIELDS_MAX) {
		size_t n = strcspn(at, ":\n");
		size_t keep = n < NAME_BYTES - 1 ? n : NAME_BYTES - 1;

		memcpy(f->v[f->n], at, keep);
		f->v[f->n++][keep] = '\0';
		at += n;
		left -= n;
		if (*at != ':')
			break;
		at++;
		left--;
	}
	at += left;
	return *at ? at + 1 : at;
}

static bool
is_id(const char *s, uint32_t *ret_id)
{
	uint64_t v;

	if (parse_u64(s, 0, ID_MAX, "id", &v, NULL))
		return false;
	*ret_id = (uint32_t)v;
	return true;
}

/* The line of a file whose name, or else whose id, is that. */
static bool
find_line(const char *text, const char *who, struct fields *ret_f)
{
	const char *at = text;

	while ((at = next_line(at, ret_f))) {
		if (ret_f->n >= 3 &&
		    (str_same(ret_f->v[0], who) || str_same(ret_f->v[2], who)))
			return true;
	}
	return false;
}

static bool
lists(const char *members, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = members; *p; p += strspn(p, ",")) {
		size_t len = strcspn(p, ",");

		if (len == n && !strncmp(p, name, n))
			return true;
		p += len;
	}
	return false;
}

static void
add_groups(const char *group, const char *name, struct un_user *u)
{
	struct fields f;
	const char *at = group;
	uint32_t gid;

	while ((at = next_line(at, &f)) && u->n_groups < UN_GROUPS_MAX) {
		if (f.n >= 4 && lists(f.v[3], name) && is_id(f.v[2], &gid))
			u->groups[u->n_groups++] = gid;
	}
}

static int
resolve_user(const char *who, const char *passwd, const char *group, struct un_user *u,
    struct err *e)
{
	struct fields f;

	if (find_line(passwd, who, &f) && f.n >= 4 && is_id(f.v[2], &u->uid) &&
	    is_id(f.v[3], &u->gid)) {
		add_groups(group, f.v[0], u);
		return 0;
	}
	if (is_id(who, &u->uid))
		return 0;
	return err_set(e, ERR_INVALID,
	    "the image runs as user \"%.60s\", whom its /etc/passwd does not know",
	    who);
}

static int
resolve_group(const char *who, const char *group, struct un_user *u, struct err *e)
{
	struct fields f;

	if ((find_line(group, who, &f) && is_id(f.v[2], &u->gid)) ||
	    is_id(who, &u->gid))
		return 0;
	return err_set(e, ERR_INVALID,
	    "the image runs as group \"%.60s\", which its /etc/group does not know",
	    who);
}

int
un_user_resolve(const char *user, const char *passwd, const char *group,
    struct un_user *ret_u, struct err *e)
{
	const char *colon = strchr(user, ':');
	AUTO_FREE char *name =
	    xstrndup(user, colon ? (size_t)(colon - user) : strlen(user));
	struct un_user u = { .uid = 0 };
	int rc = *name ? resolve_user(name, passwd, group, &u, e) : 0;

	if (!rc && colon && colon[1]) {
		u.n_groups = 0;
		rc = resolve_group(colon + 1, group, &u, e);
	}
	if (!rc)
		*ret_u = u;
	return rc;
}
