/*
 * drs_standby: hosts that nobody needs are emptied and put into standby, and woken
 * again, by the hooks of their cluster.
 */
#pragma once
#include "server/ops/op_def.h"

extern const struct op_def standby_defs[];
