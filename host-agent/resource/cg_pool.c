/*
 * Groups of resource pools, and the groups of guests in them.
 *
 * In v1 only where CPU time is divided: memory that is charged to a group stays with
 * it, whatever becomes of the processes (ADR 0027).
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define CARRY_ROUNDS 100 /* of processes that fork meanwhile */

static void
note(int *first, int rc, struct err *e, const struct err *why)
{
	if (!rc || *first)
		return;
	*first = rc;
	if (e)
		*e = *why;
}

/* ---- places ---- */

struct cg_place *
cg_place_of(const struct cg *cg, uint64_t guest)
{
	return map_get(cg->places, guest);
}

static struct cg_place *
place_make(struct cg *cg, uint64_t guest)
{
	struct cg_place *p = cg_place_of(cg, guest);

	if (!p) {
		p = xcalloc(1, sizeof(*p));
		map_put(cg->places, guest, p);
	}
	return p;
}

static bool
is_there(const char *dir)
{
	struct stat st;

	return !stat(dir, &st);
}

/* What a walk through the groups below the agent's does with each. */
struct walk {
	struct cg *cg;
	const struct cg_tree *tree;
	void (*on_guest)(struct walk *w, const char *below, uint64_t guest);
	void (*on_pool)(struct walk *w, const char *below); /* after what is in it */
	const struct cg_pools *keep;
	char *const *paths; /* of keep's pools */
};

static bool
number_after(const char *name, const char *prefix, uint64_t *ret)
{
	return str_starts(name, prefix) &&
	       !parse_u64(name + strlen(prefix), 0, UINT64_MAX, "group", ret, NULL);
}

static void
walk(struct walk *w, const char *below, unsigned depth)
{
	AUTO_FREE char *dir =
	    *below ? xasprintf("%s/%s", w->tree->path, below) : xstrdup(w->tree->path);
	DIR *d = depth <= CG_POOLS_DEEP ? opendir(dir) : NULL;
	const struct dirent *m;

	while (d && (m = readdir(d)) != NULL) {
		AUTO_FREE char *in =
		    *below ? xasprintf("%s/%s", below, m->d_name) : xstrdup(m->d_name);
		uint64_t number;

		if (number_after(m->d_name, CG_GUEST, &number)) {
			if (w->on_guest)
				w->on_guest(w, below, number);
		} else if (number_after(m->d_name, CG_POOL, &number)) {
			walk(w, in, depth + 1);
			if (w->on_pool)
				w->on_pool(w, in);
		}
	}
	if (d)
		closedir(d);
}

static void
found_guest(struct walk *w, const char *below, uint64_t guest)
{
	if (*below)
		snprintf(place_make(w->cg, guest)->path, CG_PLACE_MAX, "%s", below);
}

void
cg_places_find(struct cg *cg)
{
	for (unsigned i = 0; i < cg->n_trees; i++) {
		struct walk w = {
			.cg = cg, .tree = &cg->trees[i], .on_guest = found_guest
		};

		if (cg->trees[i].has_pools)
			walk(&w, "", 0);
	}
}

/* ---- empty groups ---- */

/* One that holds a group or a process still does not go; that is no failure. */
static void
drop_pool(struct walk *w, const char *below)
{
	AUTO_FREE char *dir = xasprintf("%s/%s", w->tree->path, below);

	for (size_t i = 0; w->keep && i < w->keep->n_pools; i++) {
		if (str_same(w->paths[i], below))
			return;
	}
	(void)cg_remove_empty(dir, NULL);
}

static void
drop_others(struct cg *cg, const struct cg_pools *keep, char *const *paths)
{
	for (unsigned i = 0; i < cg->n_trees; i++) {
		struct walk w = { .cg = cg,
			.tree = &cg->trees[i],
			.on_pool = drop_pool,
			.keep = keep,
			.paths = paths };

		if (cg->trees[i].has_pools)
			walk(&w, "", 0);
	}
}

void
cg_pools_drop_empty(struct cg *cg)
{
	drop_others(cg, NULL, NULL);
}

/* ---- processes ---- */

struct carry {
	const char *to;
	bool found;
};

