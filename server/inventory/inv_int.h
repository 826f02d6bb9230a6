/*
 * inv_int: what the files of inventory/ share: the tree, the fields at work, the feed's
 * ring.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "base/str.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_json.h"
#include "server/inventory/inv_life.h"

#define FEED_RING     65536u
#define MAX_FIELDS    62 /* bits of struct change that are not taken */
#define CHANGE_NAME   (1ULL << 63)
#define CHANGE_PARENT (1ULL << 62)

enum { FIELD_STORED = 1, FIELD_VOLATILE = 2, FIELD_SECRET = 4, FIELD_WRITABLE = 8 };

/* Indexes of the fields that all kinds have. */
enum {
	COMMON_ID = 64,
	COMMON_KIND,
	COMMON_NAME,
	COMMON_PARENT,
	COMMON_REV,
	COMMON_CREATED
};

struct follower {
	feed_fn fn;
	void *arg;
};

struct feed {
	struct change *ring; /* change of revision r stands at r % FEED_RING */
	uint64_t first;      /* oldest revision in the ring; rev + 1 when it is empty */
	uint64_t told;       /* followers have been called up to here */
	struct follower *followers;
	size_t n_followers;
};

struct obj_array {
	struct obj **v; /* in id order */
	size_t n, cap;
};

struct inv {
	uint32_t magic;
	struct loop *loop;
	struct db *db;
	struct map *objs; /* by id */
	struct obj_array kinds[KIND_COUNT_];
	size_t *walked; /* by kind: where inv_next was last */
	struct map *names;    /* "kind/parent/name" → struct obj */
	struct map *reserved; /* the same keys → struct txn */
	struct map *leaving;  /* id → struct txn that deletes it */
	struct map *arriving; /* parent id → size_t: kids on their way */
	uint64_t last_number[KIND_COUNT_];
	uint64_t rev;
	uint64_t rev_stored; /* revisions up to here are behind us after a restart */
	uint64_t rev_asked;  /* what rev_stored will be; 0: nothing is on its way */
	struct feed feed;
	struct list sent; /* struct txn */
	struct events *events;
	struct obj *noted;  /* between inv_note_begin and _end: what it was before */
	struct map *wishes; /* id → struct wishes (inv_wish.c) */
};

#define INV_MAGIC 0x696e765fu

/* Objects of any kind. */
size_t kind_size(enum obj_kind kind); /* 0: no object is of this kind */
bool kind_has_unique_names(enum obj_kind kind);
struct obj *obj_new(obj_id id);
void obj_free(struct obj *o);
struct obj *obj_dup(const struct obj *o); /* without kids */

/* Fields at work. */
bool field_same(const struct obj *a, const struct obj *b, const struct field *f);
void field_copy(struct obj *to, const struct obj *from, const struct field *f);
void field_reset(struct obj *o, const struct field *f); /* free and zero */
/* The value as the database takes it, in buf or in o; NULL is null. */
const char *field_store(const struct obj *o, const struct field *f, struct str *buf);
int field_restore(
    struct obj *o, const struct field *f, const char *text, struct err *e) WARN_UNUSED;
const void *field_at(const struct obj *o, const struct field *f);
void *field_at_mut(struct obj *o, const struct field *f);

/* Stored fields of a kind into f; returns how many. */
unsigned fields_stored(enum obj_kind kind, const struct field *f[MAX_FIELDS]);

/* The tree. */
struct obj *tree_get(const struct inv *inv, obj_id id);
void tree_insert(struct inv *inv, struct obj *o_take);
void tree_remove(struct inv *inv, struct obj *o); /* frees it */
void tree_move(struct inv *inv, struct obj *o, obj_id parent, const char *name);
void tree_link_kid(struct inv *inv, struct obj *o);
/* The key of a name in inv->names; kinds without unique names have none. */
const char *name_key(
    struct str *buf, enum obj_kind kind, obj_id parent, const char *name);

/* Give the object its next revision and put the change into the feed. */
void inv_changed(
    struct inv *inv, struct obj *o, enum change_kind kind, uint64_t fields);
#define REV_BLOCK (1ULL << 24)
/* Store that the next REV_BLOCK revisions are used up; done ends with
 * inv_revs_reserved. */
void inv_reserve_revs(struct inv *inv, inv_loaded_fn done, void *arg);
void inv_revs_reserved(struct inv *inv, int rc);

void feed_init(struct feed *f, struct inv *inv);
void feed_fini(struct feed *f, struct inv *inv);
void feed_restart(struct feed *f, uint64_t rev); /* empty, after this revision */
void feed_add(struct feed *f, struct loop *l, const struct change *c);

/* o, which has its new revision, was changed by somebody (NULL: the server itself). */
void wish_note(struct inv *inv, struct obj *o, uint64_t fields, const char *by);
void wish_forget(struct inv *inv, obj_id id);
void wish_forget_all(struct inv *inv); /* frees the map */

/* Is a transaction on its way that changes any of these fields? */
bool txns_change(const struct inv *inv, obj_id id, uint64_t fields);
void txns_drop(struct inv *inv); /* what was sent and will not be heard of */
