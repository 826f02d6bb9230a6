/*
 * api: what requests mean.  request → route → session → role → handler → answer.
 *
 * Core thread only; it owns the watch, and the front's events end here.
 */
#pragma once
#include "base/json.h"
#include "server/front/front.h"

struct advice;
struct alarms;
struct api;
struct drs;
struct db;
struct exporter;
struct ha;
struct ha_capacity;
struct hosts;
struct inv;
struct ops;
struct sessions;
struct stats;
struct tasks;
struct visits;
struct workers;

/* All borrowed; they outlive the API. */
struct api_deps {
	struct loop *loop;
	struct inv *inv;
	struct db *db;
	struct ops *ops;
	struct hosts *hosts;
	struct advice *advice;
	struct tasks *tasks;
	struct drs *drs;
	struct ha *ha;
	struct ha_capacity *ha_capacity;
	struct sessions *sessions;
	struct visits *visits;
	struct stats *stats;
	struct alarms *alarms;
	struct exporter *exporter;
	struct workers *workers; /* NULL: answers are compressed on the core thread */
	uint64_t (*epoch)(void *arg); /* of our leadership */
	json *(*leader)(void *arg);   /* who leads, the caller's */
	json *(*servers)(void *arg);  /* which there are, the caller's */
	void *epoch_arg;
};

struct api *api_new(const struct api_deps *deps);
void api_free(struct api *a);
/* The front that answers leave through; set once, before its first event. */
void api_set_front(struct api *a, struct front *f);
/* What front_start wants; arg is the API. */
extern const struct front_events api_front_events;
