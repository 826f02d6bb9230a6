/*
 * qemu_args: a guest as QEMU's command line.
 *
 * Pure.  No text of a user reaches one of QEMU's option parsers but the SMBIOS strings,
 * and those are checked and escaped; devices and nodes are named by index.  QEMU opens
 * no path but the VNC socket in its working folder: everything else are descriptors.
 *
 * Every device has its fixed place; see qemu_block.h.  The seed's node is "seed".
 */
#pragma once
#include "host-agent/engine/qemu/qemu_block.h"
#include "host-agent/engine/qemu/qemu_shape.h"

#define QEMU_FIRST_FD 3 /* in the child; see child_opts.pass_fds */
#define QEMU_FDS_MAX  (5 + ENGINE_LAYERS_MAX * QEMU_DISKS_MAX + QEMU_NICS_MAX)

struct qemu_args_in {
	const char *program;
	uint64_t guest;
	const Drover__GuestSpec *spec;
	const struct qemu_shape *shape;
	const struct engine_disk *disks;
	const int *tap_fds;
	int qmp_fd, console_fd, agent_fd; /* listening unix sockets */
	int memory_fd;                    /* continue from it; -1: boot */
	int seed_fd;                      /* -1: none */
};

struct qemu_args {
	char **argv; /* NULL-ended, owned */
	size_t n;
	int fds[QEMU_FDS_MAX]; /* ours, in the order the child gets them */
	size_t n_fds;
	int memory_child_fd; /* the memory image's number in the child; -1: none */
};

/* The spec must have passed qemu_spec_check. */
void qemu_args_build(const struct qemu_args_in *in, struct qemu_args *out);
void qemu_args_fini(struct qemu_args *a);

/* May this spec be run at all?  Sizes, counts, names, addresses. */
int qemu_spec_check(const Drover__GuestSpec *spec, struct err *e) WARN_UNUSED;

/* Plug the i-th CPU or dimm: arguments of device_add and object-add. */
json *qemu_args_dimm_backend(uint32_t i, uint64_t mb);
json *qemu_args_dimm_device(uint32_t i);
