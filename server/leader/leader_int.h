/*
 * leader_int: what the files of leader/ share.
 *
 * leader.c connects, resumes and gives up; leader_schema.c sees to the schema before
 * anything else; leader_row.c reads, takes and renews the row as leader_decide says.
 */
#pragma once
#include "base/lease.h"
#include "loop/timer.h"
#include "server/leader/leader.h"
#include "server/leader/leader_decide.h"
#include "server/leader/process_mark.h"

#define LEADER_STEP_MS 100u /* between looks at what is due */

enum leader_state {
	LD_AWAY,      /* no connection */
	LD_LOOKING,   /* is the schema one that we know? */
	LD_FOLLOWING, /* reads the row, campaigns */
	LD_LOCKING,   /* wants to migrate */
	LD_MIGRATING,
	LD_PROVING, /* the epoch was taken: is it still ours? */
	LD_LEADING,
	LD_RESUMING, /* new connection, same epoch */
	LD_OVER,
	LD_COUNT_
};

struct leader {
	uint32_t magic;
	enum leader_state state;
	struct loop *loop;
	struct db *db;
	char *name, *migrations, *api, *agents;
	char process[PROCESS_MARK_TEXT];
	enum leader_patience patience;
	struct leader_hooks hooks;
	void *arg;
	struct lease_terms terms;
	struct leader_view view;
	struct leader_seen seen;
	uint64_t epoch, session; /* that we took, 0: none */
	uint64_t before_end_ms;
	bool opened; /* hooks.leading was called */
	bool released;
	void (*release_done)(void *arg);
	void *release_arg;
	struct timer *step, *relock;
};

#define LEADER_MAGIC 0x6c656164u

void leader_set_state(struct leader *ld, enum leader_state to, const char *why);
void leader_over(struct leader *ld, const struct err *e);
void leader_lost_to(struct leader *ld, const char *holder);
/*
 * An answer is for us only in the state that asked; a failure while the connection is
 * gone is no answer, the next connection starts again.
 */
bool leader_is_answer(
    struct leader *ld, enum leader_state asked, int rc, const struct err *e);
void leader_follow(struct leader *ld, const char *why);
/* Another took the epoch before anything was begun with it. */
void leader_forgo(struct leader *ld);
/* Prove over a new connection that the epoch is ours. */
void leader_resume(struct leader *ld, const char *why);

/* leader_schema.c */
void leader_look(struct leader *ld);
void leader_lock(struct leader *ld, const char *why);
void leader_try_lock(void *arg); /* of the timer */

/* leader_row.c */
void leader_step(struct leader *ld); /* do what is due */
void leader_on_step(void *arg);      /* of the timer */
void leader_ask_renewal(struct leader *ld, db_rows_fn done);
