/*
 * inv_wish: who changed last what people set of an object, so that a change that was
 * made up on the ground of an older state can be refused (ADR 53).
 *
 * Its name, its parent and the fields marked W in inv_field.def count; figures, states
 * and the host that a guest runs on do not.  By whom is known of the last changes since
 * this server began to lead.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "base/id.h"
#include "base/json.h"

struct inv;

/*
 * ERR_CHANGED, with who did what, when the object is not any more as people had set it
 * at revision rev, or when that cannot be told; ERR_BUSY while a transaction that would
 * change it is on its way.
 */
int inv_wish_check(
    const struct inv *inv, obj_id id, uint64_t rev, struct err *e) WARN_UNUSED;
/* Its changes after revision rev as far as they are known, oldest first:
 * [{"rev","at","user","fields":[names]}]. */
json *inv_wish_json(const struct inv *inv, obj_id id, uint64_t rev);
