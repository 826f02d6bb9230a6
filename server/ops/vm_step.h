/*
 * vm_step: what operations on machines have in common.
 */
#pragma once
#include "server/ops/ops_int.h"

/* The machine of the run, or NULL with the error filled. */
const struct vm *run_vm(struct task_run *r);
/* entity exclusively; its template, datastores and networks are leaned on. */
void vm_locks(
    const struct inv *inv, obj_id entity, const json *args, struct lock_set *out);
/* "vm \"web\" is powered_off, not …": the power states it may have, as bits. */
#define POWER_BIT(p) (1u << (p))
int vm_need_power(const struct vm *vm, unsigned allowed, struct err *e) WARN_UNUSED;
int vm_need_ready(const struct vm *vm, struct err *e) WARN_UNUSED;

enum vm_verb {
	VERB_CREATE,
	VERB_START,
	VERB_FIRST_START, /* makes its disks too */
	VERB_DELETE,
	VERB_UPDATE
};
/* Send an order that carries the machine's spec. */
enum flow_rc run_spec_order(
    struct task_run *r, enum vm_verb verb, const struct vm *vm, uint32_t deadline_ms);
/* The same to undo a step: VERB_DELETE. */
enum flow_rc run_undo_delete(
    struct task_run *r, const struct vm *vm, uint32_t deadline_ms);

/* Take what the host said last about the guest into the row. */
void vm_take_status(struct vm *vm, const Drover__Reply *reply);

/* Is there room on its host? Holds it until the task is gone. */
int run_hold_room(struct task_run *r, const struct advice_guest *g, uint32_t address,
    struct err *e) WARN_UNUSED;
/* The one host that would do has no room: the error says which other one has. */
void run_tell_where(struct task_run *r, const struct advice_guest *g);
/*
 * The step has failed for want of a host. When one is expected back: wait for it and
 * try again (run_again); else FLOW_FAIL.
 */
enum flow_rc run_wait_for_host(struct task_run *r);
enum flow_rc run_again(struct task_run *r, int rc);
/* In the transaction of the step that starts it: a higher generation, starting. */
void vm_begin_start(struct task_run *r, struct txn *t);
/* A start that failed: what the machine is now. */
void vm_failed_start(struct vm *vm, int rc, const struct err *e);
/* After a restart: the room that a stored placement was given. */
void run_recover_hold(struct task_run *r);

#define VM_ORDER_MS 120000u
