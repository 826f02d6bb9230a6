/*
 * qmp_parse: one line of QEMU's machine protocol as a message.
 *
 * Pure.  The line comes from a process that a guest may have taken over: it is checked,
 * never believed.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

#define QMP_LINE_MAX 4194304u

enum qmp_kind { QMP_GREETING, QMP_RETURN, QMP_ERROR, QMP_EVENT };

struct qmp_msg {
	enum qmp_kind kind;
	bool has_id;
	uint64_t id; /* of RETURN and ERROR */
	json *whole; /* owned; what the pointers below borrow from */
	json *body;  /* RETURN: the value; EVENT: "data", or NULL; GREETING: "QMP" */
	const char *name; /* EVENT: which; ERROR: its class */
	const char *text; /* ERROR: its description */
};

/* ERR_CORRUPT if the line is no QMP message.  qmp_msg_fini afterwards. */
int qmp_parse(
    const char *line, size_t n, struct qmp_msg *ret_m, struct err *e) WARN_UNUSED;
void qmp_msg_fini(struct qmp_msg *m);

/* The command as a line with its newline; args is taken over, NULL: none. */
char *qmp_command(const char *name, json *args_take, uint64_t id);
