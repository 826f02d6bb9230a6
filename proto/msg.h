/*
 * msg: envelopes to bytes and back, with limits.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/mem.h"
#include "proto/envelope.pb-c.h"

#define PROTO_VERSION       1u
#define PROTO_VERSION_MIN   1u
#define MAX_GUESTS_PER_HOST 1000u
/* Cores, cards and disks, a host's and its guests' together. */
#define MAX_INSTANCES_PER_HOST 16384u
#define MAX_FILES_LISTED       10000u
#define MAX_FILE_CHUNK         1048576u /* 1 MiB */
/* What a host says of a guest beyond it is a lie: there must be some left to give. */
#define MAX_GENERATION (UINT64_C(1) << 48)

/* Packed bytes, malloc'd; ERR_TOO_LARGE over MAX_FRAME. */
int msg_pack(const Drover__Envelope *m, uint8_t **ret_p, size_t *ret_n,
    struct err *e) WARN_UNUSED;
/*
 * Bytes from a peer. ERR_CORRUPT if they are no envelope, ERR_UNSUPPORTED for another
 * version or an unknown body, ERR_INVALID if a text in it is no UTF-8, a number is over
 * INT64_MAX or a list is over its limit.
 */
int msg_unpack(
    const uint8_t *p, size_t n, Drover__Envelope **ret_m, struct err *e) WARN_UNUSED;
void msg_free(Drover__Envelope *m);
/*
 * ERR_UNSUPPORTED if m or a message in it carries a field that is not known here. For
 * orders: what news (reports, events) have more than we know is passed over, what an
 * order has more is not.
 */
int msg_check_known(const ProtobufCMessage *m, struct err *e) WARN_UNUSED;

/* Fault ⇄ struct err. The fault's strings are malloc'd and freed with
 * drover__fault__free_unpacked. */
Drover__Fault *msg_fault(const struct err *e);
int msg_fault_err(const Drover__Fault *f, struct err *e); /* returns the code */

DEFINE_AUTO(msg, Drover__Envelope *, msg_free)
