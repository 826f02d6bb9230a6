#include "server/ops/snap_plan.h"

#include <inttypes.h>

#include "server/ops/chain_plan.h"
#include "server/ops/ops_int.h"

/* A user of the disks: the machine, what it gives up, each of its snapshots. */
struct disk_user {
	obj_id snapshot; /* none: the machine's */
	const json *was; /* NULL: none */
	json *disks;     /* as they become; NULL: it goes */
};

struct planning {
	struct arena *arena;
	struct disk_user *users;
	size_t n_users;
	const char **names; /* of all disks that anyone has */
	size_t n_names;
	struct snap_plan *out;
};

static size_t
backing_count(const json *disk)
{
	const json *b = json_get(disk, "backing");

	return b ? json_count(b) : 0;
}

size_t
snap_chain_length(const json *disks)
{
	size_t longest = 0;

	for (size_t i = 0; disks && i < json_count(disks); i++) {
		size_t n = backing_count(json_at(disks, i)) + 1;

		if (n > longest)
			longest = n;
	}
	return longest;
}

static json *
layer_json(const char *path, const char *format)
{
	json *l = json_new_object();

	json_set_str(l, "path", path);
	json_set_str(l, "format", format);
	return l;
}

json *
snap_fresh_disks(obj_id vm, const json *list, uint64_t number)
{
	json *fresh = json_new_array();
	char id[OBJ_ID_TEXT];

	obj_id_text(vm, id);
	for (size_t i = 0; list && i < json_count(list); i++) {
		const json *was = json_at(list, i);
		const json *below = json_get(was, "backing");
		json *d = json_dup(was), *backing = json_new_array();
		AUTO_FREE char *path = xasprintf(
		    "vms/%s/%s.s%" PRIu64 ".qcow2", id, arg_str(was, "name"), number);

		json_add_json(
		    backing, layer_json(arg_str(was, "path"), arg_str(was, "format")));
		for (size_t k = 0; below && k < json_count(below); k++)
			json_add_json(backing, json_dup(json_at(below, k)));
		json_set_str(d, "path", path);
		json_set_str(d, "format", "qcow2");
		json_set_json(d, "backing", backing);
		json_add_json(fresh, d);
	}
	return fresh;
}

static json *
find_disk(const json *disks, const char *name)
{
	for (size_t i = 0; disks && i < json_count(disks); i++) {
		if (str_same(arg_str(json_at(disks, i), "name"), name))
			return json_at(disks, i);
	}
	return NULL;
}

static void
note_names(struct planning *pl, const json *disks)
{
	for (size_t i = 0; disks && i < json_count(disks); i++) {
		const char *name = arg_str(json_at(disks, i), "name");
		size_t k = 0;

		while (k < pl->n_names && !str_same(pl->names[k], name))
			k++;
		if (k == pl->n_names && name)
			pl->names[pl->n_names++] = name;
	}
}

static int
read_chain(const json *disk, struct layer_chain *c, struct err *e)
{
	const json *backing = disk ? json_get(disk, "backing") : NULL;
	size_t n = disk ? backing_count(disk) + 1 : 0;

	c->n = 0;
	if (n > CHAIN_LAYERS_MAX)
		return err_set(e, ERR_CORRUPT, "disk %s stands on %zu images",
		    arg_str(disk, "name"), n - 1);
	for (size_t i = 0; i < n; i++) {
		const json *l = i ? json_at(backing, i - 1) : disk;

		c->v[i] =
		    (struct layer_ref){ arg_str(l, "path"), arg_str(l, "format") };
		if (!c->v[i].path || !c->v[i].format)
			return err_set(e, ERR_CORRUPT,
			    "disk %s has an image without a "
			    "name",
			    arg_str(disk, "name"));
		c->n++;
	}
	return 0;
}

static void
write_chain(json *disk, const struct layer_chain *c)
{
	json *backing = json_new_array();

	for (size_t i = 1; i < c->n; i++)
		json_add_json(backing, layer_json(c->v[i].path, c->v[i].format));
	json_set_str(disk, "path", c->v[0].path);
	json_set_str(disk, "format", c->v[0].format);
	json_del(disk, "backing");
	if (json_count(backing))
		json_set_json(disk, "backing", backing);
	else
		json_free(backing);
}

static Drover__DiskLayer *
layer_of(struct arena *a, const struct layer_ref *r)
{
	Drover__DiskLayer *l = arena_alloc(a, sizeof(*l));

	drover__disk_layer__init(l);
	l->path = arena_strdup(a, r->path);
	l->format = arena_strdup(a, r->format);
	return l;
}

static void
add_merge(struct planning *pl, const struct chain_merge *m, const char *name,
    uint64_t datastore)
{
	struct arena *a = pl->arena;
	Drover__LayerMerge *lm = arena_alloc(a, sizeof(*lm));

	drover__layer_merge__init(lm);
	lm->datastore = datastore;
	lm->upper = layer_of(a, &m->upper);
	lm->lower = layer_of(a, &m->lower);
	lm->disk = arena_strdup(a, m->in_use ? name : "");
	lm->others = arena_array(a, m->n_others + 1, sizeof(*lm->others));
	lm->n_others = m->n_others;
	for (size_t i = 0; i < m->n_others; i++)
		lm->others[i] = layer_of(a, &m->others[i]);
	pl->out->merges[pl->out->n_merges++] = lm;
}

