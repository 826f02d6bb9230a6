/*
 * inside: a program inside a guest, its streams and its end (docs/api.md, enter).
 */
#pragma once
#include "base/json.h"
#include "shell/shell.h"

enum inside_way { INSIDE_IN, INSIDE_OUT, INSIDE_ERR };

struct inside {
	const char *vm; /* its id */
	json *start;    /* the first message; borrowed */
	int in_fd;      /* what the program reads; -1: nothing */
	bool tty;       /* in_fd is a terminal: raw while it lasts, its size is told */
	uint64_t timeout_ms; /* 0: as long as it takes */
	void (*out)(void *arg, enum inside_way way, const void *p, size_t n);
	void *arg;
};

struct inside_end {
	int exit_code; /* 128 + the signal that ended it */
};

/*
 * Until it has ended.  What it cannot begin with or what cut it short is an error.  The
 * terminal is as before, also when a signal ends the shell.
 */
int inside_run(struct shell *sh, const struct inside *in, struct inside_end *ret_end,
    struct err *e) WARN_UNUSED;
/* The first message for a program; the caller frees. args end with NULL. */
json *inside_start(const char *const *args, bool tty);
