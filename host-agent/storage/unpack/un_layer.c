#include "host-agent/storage/unpack/un_layer.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/img_ext4.h"
#include "host-agent/storage/unpack/un_fs.h"
#include "host-agent/storage/unpack/un_mkfs.h"
#include "host-agent/storage/unpack/un_path.h"

#define OPAQUE     "trusted.overlay.opaque"
#define CAPABILITY "security.capability"
#define USERS_ATTR "user."

/* Room that a name takes in its folder, and a link too long for its node. */
#define NAME_ROOM   16u
#define LINK_INLINE 59u
/* Blocks of a file that one node names by itself, at the least. */
#define FILE_SPARE 1u

#define EXECUTABLE 0111u

/* One reading of an archive. */
struct pass {
	const struct un_layer *l;
	struct un_stream s;
	struct un_fs *fs; /* NULL: nothing is written */
	struct un_layer_facts facts;
	struct un_need need;
	char before[UN_PATH_MAX + 1]; /* path of the last entry */
};

/* One entry of it. */
struct item {
	struct archive_entry *entry;
	char path[UN_PATH_MAX + 1];
	enum un_mark mark;
	struct un_owner owner;
};

/* ---- what may be in an archive ---- */

static int
check_id(const char *path, const char *what, int64_t id, struct err *e)
{
	if (id >= 0 && id <= UN_ID_MAX)
		return 0;
	return err_set(e, ERR_INVALID,
	    "\"%.100s\": belongs to %s %lld, and a container has ids up to %u only",
	    path, what, (long long)id, UN_ID_MAX);
}

static int
check_size(const char *path, int64_t bytes, struct err *e)
{
	if (bytes >= 0 && (uint64_t)bytes <= UN_FILE_BYTES_MAX)
		return 0;
	return err_set(e, ERR_TOO_LARGE, "\"%.100s\": a file of over %llu bytes", path,
	    (unsigned long long)UN_FILE_BYTES_MAX);
}

static int
take_item(
    const struct pass *p, struct archive_entry *entry, struct item *it, struct err *e)
{
	const char *path = archive_entry_pathname(entry);
	int rc;

	it->entry = entry;
	it->mark = UN_MARK_NONE;
	if (!path)
		return err_set(e, ERR_INVALID, "entry %llu: its name cannot be read",
		    (unsigned long long)p->facts.entries);
	rc = un_path_clean(path, it->path, e);
	if (!rc && p->l->marks == UN_MARKS_TAKE_AWAY)
		rc = un_path_mark(it->path, &it->mark, it->path, e);
	if (!rc)
		rc = check_id(path, "user", archive_entry_uid(entry), e);
	if (!rc)
		rc = check_id(path, "group", archive_entry_gid(entry), e);
	if (!rc)
		rc = check_size(path, archive_entry_size(entry), e);
	it->owner = (struct un_owner){
		.mode = archive_entry_perm(entry) & 07777,
		.uid = (uint32_t)archive_entry_uid(entry),
		.gid = (uint32_t)archive_entry_gid(entry),
		.mtime_s = archive_entry_mtime(entry),
		.mtime_ns = (uint32_t)archive_entry_mtime_nsec(entry),
	};
	return rc;
}

/* Others are of the kernel's or the host's own making. */
static bool
keeps_attribute(const char *name)
{
	return str_starts(name, USERS_ATTR) || str_same(name, CAPABILITY);
}

static int
each_attribute(struct pass *p, const struct item *it, uint32_t node, struct err *e)
{
	const char *name;
	const void *value;
	size_t n;
	int rc = 0;

	archive_entry_xattr_reset(it->entry);
	while (!rc &&
	       archive_entry_xattr_next(it->entry, &name, &value, &n) == ARCHIVE_OK) {
		if (!keeps_attribute(name))
			p->facts.attributes++;
		else if (p->fs)
			rc = un_fs_set_xattr(p->fs, node, name, value, n, e);
		else
			p->need.blocks++;
	}
	return rc;
}

/* ---- the first reading ---- */

