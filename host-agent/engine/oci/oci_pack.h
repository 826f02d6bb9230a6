/*
 * oci_pack: the folder of images that CRIU makes of a container, as one stream of
 * bytes.
 *
 *   head     OCI_PACK_MAGIC
 *   a file   1, length of its name (2), its size (8), its name, its bytes
 *   more     4, the same: bytes behind those of a file that came before
 *   end      2, how many files (4), how many bytes (8), SHA-256 of all before
 *   seal     3
 *
 * The seal is a byte of its own: whoever has written everything else still decides
 * whether it is to be of any use.  Numbers are big-endian.  For threads that may wait.
 */
#pragma once
#include "host-agent/engine/oci/oci_wire.h"

#define OCI_PACK_MAGIC "DROVERC1"
#define OCI_PACK_FILES_MAX                                         \
	262144u /* a container of ten thousand processes has fewer \
		 */

/*
 * All regular files of the folder, but not the seal.  whole_fd: becomes readable when
 * the folder is whole; until then what is written of the container's memory goes as it
 * comes.  -1: it is whole.
 */
int oci_pack(
    int dir_fd, int whole_fd, const struct oci_wire *w, struct err *e) WARN_UNUSED;
int oci_pack_seal(const struct oci_wire *w, struct err *e) WARN_UNUSED;
/* How many bytes oci_pack and the seal will write. */
int oci_pack_size(int dir_fd, uint64_t *ret_bytes, struct err *e) WARN_UNUSED;
/*
 * Into an empty folder, files that all may read; what a failure leaves there is the
 * caller's.  ERR_LOST: it was cut short.  ERR_CORRUPT: it is no such stream, or was
 * changed.  ERR_TOO_LARGE: more than max_bytes in files.
 */
int oci_unpack(int dir_fd, const struct oci_wire *w, uint64_t max_bytes,
    struct err *e) WARN_UNUSED;
