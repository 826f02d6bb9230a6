/*
 * qemu_dir: sockets in a machine's folder, and in the process's own within it.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

int qemu_listen(
    const struct qemu_guest *q, const char *name, int *ret_fd, struct err *e);
int qemu_connect(
    const struct qemu_guest *q, const char *name, int *ret_fd, struct err *e);
/* At a place in the process's own folder where it alone can connect to. */
int qemu_listen_own(
    const struct qemu_guest *q, const char *path, int *ret_fd, struct err *e);
/* To a socket that the process has made in its folder: what lies there now need not be
 * one, and must be its own. */
int qemu_connect_own(
    const struct qemu_guest *q, const char *path, int *ret_fd, struct err *e);
