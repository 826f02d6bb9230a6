/*
 * oci_guard: a container within what ends it at its deadline.
 *
 * The runtime, and what it starts, is brought into the guard's namespaces: it sees its
 * containers by their names there.  c->run.pid is the name that we see.  Everything
 * here does nothing for a container that has no guard.
 */
#pragma once
#include "host-agent/engine/oci/oci_int.h"

/* until_us: engine_boot's; 0: it has none. */
int oci_guard_begin(struct oci_guest *c, uint64_t until_us, struct err *e);
/* The guard that an earlier life of the agent has left, if there is one. */
void oci_guard_adopt(struct oci_guest *c);
/* A step that ends when there is something to bring programs into. */
enum flow_rc oci_guard_step(struct flow *f, void *arg);
enum flow_rc oci_guard_finish(struct flow *f, void *arg, int rc);
/* Where the runtime is brought into, borrowed; -1: nowhere. */
int oci_guard_init(const struct oci_guest *c);
/* Why that is so for one that has a guard. */
const char *oci_guard_why(const struct oci_guest *c);
/* With all that it holds. */
void oci_guard_kill(struct oci_guest *c);
bool oci_guard_is_over(const struct oci_guest *c);
void oci_guard_forget(struct oci_guest *c); /* the end is told: it goes */
void oci_guard_drop(struct oci_guest *c);   /* it goes on */
/* May it stand still for as long as somebody likes? */
int oci_guard_pause_check(const struct oci_guest *c, struct err *e);
int oci_op_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e);
struct engine_guard oci_op_guard(const struct engine_guest *g);
