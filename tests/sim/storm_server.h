/*
 * storm_server: a server's driver around leader_decide, ha_decide and
 * ha_restart_decide.
 */
#pragma once
#include <stdint.h>

#include "tests/sim/storm.h"

struct storm_servers *servers_new(struct storm *w);
void servers_free(struct storm_servers *s);

void server_on_tick(struct storm *w, uint32_t server);
void server_on_message(struct storm *w, uint32_t server, uint64_t arg);
void server_on_db(struct storm *w, uint32_t server, uint64_t arg);
void server_on_back(struct storm *w, uint32_t server);
void leader_dies(struct storm *w, uint64_t back_ms); /* who leads now, if anybody */
void server_dies(struct storm *w, uint32_t server, uint64_t back_ms); /* 0: never */