static int
carry_group(const char *dir, void *arg, struct err *e)
{
	struct carry *c = arg;
	char text[CG_TEXT_MAX], *rest = text;
	struct err why = ERR_INIT;

	if (cg_read(dir, "cgroup.procs", text, sizeof(text), NULL))
		return 0;
	for (char *pid; (pid = strsep(&rest, "\n")) != NULL;) {
		/* The last may be cut; it is read whole the next time. */
		if (!*pid || !rest)
			continue;
		c->found = true;
		err_clear(&why);
		if (cg_write(c->to, "cgroup.procs", pid, &why) && why.sys != ESRCH)
			return err_set(e, why.code, "%s", why.msg);
	}
	return 0;
}

/* Every process below from, and what they fork meanwhile. */
static int
carry(const char *from, const char *to, struct err *e)
{
	for (unsigned i = 0; i < CARRY_ROUNDS; i++) {
		struct carry c = { .to = to };
		const struct cg_visit v = { carry_group, &c };
		int rc = cg_each(from, &v, e);

		if (rc || !c.found)
			return rc;
	}
	return err_set(
	    e, ERR_BUSY, "processes of %s fork faster than they are carried", from);
}

/* An engine puts what it starts into the group right below the agent's: an entrance
 * that stays. */
static int
enter(struct cg *cg, const struct cg_tree *t, uint64_t guest, struct err *e)
{
	AUTO_FREE char *entrance = cg_dir(t, guest, "");
	AUTO_FREE char *dir = cg_dir(t, guest, cg_place_of(cg, guest)->path);

	if (!is_there(entrance) || !is_there(dir))
		return 0;
	return carry(entrance, dir, e);
}

int
cg_guest_gather(struct cg *cg, uint64_t guest, struct err *e)
{
	const struct cg_place *p = cg_place_of(cg, guest);
	int rc = 0;

	for (unsigned i = 0; p && *p->path && i < cg->n_trees && !rc; i++) {
		if (cg->trees[i].has_pools && cg->back->has_entrance)
			rc = enter(cg, &cg->trees[i], guest, e);
	}
	return rc;
}

/* Is it in use, so that its processes have to be carried? */
static bool
has_group(const struct cg *cg, const struct cg_tree *t, uint64_t guest)
{
	const struct cg_place *p = cg_place_of(cg, guest);
	AUTO_FREE char *dir = cg_dir(t, guest, p ? p->path : "");

	return is_there(dir);
}

static bool
may_carry(const struct cg *cg, const struct cg_tree *t, uint64_t guest)
{
	const struct cg_place *p = cg_place_of(cg, guest);
	AUTO_FREE char *dir = cg_dir(t, guest, p ? p->path : "");

	return !cg->back->may_carry || cg->back->may_carry(dir);
}

static int
move_in(const struct cg *cg, const struct cg_tree *t, const struct cg_slice *g,
    const char *to_path, struct err *e)
{
	const struct cg_place *p = cg_place_of(cg, g->id);
	AUTO_FREE char *from = cg_dir(t, g->id, p ? p->path : "");
	AUTO_FREE char *to = cg_dir(t, g->id, to_path);
	int rc = cg_make(to, e);

	if (!rc && cg->back->make_like)
		rc = cg->back->make_like(from, to, e);
	if (!rc)
		rc = cg->back->set_weight(to, g, e);
	if (!rc)
		rc = carry(from, to, e);
	/* Where there is an entrance that stays. */
	if (!rc && ((p && *p->path) || !cg->back->has_entrance))
		rc = cg_remove(from, e);
	return rc;
}

static int
place_guest(struct cg *cg, const struct cg_slice *g, const char *path, struct err *e)
{
	const struct cg_place *was = cg_place_of(cg, g->id);
	bool moves = !str_same(was ? was->path : "", path);
	int rc = 0;

	for (unsigned i = 0; moves && i < cg->n_trees && !rc; i++) {
		const struct cg_tree *t = &cg->trees[i];

		if (!t->has_pools || !has_group(cg, t, g->id))
			continue;
		/* It stays where it was started until it is started anew. */
		if (!may_carry(cg, t, g->id))
			return 0;
		rc = move_in(cg, t, g, path, e);
	}
	if (!rc)
		snprintf(place_make(cg, g->id)->path, CG_PLACE_MAX, "%s", path);
	return rc;
}

