/*
 * qemu_shift: a disk of a running guest goes to another image on the same host.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

void qemu_shift_free(struct qemu_shift *s);
void qemu_shift_event(struct qemu_guest *q, const char *name, const json *data);
int qemu_op_disk_move(
    struct engine_guest *g, const struct engine_disk_move *m, struct err *e);
int qemu_op_disk_move_end(
    struct engine_guest *g, enum engine_disk_end how, struct err *e);
/* Steps of adoption: does what was begun go on, by the spec that the agent has noted?
 */
void qemu_shift_expect(struct qemu_guest *q, const Drover__GuestSpec *spec);
enum flow_rc qemu_shift_adopt_step(struct flow *f, void *arg);
enum flow_rc qemu_shift_adopt_finish(struct flow *f, void *arg, int rc);
