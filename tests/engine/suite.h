/*
 * suite: the ground the engine suite stands on: a loop, an engine, guests with disks.
 */
#pragma once
#include <sys/types.h>

#include "host-agent/engine/engine.h"
#include "loop/flow.h"

#define SUITE_EVENTS  8
#define SUITE_GUESTS  4
#define SUITE_WAIT_MS 60000
#define SUITE_UID     64000u
#define SUITE_GID     64000u
#define SUITE_MAC     "52:54:00:00:00:11"

enum suite_kind { SUITE_SIM, SUITE_QEMU, SUITE_OCI };

struct suite_event {
	enum engine_event_kind kind;
	char reason[ENGINE_REASON_MAX];
};

struct suite {
	enum suite_kind kind;
	struct loop *loop;
	struct flows *flows;
	struct engine *engine;
	const char *guard; /* drover-guard; of the next engine that is made */
	char dir[64];      /* all files of the suite */
	char group[32];    /* of its containers' groups */
	struct suite_event events[SUITE_EVENTS];
	unsigned n_events;
	struct suite_guest *guests[SUITE_GUESTS]; /* not freed yet */
};

/* A guest with one raw disk of its own. */
struct suite_guest {
	struct suite *suite;
	struct engine_guest *g;
	uint64_t number;
	char dir[96];
	char disk_path[128];
	char uuid[40];
	Drover__GuestSpec spec;
	Drover__DiskSpec disk;
	Drover__DiskSpec second; /* one more disk; see suite_guest_second */
	char second_path[128];
	Drover__DiskSpec *disks[2];
	Drover__DiskLayer layer, *layers[1]; /* below it, if it has one */
	Drover__NicSpec nic;
	Drover__NicSpec *nics[1];
	int tap; /* closed with the start; -1: none */
	const char *const *join_cgroups;
	uint64_t guard_until_us; /* as of engine_boot; see suite_guard_until_us */
	/* Of a container. */
	char cgroup[64], layer_path[96];
	Drover__ContainerSpec container;
	char *args[3];
};

/* Of every guest that is made: 0, or GUARD_NO_DEADLINE where all run under guards. */
extern uint64_t suite_guard_until_us;

typedef void (*suite_verb)(struct suite_guest *sg, struct wake w);

/* sim_faults is the sim engine's script; the engine is probed. */
struct suite *suite_new(enum suite_kind kind, const char *sim_faults);
/* The agent dies and comes back: all handles are dropped, a new engine is made. */
void suite_restart(struct suite *s);
/* Ends guests that a failed test has left, too. */
void suite_free(struct suite *s);

/* disk_bytes of zeros, or of what boot (512 bytes) begins with; below folder, NULL: the
 * suite's. */
struct suite_guest *suite_guest_new(
    struct suite *s, uint64_t number, const char *folder, const void *boot);
void suite_guest_free(struct suite_guest *sg); /* kills it */
/* A container's first process is a shell that runs script; NULL: /sbin/init. */
void suite_guest_script(struct suite_guest *sg, const char *script);
void suite_guest_handle(struct suite_guest *sg); /* makes g anew */

void suite_guest_wire(struct suite_guest *sg); /* gives it a nic on its tap */
/* Makes an empty raw disk-2; it is for the test to put it into the spec. */
void suite_guest_second(struct suite_guest *sg);
/* Open it as an engine wants it. */
void suite_open_second(const struct suite_guest *sg, struct engine_disk *ret_d);

/* Begin a verb, and wait for its end. */
struct suite_running *suite_begin(struct suite_guest *sg, suite_verb verb);
int suite_end(struct suite_running *r, struct err *e);
bool suite_has_ended(const struct suite_running *r);
/* Run a verb to its end. */
int suite_run(struct suite_guest *sg, suite_verb verb, struct err *e);
int suite_start(struct suite_guest *sg, int memory_fd, struct err *e);
/* The same, where anything else is a failure of the test. */
void suite_must(struct suite_guest *sg, suite_verb verb);
void suite_must_start(struct suite_guest *sg);
/* Call fn with all that a start needs. */
typedef void (*suite_boot_fn)(
    struct suite_guest *sg, const struct engine_boot *b, struct wake w);
void suite_boot(struct suite_guest *sg, suite_boot_fn fn, struct wake w);
void suite_start_verb(struct suite_guest *sg, struct wake w);
/* Turn the loop until there have been n events, or fail. */
void suite_await_events(struct suite *s, unsigned n);
void suite_await(struct suite *s, bool (*is_so)(void *arg), void *arg);

void verb_kill(struct suite_guest *sg, struct wake w);
void verb_pause(struct suite_guest *sg, struct wake w);
void verb_resume(struct suite_guest *sg, struct wake w);
void verb_reset(struct suite_guest *sg, struct wake w);
void verb_query(struct suite_guest *sg, struct wake w);
void verb_adopt(struct suite_guest *sg, struct wake w);
