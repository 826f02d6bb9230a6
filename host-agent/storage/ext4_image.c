#include "host-agent/storage/ext4_image.h"

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/str.h"
#include "host-agent/storage/img_ext4.h"

#define MKE2FS "/sbin/mke2fs"
#define E2FSCK "/sbin/e2fsck"
#define RESIZE "/sbin/resize2fs"
#define IMAGE  "/dev/fd/3"

#define TOOL_MS 600000
#define CPU_S   600
#define MEMORY  (2ull << 30)

/* Bytes a file's node is made for: many small files are the rule. */
#define BYTES_A_NODE "8192"
/* An image of this size has a journal that bursts of small files do not fill. */
#define LARGE_BYTES     (512ull << 20)
#define JOURNAL_MB      "4"
#define JOURNAL_MB_MORE "16"

#define REPAIRED 1 /* e2fsck's exit status */

static const char features[] = IMG_EXT4_FEATURES ",has_journal";
static const char *const tool_env[] = { "LANG=C.UTF-8", "MKE2FS_CONFIG=/dev/null",
	NULL };

static int
run_tool(const struct ext4_tool *t, const char *const *argv, child_fn done, void *arg,
    struct child **ret_c, struct err *e)
{
	struct child_opts o = {
		.argv = argv,
		.env = tool_env,
		.pass_fds = &t->image_fd,
		.n_pass_fds = 1,
		.rlimit_as_bytes = MEMORY,
		.rlimit_cpu_s = CPU_S,
		.timeout_ms = TOOL_MS,
		/* What a container wrote is read.  An empty file needs no care, and
		 * resize2fs wants to see that the image is not mounted. */
		.confine = str_same(argv[0], E2FSCK),
	};

	if (geteuid() == 0) {
		o.uid = t->conf->uid;
		o.gid = t->conf->gid;
	}
	return child_start(t->loop, &o, done, arg, ret_c, e);
}

int
ext4_make_start(const struct ext4_tool *t, child_fn done, void *arg,
    struct child **ret_c, struct err *e)
{
	char journal[16];
	const char *argv[] = { MKE2FS, "-q", "-F", "-b", "4096", "-I", "256", "-i",
		BYTES_A_NODE, "-m", "0", "-L", IMG_EXT4_LABEL, "-O", features, "-J",
		journal, "-E",
		"nodiscard,root_owner=0:0,lazy_itable_init=1,lazy_journal_init=1",
		IMAGE, NULL };

	snprintf(journal, sizeof(journal), "size=%s",
	    t->bytes < LARGE_BYTES ? JOURNAL_MB : JOURNAL_MB_MORE);
	return run_tool(t, argv, done, arg, ret_c, e);
}

/* ---- the folders of a new image ---- */

struct folder {
	const char *name;
	uint16_t mode;
};

static long
add_folder(ext2_filsys fs, const struct folder *f, ext2_ino_t *ret_ino)
{
	struct ext2_inode inode;
	ext2_ino_t ino;
	long rc = ext2fs_mkdir(fs, EXT2_ROOT_INO, 0, f->name);

	if (!rc)
		rc = ext2fs_lookup(
		    fs, EXT2_ROOT_INO, f->name, (int)strlen(f->name), NULL, &ino);
	if (!rc)
		rc = ext2fs_read_inode(fs, ino, &inode);
	if (rc)
		return rc;
	inode.i_mode = LINUX_S_IFDIR | f->mode;
	*ret_ino = ino;
	return ext2fs_write_inode(fs, ino, &inode);
}

static long
add_console(ext2_filsys fs, ext2_ino_t folder)
{
	struct ext2_inode inode = { .i_mode = LINUX_S_IFREG | 0600,
		.i_links_count = 1,
		.i_flags = EXT4_EXTENTS_FL };
	ext2_extent_handle_t extents;
	ext2_ino_t ino;
	long rc = ext2fs_new_inode(fs, folder, inode.i_mode, NULL, &ino);

	if (!rc)
		rc = ext2fs_write_new_inode(fs, ino, &inode);
	if (!rc)
		rc = ext2fs_extent_open2(fs, ino, &inode, &extents);
	if (rc)
		return rc;
	ext2fs_extent_free(extents);
	ext2fs_inode_alloc_stats2(fs, ino, 1, 0);
	rc = ext2fs_write_inode(fs, ino, &inode);
	return rc ? rc : ext2fs_link(fs, folder, EXT4_CONSOLE, ino, EXT2_FT_REG_FILE);
}

