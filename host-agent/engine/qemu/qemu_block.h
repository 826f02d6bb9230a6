/*
 * qemu_block: a disk's images as QEMU's block nodes, and the places of devices.
 *
 * Pure.  The image of the disk in slot S is node "disk-S", what lies below it
 * "base-S-0" and on, nearest first; the file under node X is node "X-file".  The device
 * is "blk-S", that of a network card "net-S" on the net "nic-S".  All of them sit on
 * one bridge, where a slot is always the same address.
 */
#pragma once
#include "base/json.h"
#include "host-agent/engine/engine_device.h"

#define QEMU_DISKS_MAX ENGINE_DISKS_MAX
#define QEMU_NICS_MAX  8
#define QEMU_BRIDGE    "slots"
/* The numbering of places; a memory image fits only the one it was made with. */
#define QEMU_LAYOUT 2

/* One image: its descriptor, and what is made of it. */
struct qemu_node {
	int fd;
	json *file; /* its "filename" is qemu_node_set()'s */
	json *format;
};

struct qemu_nodes {
	size_t n;
	struct qemu_node v[ENGINE_LAYERS_MAX]; /* the lowest first */
};

void qemu_disk_nodes(const Drover__DiskSpec *spec, const struct engine_disk *d,
    unsigned slot, struct qemu_nodes *out);
void qemu_seed_node(int fd, struct qemu_node *out);
void qemu_node_set(struct qemu_node *n, unsigned set); /* the descriptor's */
void qemu_node_fini(struct qemu_node *n);
void qemu_nodes_fini(struct qemu_nodes *ns);

/* Arguments of device_add. */
json *qemu_disk_device(unsigned slot);
json *qemu_nic_device(const Drover__NicSpec *spec, unsigned slot);
/* The same for -device, whose errors quote it; caller frees. */
char *qemu_device_text(const json *device);
/* Of block_set_io_throttle. */
json *qemu_disk_limits(const Drover__DiskSpec *spec, unsigned slot);
bool qemu_disk_is_limited(const Drover__DiskSpec *spec);

/* Does the node belong to the disk in that slot? */
bool qemu_node_is_of(const char *node, unsigned slot);
