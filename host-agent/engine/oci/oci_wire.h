/*
 * oci_wire: the bytes of a container on their way, for threads that may wait.
 *
 * A stream socket, or a file that a suspended container's memory goes into.  Whoever
 * wants the thread back sets is_stopped and shuts the socket down.
 */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct oci_wire {
	int fd;                  /* borrowed */
	atomic_bool *is_stopped; /* NULL: nobody stops it */
	_Atomic uint64_t *bytes; /* what has passed; NULL: nobody counts */
};

/* All n bytes.  ERR_LOST: the other side is gone.  ERR_CANCELLED: is_stopped. */
int oci_wire_write(
    const struct oci_wire *w, const void *p, size_t n, struct err *e) WARN_UNUSED;
/* All n bytes.  ERR_LOST: it ended before them. */
int oci_wire_read(
    const struct oci_wire *w, void *p, size_t n, struct err *e) WARN_UNUSED;

/* Numbers as they travel: big-endian, n bytes. */
void oci_wire_put(uint8_t *to, uint64_t v, size_t n);
uint64_t oci_wire_get(const uint8_t *from, size_t n);
