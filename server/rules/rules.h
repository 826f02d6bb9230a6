/*
 * rules: which guests of a cluster run together, apart, on which hosts and on which
 * not.
 *
 * A rule counts while it is enabled.  Apart and must are never broken to place a guest;
 * should, and together, which two guests can only come to one after the other, are
 * followed where that is possible, and the balancer makes up for the rest.
 *
 * Core thread; nothing is kept between calls.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "base/id.h"
#include "server/inventory/inv.h"
#include "server/inventory/inv_drs.h"

struct str;
struct txn;

#define RULE_MAX_MEMBERS 1000u

/* Are they about guests alone, and not about hosts? */
bool rules_are_among_guests(enum rule_type type);
/* Must they hold when a guest is placed? */
bool rules_are_strict(enum rule_type type);

/*
 * Could the rule stand beside those of its cluster?  self is its id if it is stored
 * already. ERR_INVALID names a member that is no good, or the rule that it contradicts.
 * Of two rules between guests and hosts that no host can satisfy the older one wins:
 * then *ret_conflict (caller frees) says why this one has to be disabled.
 */
int rules_admit(const struct inv *inv, obj_id cluster, obj_id self,
    const struct rule *wanted, char **ret_conflict, struct err *e) WARN_UNUSED;

/* Are the members of a new or changed group of its kind and its cluster? */
int rules_admit_group(
    const struct inv *inv, const struct drs_group *wanted, struct err *e) WARN_UNUSED;
/* Give a rule that names groups their members. */
void rules_take_groups(const struct inv *inv, struct rule *r);
/*
 * The members of group have changed: rules that name it change along, into t.  One that
 * has come to contradict an older one is disabled.  by: who did it.
 */
void rules_follow_group(const struct inv *inv, struct txn *t,
    const struct drs_group *group, const char *by);

enum rule_verdict {
	RULE_FOLLOWED,
	RULE_BENT,   /* one that should be followed would not be */
	RULE_BROKEN, /* one that must not be broken would be */
};

/* Where a guest is, or will be in a moment. */
typedef obj_id (*rule_where_fn)(const void *arg, const struct vm *vm);

/*
 * What the rules say to vm on host, with the others where where says.  why gets the
 * worst: "rule \"web\" keeps it apart from web-02".
 */
enum rule_verdict rules_judge(const struct inv *inv, obj_id vm, obj_id host,
    rule_where_fn where, const void *arg, struct str *why);

/* A guest or host is going: no rule or group names it any more, and a rule that has
 * lost its sense goes too. */
void rules_forget(const struct inv *inv, struct txn *t, obj_id member);
