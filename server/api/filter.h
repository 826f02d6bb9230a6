/*
 * filter: "web* power:off mem>=4gb -host:h2" on objects.  Pure but for reading the
 * inventory.
 *
 * Terms are joined by "and".  A bare word matches name, id or address.  field:value
 * matches the whole value with wildcards, case ignored; a|b is either; -term negates;
 * "…" keeps spaces.  >, >=, <, <= compare numbers; a value with a unit (4gb) is turned
 * into the field's own unit.  References match by id or by the name of what they point
 * to, a tag also by "Category/Name"; cluster: and datacenter: look upwards.
 */
#pragma once
#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "server/inventory/inv.h"

#define FILTER_MAX_TERMS 32
#define FILTER_MAX_TEXT  1024

struct filter;

/* ERR_INVALID names the term: unknown field, a number wanted, an open quote. */
int filter_parse(
    const char *q, enum obj_kind kind, struct filter **ret, struct err *e) WARN_UNUSED;
bool filter_match(const struct filter *f, const struct inv *inv, const struct obj *o);
void filter_free(struct filter *f);

DEFINE_AUTO(filter, struct filter *, filter_free)
