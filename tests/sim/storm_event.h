/*
 * storm_event: what will happen, by true time; ties by the order of posting.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum storm_event_kind {
	EV_FAULT_ON,
	EV_FAULT_OFF,
	EV_TICK, /* an agent's beat */
	EV_LOOK, /* an agent looks after its guests */
	EV_EXEC, /* a guest that an agent starts is there */
	EV_BOOT, /* a host comes up again */
	EV_AGENT_BACK,
	EV_SERVER_TICK,
	EV_SERVER_BACK,
	EV_MESSAGE,
	EV_IO_LANDS,
	EV_IO_ENDS,
	EV_DB_LANDS,
	EV_DB_ENDS,
	EV_GUARD,
	EV_KINDS_
};

struct storm_event {
	uint64_t at_ms, order;
	uint64_t life; /* of the node when it was posted */
	uint64_t arg;
	uint32_t node;
	enum storm_event_kind kind;
};

struct storm_queue {
	struct storm_event *heap;
	size_t n, room;
	uint64_t posted;
};

void queue_push(struct storm_queue *q, const struct storm_event *ev);
struct storm_event queue_pop(struct storm_queue *q); /* only where n > 0 */
void queue_free(struct storm_queue *q);
