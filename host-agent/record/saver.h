/*
 * saver: one small file whose newest contents win, written by a worker.
 *
 * Contents put while a write runs replace each other; each waiter is called once what
 * it put, or something newer, is on disk.  Loop thread only.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct saver;
struct workers;

/* seq is what the saver_put returned that asked for the call. */
typedef void (*saver_fn)(void *arg, uint64_t seq, int rc, const struct err *e);

/* path is absolute; its folder is made with the first contents, if it is not there. */
struct saver *saver_new(struct loop *l, struct workers *w, const char *path);
/* No waiter is called any more; a write that runs ends by itself, one that waits is
 * lost. */
void saver_free(struct saver *s);
/*
 * Replace the contents (copied); p NULL removes the file.  done(arg, …), if given, runs
 * in a posts phase, never before this returns.  Returns a number that grows with each
 * call.
 */
uint64_t saver_put(struct saver *s, const void *p, size_t n, saver_fn done, void *arg);