static void
add_drop(struct planning *pl, const struct layer_ref *r, const char *name,
    uint64_t datastore)
{
	Drover__DiskSpec *d = arena_alloc(pl->arena, sizeof(*d));

	drover__disk_spec__init(d);
	d->name = arena_strdup(pl->arena, name);
	d->datastore = datastore;
	d->path = arena_strdup(pl->arena, r->path);
	d->format = arena_strdup(pl->arena, r->format);
	pl->out->drops[pl->out->n_drops++] = d;
}

static void
take_plan(struct planning *pl, const struct chain_plan *p, const char *name,
    uint64_t datastore)
{
	for (size_t i = 0; i < p->n_merges; i++)
		add_merge(pl, &p->merges[i], name, datastore);
	for (size_t i = 0; i < p->n_drops; i++)
		add_drop(pl, &p->drops[i], name, datastore);
	for (size_t u = 0; u < pl->n_users; u++) {
		json *d = find_disk(pl->users[u].disks, name);

		if (d && p->chains[u].n)
			write_chain(d, &p->chains[u]);
	}
	pl->out->hides = pl->out->hides || p->hides;
}

static int
plan_disk(struct planning *pl, const char *name, struct err *e)
{
	struct chain_state *states =
	    arena_array(pl->arena, pl->n_users, sizeof(*states));
	obj_id datastore = OBJ_ID_NONE;
	struct chain_plan p;
	int rc = 0;

	for (size_t u = 0; !rc && u < pl->n_users; u++) {
		const json *d = find_disk(pl->users[u].was, name);

		states[u].gone = !pl->users[u].disks;
		rc = read_chain(d, &states[u].chain, e);
		if (d && obj_id_none(datastore))
			datastore = arg_id(d, "datastore");
		if (!rc && d && !obj_id_is(arg_id(d, "datastore"), datastore))
			rc = err_set(e, ERR_CORRUPT,
			    "disk %s is on different datastores in different snapshots",
			    name);
	}
	if (!rc)
		rc = chain_plan(pl->arena, states, pl->n_users, &p, e);
	if (!rc)
		take_plan(pl, &p, name, obj_id_number(datastore));
	return rc;
}

static void
gather(struct planning *pl, const struct inv *inv, const struct vm *vm,
    const struct id_list *gone)
{
	for (size_t i = 0; i < vm->o.n_kids; i++) {
		const struct snapshot *s = inv_snapshot(inv, vm->o.kids[i]);
		struct disk_user *u = &pl->users[pl->n_users];

		/* One that is being taken has frozen nothing yet. */
		if (!s || s->lifecycle == LIFE_CREATING)
			continue;
		*u = (struct disk_user){ .snapshot = s->o.id, .was = s->disks };
		if (!gone || !id_list_has(gone, s->o.id))
			u->disks = s->disks ? json_dup(s->disks) : json_new_array();
		pl->n_users++;
	}
}

int
snap_plan(
    struct arena *a, const struct snap_wish *w, struct snap_plan *ret_p, struct err *e)
{
	size_t max = w->vm->o.n_kids + 2, n_disks = 0, most;
	struct snap_plan p = { .disks = NULL };
	struct planning pl = { .arena = a, .out = &p };
	int rc = 0;

	pl.users = arena_array(a, max, sizeof(*pl.users));
	pl.users[pl.n_users++] = (struct disk_user){ .was = w->now,
		.disks = w->now ? json_dup(w->now) : json_new_array() };
	if (w->given_up)
		pl.users[pl.n_users++] = (struct disk_user){ .was = w->given_up };
	gather(&pl, w->inv, w->vm, w->gone);
	for (size_t u = 0; u < pl.n_users; u++)
		n_disks += pl.users[u].was ? json_count(pl.users[u].was) : 0;
	most = n_disks * CHAIN_LAYERS_MAX + 1;
	pl.names = arena_array(a, n_disks + 1, sizeof(*pl.names));
	p.merges = arena_array(a, most, sizeof(*p.merges));
	p.drops = arena_array(a, most, sizeof(*p.drops));
	p.snaps = arena_array(a, max, sizeof(*p.snaps));
	for (size_t u = 0; u < pl.n_users; u++)
		note_names(&pl, pl.users[u].was);
	for (size_t i = 0; !rc && i < pl.n_names; i++)
		rc = plan_disk(&pl, pl.names[i], e);
	p.disks = pl.users[0].disks;
	for (size_t u = 1; u < pl.n_users; u++) {
		if (pl.users[u].disks)
			p.snaps[p.n_snaps++] =
			    (struct snap_disks){ pl.users[u].snapshot,
				    pl.users[u].disks };
	}
	if (rc) {
		snap_plan_fini(&p);
		return err_wrap(e, "machine \"%s\"", w->vm->o.name);
	}
	*ret_p = p;
	return 0;
}

void
snap_plan_fini(struct snap_plan *p)
{
	json_free(MOVE(p->disks));
	for (size_t i = 0; i < p->n_snaps; i++)
		json_free(MOVE(p->snaps[i].disks));
	p->n_snaps = 0;
}
