/*
 * ops_int: what the files of ops/ share.
 */
#pragma once
#include <string.h>

#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/advice/advice.h"
#include "server/event/event.h"
#include "server/hosts/host_call.h"
#include "server/hosts/hosts.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/ops/op_def.h"

#define VM_MAX_CPU     128u
#define VM_MIN_MB      32u
#define VM_MAX_MB      4194304u
#define NOTES_MAX      4096u
#define ORDER_STEP(s)  ((uint32_t)(s) + 1)   /* of a flow's step */
#define UNDO_STEP(s)   ((uint32_t)(s) + 101) /* of the order that undoes it */
#define KIND_BIT(kind) (1u << KIND_##kind)

struct ops {
	uint32_t magic;
	struct inv *inv;
	struct hosts *hosts;
	struct advice *advice;
	struct tasks *tasks;
	struct workers *workers;
	struct sessions *sessions;
	struct power_hooks *hooks;
	struct loop *loop;
	struct list calls;
	struct list kept; /* what recent op ids came to, oldest first */
	struct map *kept_by_id;
	bool administrator_leaving; /* an operation that is not stored yet */
};

/* Each file's verbs, ended by a NULL name. */
extern const struct op_def op_place_defs[];
extern const struct op_def op_pool_defs[];
extern const struct op_def op_rule_defs[];
extern const struct op_def op_tag_defs[];
extern const struct op_def op_network_defs[];
extern const struct op_def op_datastore_defs[];
extern const struct op_def op_datastore_scan_defs[];
extern const struct op_def op_host_defs[];
extern const struct op_def op_vm_start_defs[];
extern const struct op_def op_vm_power_defs[];
extern const struct op_def op_vm_update_defs[];
extern const struct op_def op_vm_device_defs[];
extern const struct op_def op_vm_delete_defs[];
extern const struct op_def op_snapshot_defs[];
extern const struct op_def op_snapshot_revert_defs[];
extern const struct op_def op_user_defs[];

/* Arguments that were checked: absent ones give the default. */
const char *arg_str(const json *args, const char *name); /* NULL if absent */
uint64_t arg_u64(const json *args, const char *name, uint64_t preset);
bool arg_bool(const json *args, const char *name, bool preset);
obj_id arg_id(const json *args, const char *name); /* OBJ_ID_NONE if absent */
bool arg_has(const json *args, const char *name);
void arg_ids(const json *args, const char *name, struct id_list *l); /* or as it was */
void arg_set_id(json *args, const char *name, obj_id id);
/* ERR_NOT_FOUND "template: there is no template-9". Absent is fine. */
int arg_exists(const struct inv *inv, const json *args, const char *name,
    struct err *e) WARN_UNUSED;

/* Rename or move the op's object as its name and parent arguments say, with the event.
 */
int apply_rename(struct op_call *c, struct txn *t, struct err *e) WARN_UNUSED;
/* Remove an object that must have no kids and that nobody works on. */
int apply_delete(struct op_call *c, struct txn *t, struct err *e) WARN_UNUSED;
void created_event(struct op_call *c, struct txn *t, const struct obj *o);

/* For steps of tasks. */
struct ops *run_ops(const struct task_run *r);
obj_id run_arg_id(const struct task_run *r, const char *name);
/* Send an order for the step at hand; FLOW_WAIT. */
enum flow_rc run_order(
    struct task_run *r, obj_id host, Drover__Order *o, uint32_t deadline_ms);
/* The same for undoing it. */
enum flow_rc run_undo_order(
    struct task_run *r, obj_id host, Drover__Order *o, uint32_t deadline_ms);
/* finish of a step with one order: once more after a lost link. */
enum flow_rc run_order_finish(struct task_run *r, int rc);
const Drover__Reply *run_reply(const struct task_run *r, obj_id host, unsigned step);
const Drover__Reply *run_undo_reply(
    const struct task_run *r, obj_id host, unsigned step);
void run_forget(struct task_run *r); /* on_gone: calls and holds */
