/*
 * pair: a guest and the place on another host that it moves to.
 */
#pragma once
#include "host-agent/engine/engine_move.h"
#include "tests/engine/suite.h"
#include "tests/engine/wire.h"

/* A guest, and who waits for it. */
struct pair {
	struct suite *suite;
	struct suite_guest *from, *to;
	struct engine_arrival arrival;
	struct engine_departure departure;
	struct wire *wire;
	struct suite_running *leaves, *comes;
	/* Its disk goes along. */
	struct wire *disk_wire;
	struct engine_disk_stream there, here;
};

extern const struct wire_opts wire_whole;

/* A running guest, and a target on the same disk; boot as in suite_guest_new. */
void pair_start(struct pair *p, struct suite *s, const void *boot);
/* The same with guests that are there already. */
void pair_of(struct pair *p, struct suite *s);
struct suite_guest *pair_target(
    struct suite *s, struct suite_guest *from, uint64_t number);
/* The target waits for its bytes. */
void pair_connect(struct pair *p, const struct wire_opts *o);
int pair_leave(struct pair *p, struct err *e);
uint64_t pair_disconnect(struct pair *p); /* the bytes that got across */
void pair_end(struct pair *p);
/* The agent ends, and with it whoever waits. */
void pair_restart(struct pair *p);

void pair_expect(const struct suite_guest *sg, enum engine_state want);
bool pair_is_under_way(void *arg);

/* What they work on is the pair that was begun last. */
void verb_offer(struct suite_guest *sg, struct wake w);
void verb_move_in(struct suite_guest *sg, struct wake w);
void verb_move_wait(struct suite_guest *sg, struct wake w);
void verb_move_out(struct suite_guest *sg, struct wake w);
void verb_take_back(struct suite_guest *sg, struct wake w);
void verb_adopt_in(struct suite_guest *sg, struct wake w);
void verb_adopt_out(struct suite_guest *sg, struct wake w);
