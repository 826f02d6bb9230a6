/*
 * export: what others who watch over things are told, family by family (export.def).
 *
 * An answer is written in pieces, a few thousand lines a turn: however many guests
 * there are, nobody waits for it.  Each family is of the moment in which it is written.
 * Counters are since this server began to lead.  Core thread.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "server/export/expo.h"
#include "server/inventory/inv.h"

struct db;
struct exporter;
struct export_run;
struct ha;
struct hosts;
struct push;
struct sessions;
struct stats;

/* Parts that can be asked for. */
enum export_collector {
	EXPORT_SERVER,
	EXPORT_CLUSTERS,
	EXPORT_HOSTS,
	EXPORT_POOLS,
	EXPORT_DATASTORES,
	EXPORT_VMS,
	EXPORT_COLLECTORS_
};

#define EXPORT_BIT(c) (1u << (c))
#define EXPORT_ALL    (EXPORT_BIT(EXPORT_COLLECTORS_) - 1)
/* Without guests, of which there may be very many. */
#define EXPORT_SMALL (EXPORT_ALL & ~EXPORT_BIT(EXPORT_VMS))

/* What those above know. */
struct export_api {
	void (*ws_clients)(void *arg, struct expo *x);
	void (*ws_queue)(void *arg, struct expo *x);
	void (*ws_resyncs)(void *arg, struct expo *x);
	void (*requests)(void *arg, struct expo *x);
	void (*latency)(void *arg, struct expo *x);
};

/* All borrowed; NULL: nothing is told of it. */
struct export_deps {
	struct inv *inv;
	struct stats *stats;
	const struct hosts *hosts;
	const struct sessions *sessions;
	struct ha *ha;
	const struct push *push;
	uint64_t (*epoch)(void *arg); /* of our leadership */
	void *epoch_arg;
};

struct exporter *exporter_new(const struct export_deps *d);
void exporter_free(struct exporter *x);
void exporter_set_api(struct exporter *x, const struct export_api *api, void *arg);

struct export_ask {
	enum expo_format format;
	unsigned collectors; /* EXPORT_BIT of each */
	obj_id cluster;      /* of what belongs to a cluster, only that; none: all */
};

/* "hosts" → EXPORT_HOSTS; names what there is. */
int export_collector_parse(
    const char *name, enum export_collector *ret, struct err *e) WARN_UNUSED;

struct export_run *export_begin(struct exporter *x, const struct export_ask *ask);
/* Add what comes next, at least EXPORT_PIECE bytes but for the last; false: that was
 * all. */
#define EXPORT_PIECE 65536u
bool export_more(struct export_run *r, struct str *out);
void export_end(struct export_run *r);

/* Every family, for others who tell the same; NULL at the end.  Start with NULL. */
const struct expo_family *export_family_next(const struct expo_family *f);