/* What is written of a file, holes left out. */
static int
count_content(struct pass *p, const struct item *it, struct err *e)
{
	uint64_t bytes = 0;
	struct un_piece piece;
	int rc;

	do {
		rc = un_stream_read(&p->s, &piece, e);
		if (!rc && piece.n)
			p->need.blocks += piece.at % IMG_EXT4_BLOCK ? 2 : 1;
		bytes += rc ? 0 : piece.n;
	} while (!rc && piece.n);
	p->need.blocks += bytes ? bytes / IMG_EXT4_BLOCK + FILE_SPARE : 0;
	p->facts.bytes += bytes;
	return rc ? err_wrap(e, "\"%.100s\"", it->path) : 0;
}

static int
count_item(struct pass *p, const struct item *it, struct err *e)
{
	unsigned folders = un_path_new_folders(p->before, it->path);
	const char *target = archive_entry_symlink(it->entry);
	mode_t type = archive_entry_filetype(it->entry);

	memcpy(p->before, it->path, sizeof(p->before));
	p->need.nodes += folders + 1;
	p->need.blocks += folders;
	p->need.name_bytes += strlen(it->path) + (uint64_t)NAME_ROOM * (folders + 1);
	if (it->mark != UN_MARK_NONE)
		return 0;
	if (type == AE_IFDIR || (target && strlen(target) > LINK_INLINE))
		p->need.blocks++;
	if (each_attribute(p, it, 0, e))
		return e->code;
	return type == AE_IFREG ? count_content(p, it, e) : 0;
}

/* ---- the second ---- */

static int
write_content(struct pass *p, uint32_t node, const struct item *it, struct err *e)
{
	struct un_writer *w;
	struct un_piece piece;
	struct err ignored = ERR_INIT;
	uint64_t bytes = (uint64_t)archive_entry_size(it->entry);
	int rc = un_writer_open(p->fs, node, &w, e);

	if (rc)
		return rc;
	do {
		rc = un_stream_read(&p->s, &piece, e);
		if (!rc && piece.n)
			rc = un_writer_put(w, piece.at, piece.p, piece.n, e);
	} while (!rc && piece.n);
	if (un_writer_close(w, bytes, rc ? &ignored : e) && !rc)
		rc = e->code;
	return rc;
}

static int
write_hard_link(struct pass *p, const struct item *it, struct err *e)
{
	char target[UN_PATH_MAX + 1];
	const char *to = archive_entry_hardlink(it->entry);
	uint32_t node;
	int rc = un_path_clean(to, target, e);

	if (!rc)
		rc = un_fs_find(p->fs, target, &node, e);
	if (!rc)
		rc = un_fs_hard_link(p->fs, it->path, node, e);
	return rc ? err_wrap(e, "the hard link \"%.80s\"", it->path) : 0;
}

/* false: it is none that a container may have. */
static bool
type_of(const struct item *it, enum un_type *ret_type)
{
	switch (archive_entry_filetype(it->entry)) {
	case AE_IFREG:
		*ret_type = UN_FILE;
		return true;
	case AE_IFDIR:
		*ret_type = UN_FOLDER;
		return true;
	case AE_IFLNK:
		*ret_type = UN_LINK;
		return true;
	case AE_IFIFO:
		*ret_type = UN_FIFO;
		return true;
	default:
		return false;
	}
}

static int
write_file(struct pass *p, const struct item *it, struct err *e)
{
	struct un_file f = { .path = it->path, .owner = it->owner };
	uint32_t node;
	int rc;

	if (!type_of(it, &f.type)) {
		p->facts.devices++;
		return 0;
	}
	if (f.type == UN_LINK)
		f.target = archive_entry_symlink(it->entry);
	if (f.type == UN_LINK && (!f.target || !f.target[0]))
		return err_set(
		    e, ERR_INVALID, "\"%.100s\": a link to nothing", it->path);
	rc = un_fs_make(p->fs, &f, &node, e);
	if (!rc && f.type == UN_FILE)
		rc = write_content(p, node, it, e);
	return rc ? rc : each_attribute(p, it, node, e);
}

