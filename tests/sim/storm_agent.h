/*
 * storm_agent: a host agent's driver around fence_decide and claim_decide.
 *
 * What is in struct kept outlives the agent's process and the host; the rest does not.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/storm.h"

struct storm_agents *agents_new(struct storm *w);
void agents_free(struct storm_agents *a);

/* Events, at the agent's node; all of a life that is over were dropped before. */
void agent_on_tick(struct storm *w, uint32_t host);
void agent_on_look(struct storm *w, uint32_t host);
void agent_on_exec(struct storm *w, uint32_t host, uint64_t arg);
void agent_on_message(struct storm *w, uint32_t host, uint64_t arg);
void agent_on_io(struct storm *w, uint32_t host, uint64_t arg);
void agent_on_boot(struct storm *w, uint32_t host);
void agent_on_back(struct storm *w, uint32_t host);

/* Faults; back_ms 0: never. */
void agent_host_dies(struct storm *w, uint32_t host, uint64_t back_ms);
void agent_dies(struct storm *w, uint32_t host, uint64_t back_ms);
bool agent_is_up(const struct storm *w, uint32_t host);
