#include "host-agent/storage/img_ext4.h"

#include <string.h>

#include "base/str.h"

#define SUPERBLOCK_AT    1024u
#define SUPERBLOCK_BYTES 1024u
#define EXT4_MAGIC       0xef53u
#define STATE_ERRORS     0x2u
#define FS_BYTES_MAX     (64ull << 40)

/* Offsets in the superblock. */
#define AT_BLOCKS_LO 4u
#define AT_LOG_BLOCK 24u
#define AT_MAGIC     56u
#define AT_STATE     58u
#define AT_COMPAT    92u
#define AT_INCOMPAT  96u
#define AT_RO_COMPAT 100u
#define AT_LABEL     120u
#define AT_BLOCKS_HI 336u

/* has_journal, ext_attr, dir_index. */
#define COMPAT_KNOWN (0x4u | 0x8u | 0x20u)
/* filetype, recover, extents, 64bit, flex_bg, metadata_csum_seed. */
#define INCOMPAT_KNOWN (0x2u | 0x4u | 0x40u | 0x80u | 0x200u | 0x2000u)
/* sparse_super, large_file, huge_file, dir_nlink, extra_isize, metadata_csum. */
#define RO_COMPAT_KNOWN (0x1u | 0x2u | 0x8u | 0x20u | 0x40u | 0x400u)

bool
img_format_is_ext4(const char *format)
{
	return str_same(format, "ext4");
}

static uint32_t
le32_at(const uint8_t *sb, size_t at)
{
	const uint8_t *p = sb + at;

	return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint32_t
le16_at(const uint8_t *sb, size_t at)
{
	return (uint32_t)sb[at + 1] << 8 | sb[at];
}

static bool
has_our_label(const uint8_t *sb)
{
	static const uint8_t label[16] = IMG_EXT4_LABEL;

	return !memcmp(sb + AT_LABEL, label, sizeof(label));
}

static int
check_features(const uint8_t *sb, struct err *e)
{
	static const struct {
		size_t at;
		uint32_t known;
		const char *name;
	} words[] = {
		{ AT_COMPAT, COMPAT_KNOWN, "compatible" },
		{ AT_INCOMPAT, INCOMPAT_KNOWN, "incompatible" },
		{ AT_RO_COMPAT, RO_COMPAT_KNOWN, "read-only compatible" },
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		uint32_t strange = le32_at(sb, words[i].at) & ~words[i].known;

		if (strange) {
			return err_set(e, ERR_INVALID,
			    "the file system has %s features that ours have not "
			    "(bits %#x)",
			    words[i].name, strange);
		}
	}
	return 0;
}

int
img_ext4_check(const struct img_head *h, struct img_facts *ret_facts,
    uint64_t *ret_fs_bytes, struct err *e)
{
	const uint8_t *sb = (const uint8_t *)h->bytes + SUPERBLOCK_AT;
	struct img_facts facts = { .format = IMG_EXT4 };
	uint64_t blocks;
	int rc;

	if (h->n < SUPERBLOCK_AT + SUPERBLOCK_BYTES ||
	    le16_at(sb, AT_MAGIC) != EXT4_MAGIC)
		return err_set(e, ERR_INVALID, "the file is no ext4 file system");
	if (!has_our_label(sb))
		return err_set(e, ERR_INVALID,
		    "the file system was not made by a host of ours, and others are "
		    "never mounted");
	rc = check_features(sb, e);
	if (rc)
		return rc;
	if (le32_at(sb, AT_LOG_BLOCK) != 2)
		return err_set(e, ERR_INVALID,
		    "the file system's blocks are not of %u bytes", IMG_EXT4_BLOCK);
	if (le16_at(sb, AT_STATE) & STATE_ERRORS)
		return err_set(e, ERR_CORRUPT,
		    "the file system is damaged: the kernel has seen errors in it");
	blocks = (uint64_t)le32_at(sb, AT_BLOCKS_HI) << 32 | le32_at(sb, AT_BLOCKS_LO);
	if (!blocks || blocks > FS_BYTES_MAX / IMG_EXT4_BLOCK ||
	    blocks * IMG_EXT4_BLOCK > h->file_bytes) {
		return err_set(e, ERR_INVALID,
		    "the file system of %llu blocks does not fit in its file of %llu "
		    "bytes",
		    (unsigned long long)blocks, (unsigned long long)h->file_bytes);
	}
	facts.virtual_bytes = h->file_bytes;
	*ret_facts = facts;
	if (ret_fs_bytes)
		*ret_fs_bytes = blocks * IMG_EXT4_BLOCK;
	return 0;
}
