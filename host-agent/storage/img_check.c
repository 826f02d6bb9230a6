#include "host-agent/storage/img_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/img_ext4.h"

#define QCOW2_MAGIC   0x514649fbu
#define V2_HEADER     72u
#define V3_HEADER_MIN 104u
#define SECTOR        512u
#define MAX_BYTES     (64ull << 40)
#define L1_MAX        (32u << 20)
#define SNAPSHOTS_MAX 65536u

#define INCOMPAT_CORRUPT   (1ull << 1)
#define INCOMPAT_DATA_FILE (1ull << 2)
#define INCOMPAT_KNOWN     0x1full

#define EXT_END            0u
#define EXT_BACKING_FORMAT 0xe2792acau
#define EXT_CRYPTO         0x0537be77u
#define EXT_DATA_FILE      0x44415441u

/* What is at hand of the file, and how long the file is. */
struct view {
	const uint8_t *p;
	size_t n;
	uint64_t file_bytes;
};

static uint32_t
u32_at(const struct view *v, size_t at)
{
	const uint8_t *p = v->p + at;

	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint64_t
u64_at(const struct view *v, size_t at)
{
	return (uint64_t)u32_at(v, at) << 32 | u32_at(v, at + 4);
}

int
img_format_parse(const char *name, enum img_format *ret_f, struct err *e)
{
	if (str_same(name, "qcow2"))
		*ret_f = IMG_QCOW2;
	else if (str_same(name, "raw"))
		*ret_f = IMG_RAW;
	else if (img_format_is_ext4(name))
		*ret_f = IMG_EXT4;
	else
		return err_set(e, ERR_INVALID,
		    "format: wants qcow2, raw or ext4, got \"%.32s\"", name);
	return 0;
}

int
img_size_check(uint64_t virtual_bytes, uint64_t capacity_bytes, struct err *e)
{
	if (virtual_bytes == 0)
		return err_set(e, ERR_INVALID, "the disk has no size");
	if (virtual_bytes > MAX_BYTES)
		return err_set(e, ERR_INVALID, "the disk is of %llu bytes: over 64 TiB",
		    (unsigned long long)virtual_bytes);
	if (capacity_bytes && virtual_bytes > capacity_bytes) {
		return err_set(e, ERR_NO_CAPACITY,
		    "the disk is of %llu bytes, its datastore of %llu",
		    (unsigned long long)virtual_bytes,
		    (unsigned long long)capacity_bytes);
	}
	return 0;
}

static int
check_features(const struct view *v, struct err *e)
{
	uint64_t bits = u64_at(v, 72);

	if (bits & INCOMPAT_DATA_FILE)
		return err_set(e, ERR_INVALID,
		    "the image keeps its data in another file, which is not allowed");
	if (bits & INCOMPAT_CORRUPT)
		return err_set(e, ERR_INVALID, "the image is marked as corrupt");
	if (bits & ~INCOMPAT_KNOWN)
		return err_set(e, ERR_INVALID,
		    "the image has features that are not known (bits %#llx)",
		    (unsigned long long)(bits & ~INCOMPAT_KNOWN));
	return 0;
}

/* Does a table of n bytes at off lie inside the file? */
static int
check_table(const struct view *v, uint64_t off, uint64_t n, const char *what,
    uint32_t cluster, struct err *e)
{
	if (off % cluster || off < cluster)
		return err_set(e, ERR_INVALID, "the image's %s is at no cluster", what);
	if (off > v->file_bytes || n > v->file_bytes - off)
		return err_set(e, ERR_INVALID,
		    "the image is truncated: its %s lies behind its end (%llu bytes)",
		    what, (unsigned long long)v->file_bytes);
	return 0;
}

static int
check_tables(const struct view *v, uint64_t virtual_bytes, uint32_t cluster,
    bool wide_l2, struct err *e)
{
	uint64_t l2_entries = cluster / (wide_l2 ? 16 : 8);
	uint64_t covers = l2_entries * cluster;
	uint64_t l1 = u32_at(v, 36), needed = (virtual_bytes + covers - 1) / covers;
	int rc;

	if (l1 < needed || l1 * 8 > L1_MAX)
		return err_set(e, ERR_INVALID,
		    "the image's table has %llu entries where its size needs %llu",
		    (unsigned long long)l1, (unsigned long long)needed);
	if (u32_at(v, 60) > SNAPSHOTS_MAX)
		return err_set(
		    e, ERR_INVALID, "the image has over %u snapshots", SNAPSHOTS_MAX);
	rc = check_table(v, u64_at(v, 40), l1 * 8, "table", cluster, e);
	if (!rc)
		rc = check_table(v, u64_at(v, 48), (uint64_t)u32_at(v, 56) * cluster,
		    "reference count table", cluster, e);
	return rc;
}

static int
take_extension(const struct view *v, uint32_t type, size_t at, uint32_t len,
    struct img_facts *f, struct err *e)
{
	if (type == EXT_CRYPTO)
		return err_set(e, ERR_INVALID, "the image is encrypted");
	if (type == EXT_DATA_FILE)
		return err_set(e, ERR_INVALID,
		    "the image names another file for its data, which is not allowed");
	if (type != EXT_BACKING_FORMAT)
		return 0;
	if (len >= sizeof(f->backing_format) || memchr(v->p + at, '\0', len))
		return err_set(e, ERR_INVALID, "the image's backing format is no name");
	memcpy(f->backing_format, v->p + at, len);
	f->backing_format[len] = '\0';
	return 0;
}

static int
read_extensions(
    const struct view *v, size_t at, size_t end, struct img_facts *f, struct err *e)
{
	uint32_t type, len;
	int rc = 0;

	while (!rc && at + 8 <= end) {
		type = u32_at(v, at);
		len = u32_at(v, at + 4);
		at += 8;
		if (type == EXT_END)
			break;
		if (len > end - at)
			return err_set(e, ERR_INVALID, "the image's header is cut off");
		rc = take_extension(v, type, at, len, f, e);
		at += len + (8 - len % 8) % 8;
	}
	return rc;
}

static int
read_backing(
    const struct view *v, enum img_backing backing, struct img_facts *f, struct err *e)
{
	uint64_t off = u64_at(v, 8);
	uint32_t len = u32_at(v, 16);

	if (off == 0)
		return 0;
	if (len == 0 || len > IMG_BACKING_MAX || off > v->n || len > v->n - off)
		return err_set(e, ERR_INVALID, "the image's backing file is no name");
	memcpy(f->backing, v->p + off, len);
	f->backing[len] = '\0';
	if (strlen(f->backing) != len || !utf8_valid(f->backing, len))
		return err_set(e, ERR_INVALID, "the image's backing file is no name");
	if (backing == IMG_BACKING_REFUSED) {
		return err_set(e, ERR_INVALID,
		    "the image has a backing file (\"%.100s\"): only images that stand "
		    "alone can be imported",
		    f->backing);
	}
	return 0;
}

static int
check_qcow2(
    const struct view *v, enum img_backing backing, struct img_facts *f, struct err *e)
{
	uint32_t version, bits, header = V2_HEADER;
	bool wide_l2 = false;
	int rc = 0;

	if (v->n < V2_HEADER || u32_at(v, 0) != QCOW2_MAGIC)
		return err_set(e, ERR_INVALID, "the file is no qcow2 image");
	version = u32_at(v, 4);
	bits = u32_at(v, 20);
	if (version < 2 || version > 3)
		return err_set(
		    e, ERR_INVALID, "the image is of qcow version %u", version);
	if (bits < 9 || bits > 21)
		return err_set(
		    e, ERR_INVALID, "the image has clusters of 2^%u bytes", bits);
	if (u32_at(v, 32))
		return err_set(e, ERR_INVALID, "the image is encrypted");
	f->cluster_bytes = 1u << bits;
	f->virtual_bytes = u64_at(v, 24);
	if (version == 3) {
		if (v->n < V3_HEADER_MIN)
			return err_set(e, ERR_INVALID, "the image's header is cut off");
		header = u32_at(v, 100);
		if (header < V3_HEADER_MIN || header > f->cluster_bytes ||
		    header > v->n)
			return err_set(e, ERR_INVALID,
			    "the image's header is of %u bytes", header);
		wide_l2 = (u64_at(v, 72) & (1ull << 4)) != 0;
		rc = check_features(v, e);
	}
	if (!rc)
		rc = img_size_check(f->virtual_bytes, 0, e);
	if (!rc)
		rc = read_extensions(
		    v, header, v->n < f->cluster_bytes ? v->n : f->cluster_bytes, f, e);
	if (!rc)
		rc = read_backing(v, backing, f, e);
	if (!rc)
		rc = check_tables(v, f->virtual_bytes, f->cluster_bytes, wide_l2, e);
	return rc;
}

int
img_check(const struct img_head *h, enum img_format f, enum img_backing backing,
    struct img_facts *ret_facts, struct err *e)
{
	struct view v = { h->bytes, h->n, h->file_bytes };
	struct img_facts facts = { .format = f };
	int rc;

	if (f == IMG_QCOW2) {
		rc = check_qcow2(&v, backing, &facts, e);
	} else if (f == IMG_EXT4) {
		rc = img_ext4_check(h, &facts, NULL, e);
	} else {
		facts.virtual_bytes = v.file_bytes;
		rc = img_size_check(v.file_bytes, 0, e);
		if (!rc && v.file_bytes % SECTOR)
			rc = err_set(e, ERR_INVALID,
			    "the file is no raw image: %llu bytes are no whole sectors",
			    (unsigned long long)v.file_bytes);
	}
	if (!rc)
		*ret_facts = facts;
	return rc;
}

int
img_check_fd(int fd, enum img_format f, enum img_backing backing,
    struct img_facts *ret_facts, struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(IMG_HEADER_BYTES);
	struct img_head head;
	struct stat st;
	ssize_t n;

	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "cannot look at the image");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "the image is no plain file");
	n = pread(fd, buf, IMG_HEADER_BYTES, 0);
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot read the image");
	head = (struct img_head){ buf, (size_t)n, (uint64_t)st.st_size };
	return img_check(&head, f, backing, ret_facts, e);
}