/* ---- weights and rations ---- */

static size_t
pool_at(const struct cg_pools *s, uint64_t id)
{
	size_t i = 0;

	while (i < s->n_pools && s->pools[i].id != id)
		i++;
	return i;
}

/* The less of both; 0: none. */
static uint64_t
tighter(uint64_t a, uint64_t b)
{
	if (!a || !b)
		return a ? a : b;
	return a < b ? a : b;
}

/* Paths of the pools, and what each may use with those that it lies in. */
static int
lay_out(const struct cg_pools *s, char **paths, uint64_t *quotas, struct err *e)
{
	for (size_t i = 0; i < s->n_pools; i++) {
		const struct cg_slice *p = &s->pools[i];
		size_t up = p->pool ? pool_at(s, p->pool) : i;

		if (p->pool && up >= i) {
			return err_set(e, ERR_INVALID,
			    "pool-%" PRIu64 " lies in pool-%" PRIu64
			    ", which is not told before it",
			    p->id, p->pool);
		}
		paths[i] = p->pool
			       ? xasprintf("%s/" CG_POOL "%" PRIu64, paths[up], p->id)
			       : xasprintf(CG_POOL "%" PRIu64, p->id);
		quotas[i] = tighter(p->cpu_quota_us, p->pool ? quotas[up] : 0);
		if (strlen(paths[i]) >= CG_PLACE_MAX)
			return err_set(
			    e, ERR_INVALID, "pool-%" PRIu64 " lies too deep", p->id);
	}
	return 0;
}

static void
make_pools(struct cg *cg, const struct cg_pools *s, char *const *paths, int *first,
    struct err *e)
{
	for (unsigned t = 0; t < cg->n_trees; t++) {
		for (size_t i = 0; cg->trees[t].has_pools && i < s->n_pools; i++) {
			AUTO_FREE char *dir =
			    xasprintf("%s/%s", cg->trees[t].path, paths[i]);
			struct err why = ERR_INIT;
			int rc = cg_make(dir, &why);

			if (!rc && cg->back->make_pool)
				rc = cg->back->make_pool(dir, &why);
			if (!rc)
				rc = cg->back->set_weight(dir, &s->pools[i], &why);
			if (!rc && cg->back->set_pool_memory)
				rc = cg->back->set_pool_memory(
				    dir, &s->pools[i], &cg->pools_wait, &why);
			note(first, rc, e, &why);
		}
	}
}

/* What is protected in a group counts only as far as it is in those around it. */
static void
keep_all(struct cg *cg, const struct cg_pools *s, int *first, struct err *e)
{
	struct cg_slice all = { .id = 0 };

	for (size_t i = 0; i < s->n_pools + s->n_guests; i++) {
		const struct cg_slice *one =
		    i < s->n_pools ? &s->pools[i] : &s->guests[i - s->n_pools];

		if (one->pool)
			continue;
		all.mem_kept_bytes += one->mem_kept_bytes;
		all.mem_reserved_bytes += one->mem_reserved_bytes;
	}
	for (unsigned t = 0; cg->back->set_pool_memory && t < cg->n_trees; t++) {
		struct err why = ERR_INIT;

		note(first,
		    cg->back->set_pool_memory(
			cg->trees[t].path, &all, &cg->pools_wait, &why),
		    e, &why);
	}
}

bool
cg_pools_wait(const struct cg *cg)
{
	return cg->pools_wait;
}

enum pass {
	PASS_DOWN, /* only what becomes less: from the leaves up */
	PASS_ALL,  /* from the root down */
};

/* v1 refuses a group more than what the one around it has. */
static void
ration(struct cg *cg, const char *below, uint64_t quota_us, enum pass pass, int *first,
    struct err *e)
{
	for (unsigned t = 0; t < cg->n_trees; t++) {
		AUTO_FREE char *dir = xasprintf("%s/%s", cg->trees[t].path, below);
		struct err why = ERR_INIT;
		uint64_t now = 0;

		if (!cg->trees[t].has_pools || !is_there(dir))
			continue;
		now = cg->back->quota(dir);
		if (now == quota_us || (pass == PASS_DOWN && quota_us == 0) ||
		    (pass == PASS_DOWN && now && now < quota_us))
			continue;
		note(first, cg->back->set_quota(dir, quota_us, &why), e, &why);
	}
}

