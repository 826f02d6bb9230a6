/*
 * alarm_parse: an alarm's conditions from the JSON in which they are given and kept.
 *
 * A list of
 *  {"counter": "cpu.usage.average", "of"?: counter, "operator"?: "above"|"below",
 *   "yellow"?: number, "red"?: number, "hysteresis"?: number, "for_s"?: seconds}
 *  {"property": "connection_state", "is" or "is_not": [text …], "status"?: "red",
 *   "for_s"?: seconds}
 *  {"events": {"red"?: [type …], "yellow"?: [type …], "green"?: [type …]}}
 *
 * Pure.
 */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "server/alarm/alarm_eval.h"

#define ALARM_CONDS_MAX  8u
#define ALARM_VALUES_MAX 32u /* of a state, and of events */
#define ALARM_FOR_MAX_S  86400u

struct str;

/* Every error names the field. */
int alarm_conds_parse(const json *list, enum alarm_target target,
    struct alarm_conds *ret_c, struct err *e) WARN_UNUSED;
void alarm_conds_fini(struct alarm_conds *c);

/* KIND_NONE: the server, which is no object. */
enum obj_kind alarm_target_kind(enum alarm_target t);
/* METRIC_OF_… that is counted of its objects. */
unsigned alarm_target_counted(enum alarm_target t);

/* "cpu.usage.average is 93.1 %, above 90 for 5 min": what has made it so. */
void alarm_cond_tell(
    const struct alarm_cond *c, const struct alarm_state *s, struct str *out);
