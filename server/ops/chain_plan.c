#include "server/ops/chain_plan.h"

#include "base/str.h"

#define NONE SIZE_MAX

struct image {
	struct layer_ref ref;
	size_t below; /* NONE: it stands on nothing that is the machine's */
	size_t depth; /* images of the machine below it */
	bool gone, needed, in_use;
	size_t n_on_it, on_it; /* how many stand on it; one of them */
};

struct tree {
	struct arena *arena;
	struct image *images;
	size_t n;
	size_t *tops; /* of each state; NONE: it has no image, or is gone */
	size_t n_states;
};

static bool
is_own(const struct layer_ref *r)
{
	return str_starts(r->path, "vms/");
}

static size_t
find(const struct tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++) {
		if (str_same(t->images[i].ref.path, path))
			return i;
	}
	return NONE;
}

/* The images of a chain that are the machine's own: all but a template's at its end. */
static size_t
own_length(const struct layer_chain *c)
{
	size_t n = 0;

	while (n < c->n && is_own(&c->v[n]))
		n++;
	return n;
}

static int
add_chain(struct tree *t, const struct layer_chain *c, size_t *ret_top, struct err *e)
{
	size_t below = NONE;

	for (size_t i = own_length(c); i--;) {
		size_t at = find(t, c->v[i].path);

		if (at != NONE && t->images[at].below != below)
			return err_set(e, ERR_CORRUPT,
			    "image \"%.100s\" stands on different ones in different "
			    "snapshots",
			    c->v[i].path);
		if (at == NONE) {
			at = t->n++;
			t->images[at] = (struct image){
				.ref = c->v[i],
				.below = below,
				.depth = below == NONE ? 0 : t->images[below].depth + 1,
			};
		}
		below = at;
	}
	*ret_top = below;
	return 0;
}

/* Who stands on whom, who is the top of a chain, what the machine itself uses. */
static void
look(struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		t->images[i].n_on_it = 0;
		t->images[i].needed = t->images[i].in_use = false;
	}
	for (size_t i = 0; i < t->n; i++) {
		struct image *im = &t->images[i];

		if (im->gone || im->below == NONE)
			continue;
		t->images[im->below].n_on_it++;
		t->images[im->below].on_it = i;
	}
	for (size_t s = 0; s < t->n_states; s++) {
		if (t->tops[s] != NONE)
			t->images[t->tops[s]].needed = true;
	}
	for (size_t i = t->tops[0]; i != NONE; i = t->images[i].below)
		t->images[i].in_use = true;
}

static bool
drop_one(struct tree *t, struct chain_plan *p)
{
	for (size_t i = 0; i < t->n; i++) {
		struct image *im = &t->images[i];

		if (im->gone || im->needed || im->n_on_it)
			continue;
		im->gone = true;
		p->drops[p->n_drops++] = im->ref;
		return true;
	}
	return false;
}

/* The lowest hidden image with one on it: so each content is written once. */
static size_t
next_merge(const struct tree *t)
{
	size_t best = NONE;

	for (size_t i = 0; i < t->n; i++) {
		const struct image *im = &t->images[i];

		if (im->gone || im->needed || im->n_on_it != 1)
			continue;
		if (best == NONE || im->depth < t->images[best].depth)
			best = i;
	}
	return best;
}

static bool
merge_one(struct tree *t, struct chain_plan *p)
{
	size_t lower = next_merge(t), upper;
	struct chain_merge *m = &p->merges[p->n_merges];
	struct layer_ref *others;

	if (lower == NONE)
		return false;
	upper = t->images[lower].on_it;
	others = arena_array(t->arena, t->images[upper].n_on_it + 1, sizeof(*others));
	*m = (struct chain_merge){
		.upper = t->images[upper].ref,
		.lower = t->images[lower].ref,
		.in_use = t->images[upper].in_use,
		.others = others,
	};
	for (size_t i = 0; i < t->n; i++) {
		struct image *im = &t->images[i];

		if (im->gone || im->below != upper)
			continue;
		im->below = lower;
		if (!im->in_use)
			others[m->n_others++] = im->ref;
	}
	for (size_t s = 0; s < t->n_states; s++) {
		if (t->tops[s] == upper)
			t->tops[s] = lower;
	}
	t->images[upper].gone = true;
	p->n_merges++;
	return true;
}

static void
write_chain(const struct tree *t, size_t top, const struct layer_chain *was,
    struct layer_chain *out)
{
	out->n = 0;
	for (size_t i = top; i != NONE && out->n < CHAIN_LAYERS_MAX;
	     i = t->images[i].below)
		out->v[out->n++] = t->images[i].ref;
	for (size_t i = own_length(was); i < was->n && out->n < CHAIN_LAYERS_MAX; i++)
		out->v[out->n++] = was->v[i];
}

static bool
hides(const struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct image *im = &t->images[i];

		if (!im->gone && im->in_use && !im->needed)
			return true;
	}
	return false;
}

int
chain_plan(struct arena *a, const struct chain_state *states, size_t n,
    struct chain_plan *ret_p, struct err *e)
{
	size_t max = n * CHAIN_LAYERS_MAX + 1;
	struct tree t = { .arena = a, .n_states = n };
	struct chain_plan p = { .n_merges = 0 };

	t.images = arena_array(a, max, sizeof(*t.images));
	t.tops = arena_array(a, n + 1, sizeof(*t.tops));
	p.merges = arena_array(a, max, sizeof(*p.merges));
	p.drops = arena_array(a, max, sizeof(*p.drops));
	p.chains = arena_array(a, n + 1, sizeof(*p.chains));
	for (size_t s = 0; s < n; s++) {
		if (add_chain(&t, &states[s].chain, &t.tops[s], e))
			return e->code;
		if (states[s].gone)
			t.tops[s] = NONE;
	}
	do {
		look(&t);
	} while (drop_one(&t, &p) || merge_one(&t, &p));
	for (size_t s = 0; s < n; s++) {
		if (!states[s].gone)
			write_chain(&t, t.tops[s], &states[s].chain, &p.chains[s]);
	}
	p.hides = hides(&t);
	*ret_p = p;
	return 0;
}
