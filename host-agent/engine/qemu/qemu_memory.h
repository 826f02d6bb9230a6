/*
 * qemu_memory: the head of a memory image, which says of what machine it is.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_shape.h"

/* QEMU's stream follows where the file stands then. */
int qemu_memory_begin(int fd, const struct qemu_shape *s, struct err *e) WARN_UNUSED;
/* It is whole from here on: one that was cut short is not taken for an image. */
int qemu_memory_seal(int fd, struct err *e) WARN_UNUSED;
int qemu_memory_read(int fd, struct qemu_shape *ret_s, struct err *e) WARN_UNUSED;
