/*
 * inventory: the server's objects as records, and names for objects.
 *
 * Names and parents of what lists have shown are kept for a few seconds, so that a
 * hundred machines of one host ask for that host once.
 */
#pragma once
#include "base/id.h"
#include "base/json.h"
#include "shell/cmd.h"
#include "shell/connect.h"
#include "shell/rest.h"

#define KIND_BIT(k) (1u << KIND_##k)
/* What may have tags. */
#define TAGGED                                                                    \
	(KIND_BIT(DATACENTER) | KIND_BIT(FOLDER) | KIND_BIT(CLUSTER) |            \
	    KIND_BIT(HOST) | KIND_BIT(POOL) | KIND_BIT(VM) | KIND_BIT(TEMPLATE) | \
	    KIND_BIT(DATASTORE) | KIND_BIT(NETWORK))

struct known {
	char *id, *name, *parent; /* parent may be NULL */
};

/* Forget objects of a kind; 0: of all. */
void known_drop(struct site *s, enum obj_kind kind);
/* What is known of an id, asked for if need be; NULL if there is no such object. */
const struct known *known_get(struct shell *sh, const char *id);
/* Something has changed: ask again. */
void known_expire(struct shell *sh);
/* Is the object id, or something above it, the object above? */
bool lies_in(struct shell *sh, const char *id, const char *above);

/* An object of the API as the shell's record of its kind. */
struct val record_from(struct shell *sh, enum obj_kind kind, const json *o);
/* {Name, Id} of an id, null for none. */
struct val reference_to(struct shell *sh, const char *id);

struct wanted_list {
	enum obj_kind kind;
	const char *query; /* "?q=name:web-01"; NULL: all of the kind */
};

/* Objects of a kind as the API gives them, page by page; see rest_pages. */
int inventory_pages(struct shell *sh, const struct wanted_list *w, rest_page_fn take,
    void *arg, struct err *e) WARN_UNUSED;
/* All at once. */
int inventory_list(struct shell *sh, enum obj_kind kind, const char *query,
    json **ret_items, struct err *e) WARN_UNUSED;
int inventory_get(struct shell *sh, enum obj_kind kind, const char *id,
    struct val *ret_record, struct err *e) WARN_UNUSED;

/*
 * Records, references, names (wildcards) and ids to a list of references of the kinds.
 * What fits nothing is reported as an error each, and the rest goes on.
 */
enum run resolve(
    struct stage *st, struct val objects, unsigned kinds, struct val *ret_list);
/* The same, where the first that fits nothing is an error and ends it. */
int resolve_all(struct stage *st, struct val given, unsigned kinds,
    struct val *ret_list, struct err *e) WARN_UNUSED;
/* Does the server that is visited have a kind's object of that name (wildcards) or id?
 */
bool name_is_known(struct shell *sh, struct val name, unsigned kinds);
/* The one object that given means, as a list of one; an error if it means none or more.
 */
int resolve_only(struct stage *st, struct val given, unsigned kinds,
    struct val *ret_list, struct err *e) WARN_UNUSED;
/* The one object that a parameter means, as its id; *ret_id NULL if it was not given.
 */
enum run resolve_one(struct stage *st, const char *param, unsigned kinds,
    const char **ret_id, struct val *keep);
