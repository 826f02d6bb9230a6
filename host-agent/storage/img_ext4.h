/*
 * img_ext4: a container's files: file systems that our own hosts made.
 *
 * A folder "upper" holds one overlay layer; a container's own image has "work" and
 * "log" besides (docs/adr/0019).  What users or guests wrote as a whole is never
 * mounted, so an image is told by the label that our hosts give theirs and by the few
 * features that they use.
 */
#pragma once
#include "host-agent/storage/img_check.h"

#define IMG_EXT4_LABEL     "drover"
#define IMG_EXT4_BLOCK     4096u
#define IMG_EXT4_BYTES_MIN (16ull << 20) /* of a container's own: its journal fits */

/* The features that our images have, as mke2fs takes them; a layer has no journal. */
#define IMG_EXT4_FEATURES                                                     \
	"none,ext_attr,dir_index,filetype,extent,64bit,flex_bg,sparse_super," \
	"large_file,huge_file,dir_nlink,extra_isize,metadata_csum,"           \
	"metadata_csum_seed"

/*
 * Is it one of ours?  ret_fs_bytes (may be NULL): of the file system, which may be
 * smaller than the file.  Pure.
 */
int img_ext4_check(const struct img_head *h, struct img_facts *ret_facts,
    uint64_t *ret_fs_bytes, struct err *e) WARN_UNUSED;
bool img_format_is_ext4(const char *format);