static int
write_item(struct pass *p, const struct item *it, struct err *e)
{
	const struct un_file gone = { .path = it->path, .type = UN_WHITEOUT };
	uint32_t node;
	int rc;

	switch (it->mark) {
	case UN_MARK_FOREIGN:
		return 0;
	case UN_MARK_GONE:
		return un_fs_make(p->fs, &gone, &node, e);
	case UN_MARK_OPAQUE:
		rc = un_fs_folder(p->fs, it->path, &node, e);
		return rc ? rc : un_fs_set_xattr(p->fs, node, OPAQUE, "y", 1, e);
	case UN_MARK_NONE:
		break;
	}
	if (archive_entry_hardlink(it->entry))
		return write_hard_link(p, it, e);
	return write_file(p, it, e);
}

/* ---- both ---- */

static int
each_item(struct pass *p, struct err *e)
{
	AUTO_FREE struct item *it = xmalloc(sizeof(*it));
	struct archive_entry *entry;
	int rc;

	while (!(rc = un_stream_next(&p->s, &entry, e))) {
		if (p->facts.entries++ >= UN_ENTRIES_MAX)
			return err_set(
			    e, ERR_TOO_LARGE, "over %u files", UN_ENTRIES_MAX);
		rc = take_item(p, entry, it, e);
		p->facts.programs += archive_entry_filetype(entry) == AE_IFREG &&
				     it->owner.mode & EXECUTABLE;
		if (!rc)
			rc = p->fs ? write_item(p, it, e) : count_item(p, it, e);
		if (rc)
			return rc;
	}
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int
check_sums(struct pass *p, struct err *e)
{
	const struct un_layer *l = p->l;
	struct un_sums sums;
	int rc = un_stream_end(&p->s, &sums, e);

	if (rc)
		return rc;
	if (*l->digest && !str_same(l->digest, sums.packed))
		return err_set(e, ERR_CORRUPT,
		    "wrong digest: it is %.24s… and should be %.24s…", sums.packed,
		    l->digest);
	if (*l->diff_id && !str_same(l->diff_id, sums.plain))
		return err_set(e, ERR_CORRUPT,
		    "wrong digest: it unpacks to %.24s… and should to %.24s…",
		    sums.plain, l->diff_id);
	if (!*l->digest && !*l->diff_id && !sums.is_whole)
		return err_set(
		    e, ERR_INVALID, "the archive is cut off: its end is missing");
	/* An image's layer may change nothing. */
	if (!p->facts.entries && l->marks == UN_MARKS_ARE_FILES)
		return err_set(
		    e, ERR_INVALID, "the archive is empty: no file is in it");
	/* Which of them a container is to start its maker may still say. */
	if (p->l->is_root && !p->facts.programs)
		return err_set(e, ERR_INVALID,
		    "the archive is no root of a container: none of its files is a "
		    "program");
	memcpy(p->facts.diff_id, sums.plain, sizeof(sums.plain));
	p->facts.image_bytes = un_need_bytes(&p->need);
	return 0;
}

static int
read_through(struct pass *p, struct err *e)
{
	int rc = un_stream_open(&p->s, &p->l->archive, p->l->max_bytes, e);

	if (rc)
		return rc;
	rc = each_item(p, e);
	if (!rc)
		rc = check_sums(p, e);
	un_stream_close(&p->s);
	return rc;
}

static struct pass *
pass_new(const struct un_layer *l)
{
	struct pass *p = xcalloc(1, sizeof(*p));

	p->l = l;
	return p;
}

int
un_layer_check(
    const struct un_layer *l, struct un_layer_facts *ret_facts, struct err *e)
{
	AUTO_FREE struct pass *p = pass_new(l);
	int rc = read_through(p, e);

	if (!rc)
		*ret_facts = p->facts;
	return rc;
}

int
un_layer_make(const struct un_layer *l, struct un_layer_facts *ret_facts, struct err *e)
{
	AUTO_FREE struct pass *first = pass_new(l);
	AUTO_FREE struct pass *second = pass_new(l);
	int rc = read_through(first, e);

	if (!rc)
		rc = un_mkfs(l->image, &first->need, e);
	if (!rc)
		rc = un_fs_open(l->image, &second->fs, e);
	if (rc)
		return rc;
	rc = read_through(second, e);
	if (rc) {
		un_fs_free(second->fs);
		return rc;
	}
	rc = un_fs_close(second->fs, e);
	if (rc)
		return rc;
	*ret_facts = first->facts;
	ret_facts->devices = second->facts.devices;
	return 0;
}