static void
ration_guests(struct cg *cg, const struct cg_pools *s, const uint64_t *quotas,
    enum pass pass, int *first, struct err *e)
{
	for (size_t i = 0; i < s->n_guests; i++) {
		const struct cg_slice *g = &s->guests[i];
		const struct cg_place *p = cg_place_of(cg, g->id);
		size_t in = g->pool ? pool_at(s, g->pool) : s->n_pools;
		AUTO_FREE char *below = xasprintf("%s%s" CG_GUEST "%" PRIu64,
		    p ? p->path : "", p && *p->path ? "/" : "", g->id);

		ration(cg, below,
		    tighter(g->cpu_quota_us, in < s->n_pools ? quotas[in] : 0), pass,
		    first, e);
	}
}

static void
ration_all(struct cg *cg, const struct cg_pools *s, char *const *paths,
    const uint64_t *quotas, int *first, struct err *e)
{
	ration_guests(cg, s, quotas, PASS_DOWN, first, e);
	for (size_t i = s->n_pools; i-- > 0;)
		ration(cg, paths[i], quotas[i], PASS_DOWN, first, e);
	for (size_t i = 0; i < s->n_pools; i++)
		ration(cg, paths[i], quotas[i], PASS_ALL, first, e);
	ration_guests(cg, s, quotas, PASS_ALL, first, e);
}

static void
weigh_guest(struct cg *cg, const struct cg_slice *g, int *first, struct err *e)
{
	struct cg_place *p = place_make(cg, g->id);

	p->cpu_shares = g->cpu_shares;
	p->cpu_weight = g->cpu_weight;
	for (unsigned t = 0; t < cg->n_trees; t++) {
		AUTO_FREE char *dir = cg_dir(&cg->trees[t], g->id, p->path);
		struct err why = ERR_INIT;

		if (cg->trees[t].has_pools && is_there(dir))
			note(first, cg->back->set_weight(dir, g, &why), e, &why);
	}
}

static void
place_guests(struct cg *cg, const struct cg_pools *s, char *const *paths, int *first,
    struct err *e)
{
	for (size_t i = 0; i < s->n_guests; i++) {
		const struct cg_slice *g = &s->guests[i];
		size_t in = g->pool ? pool_at(s, g->pool) : s->n_pools;
		struct err why = ERR_INIT;
		int rc;

		if (g->pool && in == s->n_pools) {
			rc = err_set(&why, ERR_INVALID,
			    "vm-%" PRIu64 " is in pool-%" PRIu64 ", which is not told",
			    g->id, g->pool);
		} else {
			rc = place_guest(cg, g, g->pool ? paths[in] : "", &why);
		}
		note(first, rc, e, &why);
		weigh_guest(cg, g, first, e);
	}
}

int
cg_pools_set(struct cg *cg, const struct cg_pools *s, struct err *e)
{
	char **paths = xcalloc(s->n_pools + 1, sizeof(*paths));
	AUTO_FREE uint64_t *quotas = xcalloc(s->n_pools + 1, sizeof(*quotas));
	int first = lay_out(s, paths, quotas, e);

	cg->pools_wait = false;
	if (!first) {
		keep_all(cg, s, &first, e);
		make_pools(cg, s, paths, &first, e);
		place_guests(cg, s, paths, &first, e);
		drop_others(cg, s, paths);
		ration_all(cg, s, paths, quotas, &first, e);
	}
	for (size_t i = 0; i < s->n_pools; i++)
		free(paths[i]);
	free(paths);
	return first;
}

void
cg_values_place(const struct cg *cg, uint64_t guest, struct cg_values *v)
{
	const struct cg_place *p = cg_place_of(cg, guest);

	if (!p)
		return;
	snprintf(v->place, sizeof(v->place), "%s", p->path);
	if (p->cpu_shares) {
		v->cpu_shares = p->cpu_shares;
		v->cpu_weight = p->cpu_weight;
	}
}
