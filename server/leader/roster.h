/*
 * roster: which servers work on the database, as each of them says there.
 *
 * Every ten seconds a server writes its row and reads all of them, whether or not it
 * leads; rows that nobody has said for keep_s are gone.  The leader passes the list on
 * to the agents (hosts_set_servers), which so have to be told of one server alone.
 * Nothing is decided by it: who leads is leader.h's matter.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

struct db;
struct leader;
struct loop;
struct roster;

struct roster_conf {
	/* As the leader's (leader.h).  Without agents it says nothing, and reads
	 * nothing. */
	const char *name, *api, *agents;
	const char *version;
	uint32_t keep_s;
};

/* conf's texts are copied; changed: other servers than before, or where they are. */
struct roster *roster_new(struct loop *l, struct db *db, const struct roster_conf *c,
    void (*changed)(void *arg), void *arg);
void roster_free(struct roster *s);
/* host:port where agents reach each, in order; borrowed until the next change. */
size_t roster_agents(const struct roster *s, const char *const **ret_list);
/* As the API tells it: an array, with who leads as ld knows. */
json *roster_json(const struct roster *s, const struct leader *ld);
