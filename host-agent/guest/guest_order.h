/*
 * guest_order: what an order wants of a guest, on its way to be a job.
 *
 * Each table of verbs says whether the order may have it and by which steps: what makes
 * and runs a guest is in guest_order.c, what moves it in guest_move_order.c.
 */
#pragma once
#include "host-agent/guest/guest_job.h"

struct wish {
	struct guests *gs;
	struct order_name name;
	const Drover__Order *o;
	uint64_t guest;
	const Drover__GuestSpec *spec; /* NULL: none came */
	struct guest *g;               /* NULL: unknown here */
	bool goes_on;                  /* from where the same order was cut short */
};

/* What becomes of an order that meets a job on its guest. */
enum wish_met {
	WISH_BUSY,  /* is refused; behind the agent's own job it waits */
	WISH_WAITS, /* until the job has ended */
	WISH_ACTS,  /* is looked at beside the job, but must not need one */
};

struct order_verb {
	Drover__Order__VerbCase order;
	enum guest_verb verb;
	const struct flow_step *steps;
	/* Which guest, and the spec if the order has one. */
	void (*aim)(struct wish *w);
	/* More than the state says; may make w->g. */
	enum guest_verdict (*check)(struct wish *w, struct err *e);
	/* Arguments for the steps; may choose another table. NULL: none. */
	const struct flow_step *(*fill)(struct guest_job *j, const struct wish *w);
	/* The guest has the job j already.  NULL: WISH_BUSY. */
	enum wish_met (*meet)(const struct wish *w, struct guest_job *j);
	/* The reply where nothing is left to do.  NULL: the guest's status. */
	Drover__Reply *(*already)(const struct wish *w);
};

#define ORDER(c) DROVER__ORDER__VERB_GUEST_##c

bool wish_is_same(struct order_name a, struct order_name b);
/* A guest that this host does not know yet; it stays tentative until its record is
 * written. */
enum guest_verdict wish_make_guest(struct wish *w, struct err *e);
enum guest_verdict wish_check_known(struct wish *w, struct err *e);
/* A reply with the guest's status. */
Drover__Reply *wish_status(const struct guest *g);

extern const struct order_verb guest_move_verbs[];     /* the last one has no check */
extern const struct order_verb guest_snapshot_verbs[]; /* likewise */
