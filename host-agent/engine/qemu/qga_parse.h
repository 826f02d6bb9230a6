/*
 * qga_parse: what the agent inside a guest answers.
 *
 * Pure.  All of it is the guest's own word: bounded, checked, never believed further
 * than for showing it.
 */
#pragma once
#include "base/json.h"
#include "host-agent/engine/engine_snapshot.h"

#define QGA_LINE_MAX 262144u
/* Before a delimited answer: what came before it is an earlier connection's. */
#define QGA_MARK '\xff'

struct qga_msg {
	json *whole;      /* owned; what the pointers below borrow from */
	const json *body; /* the value; NULL: it is an error */
	const char *text; /* the error's description; "" */
};

/* ERR_CORRUPT if the line is no answer.  qga_msg_fini afterwards. */
int qga_parse(
    const char *line, size_t n, struct qga_msg *ret_m, struct err *e) WARN_UNUSED;
void qga_msg_fini(struct qga_msg *m);

/* The command as a line with its newline; args is taken over, NULL: none. */
char *qga_command(const char *name, json *args_take);

/* Take what an answer says; what is not as it should be is left out. */
void qga_take_host_name(struct engine_inside *in, const json *body);
void qga_take_os(struct engine_inside *in, const json *body);
void qga_take_addresses(struct engine_inside *in, const json *body);
