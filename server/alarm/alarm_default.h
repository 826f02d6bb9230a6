/*
 * alarm_default: the definitions of a new installation, as the table has them.
 */
#pragma once
#include "base/json.h"
#include "server/inventory/inv_obj.h"

struct alarm_default {
	enum alarm_target target;
	enum alarm_match match;
	const char *name, *conditions, *description;
};

const struct alarm_default *alarm_defaults(size_t *ret_n);
/* Its conditions as JSON, the caller's; NULL: they are none. */
json *alarm_default_conditions(const struct alarm_default *d);
