/*
 * feed: the changes of the inventory by revision, for the watch and other followers.
 *
 * The last 64 k changes are kept, so that a follower who knows a revision can go on
 * from there.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"

struct inv;

enum change_kind { CHANGE_ADD, CHANGE_SET, CHANGE_DEL };

struct change {
	uint64_t rev;
	enum change_kind kind;
	obj_id id;
	obj_id parent;
	uint64_t fields; /* CHANGE_SET: bit i = i-th field of the kind; bit 63 name, bit
			    62 parent */
	uint64_t volatile_only; /* non-zero: just usage figures */
};

/* Called in the pushes phase of a turn in which something changed. */
typedef void (*feed_fn)(void *arg);
void feed_follow(struct inv *inv, feed_fn fn, void *arg);
void feed_unfollow(struct inv *inv, feed_fn fn, void *arg);
/* The i-th change after rev (i from 0); NULL when there are no more. */
const struct change *feed_after(const struct inv *inv, uint64_t rev, uint64_t i);
/* False: rev is older than the ring; take a new snapshot. */
bool feed_reaches(const struct inv *inv, uint64_t rev);
