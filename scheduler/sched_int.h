/*
 * sched_int: what the files of the scheduler share.
 *
 * Inside, objects are positions (…_ix) in the view's tables, which are sorted by id
 * once the view is finished: position order is id order, and every tie is broken by
 * position.
 */
#pragma once
#include "base/arena.h"
#include "base/id.h"
#include "base/str.h"
#include "scheduler/sched.h"

#define NO_IX UINT32_MAX

#define SCHED_ID_TEXT 32

struct view_cluster {
	struct sched_cluster in;
};

struct view_datastore {
	struct sched_datastore in;
	uint32_t host_count; /* hosts that reach it: shared if more than one */
};

struct view_network {
	struct sched_network in;
};

struct view_host {
	struct sched_host in; /* its lists are sorted */
	uint32_t cluster_ix;
	struct sched_policy policy;
	const uint32_t *datastore_ix; /* ascending */
	const uint32_t *network_ix;
};

struct view_guest {
	struct sched_guest in;
	uint32_t ix; /* its own position */
	uint32_t host_ix;
	uint32_t cluster_ix;
	uint32_t want_ix;
	const uint32_t
	    *datastore_ix; /* of each disk: where it lies or must lie, or NO_IX */
	const uint32_t *network_ix;
	uint32_t *rule_ix; /* those that name it */
	uint32_t rule_count;
};

struct view_rule {
	struct sched_rule in; /* its lists are sorted */
	const uint32_t *guest_ix;
	const uint32_t *host_ix;
};

/* How every row of every table starts, so that one search and one sort serve them all.
 */
struct view_row {
	uint64_t id;
	const char *name;
};

/* A growing array in the view's arena. */
struct view_table {
	void *rows;
	size_t row_size;
	size_t count;
	size_t cap;
	size_t max;
	const char *what;
};

/* What one host carries. */
struct host_load {
	uint64_t vcpus; /* of guests that run or are reserved, as the next three */
	uint64_t demand_mhz;
	uint64_t memory_mb;
	uint64_t running;
	uint64_t guests; /* registered there, in any state */
};

struct bal_view;

/* Who takes what where: the view's state, then moved along while a plan is made. */
struct load {
	struct host_load *hosts;
	uint64_t
	    *promised_mb; /* per datastore: space still to be taken by disks there */
	uint32_t *at;     /* per guest: the host that it takes room on, or NO_IX */

	const bool *lost;            /* hosts that will not do any more, or NULL */
	const struct bal_view *safe; /* whose spare room is kept, or NULL */
	bool ignores_apart;          /* after a loss guests may come together */
};

struct sched_view {
	struct arena *arena;
	struct view_table clusters, datastores, networks, hosts, guests, rules;
	uint64_t *unplaced;
	size_t unplaced_count;
	struct load load;
	bool is_finished;
};

/* One host's answer about one guest, before any text is made of it. */
#define FIT_MAX_REASONS \
	(12 + SCHED_ENGINE_COUNT_ + 2 * SCHED_MAX_DISKS + SCHED_MAX_NETWORKS)

struct fit_reason {
	enum sched_reason_code code;
	uint64_t object;
	const char *object_name;
	uint64_t asked, free, total;
};

struct fit {
	size_t count; /* reasons against; 0: it fits */
	struct fit_reason reasons[FIT_MAX_REASONS];
	uint32_t bent;       /* what had better not be and yet may */
	const char *bending; /* the first rule of that kind, or NULL */
	uint32_t datastore_ix[SCHED_MAX_DISKS]; /* of each disk, if it fits */
};

struct score {
	uint64_t cpu_before, cpu_after, memory_before, memory_after; /* permille */
	uint64_t guests;
	uint32_t bent; /* as in struct fit */
	const char *bending;
};

/* view.c */
/* May an object of that id and name be added? */
int view_check_row(const struct sched_view *v, const struct view_table *t, uint64_t id,
    const char *name, struct err *e) WARN_UNUSED;
/* A row, zeroed but for its id and name; it moves with the next one added. */
void *view_add_row(
    struct sched_view *v, struct view_table *t, uint64_t id, const char *name);
