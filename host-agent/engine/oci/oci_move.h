/*
 * oci_move: a container's processes as files: suspend, and the way to another host.
 *
 * What a container leaves behind while it is files is in its folder: images/ (what CRIU
 * wrote), and `files`, which names its image and layers, by path and by inode.  They
 * are found through the loop devices, and opened again for a restore: the devices
 * themselves go with the container, or nobody else could take the image.
 *
 * oci.c's table takes the ops.  oci_op_start calls oci_move_start where there is a
 * memory_fd; oci_op_adopt calls oci_move_adopt where the record's phase is SAVING,
 * LEAVING, GIVEN or ARRIVING; oci_clear calls oci_move_forget before the record goes;
 * op_guest_free and oci_op_kill call oci_move_drop.
 */
#pragma once
#include "host-agent/engine/oci/oci_int.h"

int oci_op_suspend(struct engine_guest *g, int memory_fd, struct err *e);
int oci_op_move_offer(struct engine_guest *g, struct err *e);
int oci_op_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e);
int oci_op_move_wait(struct engine_guest *g, struct err *e);
int oci_op_move_out(
    struct engine_guest *g, const struct engine_departure *d, struct err *e);
void oci_op_move_cancel(struct engine_guest *g);
int oci_op_take_back(struct engine_guest *g, struct err *e);
int oci_op_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct err *e);

/* A start with b->memory_fd. */
int oci_move_start(struct oci_guest *c, const struct engine_boot *b, struct err *e);
/* c->run was loaded, c->spec taken; the verb's flow is begun. */
int oci_move_adopt(struct oci_guest *c, struct err *e);
/* The folder's part of it: nothing is to come back. */
void oci_move_forget(struct oci_guest *c);
/* What is under way ends: threads, descriptors, an arrival. */
void oci_move_drop(struct oci_guest *c);
