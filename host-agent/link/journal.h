/*
 * journal: which orders were begun, and what was answered.
 *
 * An order is named by (task, step). Its begin is durable before anything is done for
 * it, its reply before the reply is sent.  Begun without a reply after a restart: the
 * work may have happened or not; whoever repeats the order makes it happen (handlers
 * are idempotent). The newest JOURNAL_KEEP replies are kept.  Loop thread only.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "proto/envelope.pb-c.h"

#define JOURNAL_KEEP 10000u

struct journal;
struct loop;
struct workers;

struct order_name {
	uint64_t task;
	uint32_t step;
};

enum journal_state { JOURNAL_UNKNOWN, JOURNAL_BEGUN, JOURNAL_REPLIED };

typedef void (*journal_fn)(void *arg, int rc, const struct err *e);

/* Blocks (start-up). keep: JOURNAL_KEEP but in tests. A damaged end is cut off and
 * logged. */
int journal_open(struct loop *l, struct workers *w, const char *path, size_t keep,
    struct journal **ret_j, struct err *e) WARN_UNUSED;
void journal_free(struct journal *j);

enum journal_state journal_find(const struct journal *j, struct order_name name);
/* The stored reply; free with drover__reply__free_unpacked. ERR_NOT_FOUND. */
int journal_reply(struct journal *j, struct order_name name, Drover__Reply **ret_r,
    struct err *e) WARN_UNUSED;
/* done(arg, …) in a posts phase, once it is durable or could not be made so. */
void journal_begin(
    struct journal *j, struct order_name name, journal_fn done, void *arg);
void journal_end(struct journal *j, const Drover__Reply *r, journal_fn done, void *arg);
size_t journal_count(const struct journal *j);

/* "17.3" into buf (ORDER_NAME_TEXT bytes); the key of maps, and what logs say. */
#define ORDER_NAME_TEXT 36
const char *order_name_text(struct order_name n, char buf[ORDER_NAME_TEXT]);
