/*
 * cg_int: what the two versions of cgroups implement behind cg.
 */
#pragma once
#include "base/map.h"
#include "host-agent/resource/cg.h"

/* One hierarchy the guests' groups are in: v1 has one for each controller, v2 just one.
 */
struct cg_tree {
	const char *controller; /* v1: "cpu"; v2: "" */
	char *path;             /* of the agent's group */
	bool has_pools;         /* guests' groups lie in those of their pools */
};

#define CG_GUEST      "vm-"
#define CG_POOL       "pool-"
#define CG_POOLS_DEEP 8

/* Where a guest's group lies in the trees that have pools, and what it weighs. */
struct cg_place {
	char path[CG_PLACE_MAX];
	uint32_t cpu_shares, cpu_weight; /* 0: its own */
};

#define CG_TREES_MAX  5
#define CG_OTHERS_MAX 16
#define CG_TEXT_MAX   4096
#define CG_DEPTH_MAX  8 /* of groups below a guest's that count */

struct cg {
	const struct cg_back *back;
	uint32_t cpu_mhz;
	struct cg_tree trees[CG_TREES_MAX];
	unsigned n_trees;
	/* Where only an engine makes groups, of the same name (v1). */
	struct cg_tree others[CG_OTHERS_MAX];
	unsigned n_others;
	char *entries[CG_TREES_MAX + 1];
	char *base;         /* of the agent's group, below the root of each hierarchy */
	char *guest_path;   /* that was asked for last */
	struct map *places; /* guest → struct cg_place; absent: in no pool */
	bool pools_wait;    /* some pool uses more memory than its limit is to be */
};

struct cg_back {
	const char *version;
	/* The file of a group that a process without other threads writes "0" into to
	 * enter it. */
	const char *entry;
	/* Controllers that bound memory and that set_disk wants the group of. */
	const char *memory, *disks;
	/* Set the values of one guest's group in tree; dir is its path. */
	int (*set)(const struct cg_tree *t, const char *dir, const struct cg_values *v,
	    struct err *e);
	/* What of them is about memory. */
	int (*set_memory)(const char *dir, const struct cg_values *v, struct err *e);
	/* Add what tree knows to u. */
	int (*usage)(const struct cg_tree *t, const char *dir, struct cg_usage *u,
	    struct err *e);
	/* Add the counters that tree has. */
	int (*count)(const struct cg_tree *t, const char *dir, struct counters *to,
	    struct err *e);
	int (*set_disk)(const char *dir, const struct cg_disk *d, struct err *e);
	/* Add what was done to each of those devices. */
	int (*io)(const char *dir, struct disk_io *v, size_t n, struct err *e);

	/* Of groups where CPU time is divided.  Does an engine put what it starts right
	 * below the agent's group, from where it is carried into its pool? */
	bool has_entrance;
	/* May what runs in the group be carried to another?  NULL: always. */
	bool (*may_carry)(const char *from);
	/* Give an empty group the settings of another; NULL: there are none but weights
	 * and quotas. */
	int (*make_like)(const char *from, const char *to, struct err *e);
	int (*make_pool)(const char *dir, struct err *e); /* NULL: nothing more */
	int (*set_weight)(const char *dir, const struct cg_slice *s, struct err *e);
	/* NULL: memory is not nested in pools, only guests' own groups bound it.
	 * ret_waits is set where more is in use than the limit is to be. */
	int (*set_pool_memory)(
	    const char *dir, const struct cg_slice *s, bool *ret_waits, struct err *e);
	uint64_t (*quota)(const char *dir); /* 0: none */
	int (*set_quota)(const char *dir, uint64_t quota_us, struct err *e);
};

extern const struct cg_back cg_v1, cg_v2;

/* Make the agent's group in each hierarchy found below root. */
int cg_v1_open(struct cg *cg, const char *root, const char *base, struct err *e);
int cg_v2_open(struct cg *cg, const char *root, const char *base, struct err *e);

/* ---- cg.c ---- */

/* Of a guest's group that lies in place; malloc'd. */
char *cg_dir(const struct cg_tree *t, uint64_t guest, const char *place);

/* ---- cg_io.c ---- */

int cg_io_v1(const char *dir, struct disk_io *v, size_t n, struct err *e);
int cg_io_v2(const char *dir, struct disk_io *v, size_t n, struct err *e);

/* ---- cg_pool.c ---- */

struct cg_place *cg_place_of(const struct cg *cg, uint64_t guest); /* NULL: none */
/* Where guests' groups were left by an agent before this one. */
void cg_places_find(struct cg *cg);
void cg_pools_drop_empty(struct cg *cg);

/* ---- cg_stir.c ---- */

/* The group of who has read /proc/self/cgroup into text, which is cut up; NULL: none.
 */
const char *cg_own_group(char *text, const char *controller);

/* ---- cg_file.c ---- */

int cg_make(
    const char *dir, struct err *e); /* with its parents; there already is fine */
bool cg_has(const char *dir, const char *file);
int cg_write(const char *dir, const char *file, const char *text, struct err *e);
int cg_write_u64(const char *dir, const char *file, uint64_t v, struct err *e);
int cg_read(const char *dir, const char *file, char *buf, size_t n, struct err *e);
int cg_read_u64(const char *dir, const char *file, uint64_t *ret_v, struct err *e);
/* 0 where the file says that there is none. */
int cg_read_limit(const char *dir, const char *file, uint64_t *ret_v, struct err *e);
/* The number in the line "key 12". */
int cg_read_key(
    const char *dir, const char *file, const char *key, uint64_t *ret_v, struct err *e);

struct cg_visit {
	int (*fn)(const char *dir, void *arg, struct err *e);
	void *arg;
};

/* dir and the groups below it, until one fails. */
int cg_each(const char *dir, const struct cg_visit *v, struct err *e);
/* Of dir and the groups below it: a line that each keeps for itself alone. */
uint64_t cg_sum(const char *dir, const char *file, const char *key);
/* Add "cpu_ready": for how long the threads in dir and below it, which are listed in
 * file, have waited for a CPU while they could have run.  Of those that live. */
void cg_count_ready(const char *dir, const char *file, struct counters *to);
/* The group alone, or with all below it; absent is fine. ERR_BUSY while a process is in
 * one. */
int cg_remove_empty(const char *dir, struct err *e);
int cg_remove(const char *dir, struct err *e);
