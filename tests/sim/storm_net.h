/*
 * storm_net: messages between agents and servers: late, lost, twice, in any order.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/fence/claim_decide.h"
#include "tests/sim/storm.h"

enum message_kind {
	MESSAGE_BEAT,  /* agent to server */
	MESSAGE_REPLY, /* server to agent */
	MESSAGE_START,
	MESSAGE_STOP,
};

struct message_guest {    /* as a host knows it */
	uint64_t highest; /* generation it ever accepted */
	uint64_t gen;     /* it holds; 0: none */
	uint64_t reaped;  /* up to this one nothing of it runs here, now or ever */
	bool alive;
};

struct message_word { /* of one host on another's block */
	bool read, dead, isolated;
	uint64_t still_ms;
};

struct message {
	enum message_kind kind;
	uint32_t from, to; /* nodes */
	uint64_t epoch;    /* of the leader; a beat: the highest heard */

	union {
		struct {
			uint64_t inc, number, sent_ms; /* sender's clock */
			bool asks, rejoins, isolated;
			uint64_t store_lost_ms; /* for how long */
			struct message_guest guests[STORM_MAX_GUESTS];
			struct message_word words[STORM_MAX_HOSTS];
		} beat;

		struct {
			uint64_t inc; /* that the beat named */
			uint64_t sent_ms, length_ms;
			uint64_t row_inc;
			bool over, others_have_store;
		} reply;

		struct {
			uint32_t guest;
			uint64_t gen;
			uint32_t n_attests;
			struct claim_attest attests[2 * STORM_MAX_HOSTS];
		} order;
	};
};

struct storm_net *net_new(void);
void net_free(struct storm_net *n);
void net_send(struct storm *w, const struct message *m);
/* At EV_MESSAGE: the message, or NULL if it was lost on the way.  Taken out by it. */
bool net_take(struct storm *w, uint64_t arg, struct message *ret);
bool net_reaches(const struct storm *w, uint32_t from, uint32_t to);
