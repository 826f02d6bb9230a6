/*
 * The file system's own records: nodes, contents, and what folders hold.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "host-agent/storage/unpack/un_fs_int.h"

/* Seconds that ext4 can tell. */
#define TIME_MIN   (-(1ll << 31))
#define TIME_MAX   ((1ll << 34) - (1ll << 31) - 1)
#define EPOCH_MASK 3u

#define ENTRY_HEAD 8u /* of a name in a folder's block */
#define TAIL_BYTES 12u

static const uint16_t type_mode[] = {
	[UN_FOLDER] = LINUX_S_IFDIR,
	[UN_FILE] = LINUX_S_IFREG,
	[UN_LINK] = LINUX_S_IFLNK,
	[UN_FIFO] = LINUX_S_IFIFO,
	[UN_WHITEOUT] = LINUX_S_IFCHR,
};

static const uint8_t type_entry[] = {
	[UN_FOLDER] = EXT2_FT_DIR,
	[UN_FILE] = EXT2_FT_REG_FILE,
	[UN_LINK] = EXT2_FT_SYMLINK,
	[UN_FIFO] = EXT2_FT_FIFO,
	[UN_WHITEOUT] = EXT2_FT_CHRDEV,
};

/* What can be said of a node that has no name at hand. */
static int
node_error(long rc, uint32_t ino, struct err *e)
{
	char what[32];

	if (!rc)
		return 0;
	snprintf(what, sizeof(what), "node %u", ino);
	return un_fs_error(rc, what, e);
}

static long
read_node(const struct un_fs *fs, uint32_t ino, struct ext2_inode_large *ret_node)
{
	memset(ret_node, 0, sizeof(*ret_node));
	return ext2fs_read_inode_full(
	    fs->fs, ino, (struct ext2_inode *)ret_node, sizeof(*ret_node));
}

static long
write_node(const struct un_fs *fs, uint32_t ino, struct ext2_inode_large *n)
{
	return ext2fs_write_inode_full(fs->fs, ino, (struct ext2_inode *)n, sizeof(*n));
}

static void
set_owner(struct ext2_inode_large *n, const struct un_owner *o)
{
	int64_t s = o->mtime_s < TIME_MIN   ? TIME_MIN
		    : o->mtime_s > TIME_MAX ? TIME_MAX
					    : o->mtime_s;
	uint32_t epoch = (uint32_t)((s - (int32_t)s) >> 32) & EPOCH_MASK;
	uint32_t extra = o->mtime_ns << 2 | epoch;

	n->i_mode = (uint16_t)((n->i_mode & LINUX_S_IFMT) | o->mode);
	n->i_uid = (uint16_t)o->uid;
	n->i_gid = (uint16_t)o->gid;
	n->i_mtime = n->i_atime = n->i_ctime = n->i_crtime = (uint32_t)s;
	n->i_mtime_extra = n->i_atime_extra = n->i_ctime_extra = n->i_crtime_extra =
	    extra;
}

static long
begin_extents(struct un_fs *fs, uint32_t ino, struct ext2_inode_large *n)
{
	ext2_extent_handle_t extents;
	long rc = ext2fs_extent_open2(fs->fs, ino, (struct ext2_inode *)n, &extents);

	if (!rc)
		ext2fs_extent_free(extents);
	return rc;
}

static long
new_link(struct un_fs *fs, uint32_t ino, const struct un_file *f)
{
	struct ext2_inode_large n;
	long rc = ext2fs_symlink(fs->fs, EXT2_ROOT_INO, ino, NULL, f->target);

	if (!rc)
		rc = read_node(fs, ino, &n);
	if (rc)
		return rc;
	set_owner(&n, &f->owner);
	return write_node(fs, ino, &n);
}

int
un_node_new(struct un_fs *fs, const struct un_file *f, uint32_t *ret_ino, struct err *e)
{
	bool has_blocks = f->type == UN_FOLDER || f->type == UN_FILE;
	struct ext2_inode_large n = {
		.i_mode = type_mode[f->type],
		.i_links_count = 1,
		.i_flags = has_blocks ? EXT4_EXTENTS_FL : 0,
		.i_extra_isize = sizeof(n) - EXT2_GOOD_OLD_INODE_SIZE,
	};
	ext2_ino_t ino;
	long rc = ext2fs_new_inode(fs->fs, EXT2_ROOT_INO, n.i_mode, NULL, &ino);

	if (!rc && f->type == UN_LINK) {
		rc = new_link(fs, ino, f);
	} else if (!rc) {
		set_owner(&n, &f->owner);
		rc = write_node(fs, ino, &n);
		if (!rc && has_blocks)
			rc = begin_extents(fs, ino, &n);
		if (!rc)
			rc = write_node(fs, ino, &n);
		ext2fs_inode_alloc_stats2(fs->fs, ino, 1, f->type == UN_FOLDER);
	}
	if (rc)
		return un_fs_error(rc, f->path, e);
	*ret_ino = ino;
	return 0;
}

