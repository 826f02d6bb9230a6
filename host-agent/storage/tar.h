/*
 * tar: what is in an archive that came from outside, without unpacking it.
 *
 * Reads ustar, GNU and pax archives of plain files.  Whatever an appliance has no use
 * for is refused by name: folders, links, devices, names that are paths, the same name
 * twice, more than TAR_MEMBERS_MAX members.
 */
#pragma once
#include "host-agent/storage/span.h"

#define TAR_MEMBERS_MAX 64
#define TAR_NAME_MAX    255
#define TAR_BLOCK       512u

struct tar_member {
	char name[TAR_NAME_MAX + 1];
	struct span data; /* in the archive's file */
};

struct tar_list {
	struct tar_member members[TAR_MEMBERS_MAX];
	size_t n;
};

/* Blocking; any thread. ret_l is large: not for the stack of a loop callback. */
int tar_read(
    const struct span *archive, struct tar_list *ret_l, struct err *e) WARN_UNUSED;
/* NULL if there is none of that name. */
const struct tar_member *tar_find(const struct tar_list *l, const char *name);

/*
 * The header of a plain file in an archive that we write.  name and bytes fit by the
 * caller's care: at most 100 bytes, below 8 GiB or in base 256 above. Pure.
 */
void tar_header(uint8_t block[TAR_BLOCK], const char *name, uint64_t bytes);
