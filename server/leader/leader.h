/*
 * leader: exactly one server acts on a database.
 *
 * A session lock of PostgreSQL says that somebody is there; the epoch, a number in the
 * database that each new leader raises and every write proves, is what protects the
 * data.  A leader whose connection breaks keeps its epoch and goes on when the database
 * is back, unless another has taken the lead meanwhile: then it has to stop.  The
 * leader applies the migrations before it claims the epoch.
 */
#pragma once
#include <stdint.h>

#include "base/err.h"
#include "server/db/db_pg.h"

struct leader;
struct loop;

enum leader_patience {
	LEADER_WAIT,   /* until the other server is gone */
	LEADER_REFUSE, /* end with ERR_BUSY */
};

struct leader_conf {
	const char *name;       /* of this process, unlike any other's: the connection's
				   application_name, too */
	const char *migrations; /* folder */
	enum leader_patience patience;
};

struct leader_hooks {
	void (*leading)(void *arg); /* once: the database is open for writing */
	/* Once: it cannot lead or may not any longer; nothing of it runs after. */
	void (*over)(void *arg, int rc, const struct err *e);
};

/* conf's texts are copied; db is a db_pg, not started yet, borrowed. */
struct leader *leader_new(struct loop *l, struct db *db, const struct leader_conf *conf,
    const struct leader_hooks *hooks, void *arg);
void leader_start(struct leader *ld); /* connects the database */
void leader_free(struct leader *ld);
uint64_t leader_epoch(const struct leader *ld);     /* 0 before it leads */
const char *leader_status(const struct leader *ld); /* "leading", "waiting" … */
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
