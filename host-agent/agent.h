/*
 * agent: one host's agent: owns every module, starts and stops them in order.
 */
#pragma once
#include "host-agent/agent_conf.h"

struct agent;

struct agent_start {
	const char *conf_path;
	const char *const *sets; /* assignments of the command line, over the file's */
	size_t n_sets;
};

/* The file and the command line into c; both are errors with their place named. */
int agent_conf_read(
    const struct agent_start *s, struct agent_conf *c, struct err *e) WARN_UNUSED;
/*
 * Run until SIGTERM or SIGINT; guests run on.  SIGHUP reads settings and certificates
 * anew and reopens the log.  c is taken.
 */
int agent_run(
    const struct agent_start *s, struct agent_conf *c_take, struct err *e) WARN_UNUSED;
