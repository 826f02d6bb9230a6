/*
 * engine: how guests run, the same for every kind of engine.
 *
 * The agent makes one struct engine a kind (engine_kind.h), probes it once, and holds
 * one struct engine_guest for each guest of its book.  Verbs return at once; their end
 * is posted to the wake: 0, or an error whose text names the guest and the reason.
 * Results are then read from the handle.  What nobody ordered comes as an event.
 *
 * An engine never opens a path on a datastore: whoever starts a guest hands over open
 * descriptors.  Guests outlive the agent; engine_adopt finds them again.
 *
 * One verb at a time a guest: another one meanwhile ends with ERR_BUSY.  Only
 * engine_kill always gets through; what it interrupts ends with ERR_CANCELLED.
 *
 * Loop thread only.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "loop/post.h"
#include "proto/guest.pb-c.h"

enum engine_state {

#define STATE(code, name) ENGINE_##code,
#include "host-agent/engine/engine_state.def"
#undef STATE
	ENGINE_STATES_
};

enum engine_cap {

#define CAP(code, name) ENGINE_CAP_##code,
#include "host-agent/engine/engine_cap.def"
#undef CAP
	ENGINE_CAPS_
};

/* Why a guest is DOWN. */
enum engine_end {
	ENGINE_END_NONE,      /* never ran under this handle */
	ENGINE_END_ORDERED,   /* by engine_stop or engine_kill */
	ENGINE_END_SUSPENDED, /* by engine_suspend; its memory is in the image */
	ENGINE_END_GUEST,     /* the guest shut itself down */
	ENGINE_END_DIED,      /* nobody asked for it; reason says what is known */
};

#define ENGINE_REASON_MAX 240

struct engine_cap_fact {
	bool able;
	char why_not[96]; /* "" if able */
};

/* What an engine can do on this host; filled by engine_probe. */
struct engine_facts {
	char version[64];
	char accelerator[16]; /* "kvm", "tcg", "" */
	char machine[32]; /* newest machine type that it can run; "" if it has none */
	char accelerator_reason[160]; /* why that one, for --probe */
	bool usable;
	char why_not[160];
	struct engine_cap_fact caps[ENGINE_CAPS_];
};

#define ENGINE_DISKS_MAX  16
#define ENGINE_LAYERS_MAX 32 /* images in a chain, with the one that is written */

/* One disk of a guest, in the order of its spec.  disk_open() fills it. */
struct engine_disk {
	int fd;      /* the image, open for reading and writing */
	bool direct; /* the file system takes O_DIRECT */
	/* What lies below it, nearest first as in the spec, open for reading; and for
	 * writing where engine_layer_is_own(). */
	int backing_fds[ENGINE_LAYERS_MAX - 1];
	size_t n_backing;
};

/*
 * All that a start needs.  Borrowed until engine_start returns: the guest gets copies
 * of the descriptors, the caller closes its own.
 */
struct engine_boot {
	const Drover__GuestSpec *spec;
	const struct engine_disk *disks; /* one for each of spec->disks */
	const int *tap_fds;              /* one for each of spec->nics; see port_add */
	const char *const
	    *join_cgroups; /* NULL-ended paths, as child_opts has them, or NULL */
	int memory_fd; /* memory image of a suspended guest to go on from; -1: boot */
	int seed_fd;   /* a disk more, for reading, after all others; -1: none */
	/* The guest's group, below the root of every hierarchy, for an engine that
	 * makes groups below it: "drover/vm-42"; NULL: it has none. */
	const char *cgroup;
	/* clock_mono_us when the kernel ends it unless engine_guard_arm says otherwise;
	 * 0: it has no guard; GUARD_NO_DEADLINE: one that waits for a deadline. */
	uint64_t guard_until_us;
};

/* What is known of a guest; fresh after engine_query, engine_start and engine_adopt. */
struct engine_stat {
	pid_t pid; /* 0 if it has no process */
	uint64_t
	    start_ticks; /* field 22 of /proc/PID/stat, with pid names the process */
	uint64_t cpu_used_us;       /* since start */
	uint64_t memory_used_bytes; /* resident on the host */
	uint32_t num_cpu;
	uint64_t memory_mb; /* plugged */
	dev_t
	    image; /* the kernel's, of its first disk; 0: not known, or there is none */
};

struct engine;
struct engine_guest;
struct flows;

