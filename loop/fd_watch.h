/*
 * fd_watch: a pipe's or a terminal's end that somebody reads or writes without
 * blocking.
 *
 * Not for files: they are always ready.  Two watches may share a descriptor, one for
 * each way.
 */
#pragma once
#include "loop/loop.h"

enum fd_way { FD_READ, FD_WRITE };

struct fd_watch;

/* fd is borrowed and outlives the watch.  Nothing is waited for before fd_watch_once.
 */
struct fd_watch *fd_watch_new(
    struct loop *l, int fd, enum fd_way way, loop_fn fn, void *arg);
/* fn(arg) once, in a later posts phase, when fd can be used or its other end is gone.
 */
void fd_watch_once(struct fd_watch *w);
void fd_watch_free(struct fd_watch *w); /* fine from within fn; NULL too */
