/*
 * engine_int: what an engine implements.  For the folders below engine/ only.
 *
 * engine.c checks states and serialises verbs (engine_verb_check); an op is entered
 * only when its verb is allowed, and ends with exactly one engine_done().  A struct
 * engine and a struct engine_guest are the first members of the engine's own structs.
 */
#pragma once
#include "host-agent/engine/engine_balloon.h"
#include "host-agent/engine/engine_disk_io.h"
#include "host-agent/engine/engine_console.h"
#include "host-agent/engine/engine_device.h"
#include "host-agent/engine/engine_exec.h"
#include "host-agent/engine/engine_guard.h"
#include "host-agent/engine/engine_move.h"
#include "host-agent/engine/engine_picture.h"
#include "host-agent/engine/engine_snapshot.h"

enum engine_verb {
	ENGINE_START,
	ENGINE_STOP,
	ENGINE_KILL,
	ENGINE_RESET,
	ENGINE_PAUSE,
	ENGINE_RESUME,
	ENGINE_SUSPEND,
	ENGINE_RESIZE,
	ENGINE_QUERY,
	ENGINE_ADOPT,
	ENGINE_MOVE_OFFER,
	ENGINE_MOVE_IN,
	ENGINE_MOVE_WAIT,
	ENGINE_MOVE_OUT,
	ENGINE_TAKE_BACK,
	ENGINE_ADOPT_MOVING,
	ENGINE_DISK_MOVE,
	ENGINE_DISK_MOVE_END,
	ENGINE_FREEZE,
	ENGINE_MERGE,
	ENGINE_MERGE_END,
	ENGINE_PLUG_DISK,
	ENGINE_PLUG_NIC,
	ENGINE_UNPLUG_DISK,
	ENGINE_UNPLUG_NIC,
	ENGINE_GROW_DISK,
	ENGINE_LIMIT_DISK,
	ENGINE_CHECK,
	ENGINE_VERBS_
};

enum engine_verdict {
	ENGINE_GO,      /* run the op */
	ENGINE_ALREADY, /* done without doing anything */
	ENGINE_REFUSE,  /* ERR_BAD_STATE */
};

struct engine_ops {
	const char *name;
	void (*free)(struct engine *en);
	void (*probe)(struct engine *en, struct wake w);
	int (*spec_check)(
	    const struct engine *en, const Drover__GuestSpec *spec, struct err *e);

	/* number and dir are set right after it. */
	struct engine_guest *(*guest_new)(struct engine *en);
	void (*guest_free)(struct engine_guest *g);

	/* Each fills e and returns the code where it cannot even begin. */
	int (*start)(
	    struct engine_guest *g, const struct engine_boot *b, struct err *e);
	int (*stop)(struct engine_guest *g, uint32_t timeout_ms, struct err *e);
	int (*kill)(struct engine_guest *g, struct err *e);
	/* NULL: what runs a guest starts it again. */
	int (*check)(struct engine_guest *g, struct err *e);
	int (*reset)(struct engine_guest *g, struct err *e);
	int (*pause)(struct engine_guest *g, struct err *e);
	int (*resume)(struct engine_guest *g, struct err *e);
	int (*suspend)(struct engine_guest *g, int memory_fd, struct err *e);
	int (*resize)(
	    struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e);
	/* What the verb under way says, of engine_device.h. */
	int (*device)(
	    struct engine_guest *g, const struct engine_device *d, struct err *e);
	int (*query)(struct engine_guest *g, struct err *e);
	int (*adopt)(
	    struct engine_guest *g, const Drover__GuestSpec *spec, struct err *e);

	/* See engine_move.h.  Descriptors are borrowed until the op returns. */
	int (*move_offer)(struct engine_guest *g, struct err *e);
	int (*move_in)(struct engine_guest *g, const struct engine_boot *b,
	    const struct engine_arrival *a, struct err *e);
	int (*move_wait)(struct engine_guest *g, struct err *e);
	int (*move_out)(
	    struct engine_guest *g, const struct engine_departure *d, struct err *e);
	/* While move_out or disk_move is under way. */
	void (*move_cancel)(struct engine_guest *g);
	int (*disk_move)(
	    struct engine_guest *g, const struct engine_disk_move *m, struct err *e);
	int (*disk_move_end)(
	    struct engine_guest *g, enum engine_disk_end how, struct err *e);
	int (*take_back)(struct engine_guest *g, struct err *e);
	int (*adopt_moving)(struct engine_guest *g, const Drover__GuestSpec *spec,
	    enum engine_moving how, bool run, struct err *e);

