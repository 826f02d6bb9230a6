#include "host-agent/storage/unpack/un_fs.h"

#include <errno.h>
#include <et/com_err.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/unpack/un_fs_int.h"

#define FOLLOWS_MAX 40 /* links on one path, as the kernel has it */
#define WALK_MAX    8192
#define PART_MAX    255u

static const struct un_owner of_root = { .mode = 0755 };

int
un_fs_error(long rc, const char *what, struct err *e)
{
	int code = ERR_IO;

	if (rc == ENOSPC || rc == EDQUOT)
		code = ERR_NO_CAPACITY;
	else if (rc == EXT2_ET_EA_NO_SPACE || rc == EXT2_ET_INVALID_ARGUMENT)
		code = ERR_INVALID;
	return err_set(e, code, "\"%.100s\": %s", what, error_message(rc));
}

void
un_fs_free(struct un_fs *fs)
{
	if (!fs)
		return;
	ext2fs_free(fs->fs);
	un_tree_fini(&fs->tree);
	free(fs);
}

int
un_fs_open(const char *path, struct un_fs **ret_fs, struct err *e)
{
	static const struct un_file upper = {
		.path = "upper", .type = UN_FOLDER, .owner = { .mode = 0755 }
	};
	struct un_fs *fs = xcalloc(1, sizeof(*fs));
	uint32_t ino;
	long rc = ext2fs_open(
	    path, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs->fs);

	if (rc) {
		free(fs);
		return un_fs_error(rc, path, e);
	}
	rc = ext2fs_read_bitmaps(fs->fs);
	if (rc)
		un_fs_error(rc, path, e);
	else
		rc = un_node_new(fs, &upper, &ino, e);
	if (!rc) {
		rc = ext2fs_link(fs->fs, EXT2_ROOT_INO, upper.path, ino, EXT2_FT_DIR);
		if (rc)
			un_fs_error(rc, upper.path, e);
	}
	if (!rc)
		rc = un_node_add_name(fs, EXT2_ROOT_INO, e);
	if (rc) {
		un_fs_free(fs);
		return e->code;
	}
	un_tree_init(&fs->tree, ino);
	*ret_fs = fs;
	return 0;
}

int
un_fs_close(struct un_fs *fs_take, struct err *e)
{
	int rc = un_folders_write(fs_take, e);
	long sys;

	if (!rc) {
		sys = ext2fs_close_free(&fs_take->fs);
		if (sys)
			rc = un_fs_error(sys, "the layer", e);
	}
	un_fs_free(fs_take);
	return rc;
}

/* ---- names ---- */

/* Where a path leads: what is left of it is looked up from node at. */
struct walk {
	char left[WALK_MAX];
	const char *path; /* as it was given */
	uint32_t at;
	unsigned follows;
};

static int
walk_begin(struct walk *w, const char *path, struct err *e)
{
	w->path = path;
	w->at = 0;
	w->follows = 0;
	if (strlen(path) >= sizeof(w->left))
		return err_set(e, ERR_INVALID, "\"%.100s…\": too long a path", path);
	memcpy(w->left, path, strlen(path) + 1);
	return 0;
}

/* Take the next part of the path into name; false: there is none. */
static bool
walk_part(struct walk *w, char name[PART_MAX + 1], bool *ret_is_last, struct err *e)
{
	char *from = w->left + strspn(w->left, "/");
	size_t n = strcspn(from, "/");
	const char *rest = from + n + strspn(from + n, "/");

	if (!n)
		return false;
	if (n > PART_MAX) {
		err_set(e, ERR_INVALID, "\"%.100s\": a name of over %u bytes", w->path,
		    PART_MAX);
		return false;
	}
	memcpy(name, from, n);
	name[n] = '\0';
	memmove(w->left, rest, strlen(rest) + 1);
	*ret_is_last = !w->left[0];
	return true;
}

/* Go on where the link leads, which is within the root as if that were "/". */
static int
walk_follow(struct walk *w, const char *target, struct err *e)
{
	size_t n = strlen(target), rest = strlen(w->left);

	if (++w->follows > FOLLOWS_MAX)
		return err_set(e, ERR_INVALID,
		    "\"%.100s\": over %d links on the way to it", w->path, FOLLOWS_MAX);
	if (n + 1 + rest >= sizeof(w->left))
		return err_set(e, ERR_INVALID,
		    "\"%.100s\": too long a path behind its links", w->path);
	memmove(w->left + n + 1, w->left, rest + 1);
	memcpy(w->left, target, n);
	w->left[n] = '/';
	if (target[0] == '/')
		w->at = 0;
	return 0;
}

static int
make_child(struct un_fs *fs, uint32_t parent, const char *name, const struct un_file *f,
    uint32_t *ret_node, struct err *e)
{
	struct un_made made = {
		.parent = parent,
		.name = name,
		.len = strlen(name),
		.type = f->type,
		.target = f->type == UN_LINK ? f->target : NULL,
	};
	uint32_t node;

	if (un_node_new(fs, f, &made.ino, e))
		return e->code;
	node = un_tree_add(&fs->tree, &made);
	if (node == UN_NONE)
		return err_set(e, ERR_TOO_LARGE, "over %u files", UN_NODES_MAX);
	*ret_node = node;
	return 0;
}