enum engine_event_kind {
	ENGINE_EV_DOWN,    /* ended without an order: end is GUEST or DIED */
	ENGINE_EV_STALLED, /* paused by the engine: reason names the disk and the error
			    */
	ENGINE_EV_RESUMED, /* runs again after a stall */
	ENGINE_EV_RESET,   /* the guest restarted itself */
	ENGINE_EV_PAUSED,  /* stopped by somebody else than us */
};

struct engine_event {
	enum engine_event_kind kind;
	const char *reason; /* borrowed during the call; "" if there is none */
};

/*
 * Something happened to g that no verb under way explains.  Called in the posts phase
 * with the handle's state already moved; it must only note and post, and not free g.
 */
typedef void (*engine_event_fn)(
    struct engine_guest *g, const struct engine_event *ev, void *arg);

/* ---- engines ---- */

/* Its guests and the loop's flows were freed before.  NULL is fine. */
void engine_free(struct engine *en);
const char *engine_name(const struct engine *en);
/* Find out what this host can do.  rc is 0 also if the answer is "nothing": see facts.
 */
void engine_probe(struct engine *en, struct wake w);
/* Everything is "not able: not probed yet" before the probe has ended. */
const struct engine_facts *engine_facts(const struct engine *en);
bool engine_can(const struct engine *en, enum engine_cap cap);
const char *engine_cap_name(enum engine_cap cap);
const char *engine_state_name(enum engine_state st);
/* Would this engine take the spec at all?  Pure; a spec that is refused is never
 * started. */
int engine_spec_check(
    const struct engine *en, const Drover__GuestSpec *spec, struct err *e) WARN_UNUSED;

/* ---- guests ---- */

/*
 * A handle on guest number guest ("vm-42" in messages).  dir is an absolute folder for
 * this guest alone, on this host, made by the engine where it is absent: sockets,
 * console ring, error log.  It must be the same one after an agent restart.
 */
struct engine_guest *engine_guest_new(struct engine *en, uint64_t guest,
    const char *dir, engine_event_fn on_event, void *arg);
/* Forget it.  A running guest runs on; verbs under way are dropped. */
void engine_guest_free(struct engine_guest *g);

struct engine *engine_guest_engine(const struct engine_guest *g);
enum engine_state engine_guest_state(const struct engine_guest *g);
enum engine_end engine_guest_end(const struct engine_guest *g);
/* Why it is STALLED, or how it went DOWN; "" if there is nothing to say. */
const char *engine_guest_reason(const struct engine_guest *g);
const struct engine_stat *engine_guest_stat(const struct engine_guest *g);

/* DOWN → RUNNING.  On failure nothing of the guest is left.  Runs already: done. */
void engine_start(struct engine_guest *g, const struct engine_boot *b, struct wake w);
/*
 * Ask the guest to shut down.  ERR_TIMEOUT "… did not shut down within N s; it runs on"
 * when it has not gone by timeout_ms.  DOWN already: done.
 */
void engine_stop(struct engine_guest *g, uint32_t timeout_ms, struct wake w);
/* End it now: quit, then SIGKILL.  DOWN already: done. */
void engine_kill(struct engine_guest *g, struct wake w);
/* Is there what a start needs?  To be asked before a guest is ended to start again. */
void engine_check(struct engine_guest *g, struct wake w);
/* Hard reset of a guest that is not DOWN; a paused one runs afterwards. */
void engine_reset(struct engine_guest *g, struct wake w);
void engine_pause(struct engine_guest *g, struct wake w); /* paused already: done */
/* Of a PAUSED or a STALLED guest.  One that stalls again at once gives an event again.
 */
void engine_resume(struct engine_guest *g, struct wake w); /* runs already: done */
/*
 * Memory and devices into memory_fd (a fresh file, open for writing, borrowed until
 * this returns), then DOWN.  When it fails the guest runs on as before.  The caller
 * syncs.
 */
void engine_suspend(struct engine_guest *g, int memory_fd, struct wake w);
/*
 * Make the running guest as spec wants it (number of CPUs, memory).  ERR_UNSUPPORTED
 * "needs power off: …" and no change where it cannot be done at once.
 */
void engine_resize(
    struct engine_guest *g, const Drover__GuestSpec *spec, struct wake w);
/* Refresh state and stat. */
void engine_query(struct engine_guest *g, struct wake w);
/*
 * Find the guest that an earlier life of the agent started.  0: the state is as found.
 * ERR_NOT_FOUND: it does not run (any more); reason says what its log says, and
 * what was left of it is cleared away.  ERR_TIMEOUT: its process lives but does not
 * answer; the handle watches it (state RUNNING), engine_kill works.
 */
void engine_adopt(struct engine_guest *g, const Drover__GuestSpec *spec, struct wake w);
