#include "tests/lib/deploy_bed.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

struct seen seen;

static void
add_texts(struct str *b, const char *sep, char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		str_addf(b, "%s%s", i || b->len ? sep : "", v[i]);
}

static void
see_container(const Drover__GuestSpec *s)
{
	const Drover__ContainerSpec *c = s->container;
	AUTO(str) struct str b = STR_INIT;

	seen.container[0] = '\0';
	if (!c)
		return;
	add_texts(&b, " ", c->args, c->n_args);
	str_addf(&b, "; swap %llu, pids %u, weight %u, %s",
	    (unsigned long long)c->swap_limit_mb, c->pids_limit, c->io_weight,
	    s->host_name);
	add_texts(&b, ", ", s->dns, s->n_dns);
	add_texts(&b, ", ", c->devices, c->n_devices);
	snprintf(seen.container, sizeof(seen.container), "%s", str_cstr(&b));
}

static void
see_create(const Drover__GuestSpec *s)
{
	const Drover__DiskSpec *d = s->disks[0];
	struct seen_disk *to = &seen.disk[seen.n++];

	assert_true(seen.n < MAX_SEEN);
	*to = (struct seen_disk){ .guest = s->guest,
		.datastore = d->datastore,
		.bytes = d->size_bytes,
		.seeded = s->seed != NULL };
	snprintf(to->path, sizeof(to->path), "%s", d->path);
	snprintf(seen.engine, sizeof(seen.engine), "%s", s->engine);
	snprintf(seen.address, sizeof(seen.address), "%s",
	    s->n_nics ? s->nics[0]->address : "");
	see_container(s);
	if (d->n_backing)
		snprintf(to->base, sizeof(to->base), "%s", d->backing[0]->path);
	if (d->source) {
		to->source_store = d->source->datastore;
		snprintf(to->source, sizeof(to->source), "%s", d->source->path);
	}
	if (!s->seed)
		return;
	snprintf(seen.user_data, sizeof(seen.user_data), "%s", s->seed->user_data);
	snprintf(seen.meta_data, sizeof(seen.meta_data), "%s", s->seed->meta_data);
	snprintf(seen.network, sizeof(seen.network), "%s", s->seed->network_config);
}

static void
on_order(const Drover__Order *o, void *arg)
{
	seen.copies += o->verb_case == DROVER__ORDER__VERB_TEMPLATE_FROM_DISK;
	seen.sends += o->verb_case == DROVER__ORDER__VERB_IMAGE_SEND;
	seen.receives += o->verb_case == DROVER__ORDER__VERB_IMAGE_RECEIVE;
	seen.deletes += o->verb_case == DROVER__ORDER__VERB_TEMPLATE_DELETE;
	seen.exports += o->verb_case == DROVER__ORDER__VERB_APPLIANCE_EXPORT;
	seen.creates += o->verb_case == DROVER__ORDER__VERB_GUEST_CREATE;
	seen.starts += o->verb_case == DROVER__ORDER__VERB_GUEST_START;
	if (o->verb_case == DROVER__ORDER__VERB_GUEST_CREATE)
		see_create(o->guest_create->spec);
	if (o->verb_case == DROVER__ORDER__VERB_GUEST_START &&
	    o->guest_start->make_disks)
		see_create(o->guest_start->spec);
	if (o->verb_case == DROVER__ORDER__VERB_GUEST_UPDATE)
		see_container(o->guest_update->spec);
}

struct lab *
lab_watched(unsigned n_hosts, uint64_t memory_mb)
{
	struct lab *l = lab_new(n_hosts, memory_mb);

	memset(&seen, 0, sizeof(seen));
	for (unsigned i = 0; i < n_hosts; i++)
		agent_fake_watch(l->agent[i], on_order, NULL);
	return l;
}

void
ok(struct lab *l, const char *op, obj_id entity, const char *args)
{
	int rc = lab_do(l, op, entity, args);

	if (rc)
		fail_msg("%s %s: %s %s", op, args ? args : "", err_name(rc),
		    obj_id_none(l->task) ? l->msg : lab_task_error(l));
}

void
refused(struct lab *l, const char *op, obj_id entity, const char *args, const char *why)
{
	int rc = lab_op(l, op, entity, args);

	if (!rc || !strstr(l->msg, why))
		fail_msg("%s %s: %d %s", op, args ? args : "", rc, l->msg);
}

void
make_stores(struct lab *l)
{
	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'second','datacenter':'dc-1','path':'/srv/second',"
	    "'shared':true,'hosts':['host-1','host-2']}");
	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'local-1','datacenter':'dc-1','path':'/srv/1','hosts':['host-1']}");
	ok(l, "datastore.create", OBJ_ID_NONE,
	    "{'name':'local-2','datacenter':'dc-1','path':'/srv/2','hosts':['host-2']}");
}

obj_id
vm_named(const struct lab *l, const char *name)
{
	const struct obj *o = inv_find(l->inv, l->dc, KIND_VM, name);

	return o ? o->id : OBJ_ID_NONE;
}

size_t
n_copies(const struct lab *l, obj_id tpl)
{
	const struct template *row = inv_template(l->inv, tpl);

	return row->copies ? json_count(row->copies) : 0;
}

unsigned
n_tasks(const struct lab *l, const char *op)
{
	unsigned n = 0;

	INV_EACH(l->inv, KIND_TASK, o)
	{
		n += str_same(inv_task(l->inv, o->id)->op, op);
	}
	return n;
}

bool
all_tasks_ended(const struct lab *l)
{
	INV_EACH(l->inv, KIND_TASK, o)
	{
		enum task_state s = inv_task(l->inv, o->id)->state;
		if (s == TASK_QUEUED || s == TASK_RUNNING)
			return false;
	}
	return tasks_live(l->tasks) == 0;
}

void
wait_for_all(struct lab *l)
{
	for (unsigned i = 0; i < 3000 && !all_tasks_ended(l); i++) {
		lab_dial(l);
		lab_advance(l, 100);
	}
	assert_true(all_tasks_ended(l));
}
