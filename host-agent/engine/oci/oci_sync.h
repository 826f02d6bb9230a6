/*
 * oci_sync: a container's image to another host, most of it while the container runs.
 *
 *   BEGIN    how large it is
 *   PIECE …  first pass: every chunk that is not zeros, as it was when it was read
 *   MARK     end of the first pass: the other side may write it to its disk
 *   PIECE, ZEROS …  second pass, of an image that nobody writes to: what has changed
 *   END      SHA-256 over the number and the hash of each chunk that is not zeros
 *
 * A frame is its kind (1), a place (8) and a length (4), and a PIECE's bytes.  Chunks
 * of zeros are holes on both sides.  For threads that may wait.
 */
#pragma once
#include "host-agent/engine/oci/oci_wire.h"

#define OCI_SYNC_CHUNK     65536u
#define OCI_SYNC_BYTES_MAX (64ull << 40)

struct oci_sync;

/* Of an image open for reading (out) or writing (in), borrowed. */
struct oci_sync *oci_sync_new(int image_fd);
void oci_sync_free(struct oci_sync *s); /* NULL is fine */

/* Out: the first pass, then, when nobody writes to the image any more, the second. */
int oci_sync_first(
    struct oci_sync *s, const struct oci_wire *w, struct err *e) WARN_UNUSED;
int oci_sync_second(
    struct oci_sync *s, const struct oci_wire *w, struct err *e) WARN_UNUSED;
/* In: all of it, until it is safe on disk.  What was in the image before goes.  The
 * image must be as large as the one that comes. */
int oci_sync_take(
    struct oci_sync *s, const struct oci_wire *w, struct err *e) WARN_UNUSED;
