/*
 * server: every module of droverd, in the order in which they start; the other way
 * round they stop.
 */
#pragma once
#include "base/err.h"
#include "server/leader/leader.h"
#include "server/server_conf.h"

struct advice;
struct alarms;
struct api;
struct drs;
struct exporter;
struct push;
struct events;
struct follower;
struct front;
struct ha;
struct ha_capacity;
struct ha_guests;
struct ha_proactive;
struct hosts;
struct inv;
struct loop;
struct ops;
struct pool_driver;
struct sessions;
struct ssl_ctx_st;
struct stats;
struct tasks;
struct timer;
struct visits;
struct workers;

/* How far the table of parts is gone through. */
enum server_extent {
	SERVER_WHOLE,
	SERVER_INVENTORY, /* the database and what is in it, for a change by hand */
};

struct server {
	uint32_t magic;
	const struct server_args *args;
	struct server_conf conf;
	enum server_extent extent;
	char *name; /* of this process, for the leader */
	struct loop *loop;

	struct db *db;
	struct workers *workers;
	struct ssl_ctx_st *agents_ctx;
	struct follower *follower;
	struct leader *leader;
	struct roster *roster;
	struct inv *inv;
	struct events *events;
	struct sessions *sessions;
	struct tasks *tasks;
	struct hosts *hosts;
	struct stats *stats;
	struct visits *visits;
	struct pool_driver *pools;
	struct advice *advice;
	struct ops *ops;
	struct drs *drs;
	struct ha *ha;
	struct ha_capacity *ha_capacity;
	struct ha_proactive *ha_proactive;
	struct ha_guests *ha_guests;
	struct alarms *alarms;
	struct push *push;
	struct exporter *exporter;
	struct api *api;
	struct front *front;

	unsigned started; /* parts that stand or are on their way */
	bool advancing;
	bool stopping;
	bool releasing; /* the lead is being given up */
	struct timer *grace;
	int rc; /* why it ended */
	struct err err;
	void (*on_ready)(struct server *s);
};

#define SERVER_MAGIC 0x73727672u

/* Takes over conf's texts. args is borrowed, for reloading. */
void server_init(struct server *s, const struct server_args *args,
    struct server_conf *conf_take, enum server_extent extent);
/*
 * Start every part, call on_ready, and serve until a signal or a failure. Returns 0
 * after an orderly stop, else the reason in e. Everything is stopped and freed after.
 */
int server_run(
    struct server *s, void (*on_ready)(struct server *s), struct err *e) WARN_UNUSED;
/* End it in order: what is on its way is written, the lead given up. */
void server_stop(struct server *s);
/* End server_run: 0, or why. */
void server_end(struct server *s, int rc, const struct err *e);

/* server_parts.c: one module each. */
enum part_rc { PART_READY, PART_WAIT, PART_FAIL };

struct server_part {
	const char *name;
	enum server_extent extent; /* the smallest that has it */
	/* PART_WAIT: server_part_done comes in a later turn. */
	enum part_rc (*start)(struct server *s, struct err *e);
	void (*stop)(struct server *s); /* of a part whose start has run, well or not */
};
extern const struct server_part server_parts[]; /* ended by a NULL name */
/* As inv_loaded_fn: the part that waits is done. */
void server_part_done(void *server, int rc, const struct err *e);

/*
 * admin.c: make the first administrator, on a database that no server works on. The
 * password is the first line of the file, or of standard input if path is NULL.
 */
int admin_create(const struct server_args *args, const char *user, const char *path,
    struct err *e) WARN_UNUSED;

/*
 * restored.c: a backup was restored into the database, on which no server works: raise
 * what must not be given out twice.
 */
int database_restored(const struct server_args *args, struct err *e) WARN_UNUSED;
