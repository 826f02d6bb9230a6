/*
 * storm_agent_int: what the files of the agent's double share.
 */
#pragma once
#include "host-agent/fence/beat_watch.h"
#include "host-agent/fence/claim_decide.h"
#include "host-agent/fence/fence_decide.h"
#include "tests/sim/storm_agent.h"
#include "tests/sim/storm_net.h"
#include "tests/sim/storm_store.h"

enum start_stage {
	STAGE_NONE,
	STAGE_PEEKING,  /* only with PLANT_LOOK_FIRST */
	STAGE_CLAIMING, /* our claim is being written */
	STAGE_LOOKING,  /* others' are being read, again and again */
	STAGE_RUNNING,  /* phase run is being written */
};

struct kept_guest {             /* durable */
	uint64_t highest;       /* R6: ever accepted */
	uint64_t gen;           /* the one that is or was held */
	enum claim_phase phase; /* what our block may say */
	bool wanted;
	uint64_t reaped; /* R8: up to here nothing runs here, nor will it */
};

struct agent_guest {
	enum start_stage stage;
	uint32_t n_attests;
	struct claim_attest attests[2 * STORM_MAX_HOSTS];
	bool writing; /* a write of our block is under way */
	bool starting;
	uint64_t failed_ms;
	uint64_t paused_ms; /* PLANT_PAUSE_RELEASES */
	uint64_t kill_ms;   /* PLANT_REPORT_FIRST: kill it then */
};

struct agent {
	bool up; /* its process runs */
	bool powered;

	struct {
		uint64_t inc, epoch, seq;
		struct kept_guest guests[STORM_MAX_GUESTS];
	} kept;

	bool joined, over, isolated, rejoining;
	uint64_t network_end_ms, manager_ms, gateway_ms, beats;
	bool others_have_store, asks;
	bool may_renew, beat_writing, beats_reading;
	struct fence_store store;
	struct fence_state fence;
	struct beat_watch watches[STORM_MAX_HOSTS];
	bool says_isolated[STORM_MAX_HOSTS];
	uint64_t read_ms; /* when heartbeats were last read */
	struct agent_guest guests[STORM_MAX_GUESTS];
};

struct storm_agents {
	struct agent list[STORM_MAX_HOSTS];
	enum fence_response responses[STORM_MAX_GUESTS];
	uint64_t isolation_ms;
};

static inline struct agent *
agent_at(const struct storm *w, uint32_t host)
{
	return &w->agents->list[host];
}

/* ---- storm_agent_start.c: R6 ---- */
void start_on_order(struct storm *w, uint32_t host, const struct message *m);
void start_on_write(struct storm *w, uint32_t host, const struct io *io);
void start_on_read(struct storm *w, uint32_t host, const struct io *io);
void start_look(struct storm *w, uint32_t host, uint32_t guest);
void start_write(
    struct storm *w, uint32_t host, uint32_t guest, enum claim_phase phase);
void start_give_up(struct storm *w, uint32_t host, uint32_t guest);
/* Of the guest's leases now, by fence_deadline. */
uint64_t start_deadline(const struct storm *w, uint32_t host, uint32_t guest);
struct fence_view agent_view(const struct agent *a, const struct storm *w);