/* Tables of nodes lie in holes and read as zeros: the kernel need not write any. */
static void
tell_tables_are_zero(ext2_filsys fs)
{
	for (dgrp_t g = 0; g < fs->group_desc_count; g++) {
		ext2fs_bg_flags_set(fs, g, EXT2_BG_INODE_ZEROED);
		ext2fs_group_desc_csum_set(fs, g);
	}
	ext2fs_mark_super_dirty(fs);
}

static long
furnish(ext2_filsys fs)
{
	static const struct folder upper = { EXT4_UPPER, 0755 },
				   work = { EXT4_WORK, 0755 }, log = { EXT4_LOG, 0700 };
	ext2_ino_t ino;
	long rc = ext2fs_read_bitmaps(fs);

	if (!rc)
		rc = add_folder(fs, &upper, &ino);
	if (!rc)
		rc = add_folder(fs, &work, &ino);
	if (!rc)
		rc = add_folder(fs, &log, &ino);
	if (!rc)
		rc = add_console(fs, ino);
	if (!rc)
		tell_tables_are_zero(fs);
	return rc;
}

int
ext4_furnish(int fd, struct err *e)
{
	AUTO_FREE char *path = xasprintf("/proc/self/fd/%d", fd);
	ext2_filsys fs;
	long rc = ext2fs_open(
	    path, EXT2_FLAG_RW | EXT2_FLAG_64BITS, 0, 0, unix_io_manager, &fs);

	if (rc)
		return err_set(
		    e, ERR_IO, "cannot lay its folders (ext2fs error %ld)", rc);
	rc = furnish(fs);
	if (!rc)
		rc = ext2fs_close2(fs, EXT2_FLAG_FLUSH_NO_SYNC);
	if (!rc)
		return 0;
	ext2fs_free(fs);
	return err_set(e, ERR_IO, "cannot lay its folders (ext2fs error %ld)", rc);
}

/* ---- other sizes ---- */

struct resize {
	struct ext4_tool t;
	const char *const *argv; /* of resize2fs */
	struct child *child;
	ext4_done_fn done;
	void *arg;
};

static void
resize_end(struct resize *g, const struct err *e)
{
	g->done(g->arg, e->code, e);
	free(g);
}

static void
on_resized(struct child *c, const struct child_result *r, void *arg)
{
	struct err e = ERR_INIT;

	if (r->status || r->timed_out)
		child_err(r, "resize2fs", &e);
	resize_end(arg, &e);
}

static void
on_checked(struct child *c, const struct child_result *r, void *arg)
{
	struct resize *g = arg;
	struct err e = ERR_INIT;
	bool sound = WIFEXITED(r->status) && WEXITSTATUS(r->status) <= REPAIRED;

	if (!sound || r->timed_out)
		child_err(r, "e2fsck", &e);
	else if (!run_tool(&g->t, g->argv, on_resized, g, &g->child, &e))
		return;
	resize_end(g, &e);
}

static int
resize_start(const struct ext4_tool *t, const char *const *resize, ext4_done_fn done,
    void *arg, struct err *e)
{
	static const char *const argv[] = { E2FSCK, "-f", "-p", IMAGE, NULL };
	struct resize *g = xcalloc(1, sizeof(*g));
	int rc;

	g->t = *t;
	g->argv = resize;
	g->done = done;
	g->arg = arg;
	rc = run_tool(t, argv, on_checked, g, &g->child, e);
	if (rc)
		free(g);
	return rc;
}

int
ext4_grow_start(const struct ext4_tool *t, ext4_done_fn done, void *arg, struct err *e)
{
	static const char *const argv[] = { RESIZE, IMAGE, NULL };

	return resize_start(t, argv, done, arg, e);
}

int
ext4_shrink_start(
    const struct ext4_tool *t, ext4_done_fn done, void *arg, struct err *e)
{
	static const char *const argv[] = { RESIZE, "-M", IMAGE, NULL };

	return resize_start(t, argv, done, arg, e);
}