/* One step down to a folder, which is made where there is none. */
static int
walk_down(struct un_fs *fs, struct walk *w, const char *name, struct err *e)
{
	const struct un_file folder = { name, UN_FOLDER, of_root, NULL };
	uint32_t node;

	if (str_same(name, ".."))
		w->at = w->at ? fs->tree.nodes[w->at].parent : 0;
	if (str_same(name, "..") || str_same(name, "."))
		return 0;
	node = un_tree_find(&fs->tree, w->at, name, strlen(name));
	if (node == UN_NONE)
		return make_child(fs, w->at, name, &folder, &w->at, e);
	if (fs->tree.nodes[node].type == UN_LINK)
		return walk_follow(w, un_tree_target(&fs->tree, node), e);
	if (fs->tree.nodes[node].type != UN_FOLDER)
		return err_set(e, ERR_INVALID,
		    "\"%.100s\": \"%.60s\" on the way to it is no folder", w->path,
		    name);
	w->at = node;
	return 0;
}

/* The folder that path's last part is in; "" for the root itself. */
static int
find_parent(struct un_fs *fs, const char *path, uint32_t *ret_parent,
    char ret_name[PART_MAX + 1], struct err *e)
{
	struct err why = ERR_INIT;
	bool is_last = false;
	struct walk w;
	int rc = walk_begin(&w, path, e);

	ret_name[0] = '\0';
	while (!rc && walk_part(&w, ret_name, &is_last, &why) && !is_last) {
		rc = walk_down(fs, &w, ret_name, e);
		ret_name[0] = '\0';
	}
	if (!rc && why.code)
		rc = err_set(e, why.code, "%s", why.msg);
	if (!rc)
		*ret_parent = w.at;
	return rc;
}

int
un_fs_folder(struct un_fs *fs, const char *path, uint32_t *ret_node, struct err *e)
{
	char name[PART_MAX + 1];
	struct err why = ERR_INIT;
	bool is_last = false;
	struct walk w;
	int rc = walk_begin(&w, path, e);

	while (!rc && walk_part(&w, name, &is_last, &why))
		rc = walk_down(fs, &w, name, e);
	if (!rc && why.code)
		rc = err_set(e, why.code, "%s", why.msg);
	if (!rc)
		*ret_node = w.at;
	return rc;
}

int
un_fs_find(struct un_fs *fs, const char *path, uint32_t *ret_node, struct err *e)
{
	char name[PART_MAX + 1];
	uint32_t parent, node = 0;
	int rc = find_parent(fs, path, &parent, name, e);

	if (!rc && name[0])
		node = un_tree_find(&fs->tree, parent, name, strlen(name));
	if (!rc && node == UN_NONE)
		rc = err_set(e, ERR_NOT_FOUND, "\"%.100s\" is not there", path);
	if (!rc)
		*ret_node = node;
	return rc;
}

/* Whatever had the name gives it up. */
static int
clear_name(struct un_fs *fs, const char *path, uint32_t node, struct err *e)
{
	const struct un_node *n = &fs->tree.nodes[node];
	int rc;

	if (n->type == UN_FOLDER && !un_tree_is_empty(&fs->tree, node))
		return err_set(e, ERR_INVALID,
		    "\"%.100s\" is a folder with files in it, and then a file", path);
	rc = un_node_drop(fs, n->ino, e);
	if (!rc)
		un_tree_remove(&fs->tree, node);
	return rc;
}

int
un_fs_make(struct un_fs *fs, const struct un_file *f, uint32_t *ret_node, struct err *e)
{
	char name[PART_MAX + 1];
	uint32_t parent, node;
	int rc = find_parent(fs, f->path, &parent, name, e);

	if (rc)
		return rc;
	node = name[0] ? un_tree_find(&fs->tree, parent, name, strlen(name)) : 0;
	if (node != UN_NONE && f->type == UN_FOLDER &&
	    fs->tree.nodes[node].type == UN_FOLDER) {
		*ret_node = node;
		return un_node_own(fs, fs->tree.nodes[node].ino, &f->owner, e);
	}
	if (!name[0])
		return err_set(e, ERR_INVALID, "the root is no folder");
	if (node != UN_NONE)
		rc = clear_name(fs, f->path, node, e);
	return rc ? rc : make_child(fs, parent, name, f, ret_node, e);
}

int
un_fs_hard_link(struct un_fs *fs, const char *path, uint32_t node, struct err *e)
{
	char name[PART_MAX + 1];
	struct un_made made = { .name = name };
	uint32_t there, ino = fs->tree.nodes[node].ino;
	int rc = find_parent(fs, path, &made.parent, name, e);

	if (rc)
		return rc;
	made.len = strlen(name);
	made.ino = ino;
	made.type = (enum un_type)fs->tree.nodes[node].type;
	if (!made.len || made.type == UN_FOLDER)
		return err_set(
		    e, ERR_INVALID, "\"%.100s\": a hard link of a folder", path);
	there = un_tree_find(&fs->tree, made.parent, name, made.len);
	if (there != UN_NONE && fs->tree.nodes[there].ino == ino)
		return 0;
	if (there != UN_NONE)
		rc = clear_name(fs, path, there, e);
	if (!rc)
		rc = un_node_add_name(fs, ino, e);
	if (!rc && un_tree_add(&fs->tree, &made) == UN_NONE)
		rc = err_set(e, ERR_TOO_LARGE, "over %u files", UN_NODES_MAX);
	return rc;
}
