/*
 * worker: a few threads for jobs that block: hashing, fsync, librrd, scheduler runs.
 */
#pragma once
#include "loop/post.h"

struct workers;

struct workers *workers_new(struct loop *l, unsigned threads, unsigned max_queued);
/* Waits for running jobs; queued ones are dropped, done with ERR_CANCELLED. */
void workers_free(struct workers *w);
/*
 * run(job) on a worker thread (touches only job); then done(job, rc) on the loop in the
 * posts phase, which frees the job. rc is run's result. ERR_BUSY if the queue is full:
 * the job stays the caller's.
 */
int worker_run(struct workers *w, int (*run)(void *job),
    void (*done)(void *job, int rc), void *job, struct err *e) WARN_UNUSED;
