/*
 * qemu_device: devices of a running guest that come, go and change; see
 * engine_device.h.  For this folder only.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

int qemu_op_device(
    struct engine_guest *g, const struct engine_device *d, struct err *e);
void qemu_device_drop(struct qemu_guest *q);
void qemu_device_event(struct qemu_guest *q, const char *name, const json *data);
void qemu_device_gone(struct qemu_guest *q); /* its process has ended */
/* What its disks may do, before it runs. */
void qemu_limits_plan(struct qemu_guest *q, const Drover__GuestSpec *spec);
enum flow_rc qemu_limits_step(struct flow *f, void *arg);
enum flow_rc qemu_limits_finish(struct flow *f, void *arg, int rc);
