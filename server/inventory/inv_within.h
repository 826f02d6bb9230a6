/*
 * inv_within: what many objects are in, asked of one after the other.
 *
 * What a place leads to is remembered, so that thousands of objects in some places cost
 * a look or two each.  Made for one turn of the loop: the inventory must not change.
 */
#pragma once
#include "base/id.h"
#include "base/mem.h"

struct inv;
struct inv_within;
struct obj;

/* Looks for one place. */
struct inv_within *inv_within_place(const struct inv *inv, obj_id place);
/* Looks for the nearest place of a kind, as inv_places (inv_place.h) has them. */
struct inv_within *inv_within_kind(const struct inv *inv, enum obj_kind kind);
void inv_within_free(struct inv_within *w);

/* What is looked for, if the object is that, or in it; else none. */
obj_id inv_within_find(struct inv_within *w, const struct obj *o);

DEFINE_AUTO(inv_within, struct inv_within *, inv_within_free)
