/*
 * agent_play: the real drover-agent over real TLS, and the server's end of its link,
 * played by a test.
 */
#pragma once
#include <sys/types.h>

#include "loop/link.h"
#include "proto/msg.h"
#include "tests/lib/agent_bed.h"

#define PLAY_UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301" /* the host's */

struct play {
	struct bed *bed; /* its folder; its clock stands still */
	struct loop *loop;
	struct certs *certs;
	struct ssl_ctx_st *ctx;
	struct link_listener *listener;
	struct link *link;
	char *conf;
	pid_t agent;

	uint64_t epoch;
	bool signs; /* said in the welcome */
	unsigned hellos, replies, events, reports, cert_requests;
	Drover__Envelope *hello, *reply, *event, *report, *cert_request; /* the newest
									  */
	char peer[65]; /* fingerprint of what the newest link was opened with */
};

/* The agent's control group, with its parent's pid; it goes with the play. */
#define PLAY_GROUP "drover-test-%d"

/* conf: sections of the agent's settings beside those that every play needs. */
struct play *play_new(const char *conf);
/* Kills the agent, not its guests; removes the folder. */
void play_free(struct play *p);
/* Start it and wait for its greeting. */
void play_run_agent(struct play *p);
/* Signal it and wait for its end; the status as of waitpid. */
int play_end_agent(struct play *p, int signo);
/* Wait for an end that it comes to by itself. */
int play_await_end(struct play *p);
/* Until the counter has reached n; fails the test after half a minute. */
void play_until(struct play *p, const unsigned *count, unsigned n);
void play_say(struct play *p, Drover__Envelope *m);
/* An order of task 77. */
void play_order(struct play *p, uint32_t step, Drover__Order *o);
/* The newest reply says that its guest runs. */
void play_assert_running(const struct play *p);
/* The newest reply is no fault. */
void play_assert_done(const struct play *p);
