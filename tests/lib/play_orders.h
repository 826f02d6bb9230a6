/*
 * play_orders: what a server orders of a host, one word each, for tests with the real
 * agent.
 *
 * Each waits for the reply, which must be no fault.
 */
#pragma once
#include "tests/lib/agent_play.h"

#define PLAY_STORE "stores/one" /* datastore 1, below the bed's folder */

void play_give(struct play *p, Drover__Order *o);
/* The same, but the agent ends before it has answered; play_await_end comes next. */
void play_give_up(struct play *p, Drover__Order *o);

void play_attach(struct play *p);
void play_create(struct play *p, Drover__GuestSpec *spec);
/* The guest must run then; its process. */
pid_t play_start(struct play *p, Drover__GuestSpec *spec, uint64_t generation);
void play_stop(struct play *p, uint64_t guest, Drover__StopMode mode);
void play_reset(struct play *p, uint64_t guest);
void play_pause(struct play *p, uint64_t guest);
void play_resume(struct play *p, uint64_t guest);
void play_suspend(struct play *p, uint64_t guest);
void play_delete(struct play *p, uint64_t guest);
/* The state that the newest reply gives its guest. */
void play_assert_state(const struct play *p, Drover__GuestState state);
