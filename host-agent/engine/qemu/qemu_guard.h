/*
 * qemu_guard: a process that runs under another one, which ends it at its deadline.
 *
 * Its guard tells which process it is, and how it ended.  Everything but the start does
 * nothing for a machine without a guard.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

struct child_opts;

int qemu_guard_start(
    struct qemu_guest *q, const struct child_opts *o, uint64_t until_us, struct err *e);
/* The guard that an earlier life of the agent has left, if there is one. */
void qemu_guard_adopt(struct qemu_guest *q);
/* Its process is known. */
enum flow_rc qemu_guarded_step(struct flow *f, void *arg);
/* Its word of the end is still to come. */
bool qemu_guard_may_tell(const struct qemu_guest *q);
void qemu_guard_kill(struct qemu_guest *q);    /* while its process is not known */
void qemu_guard_release(struct qemu_guest *q); /* the end is told: it may go */
void qemu_guard_drop(struct qemu_guest *q);    /* forget it, it goes on */
int qemu_op_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e);
struct engine_guard qemu_op_guard(const struct engine_guest *g);
