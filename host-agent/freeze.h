/*
 * freeze: before this host's agent is exchanged (R12 of docs/ha.md).
 *
 * drover-agent --freeze finds the agent that runs by its lock file and tells it by
 * SIGUSR1.  That one asks the leader, and answers in a file of its state folder: "ok"
 * once all guests may live on without it, else why not.
 */
#pragma once
#include "base/err.h"

struct agent_conf;
struct fence;
struct freeze;
struct loop;

/* ---- in the agent; loop thread ---- */

/* Hears the signal from now on.  Borrows fence. */
struct freeze *freeze_new(struct loop *l, struct fence *fence, const char *state_dir);
void freeze_free(struct freeze *z);

/* ---- beside it; blocks for up to 20 s ---- */

int freeze_run(const struct agent_conf *c, struct err *e) WARN_UNUSED;
