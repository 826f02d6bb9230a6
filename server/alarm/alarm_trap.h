/*
 * alarm_trap: SNMP traps (v2c).  Blocks while names are looked up: for one worker at a
 * time.
 *
 * docs/alarms.md tells the objects.
 */
#pragma once
#include "base/err.h"
#include "server/alarm/alarm_notice.h"

struct alarm_trap {
	const char *host; /* "10.0.0.7", "nms.example:162" */
	const char *community;
	const struct alarm_notice *notice;
};

int alarm_trap_send(const struct alarm_trap *t, struct err *e) WARN_UNUSED;