void *view_row_at(const struct view_table *t, size_t i);
const struct view_cluster *view_cluster_at(const struct sched_view *v, uint32_t ix);
const struct view_datastore *view_datastore_at(const struct sched_view *v, uint32_t ix);
const struct view_network *view_network_at(const struct sched_view *v, uint32_t ix);
const struct view_host *view_host_at(const struct sched_view *v, uint32_t ix);
const struct view_guest *view_guest_at(const struct sched_view *v, uint32_t ix);
const struct view_rule *view_rule_at(const struct sched_view *v, uint32_t ix);
/* The position of an id in a sorted table, or NO_IX. */
uint32_t view_find(const struct view_table *t, uint64_t id);
/* "vm-7" where the id is an object id's value, else the number; into buf. */
const char *view_id_text(uint64_t id, char buf[SCHED_ID_TEXT]);
/* Either form back to an id; the first only of that kind. */
int view_id_parse(
    const char *text, enum obj_kind kind, uint64_t *ret_id, struct err *e) WARN_UNUSED;

/* load.c */
/* What the guests of a view take where they are. */
struct load load_new(const struct sched_view *v, struct arena *a);
struct load load_dup(const struct sched_view *v, struct arena *a);
/*
 * Count a guest in on a host, or out again, as one of that state: one that is off takes
 * no CPU and memory.  datastore_ix has an entry for each of its disks.
 */
void load_put(const struct sched_view *v, struct load *l, const struct view_guest *g,
    enum sched_guest_state as, uint32_t host_ix, const uint32_t *datastore_ix);
void load_take(const struct sched_view *v, struct load *l, const struct view_guest *g,
    enum sched_guest_state as, uint32_t host_ix, const uint32_t *datastore_ix);
/* What it uses, or is taken to use on such a host. */
uint64_t load_demand_mhz(const struct view_guest *g, const struct view_host *h);

/* rule.c */
bool has_ix(const uint32_t *ix, size_t count, uint32_t wanted); /* ascending */
/* Between guests and hosts, and whether it tells them where to be or where not. */
bool rule_names_hosts(enum sched_rule_kind kind);
bool rule_is_positive(enum sched_rule_kind kind);
/* Must it hold?  Together is for those that can be moved there at once. */
bool rule_is_strict(enum sched_rule_kind kind);
/* Would g on a host be against it, with the others where they are? */
bool rule_is_against(const struct view_rule *r, const struct load *l,
    const struct view_guest *g, uint32_t host_ix);

/* fit.c */
void fit_check(const struct sched_view *v, const struct load *l,
    const struct view_guest *g, uint32_t host_ix, struct fit *out);
/* One more reason against; object and name say what is missing, if that has a name. */
struct fit_reason *fit_refuse(
    struct fit *f, enum sched_reason_code code, uint64_t object, const char *name);
/* Could it ever be there, however full the host is now and whatever rules say?  out has
 * the reasons if not. */
bool fit_reaches(const struct sched_view *v, const struct view_guest *g,
    uint32_t host_ix, struct fit *out);

/* place.c */
struct place_lost {
	const bool *hosts;      /* one a host: it is lost */
	const uint64_t *guests; /* that were there, in the order to be placed */
	size_t count;
	bool ignores_apart;
	enum sched_detail detail;
};

int place_lost(const struct sched_view *v, const struct place_lost *lost,
    struct sched_plan **ret_plan, struct err *e) WARN_UNUSED;

/* score.c */
void score_host(const struct view_host *h, const struct host_load *l,
    const struct view_guest *g, struct score *out);
/* Below 0 if a is the better place, above 0 if b is, 0 if only their ids tell. */
int score_cmp(const struct score *a, const struct score *b);

/* Raised when an older reader would misunderstand a newer snapshot. */
#define SNAPSHOT_VERSION 1

/* text.c */
/* The words of words.def by their enums. */
extern const char *const sched_host_states[];
extern const char *const sched_guest_states[];
extern const char *const sched_engines[];
extern const char *const sched_rule_kinds[];
extern const char *const sched_restarts[];
/* A reason as people read it, after the host's name. */
void text_reason(const struct fit_reason *r, struct str *out);
/* All of them, joined by "and". */
void text_reasons(const struct fit *f, struct str *out);
/* "cpu 0.0 % -> 12.5 %, memory 0.0 % -> 50.0 %, 3 guests there; disk 0 on ds-1" */
void text_factors(const struct sched_view *v, const struct view_guest *g,
    const struct score *s, const uint32_t *datastore_ix, struct str *out);
/* "vm-7 (2 vCPU, 4096 MB)" */
void text_guest(const struct view_guest *g, struct str *out);
/* Why no host can take a guest: the first hosts by name, the others by count. */
void text_refusal(const struct sched_view *v, const struct load *l,
    const struct view_guest *g, struct str *out);

/* view_json_out.c */
/* Ids travel as text, so that no reader's floating point rounds them; 0 is null. */
void id_json(json *o, const char *key, uint64_t id);
void ids_json(json *o, const char *key, const uint64_t *ids, size_t n);