	/* See engine_snapshot.h.  The last two may be NULL. */
	int (*freeze)(
	    struct engine_guest *g, const struct engine_freeze *fr, struct err *e);
	int (*merge)(
	    struct engine_guest *g, const struct engine_merge *m, struct err *e);
	int (*merge_end)(struct engine_guest *g, struct err *e);
	size_t (*chain_length)(struct engine_guest *g, unsigned slot);
	const struct engine_inside *(*inside)(struct engine_guest *g);

	/* See engine_balloon.h; both or none. */
	const struct engine_balloon *(*balloon)(struct engine_guest *g);
	void (*balloon_set)(struct engine_guest *g, uint64_t target_mb);

	/* See engine_disk_io.h; may be NULL. */
	const struct engine_disk_io *(*disk_io)(struct engine_guest *g);

	/* See engine_guard.h; both or none.  arm: of a guest that has a guard. */
	int (*arm)(struct engine_guest *g, uint64_t deadline_us, struct err *e);
	struct engine_guard (*guard)(const struct engine_guest *g);

	/* See engine_picture.h; may be NULL.  Answered by engine_picture_end. */
	int (*picture)(struct engine_guest *g, struct err *e);

	/* See engine_exec.h; may be NULL. */
	int (*exec)(struct engine_guest *g, const struct engine_exec *x, child_fn done,
	    void *arg, struct child **ret_c, struct err *e);
	int (*root)(struct engine_guest *g, struct engine_root *ret_r, struct err *e);

	size_t (*console_tail)(struct engine_guest *g, char *buf, size_t cap);
	int (*console_write)(
	    struct engine_guest *g, const void *p, size_t n, struct err *e);
	/* Of a guest that is not DOWN.  NULL: guests have no screen. */
	int (*screen_open)(struct engine_guest *g, int *ret_fd, struct err *e);
};

/* Who waits for what a guest's screen shows; fn NULL: nobody. */
struct engine_picture {
	engine_picture_fn fn;
	void *arg;
};

struct engine {
	uint32_t magic; /* the kind's own */
	const struct engine_ops *ops;
	struct loop *loop;
	struct engine_facts facts;
};

struct engine_guest {
	uint32_t magic; /* the kind's own */
	struct engine *engine;
	uint64_t number;
	char *dir;
	engine_event_fn on_event;
	void *event_arg;
	enum engine_state state;
	enum engine_end end;
	char reason[ENGINE_REASON_MAX];
	struct engine_stat stat;
	struct engine_offer offer;
	struct engine_progress progress;
	struct engine_frozen frozen;
	struct engine_picture picture;
	struct list ears;
	bool busy; /* verb is under way and wake waits for it */
	enum engine_verb verb;
	struct wake wake;
};

/* May the verb begin in that state?  Pure. */
enum engine_verdict engine_verb_check(enum engine_verb v, enum engine_state st);
const char *engine_verb_name(enum engine_verb v);

/*
 * Is it for the engine to do something?  Then v is under way and w waits for it; every
 * other case is answered here.
 */
bool engine_begin(struct engine_guest *g, enum engine_verb v, struct wake w);
/* Tell about a verb whose op could not even begin. */
void engine_begun(struct engine_guest *g, int rc, const struct err *e);
/* The verb under way has ended: tell who waits.  Nothing happens if none is. */
void engine_done(struct engine_guest *g, int rc, const struct err *e);
/* The one writer of state; logs the move. */
void engine_set_state(struct engine_guest *g, enum engine_state to, const char *why);
/* DOWN for the reason given. */
void engine_set_down(struct engine_guest *g, enum engine_end end, const char *reason);
/* Tell the agent.  Posts phase only. */
void engine_emit(
    struct engine_guest *g, enum engine_event_kind kind, const char *reason);
/* Whoever waits for the screen gets it; nothing happens if nobody does. */
void engine_picture_end(
    struct engine_guest *g, int rc, const struct err *e, const void *png, size_t n);
/* The program name beside the running one; caller frees. */
char *engine_beside(const char *name);
/* The drover-guard that was wished for, or the one beside us; caller frees. */
char *engine_guard_program(const char *wish);
/* Whether it is there. */
void engine_guard_probe(struct engine *en, const char *program);
/* What that guard says; NULL: there is none. */
struct engine_guard engine_guard_of(const struct guard_client *c);
/* Can it have the guard that it is to have? */
int engine_guard_check(
    const struct engine *en, const struct engine_boot *b, struct err *e) WARN_UNUSED;
/* The console has said that. */
void engine_console_heard(struct engine_guest *g, const void *p, size_t n);
void engine_offer_clear(struct engine_guest *g);
void engine_offer_obstacle(struct engine_guest *g, const char *why);
void engine_fact_cap(
    struct engine_facts *f, enum engine_cap cap, const char *why_not /* NULL: able */);
