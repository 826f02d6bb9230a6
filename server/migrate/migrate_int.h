/*
 * migrate_int: what the files of migrate/ share.
 */
#pragma once
#include "server/migrate/migrate.h"
#include "server/migrate/migrate_check.h"
#include "server/ops/vm_step.h"

struct advice_room;

/* migrate_view.c: a move from the inventory; all of it from mem. to may be its host. */
const struct mig_view *mig_view_of(const struct mig_env *env, struct arena *mem,
    const struct vm *vm, const struct advice_room *to, const json *args);

/* What becomes of what a disk stands on, if the arguments do not say. */
enum mig_chain {
	MIG_CHAIN_FLAT,    /* is mirrored as the guest sees it; they have no say */
	MIG_CHAIN_DROPPED, /* is copied as the guest sees it */
	MIG_CHAIN_KEPT,    /* is sent as it is */
};

/* migrate_disks.c: its disks as they will be, as JSON of vm.disks. */
json *mig_disks_after(
    const struct inv *inv, const struct vm *vm, const json *args, enum mig_chain chain);
/* Does a disk of the machine go where the arguments say? */
bool mig_disk_moves(const json *disk, const json *args);
/* What a disk stands on as it is on another datastore; NULL if it is not there, or is
 * more than a template. Free it. */
json *mig_base_on(
    const struct inv *inv, const struct vm *vm, const json *disk, obj_id store);
/* Is that a template, which can be copied there? */
bool mig_base_may_come(
    const struct inv *inv, const struct vm *vm, const json *disk, obj_id store);
void mig_set_stores(struct vm *vm); /* from its disks */

/* migrate_place.c: where to, after a check of all that may be meant. */
struct mig_place {
	obj_id host;
	enum mig_way way;
	bool brings_template;
};

int mig_place(const struct mig_env *env, const struct vm *vm, const json *args,
    struct mig_place *ret, struct err *e) WARN_UNUSED;

/* migrate_template.c: the template's images go first, where they are not there. */
enum flow_rc mig_template_start(struct task_run *r);
enum flow_rc mig_template_finish(struct task_run *r, int rc);
bool mig_brings_template(struct task_run *r);
/* Its disks as the way that was chosen leaves them, into the arguments. */
void mig_note_disks(const struct inv *inv, const struct vm *vm, json *args);

/* The steps; one table for all ways. */
enum {
	MIG_PLACE,
	MIG_TEMPLATE,
	MIG_TURN,
	MIG_OFFER,
	MIG_PREPARE,
	MIG_COPY,
	MIG_SWITCH,
	MIG_MOVE_DISKS,
	MIG_SEND,
	MIG_REGISTER,
	MIG_SETTLE,
};

/*
 * What a step finds out goes into the task's arguments, which are stored with the next
 * step.
 */
obj_id mig_from(const struct task_run *r);
obj_id mig_to(const struct task_run *r);
enum mig_way mig_way(const struct task_run *r);

/* migrate_live.c: the steps offer to switch of a machine that runs. */
enum flow_rc mig_offer_start(struct task_run *r);
enum flow_rc mig_offer_finish(struct task_run *r, int rc);
void mig_prepare_store(struct task_run *r, struct txn *t);
enum flow_rc mig_prepare_start(struct task_run *r);
enum flow_rc mig_prepare_finish(struct task_run *r, int rc);
enum flow_rc mig_prepare_undo(struct task_run *r);
enum flow_rc mig_copy_start(struct task_run *r);
enum flow_rc mig_copy_finish(struct task_run *r, int rc);
enum flow_rc mig_copy_undo(struct task_run *r);
enum flow_rc mig_switch_start(struct task_run *r);
enum flow_rc mig_switch_finish(struct task_run *r, int rc);

/* migrate_cold.c: of one that does not run, and disks within a host's reach. */
enum flow_rc mig_move_disks_start(struct task_run *r);
enum flow_rc mig_move_disks_finish(struct task_run *r, int rc);
enum flow_rc mig_register_start(struct task_run *r);
enum flow_rc mig_register_undo(struct task_run *r);

/* migrate_send.c: its images, where no host reaches both datastores. */
void mig_send_store(struct task_run *r);
enum flow_rc mig_send_start(struct task_run *r);
enum flow_rc mig_send_finish(struct task_run *r, int rc);
enum flow_rc mig_send_undo(struct task_run *r);

/* migrate_settle.c: the inventory follows, the source forgets. */
void mig_settle_store(struct task_run *r, struct txn *t);
enum flow_rc mig_settle_start(struct task_run *r);
enum flow_rc mig_settle_finish(struct task_run *r, int rc);
void mig_end(struct task_run *r, struct txn *t, int rc, const struct err *e);

bool mig_sends(struct task_run *r);      /* images go over the channel */
void mig_note_begin(struct task_run *r); /* bytes go from now on */
/* Send an order and wait for the host's own word: a broken link is none. */
enum flow_rc mig_order(struct task_run *r, obj_id host, Drover__Order *o, uint32_t step,
    uint32_t deadline_ms);
/* The machine as it will be: a copy whose texts are the row's; disks are the task's. */
struct vm mig_vm_after(const struct task_run *r, const struct vm *vm);
bool mig_host_is_away(const struct task_run *r, obj_id host); /* and not expected */