int
un_node_own(struct un_fs *fs, uint32_t ino, const struct un_owner *o, struct err *e)
{
	struct ext2_inode_large n;
	long rc = read_node(fs, ino, &n);

	if (!rc) {
		set_owner(&n, o);
		rc = write_node(fs, ino, &n);
	}
	return node_error(rc, ino, e);
}

int
un_node_add_name(struct un_fs *fs, uint32_t ino, struct err *e)
{
	struct ext2_inode_large n;
	long rc = read_node(fs, ino, &n);

	if (!rc && n.i_links_count >= EXT2_LINK_MAX)
		return err_set(
		    e, ERR_INVALID, "a file of over %d names", EXT2_LINK_MAX);
	if (!rc) {
		n.i_links_count++;
		rc = write_node(fs, ino, &n);
	}
	return node_error(rc, ino, e);
}

static long
free_node(struct un_fs *fs, uint32_t ino, struct ext2_inode_large *n)
{
	struct ext2_inode *small = (struct ext2_inode *)n;
	bool is_folder = LINUX_S_ISDIR(n->i_mode);
	long rc = ext2fs_free_ext_attr(fs->fs, ino, n);

	if (!rc && ext2fs_inode_has_valid_blocks2(fs->fs, small))
		rc = ext2fs_punch(fs->fs, ino, small, NULL, 0, ~0ull);
	if (rc)
		return rc;
	ext2fs_inode_alloc_stats2(fs->fs, ino, -1, is_folder);
	memset(n, 0, sizeof(*n));
	return write_node(fs, ino, n);
}

int
un_node_drop(struct un_fs *fs, uint32_t ino, struct err *e)
{
	struct ext2_inode_large n;
	long rc = read_node(fs, ino, &n);

	if (!rc) {
		n.i_links_count--;
		rc = n.i_links_count ? write_node(fs, ino, &n) : free_node(fs, ino, &n);
	}
	return node_error(rc, ino, e);
}

int
un_fs_set_xattr(struct un_fs *fs, uint32_t node, const char *name, const void *value,
    size_t n, struct err *e)
{
	struct ext2_xattr_handle *h;
	uint32_t ino = fs->tree.nodes[node].ino;
	long rc = ext2fs_xattrs_open(fs->fs, ino, &h);

	if (rc)
		return un_fs_error(rc, un_tree_name(&fs->tree, node), e);
	rc = ext2fs_xattrs_read(h);
	if (!rc)
		rc = ext2fs_xattr_set(h, name, value, n);
	ext2fs_xattrs_close(&h);
	return rc ? un_fs_error(rc, un_tree_name(&fs->tree, node), e) : 0;
}

/* ---- contents ---- */

struct un_writer {
	struct un_fs *fs;
	uint32_t node;
	ext2_file_t file;
	uint64_t at;
};

int
un_writer_open(struct un_fs *fs, uint32_t node, struct un_writer **ret_w, struct err *e)
{
	struct un_writer *w = xcalloc(1, sizeof(*w));
	long rc = ext2fs_file_open(
	    fs->fs, fs->tree.nodes[node].ino, EXT2_FILE_WRITE, &w->file);

	if (rc) {
		free(w);
		return un_fs_error(rc, un_tree_name(&fs->tree, node), e);
	}
	w->fs = fs;
	w->node = node;
	*ret_w = w;
	return 0;
}

int
un_writer_put(struct un_writer *w, uint64_t at, const void *p, size_t n, struct err *e)
{
	const uint8_t *from = p;
	unsigned done = 0;
	long rc = 0;

	if (at != w->at)
		rc = ext2fs_file_llseek(w->file, at, EXT2_SEEK_SET, NULL);
	w->at = at + n;
	for (; !rc && n; n -= done, from += done)
		rc = ext2fs_file_write(
		    w->file, from, n < UINT32_MAX ? (unsigned)n : UINT32_MAX, &done);
	return rc ? un_fs_error(rc, un_tree_name(&w->fs->tree, w->node), e) : 0;
}

