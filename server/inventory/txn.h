/*
 * txn: a set of changes that becomes true at once: objects, events, audit and plain
 * statements in one database transaction that also proves we still lead (epoch).
 *
 * Changes show in the inventory and the feed when the commit is known, in commit order.
 * Names and ids that a txn takes are reserved from txn_add/txn_rename on, so that two
 * requests at the same moment cannot both have one name.  An edit writes only the
 * fields that differ from what the object was when the edit began, so edits of
 * different fields by two txns do not undo each other.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "loop/post.h"

struct id_list;
struct inv;
struct txn;
enum event_code;

struct txn *txn_new(struct inv *inv);
void txn_free(struct txn *t); /* drops it; reserved names are free again */

/*
 * A new object; the struct of its kind is returned for filling in (text fields are
 * owned by it: xstrdup). ERR_EXISTS names the holder of the name. parent may be one
 * that the same txn adds.
 */
int txn_add(struct txn *t, enum obj_kind kind, obj_id parent, const char *name,
    void **ret_obj, struct err *e) WARN_UNUSED;
/* A private copy to change; NULL if there is none. Twice gives the same copy. */
void *txn_edit(struct txn *t, obj_id id);
/* Give a list of such a copy other ids. */
void id_list_set(struct id_list *l, const obj_id *v, size_t n);
void id_list_drop(struct id_list *l, obj_id id);
int txn_rename(struct txn *t, obj_id id, obj_id parent, const char *name,
    struct err *e) WARN_UNUSED;
void txn_del(struct txn *t, obj_id id);
/*
 * Have a list of an object (a word of ours, "tags") to oneself until the txn ends, from
 * before it is read: lists are written whole, so that of two who add to one at the same
 * moment the first would be forgotten. ERR_BUSY if another txn has it.
 */
int txn_claim(struct txn *t, obj_id id, const char *list, struct err *e) WARN_UNUSED;
/* No other txn can delete it until this one ends; fails when one is about to. */
int txn_hold(struct txn *t, obj_id id, struct err *e) WARN_UNUSED;

/* Whose wish it is, for those who meet it (inv_wish.h). */
void txn_by(struct txn *t, const char *user);
/* Post an event with the objects' state of this txn (server/event/event.h). */
void txn_event(struct txn *t, enum event_code code, obj_id entity, obj_id task,
    const char *user, const char *fmt, ...) __attribute__((format(printf, 6, 7)));
/* Who did what to which object; denials and failures are written too. before/after are
 * digests or NULL. */
struct caller;
void txn_audit(struct txn *t, const struct caller *who, const char *action,
    obj_id entity, const char *entity_name, int rc, const char *detail);
/* A statement of server/db/stmt.def with its parameters as text (NULL = null). */
void txn_sql(struct txn *t, int stmt, unsigned n, const char *const *params);

/*
 * Send it. When the outcome is known the inventory is changed (on success) and then
 * done(arg, rc, e) runs in the posts phase; the txn is freed. ERR_UNAVAILABLE when the
 * database cannot be reached within its deadline (nothing was written, or the outcome
 * was looked up and it was not: that waits until the database is back, which can be
 * long after the deadline); ERR_STALE when another server leads: the process steps
 * down.
 */
typedef void (*txn_fn)(void *arg, int rc, const struct err *e);
void txn_commit(struct txn *t_take, txn_fn done, void *arg);
void txn_commit_wake(struct txn *t_take, struct wake w);
