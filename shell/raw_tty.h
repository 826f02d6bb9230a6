/*
 * raw_tty: the terminal handed over to a program elsewhere, and given back whatever
 * happens: also when a signal ends the shell.  One at a time.
 */
#pragma once
#include <signal.h>
#include <stdbool.h>

#include "base/err.h"

int raw_tty_begin(int fd, struct err *e) WARN_UNUSED;
void raw_tty_end(void); /* fine without a begin */
/* The size has changed since the last call; once true after raw_tty_begin. */
bool raw_tty_resized(void);
/* For ppoll: a change of size ends its wait, and comes at no other moment; NULL while
 * there is no raw terminal. */
const sigset_t *raw_tty_wait_mask(void);
