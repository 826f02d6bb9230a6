/*
 * storm_store: one datastore of heartbeat and claim blocks, and what goes wrong with
 * it.
 *
 * Linearizable, as A2 demands, but for stale readings of heartbeats, which are shorter
 * than any wait.  A write that failed may still land within the settling time.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "host-agent/fence/lease_file.h"
#include "tests/sim/storm.h"

enum io_kind { IO_WRITE_BEAT, IO_WRITE_CLAIM, IO_READ_BEATS, IO_READ_CLAIMS };

struct io {
	enum io_kind kind;
	uint32_t host, guest;
	uint64_t life;     /* of the agent that asked */
	uint64_t begun_ms; /* agent's clock */
	uint64_t tag;      /* the agent's */
	bool failed, lands, torn;
	bool isolated; /* of IO_WRITE_BEAT */

	union {
		struct lease_beat beat;
		struct lease_claim claim;

		struct {
			struct lease_beat beats[STORM_MAX_HOSTS];
			bool isolations[STORM_MAX_HOSTS];
		};
		struct lease_claim claims[STORM_MAX_HOSTS];
	};
};

struct storm_store *store_new(void);
void store_begin(struct storm *w); /* the claims of what runs at first */
void store_free(struct storm_store *s);
void store_submit(struct storm *w, const struct io *io);
void store_on_land(struct storm *w, uint64_t arg);
struct io store_take(struct storm *w, uint64_t arg);
void store_damage_claims(struct storm *w, uint32_t host);
/* What the oracle may see. */
bool store_knows_beat(const struct storm *w, uint32_t host);
struct lease_claim store_claim(const struct storm *w, uint32_t guest, uint32_t host);
