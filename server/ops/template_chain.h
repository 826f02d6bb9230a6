/*
 * template_chain: what stands on a template, stands on this.  Pure.
 */
#pragma once
#include "server/inventory/inv.h"

/*
 * The template's image on a datastore and what that stands on in turn, nearest first,
 * as a disk's "backing" has it; NULL if it does not lie there.  Free it.
 */
json *template_chain_on(const struct template *tpl, obj_id datastore);