int
un_writer_close(struct un_writer *w_take, uint64_t bytes, struct err *e)
{
	const char *name = un_tree_name(&w_take->fs->tree, w_take->node);
	long rc = 0, closed;

	/* A hole at its end was not written. */
	if (w_take->at < bytes)
		rc = ext2fs_file_set_size2(w_take->file, (ext2_off64_t)bytes);
	closed = ext2fs_file_close(w_take->file);
	free(w_take);
	if (!rc)
		rc = closed;
	return rc ? un_fs_error(rc, name, e) : 0;
}

/* ---- folders ---- */

/* A folder being written, block by block. */
struct shelf {
	struct un_fs *fs;
	uint32_t ino;
	struct ext2_inode node;
	char *block;
	unsigned used, last; /* where the last name begins */
	uint64_t n_blocks;
	uint32_t n_folders;
};

static unsigned
usable(const struct un_fs *fs)
{
	return fs->fs->blocksize - TAIL_BYTES;
}

static long
put_block(struct shelf *s)
{
	struct un_fs *fs = s->fs;
	struct ext2_dir_entry *last = (struct ext2_dir_entry *)(s->block + s->last);
	blk64_t at;
	long rc = ext2fs_bmap2(
	    fs->fs, s->ino, &s->node, NULL, BMAP_ALLOC, s->n_blocks, NULL, &at);

	if (!rc)
		rc = ext2fs_set_rec_len(fs->fs, usable(fs) - s->last, last);
	if (rc)
		return rc;
	ext2fs_initialize_dirent_tail(
	    fs->fs, EXT2_DIRENT_TAIL(s->block, fs->fs->blocksize));
	rc = ext2fs_write_dir_block4(fs->fs, at, s->block, 0, s->ino);
	memset(s->block, 0, fs->fs->blocksize);
	s->used = s->last = 0;
	s->n_blocks++;
	return rc;
}

static long
put_name(struct shelf *s, const char *name, uint32_t ino, uint8_t type)
{
	size_t len = strlen(name);
	unsigned need = (unsigned)(ENTRY_HEAD + len + 3) & ~3u;
	struct ext2_dir_entry *d;
	long rc = 0;

	if (s->used + need > usable(s->fs))
		rc = put_block(s);
	if (rc)
		return rc;
	d = (struct ext2_dir_entry *)(s->block + s->used);
	d->inode = ino;
	ext2fs_dirent_set_name_len(d, (int)len);
	ext2fs_dirent_set_file_type(d, type);
	memcpy(d->name, name, len);
	s->last = s->used;
	s->used += need;
	return ext2fs_set_rec_len(s->fs->fs, need, d);
}

static long
put_children(struct shelf *s, uint32_t folder)
{
	const struct un_tree *t = &s->fs->tree;
	uint32_t i = t->nodes[folder].first_child;
	long rc = 0;

	for (; !rc && i != UN_NONE; i = t->nodes[i].next_sibling) {
		const struct un_node *n = &t->nodes[i];

		s->n_folders += n->type == UN_FOLDER;
		rc = put_name(s, un_tree_name(t, i), n->ino, type_entry[n->type]);
	}
	return rc ? rc : put_block(s);
}

static long
write_folder(struct un_fs *fs, uint32_t folder)
{
	const struct un_node *n = &fs->tree.nodes[folder];
	AUTO_FREE char *block = xcalloc(1, fs->fs->blocksize);
	struct shelf s = { .fs = fs, .ino = n->ino, .block = block };
	uint32_t above = folder ? fs->tree.nodes[n->parent].ino : EXT2_ROOT_INO;
	long rc = ext2fs_read_inode(fs->fs, n->ino, &s.node);

	if (!rc)
		rc = put_name(&s, ".", n->ino, EXT2_FT_DIR);
	if (!rc)
		rc = put_name(&s, "..", above, EXT2_FT_DIR);
	if (!rc)
		rc = put_children(&s, folder);
	if (rc)
		return rc;
	/* Over the limit the count says nothing any more (dir_nlink). */
	s.node.i_links_count =
	    (uint16_t)(s.n_folders + 2 > EXT2_LINK_MAX ? 1 : s.n_folders + 2);
	rc = ext2fs_inode_size_set(fs->fs, &s.node, s.n_blocks * fs->fs->blocksize);
	return rc ? rc : ext2fs_write_inode(fs->fs, n->ino, &s.node);
}

int
un_folders_write(struct un_fs *fs, struct err *e)
{
	const struct un_tree *t = &fs->tree;
	long rc = 0;
	uint32_t i;

	for (i = 0; !rc && i < t->n; i++) {
		if (t->nodes[i].type == UN_FOLDER && !t->nodes[i].is_gone)
			rc = write_folder(fs, i);
	}
	return rc ? un_fs_error(rc, un_tree_name(t, i - 1), e) : 0;
}
