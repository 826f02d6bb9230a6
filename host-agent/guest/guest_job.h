/*
 * guest_job: one verb on one guest, as a table of steps.
 *
 * guest_order.c turns an order into a job; the tables are in guest_make.c (what changes
 * disks and the book), guest_run.c (what changes the running of it) and guest_update.c.
 */
#pragma once
#include "host-agent/guest/guest_int.h"
#include "host-agent/resource/cg_values.h"

struct guest_job {
	uint32_t magic;
	uint64_t id; /* never reused */
	struct guest *g;
	enum guest_verb verb;
	const char *what; /* for BUSY: "vm web is busy: start" */
	bool internal;    /* the agent's own: orders wait for it */
	bool adopts;      /* guests_adopt counts it */
	bool refuses;     /* the agent's own, but orders do not wait for it */
	const char *why;  /* of the agent's own that ends the guest */
	struct order_name name;
	struct flow *flow;
	const struct flow_step *steps;
	struct flow_step *traced; /* the steps with places for the kill tests */
	/* How it gives up where that takes more than ending its wait; NULL: no more. */
	void (*cancel)(struct guest_job *j, const char *why);

	/* What was ordered. */
	const Drover__Order *order; /* the inbox's, good until the reply; NULL: none */
	Drover__GuestSpec *spec;    /* NULL: none came */
	uint64_t generation;
	Drover__StopMode mode;
	uint32_t timeout_ms;
	bool graceful;
	bool keep_disks;
	bool delete_removed; /* images of disks that an update takes away */
	bool makes_disks;    /* a start, of a guest that was not made before */

	/* How far it is. */
	enum guest_state from;       /* before it began */
	bool is_new;                 /* the guest was unknown here before */
	bool found;                  /* a start found the guest running */
	bool stays;                  /* the guest, however the move ends */
	bool giving;                 /* the engine was told to give it away */
	bool resumes;                /* a start goes on from a memory image */
	bool booted;                 /* it ran, if only for a moment */
	bool saves_last;             /* the record, when the order has been answered */
	struct timer *ticker;        /* NULL: none */
	struct outage *outage;       /* of an arrival; NULL: it is not measured */
	bool forgets;                /* the guest, when it has ended well */
	Drover__Reply *reply;        /* NULL: the guest's status */
	bool image_synced;           /* a suspend's memory is safe */
	Drover__GuestSpec *old;      /* before an update */
	struct guest_update *update; /* NULL: it is none, or has not begun */
	struct guest_disks *disks_move; /* likewise */
	size_t i, k;                 /* disk being made; merge, and image linked anew */
	bool frozen;                 /* the engine was told to freeze its disks */
	struct flow_step *own_steps; /* a table made for this job, or NULL */
	uint32_t existed;            /* bit i: disk i was there before */
	struct engine_disk *disks;
	int *taps;
	size_t n_disks, n_taps;
	int memory_fd;
};

/* Begin; g has no job. The steps' arg is the job, which is taken. */
void guest_job_start(struct guest_job *j_take, const struct flow_step *steps);
struct guest_job *guest_job_new(
    struct guest *g, enum guest_verb verb, const char *what);
/* The agent's own work. */
struct guest_job *guest_job_new_internal(struct guest *g, const char *what);
void guest_job_free(struct guest_job *j);
void guest_job_close_fds(struct guest_job *j);
void guest_update_free(struct guest_update *u);
void guest_disks_free(struct guest_disks *d);
/* The guest's engine has news; j may be about anything. */
void guest_disks_on_event(const struct guest_job *j);
void guest_update_cancel(struct guest_job *j, const char *why);
/* Give it up: it ends with CANCELLED unless it is too late for that. */
void guest_job_cancel(struct guest_job *j, const char *why);
/* Start the next order that waited for the agent's own job. */
void guest_job_start_waiting(struct guest *g);

/*
 * One blocking call of a step, on the workers for datastores.  run touches only the
 * work; ended (loop thread) hands what it made to the guest or its job. It is not
 * called when the guest is gone or the job that waited has ended; what was made is
 * closed then.
 */
struct guest_work {
	struct list_node node;
	struct guests *gs; /* NULL once they are gone */
	uint64_t guest;
	uint64_t job; /* 0: for no job */
	struct wake w;
	Drover__GuestSpec *spec;
	struct datastore **stores; /* one for each disk; referenced */
	struct engine_disk *disks; /* opened */
	uint32_t mask;             /* bit i: disk i is meant, or was found */
	bool wants_memory;
	int memory_fd;
	uint64_t bytes;
	Drover__Offer *offer;
	uint64_t number; /* of a snapshot */
	dev_t image;     /* device that a disk is used by */
	struct cg *cg;
	struct cg_values values; /* for the guest's group */
	char *path;
	struct err e;
	int (*run)(struct guest_work *k);
	void (*ended)(struct guest *g, struct guest_work *k);
};

