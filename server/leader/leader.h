/*
 * leader: exactly one server acts on a database.
 *
 * One row says who leads: epoch, holder and a beat that its holder renews each second.
 * leader_decide.h reads it and says what to do; this is its driver.  What protects the
 * data is the epoch: each new leader raises it, and every write proves it.  What
 * protects the guests is the lease: a leader acts only until four seconds after it sent
 * the last renewal that is known to be committed, by its own clock.
 *
 * A leader whose connection breaks keeps its epoch and goes on when the database is
 * back, unless another has taken the lead meanwhile: then it is over, and so it is for
 * one that was frozen.  A server that stops in order gives the row up, so that the next
 * one need not wait.  Who takes over applies the migrations before it leads.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "server/db/db_pg.h"

struct leader;
struct loop;

enum leader_patience {
	LEADER_WAIT,   /* until no other server leads */
	LEADER_REFUSE, /* end with ERR_BUSY */
};

struct leader_conf {
	const char *name;       /* of this process, unlike any other's: the connection's
				   application_name, too */
	const char *migrations; /* folder */
	enum leader_patience patience;
	/* "host:port" where people and agents reach this server, "" if it has none. */
	const char *api, *agents;
};

/* The row as it was last read. */
struct leader_seen {
	uint64_t epoch;    /* 0: nobody leads, as far as is known */
	uint64_t since_ms; /* wall clock, by the database */
	char holder[64], api[300], agents[300];
};

struct leader_hooks {
	void (*leading)(void *arg); /* once: the database is open for writing */
	/* Once: it cannot lead or may not any longer; nothing of it runs after. */
	void (*over)(void *arg, int rc, const struct err *e);
	/* Another leads now, or nobody does; see leader_seen.  May be NULL. */
	void (*seen)(void *arg);
};

/* conf's texts are copied; db is a db_pg, not started yet, borrowed. */
struct leader *leader_new(struct loop *l, struct db *db, const struct leader_conf *conf,
    const struct leader_hooks *hooks, void *arg);
void leader_start(struct leader *ld); /* connects the database */
void leader_free(struct leader *ld);
/*
 * Give the lead up for good, so that another server takes it at once; done comes once,
 * when the database has it or cannot be told.  Nothing may be granted or begun after.
 * False: there is nothing to give up, and done does not come.
 */
bool leader_release(struct leader *ld, void (*done)(void *arg), void *arg) WARN_UNUSED;

uint64_t leader_epoch(const struct leader *ld);     /* 0 before it leads */
const char *leader_status(const struct leader *ld); /* "leading", "following" … */
const struct leader_seen *leader_seen(const struct leader *ld);
/*
 * Until when, by CLOCK_BOOTTIME, this server may act as the leader; over (0) while it
 * does not lead.  Moves on with each proof.  What is granted in the leader's name ends
 * then at the latest (lease_clip).
 */
uint64_t leader_lease_end_ms(const struct leader *ld);
/*
 * By when what the leader before granted in that way is over, by our own clock.  In the
 * past where its lease was waited out; up to a lease in the future where it gave the
 * lead up or is known to have ended.
 */
uint64_t leader_before_end_ms(const struct leader *ld);
