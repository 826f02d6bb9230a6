/*
 * waiter: somebody who waits for a post, in tests of what ends with a wake.
 */
#pragma once
#include <stdbool.h>

#include "loop/flow.h"

struct waiter {
	struct wake wake;
	bool ready; /* wake is good */
	bool ended;
	int rc;
	struct err e;
};

/* Turns the loop until w->wake is good. w outlives fs or its end. */
struct wake waiter_start(struct waiter *w, struct loop *l, struct flows *fs);
/* Turns the loop until it was woken; the test fails after ten seconds. Returns rc. */
int waiter_end(struct waiter *w, struct loop *l);
