/*
 * qemu_chain: the images of a running guest's disks, as QEMU has linked them.
 *
 * Pure.  The image that a process was started with is node "disk-I", those below it
 * "base-I-0" and on; each that a snapshot puts on top later is "disk-I-N" with N
 * growing.  Which of them are in the chain only QEMU can tell: one that was merged away
 * stays behind until it is deleted.
 */
#pragma once
#include "base/json.h"
#include "host-agent/engine/engine.h"

#define QEMU_NODE_MAX 32

struct qemu_chain {
	size_t n;                                     /* images, the top first */
	char nodes[ENGINE_LAYERS_MAX][QEMU_NODE_MAX]; /* their format nodes */
	unsigned next; /* the number that no node of the disk has had yet */
};

/*
 * graph is the answer of x-debug-query-block-graph: the one command that tells links as
 * links; query-block only has file names, which for descriptors say nothing.
 * ERR_NOT_FOUND if no device "blk-I" is in it.
 */
int qemu_chain_read(const json *graph, unsigned disk, struct qemu_chain *ret_c,
    struct err *e) WARN_UNUSED;
/* The descriptor set that node "NAME-file" reads from; nodes is the answer of
 * query-named-block-nodes. */
int qemu_chain_fdset(
    const json *nodes, const char *name, uint64_t *ret_set, struct err *e) WARN_UNUSED;
