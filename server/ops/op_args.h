/*
 * op_args: a verb's arguments against its table.  Pure: whether an id exists is not
 * asked here.
 */
#pragma once
#include "server/ops/ops.h"

/* Every error names the field. A null stands for an absent one. */
int op_args_check(
    const struct op_info *op, const json *args, struct err *e) WARN_UNUSED;
/*
 * Tells args from others without keeping them.  Secrets are left out: a digest that is
 * stored would help to guess them.  Caller frees.
 */
char *op_args_digest(const struct op_info *op, const json *args);
