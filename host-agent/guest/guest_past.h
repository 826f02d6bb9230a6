/*
 * guest_past: generations of guests that are over on this host although no record tells
 * of them.
 *
 * Whoever is told that a guest has not come, or was forgotten, must be able to count on
 * it: no start and no arrival of that generation, or of a lower one, is taken up here
 * again, also after a restart.  The newest GUEST_PAST_MAX guests are kept.  Loop
 * thread.
 */
#pragma once
#include "base/err.h"
#include "loop/post.h"

#define GUEST_PAST_MAX 4096u

struct guest_past;
struct workers;

/* Reads path (blocks, start-up); a damaged one is set aside. */
int guest_past_open(struct loop *l, struct workers *savers, const char *path,
    struct guest_past **ret_p, struct err *e) WARN_UNUSED;
/* No wake is posted any more. NULL is fine. */
void guest_past_free(struct guest_past *p);
/* The highest generation that is over; 0: none is known. */
uint64_t guest_past_seen(const struct guest_past *p, uint64_t guest);
/* Up to generation it is over; w is posted when that is on disk. */
void guest_past_note(
    struct guest_past *p, uint64_t guest, uint64_t generation, struct wake w);
/* Why that generation, which was noted, has not come; kept in memory alone. */
void guest_past_set_why(
    struct guest_past *p, uint64_t guest, uint64_t generation, const char *why);
/* "": nobody said. */
const char *guest_past_why(
    const struct guest_past *p, uint64_t guest, uint64_t generation);
