/*
 * alarm_notice: what receivers are told of an alarm that has changed.
 *
 * Pure.
 */
#pragma once
#include "base/json.h"
#include "server/inventory/inv_obj.h"

/* All texts owned. */
struct alarm_notice {
	char *delivery; /* "alarm-7/3/mail": the same for every try */
	char *alarm, *name;
	char *entity, *entity_name, *entity_kind; /* "", "the server", "server" */
	char *reason;
	enum alarm_status status, was;
	uint64_t at_ms;
};

void alarm_notice_fini(struct alarm_notice *n);
/* "Host CPU usage on host-1 (h1): green → red" */
char *alarm_notice_title(const struct alarm_notice *n);
/* {"delivery","alarm","name","status","was","reason","time",
 * "entity":{"id","kind","name"}} */
char *alarm_notice_json(const struct alarm_notice *n);
/* A whole message, as SMTP carries it; to is a list of addresses. */
char *alarm_notice_mail(
    const struct alarm_notice *n, const char *from, const json *to, uint64_t now_ms);
/* "t=1700000000000,sha256=…": HMAC of "t.body" with the receiver's secret. */
char *alarm_notice_sign(const char *secret, uint64_t now_ms, const char *body);
