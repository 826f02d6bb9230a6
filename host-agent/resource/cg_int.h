/*
 * cg_int: what the two versions of cgroups implement behind cg.
 */
#pragma once
#include "host-agent/resource/cg.h"

/* One hierarchy the guests' groups are in: v1 has one for each controller, v2 just one.
 */
struct cg_tree {
	const char *controller; /* v1: "cpu"; v2: "" */
	char *path;             /* of the agent's group */
};

#define CG_TREES_MAX 4

struct cg {
	const struct cg_back *back;
	struct cg_tree trees[CG_TREES_MAX];
	unsigned n_trees;
	char *entries[CG_TREES_MAX + 1];
	char *base;       /* of the agent's group, below the root of each hierarchy */
	char *guest_path; /* that was asked for last */
};

struct cg_back {
	const char *version;
	/* The file of a group that a process without other threads writes "0" into to
	 * enter it. */
	const char *entry;
	/* Set the values of one guest's group in tree; dir is its path. */
	int (*set)(const struct cg_tree *t, const char *dir, const struct cg_values *v,
	    struct err *e);
	/* Add what tree knows to u. */
	int (*usage)(const struct cg_tree *t, const char *dir, struct cg_usage *u,
	    struct err *e);
};

extern const struct cg_back cg_v1, cg_v2;

/* Make the agent's group in each hierarchy found below root. */
int cg_v1_open(struct cg *cg, const char *root, const char *base, struct err *e);
int cg_v2_open(struct cg *cg, const char *root, const char *base, struct err *e);

int cg_make(
    const char *dir, struct err *e); /* with its parents; there already is fine */
int cg_write(const char *dir, const char *file, const char *text, struct err *e);
int cg_write_u64(const char *dir, const char *file, uint64_t v, struct err *e);
int cg_read(const char *dir, const char *file, char *buf, size_t n, struct err *e);
int cg_read_u64(const char *dir, const char *file, uint64_t *ret_v, struct err *e);
