/*
 * guest_counters: a guest's counters as the inventory shows them.  Pure.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/json.h"
#include "proto/msg.h"

#define GUEST_COUNTERS_MAX     64
#define GUEST_COUNTER_TEXT_MAX 64

/* vm.counters of what a host reports; NULL: there are none.  Those above the maximum
 * and those with an overlong name are left out. */
json *guest_counters_json(Drover__Counter *const *v, size_t n);
/*
 * Is fresh worth telling to everybody who watches?  Any limit, failure or counter that
 * comes or goes is; an amount that has moved by a twentieth is.
 */
bool guest_counters_differ(const json *shown, const json *fresh);
