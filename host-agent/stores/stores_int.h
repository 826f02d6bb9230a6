/*
 * stores_int: what the files of this folder share.
 */
#pragma once
#include "base/list.h"
#include "base/map.h"
#include "host-agent/storage/appliance.h"
#include "host-agent/storage/ds_file.h"
#include "host-agent/storage/root_import.h"
#include "host-agent/storage/tmpl.h"
#include "host-agent/stores/stores.h"

struct copies;
struct saver;

struct store {
	struct list_node node;
	uint64_t number;
	Drover__DatastoreSpec *spec;
	struct datastore *ds; /* NULL: not attached */
	bool attaching;
	bool sampled;
	bool reachable;
	struct datastore_room room;
	char why_not[240];
	uint64_t beat_ms; /* when it last left its beat */
	char beat_why_not[240];
	struct ds_stale stale;
};

/* One blocking call; run touches nothing but the job. */
struct store_job {
	struct list_node node;
	struct stores *owner; /* NULL once it is gone */
	struct order_name name;
	bool ordered;               /* name is an order's */
	const Drover__Order *order; /* good until the order's reply */
	struct datastore *ds;
	uint64_t number;
	char *roots;
	Drover__DatastoreSpec *spec;
	struct datastore *attached; /* result of an attachment */
	struct datastore_room room; /* result of a look */
	struct stores_conf conf;    /* of the owner, for a look */
	bool beats;                 /* and leaves a beat */
	uint64_t wall_ms;
	struct ds_stale stale;
	struct err beat_err;
	Drover__Reply *reply; /* result of an order */
	struct err e;
	int (*work)(struct store_job *j);
	void (*ended)(struct stores *s, struct store_job *j, int rc);
};

/* A template or an appliance being made. */
struct running_image {
	struct list_node node;
	struct stores *owner;
	struct order_name name;
	/* One of these. */
	struct tmpl_import *import;
	struct root_import *root;
	struct appliance_export *export;
};

/* The reply to an order that is done when the list is on disk. */
struct listed_reply {
	struct list_node node;
	struct stores *owner;
	struct order_name name;
	Drover__Reply *reply;
};

struct stores {
	struct stores_conf conf;
	struct stores_ops ops;
	char *path, *roots;
	struct saver *saver;
	struct list all;
	struct list jobs;
	struct list images;
	struct list listed;
	struct copies *copies; /* from and to other hosts */
	size_t count;
	size_t looks; /* under way */
};

/* Fit for the list?  NULL is not. */
int store_spec_check(const Drover__DatastoreSpec *spec, struct err *e) WARN_UNUSED;
struct store *store_find(const struct stores *s, uint64_t number);
struct store *store_add(struct stores *s, const Drover__DatastoreSpec *spec);
void store_remove(struct stores *s, struct store *st);
void stores_save(struct stores *s);
/* The same; the reply goes out when it is on disk, or a fault where it cannot be. */
void stores_save_for(struct stores *s, struct order_name name, Drover__Reply *r_take);
/* Update what is known; tells ops.changed when reachability moved. */
void store_note(struct stores *s, struct store *st, const struct datastore_room *room,
    const struct err *e);

struct store_job *store_job_new(struct stores *s);
void store_job_free(struct store_job *j);
/* Run it; ERR_BUSY: it is freed and nothing happens. */
int store_job_start(struct store_job *j, struct err *e) WARN_UNUSED;
/* Attach st by a worker; name: the order to answer, or NULL. */
int store_attach(struct stores *s, struct store *st, const struct order_name *name,
    struct err *e) WARN_UNUSED;
Drover__Reply *store_reply_new(void);
Drover__DatastoreStatus *store_status(const struct store *st);
Drover__DatastoreSpec *store_spec_dup(const Drover__DatastoreSpec *spec);

/* ---- stores_image.c ---- */

int store_image_import(struct stores *s, struct order_name name, const Drover__Order *o,
    struct err *e) WARN_UNUSED;
int store_image_from_disk(struct stores *s, struct order_name name,
    const Drover__Order *o, struct err *e) WARN_UNUSED;
int store_image_export(struct stores *s, struct order_name name, const Drover__Order *o,
    struct err *e) WARN_UNUSED;
/* false: the order is none of these. */
bool store_image_cancel(struct stores *s, struct order_name name);
/* All of them, unanswered. */
void store_images_drop(struct stores *s);
