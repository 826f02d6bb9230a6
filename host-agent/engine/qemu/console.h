/*
 * console: a guest's serial line, read into a ring of two files.
 *
 * NAME grows to half of ENGINE_CONSOLE_MAX and is then renamed to NAME.1: what is on
 * disk is bounded whatever the guest prints.  While the agent is away nobody reads and
 * the guest's output is dropped by its process.
 */
#pragma once
#include <stddef.h>

#include "loop/loop.h"

struct console;

/* p is borrowed. */
typedef void (*console_fn)(void *arg, const void *p, size_t n);

/* fd_take is the connected serial line; dir the guest's folder; heard(arg) gets what
 * comes, after it is kept. */
struct console *console_new(
    struct loop *l, int fd_take, const char *dir, console_fn heard, void *arg);
void console_free(struct console *c); /* what has arrived is still kept; NULL is fine */
int console_write(
    struct console *c, const void *p, size_t n, struct err *e) WARN_UNUSED;
/* The newest cap bytes of both files, oldest first. */
size_t console_tail(const char *dir, char *buf, size_t cap);
