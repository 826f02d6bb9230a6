/*
 * engine_exec: programs started inside a guest that is up, and its files, for engines
 * that share their kernel with their guests.
 *
 * Not verbs: any number at a time, beside whatever verb is under way.
 */
#pragma once
#include "host-agent/engine/engine.h"
#include "loop/child.h"

struct engine_exec {
	const char *const *args; /* NULL-ended, at least one */
	const char *const *env;  /* NULL-ended "NAME=value", besides the guest's own */
	const char *cwd;         /* "" is / */
	uint32_t uid, gid;       /* inside */
	/* The three are one pseudo-terminal's slave, which becomes its controlling
	 * terminal; its size may change at any time. */
	bool tty;
	int fds[3]; /* borrowed until the call returns */
};

/*
 * done as child_start has it; r->status is that of the program inside.  It is ended
 * with child_kill(), and with the guest.  ERR_BAD_STATE: the guest is not RUNNING.
 * ERR_UNSUPPORTED: the engine cannot.  ERR_NOT_FOUND, ERR_DENIED: the program.
 */
int engine_exec(struct engine_guest *g, const struct engine_exec *x, child_fn done,
    void *arg, struct child **ret_c, struct err *e) WARN_UNUSED;

struct engine_root {
	int fd;           /* its root folder, O_PATH; the caller's */
	uint32_t id_base; /* id 0 inside is this one outside */
	uint32_t n_ids;
};

/* Every path below it must be opened with RESOLVE_IN_ROOT: links in there are the
 * guest's. */
int engine_root(
    struct engine_guest *g, struct engine_root *ret_r, struct err *e) WARN_UNUSED;
