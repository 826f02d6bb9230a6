/*
 * qemu_move: a guest that goes to another host, or comes from one.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

int qemu_op_move_offer(struct engine_guest *g, struct err *e);
int qemu_op_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e);
int qemu_op_move_wait(struct engine_guest *g, struct err *e);
/* The side flow has ended: so has the verb that waits for it. */
void qemu_arrival_ended(struct qemu_guest *q, int rc, const struct err *e);
int qemu_op_move_out(
    struct engine_guest *g, const struct engine_departure *d, struct err *e);
void qemu_op_move_cancel(struct engine_guest *g);
int qemu_op_take_back(struct engine_guest *g, struct err *e);
/* Begin to watch a process of an earlier life; its state is not known yet. */
int qemu_adopt_begin(
    struct qemu_guest *q, const Drover__GuestSpec *spec, struct err *e);
enum flow_rc qemu_hello_step(struct flow *f, void *arg);
enum flow_rc qemu_hello_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_half_step(struct flow *f, void *arg);
enum flow_rc qemu_half_finish(struct flow *f, void *arg, int rc);
int qemu_op_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct err *e);
/* The verb has ended well: its arrival begins. */
void qemu_moved_in(struct qemu_guest *q);
/* qemu_stay.c: end a move that came to nothing, whatever is left of it. */
void qemu_adopt_leaving(struct qemu_guest *q);
extern const struct flow_step qemu_stay_steps[];
