/*
 * oci_carry: the streams of a container that comes or goes, each on a thread of its
 * own.
 *
 * Lane 0 is its memory, the others its disks.  When one fails the others are stopped;
 * the wake is posted when all that were begun have ended.  Loop thread only.
 */
#pragma once
#include "loop/post.h"

#define OCI_CARRY_LANES 17 /* ENGINE_DISKS_MAX, and the memory */

struct oci_carry;

enum oci_load {
	OCI_LOAD_PACK,   /* image_fd, a folder, into the stream, but for the seal */
	OCI_LOAD_FOLLOW, /* the same, of one that is whole when oci_carry_whole says so
			  */
	OCI_LOAD_SEAL,   /* the last byte */
	OCI_LOAD_UNPACK, /* the stream into image_fd, an empty folder */
	OCI_LOAD_FIRST,  /* image_fd, a disk's image, while the container runs */
	OCI_LOAD_SECOND, /* the same image, now that nobody writes to it */
	OCI_LOAD_TAKE,   /* the stream into image_fd, a disk's image */
};

struct oci_carry *oci_carry_new(struct loop *l, unsigned n_lanes);
/* Stops what is under way, and waits for it; nothing is posted any more. */
void oci_carry_free(struct oci_carry *c); /* NULL is fine */
/* Both are duplicated.  ERR_INVALID: one of them is not open. */
int oci_carry_lane(struct oci_carry *c, unsigned lane, int stream_fd, int image_fd,
    struct err *e) WARN_UNUSED;
/* max_bytes: of OCI_LOAD_UNPACK.  Begun between oci_carry_await and the wake's end. */
void oci_carry_begin(
    struct oci_carry *c, unsigned lane, enum oci_load load, uint64_t max_bytes);
/* What a lane follows is whole, and will not change any more. */
void oci_carry_whole(struct oci_carry *c, unsigned lane);
/* Tell w when nothing is under way; the reason is that of the first that failed. */
void oci_carry_await(struct oci_carry *c, struct wake w);
/* Have all that is under way, or will be, fail. */
void oci_carry_stop(struct oci_carry *c);
uint64_t oci_carry_bytes(const struct oci_carry *c); /* that have passed */
