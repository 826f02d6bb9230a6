/*
 * sim_int: what the files of the sim engine share.
 */
#pragma once
#include "base/json.h"
#include "base/rng.h"
#include "host-agent/engine/engine_int.h"
#include "host-agent/engine/sim/sim_fault.h"

#define SIM_MAGIC       0x53494d45u
#define SIM_GUEST_MAGIC 0x53494d47u
/* Of a start: what pause, reset and their like take. */
#define SIM_QUICK_DIVISOR 10
#define SIM_STATE_MAX     512

struct event;
struct timer;

struct sim {
	struct engine en;
	struct rng rng;
	struct sim_script script;
	uint32_t start_ms, stop_ms;
	char *state_dir;
};

/* One end of a stream that a guest goes through. */
struct sim_stream {
	int fd; /* -1: none */
	struct event *ready;
	uint64_t at, total; /* bytes of it */
	unsigned char head[8];
};

struct sim_guest {
	struct engine_guest g;
	struct sim *sim;
	struct timer *timer; /* ends the verb under way */
	enum sim_fault_kind fault;
	uint64_t started_ms;
	uint32_t num_cpu;
	uint64_t memory_mb;
	bool in_time; /* a stop that ends before its deadline */
	uint32_t timeout_ms;
	int memory_fd;

	uint64_t guard_until_us; /* as of engine_boot */
	struct timer *guard_timer;

	struct timer *pump; /* moves bytes of stream */
	struct sim_stream stream;
	bool was_running; /* before it left; or: is to run when it has come */
	uint64_t left_ms; /* when it began to leave */
	uint32_t pace_ms; /* between two pieces of it */
	uint32_t give_up_ms;
	bool held_back; /* it never gets across */
};

struct sim_guest *sim_guest_of(struct engine_guest *g);
/* Let the verb under way end after about mean_ms, or as the script says. */
int sim_run(struct sim_guest *s, uint32_t mean_ms, uint64_t *ret_ms, struct err *e);
int sim_quick(struct engine_guest *g, struct err *e);
/* The state as it is from now on, also after an agent restart. */
void sim_set_state(struct sim_guest *s, enum engine_state to);
void sim_end(struct sim_guest *s, enum engine_end why, const char *reason);

void sim_crash(struct sim_guest *s); /* in the verb under way */

/* sim_state.c: what survives an agent restart. */
json *sim_sizes_json(const struct sim_guest *s);
int sim_read_sizes(struct sim_guest *s, const json *o, struct err *e);
void sim_save(const struct sim_guest *s);
bool sim_load(struct sim_guest *s, enum engine_state *ret_st);

/* sim_guard.c: an invented guest's guard is a timer of the agent's. */
void sim_guard_init(struct sim_guest *s);
void sim_guard_set(struct sim_guest *s, uint64_t until_us);
/* Its deadline has passed while no agent was there. */
bool sim_guard_is_over(const struct sim_guest *s);
int sim_op_arm(struct engine_guest *g, uint64_t deadline_us, struct err *e);
struct engine_guard sim_op_guard(const struct engine_guest *g);

/* sim_move.c */
void sim_move_init(struct sim_guest *s);
void sim_move_fini(struct sim_guest *s);
void sim_move_drop(struct sim_guest *s); /* it is cut short */
int sim_op_move_offer(struct engine_guest *g, struct err *e);
int sim_op_move_in(struct engine_guest *g, const struct engine_boot *b,
    const struct engine_arrival *a, struct err *e);
int sim_op_move_wait(struct engine_guest *g, struct err *e);
int sim_op_move_out(
    struct engine_guest *g, const struct engine_departure *d, struct err *e);
void sim_op_move_cancel(struct engine_guest *g);
int sim_op_adopt_moving(struct engine_guest *g, const Drover__GuestSpec *spec,
    enum engine_moving how, bool run, struct err *e);