/* A work on the disks of spec; ERR_NOT_FOUND, ERR_UNAVAILABLE where a datastore is not
 * there. */
int guest_work_new(struct guest *g, const Drover__GuestSpec *spec,
    struct guest_work **ret_k, struct err *e) WARN_UNUSED;
/* Runs it; k is taken. The job (NULL: none) waits with w. */
int guest_work_start(struct guest_work *k_take, const struct guest_job *j,
    struct wake w, struct err *e) WARN_UNUSED;
void guest_work_free(struct guest_work *k);

/* run and ended of a work that finds which disks have images; the job's existed has
 * them then (guest_make.c). */
int guest_images_look(struct guest_work *k) WARN_UNUSED;
void guest_images_looked(struct guest *g, struct guest_work *k);

/* Steps that more than one table uses (guest_run.c, guest_make.c). */
enum flow_rc guest_step_work(
    struct flow *f, const struct guest_job *j, struct guest_work *k_take);
/* The same for a work that needs no more than the guest's spec; ended may be NULL. */
enum flow_rc guest_step_call(struct flow *f, const struct guest_job *j,
    int (*run)(struct guest_work *k),
    void (*ended)(struct guest *g, struct guest_work *k));
enum flow_rc guest_step_record(struct flow *f, void *arg);
enum flow_rc guest_step_clear(struct flow *f, void *arg);
/* A wait whose failure changes nothing. */
enum flow_rc guest_finish_any(struct flow *f, void *arg, int rc);
/* Of a start that makes its disks (guest_make.c). */
enum flow_rc guest_step_find_disks(struct flow *f, void *arg);
enum flow_rc guest_step_make_disks(struct flow *f, void *arg);
enum flow_rc guest_finish_make_disks(struct flow *f, void *arg, int rc);
enum flow_rc guest_undo_make_disks(struct flow *f, void *arg);
/* Descriptors of the guest's disks (guest_run.c). */
enum flow_rc guest_step_open(struct flow *f, void *arg);
enum flow_rc guest_undo_open(struct flow *f, void *arg);
/* Its control group, its wires (guest_wire.c). */
enum flow_rc guest_step_group(struct flow *f, void *arg);
enum flow_rc guest_step_wires(struct flow *f, void *arg);
/* The engine's folder and the record of a guest that is forgotten (guest_make.c). */
enum flow_rc guest_step_folder(struct flow *f, void *arg);
enum flow_rc guest_finish_folder(struct flow *f, void *arg, int rc);
enum flow_rc guest_step_unrecord(struct flow *f, void *arg);
/* Boot it, and what is so when it is up (guest_run.c). */
enum flow_rc guest_step_boot(struct flow *f, void *arg);
enum flow_rc guest_undo_boot(struct flow *f, void *arg);
enum flow_rc guest_step_started(struct flow *f, void *arg);
/* End it, as j->mode says, or at once; FLOW_NEXT if it is down. */
enum flow_rc guest_step_stop(struct flow *f, void *arg);
enum flow_rc guest_step_kill(struct flow *f, void *arg);
/* Remove the memory image; FLOW_NEXT if there can be none. */
enum flow_rc guest_step_drop_memory(struct flow *f, void *arg);

extern const struct flow_step guest_create_steps[];
extern const struct flow_step guest_delete_steps[];
extern const struct flow_step guest_update_steps[];
extern const struct flow_step guest_start_steps[];
extern const struct flow_step guest_stop_steps[];
extern const struct flow_step guest_reset_steps[];
extern const struct flow_step guest_restart_steps[];
extern const struct flow_step guest_pause_steps[];
extern const struct flow_step guest_resume_steps[];
extern const struct flow_step guest_suspend_steps[];
extern const struct flow_step guest_adopt_steps[];
extern const struct flow_step guest_query_steps[];
extern const struct flow_step guest_unstall_steps[];
extern const struct flow_step guest_fence_steps[];
extern const struct flow_step guest_isolate_steps[];
extern const struct flow_step guest_revive_steps[];
extern const struct flow_step guest_offer_steps[];
extern const struct flow_step guest_leave_steps[];
extern const struct flow_step guest_take_back_steps[];
extern const struct flow_step guest_release_steps[];
extern const struct flow_step guest_arrive_steps[];
extern const struct flow_step guest_refuse_steps[];
extern const struct flow_step guest_tidy_disks_steps[];
extern const struct flow_step guest_arrival_steps[];
extern const struct flow_step guest_adopt_leaving_steps[];
