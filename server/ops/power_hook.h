/*
 * power_hook: the programs that put hosts into standby and wake them.
 *
 * A hook is a list of texts: the name of a program in the server's folder of hooks
 * (power.hooks), and its arguments.  What lies in that folder is the choice of whoever
 * runs the server, so settings that come by the API start nothing else.  There is no
 * shell; in the arguments {host}, {address} and {uuid} stand for the host's.
 */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "loop/post.h"

struct host;

#define POWER_HOOK_MAX 32u /* texts */

/* field names it in the error. */
int power_hook_check(const json *hook, const char *field, struct err *e) WARN_UNUSED;

/* Those that run. */
struct power_hooks;
struct power_hooks *power_hooks_new(struct loop *l, const char *folder);
void power_hooks_free(struct power_hooks *ks); /* ends them, and nobody is told */

struct power_hook {
	const json *words; /* NULL or empty: there is none */
	const char *what;  /* "wake hook", for errors */
};

/* Run it for a host; w is posted with its end.  An error: it was not started. */
int power_hooks_run(struct power_hooks *ks, const struct power_hook *k,
    const struct host *h, struct wake w, struct err *e) WARN_UNUSED;
