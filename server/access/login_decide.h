/*
 * login_decide: may somebody try to log in now?  Pure.
 *
 * Failures are counted per account and per address.  After a number of failures in a
 * row each further one doubles the wait, from 1 s to LOGIN_MAX_WAIT_MS.  An address
 * gets more than an account: many people may stand behind one.  A success forgets the
 * account's count, not the address's, so that one good account does not open the door
 * for guessing others.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define LOGIN_FREE_USER    5
#define LOGIN_FREE_ADDRESS 30
#define LOGIN_MAX_WAIT_MS  (5ULL * 60 * 1000)
#define LOGIN_FORGET_MS    (30ULL * 60 * 1000)

struct login_count {
	uint32_t failures;
	uint64_t last_ms;  /* mono, of the last failure */
	uint64_t until_ms; /* no try before */
};

/* 0: go on; else how many ms to wait. */
uint64_t login_wait_ms(const struct login_count *c, uint64_t now_ms);
/* free: failures before the first wait. */
void login_failed(struct login_count *c, uint32_t free, uint64_t now_ms);
/* Nothing worth remembering is in it any more. */
bool login_stale(const struct login_count *c, uint64_t now_ms);
