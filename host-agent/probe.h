/*
 * probe: say what this host can do and why not, without becoming part of anything.
 */
#pragma once
#include "host-agent/agent_conf.h"

enum probe_form { PROBE_TEXT, PROBE_JSON };

/* Prints to standard output.  Takes up to a minute: a machine is tried out. */
int probe_run(
    const struct agent_conf *c, enum probe_form form, struct err *e) WARN_UNUSED;
