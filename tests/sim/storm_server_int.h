/*
 * storm_server_int: what the files of the server's double share.
 */
#pragma once
#include "server/ha/ha_decide.h"
#include "server/ha/ha_restart_decide.h"
#include "server/leader/leader_decide.h"
#include "tests/sim/storm_db.h"
#include "tests/sim/storm_net.h"
#include "tests/sim/storm_server.h"

/* A leader's memory; begins anew with each leadership. */
struct lead {
	bool loaded, loading;
	struct db_rows_all rows;
	struct ha_host hosts[STORM_MAX_HOSTS];
	enum ha_is is[STORM_MAX_HOSTS];
	bool braked;
	uint64_t mass_ms;
	bool heard[STORM_MAX_HOSTS], may_take[STORM_MAX_HOSTS];
	bool host_busy[STORM_MAX_HOSTS], guest_busy[STORM_MAX_GUESTS];
	uint64_t attested[STORM_MAX_HOSTS]; /* incarnation; 0: none */
	uint64_t numbers[STORM_MAX_HOSTS];  /* of the newest beat */
	struct message_word words[STORM_MAX_HOSTS][STORM_MAX_HOSTS];
	uint64_t reaped[STORM_MAX_HOSTS][STORM_MAX_GUESTS];
	struct restart_guest guests[STORM_MAX_GUESTS];
	uint64_t sent_ms[STORM_MAX_GUESTS]; /* last order */
	uint64_t since_ms;
};

struct server {
	bool up;
	struct leader_view view;
	struct lead lead;
};

struct storm_servers {
	struct server list[STORM_MAX_SERVERS];
};

static inline struct server *
server_at(const struct storm *w, uint32_t server)
{
	return &w->srv->list[server];
}

/* ---- storm_lead.c ---- */
void lead_look(struct storm *w, uint32_t server);
void lead_on_beat(struct storm *w, uint32_t server, const struct message *m);
void lead_on_txn(struct storm *w, uint32_t server, const struct txn *t);
void lead_submit(struct storm *w, uint32_t server, const struct txn *t);
void lead_lose_host(struct storm *w, struct lead *l, uint32_t host, uint64_t now);

/* ---- storm_restart.c ---- */
void restart_look(struct storm *w, uint32_t server);
void restart_ordered(struct storm *w, uint32_t server, const struct txn *t);
void restart_report(
    struct storm *w, uint32_t server, uint32_t host, const struct message *m);
