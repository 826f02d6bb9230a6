#include "server/migrate/migrate_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define FLAGS_NAMED 6

static void against(struct mig_verdict *r, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void
against(struct mig_verdict *r, int code, const char *fmt, ...)
{
	va_list ap;

	if (r->n == MIG_REASONS_MAX)
		return;
	r->v[r->n].code = code;
	va_start(ap, fmt);
	vsnprintf(r->v[r->n].text, sizeof(r->v[r->n].text), fmt, ap);
	va_end(ap);
	r->n++;
}

enum mig_way
mig_way_of(enum power_state power, bool is_same_host)
{
	if (is_same_host)
		return MIG_DISKS;
	return power == POWER_OFF || power == POWER_SUSPENDED ? MIG_COLD : MIG_LIVE;
}

static size_t
count_moving(const struct mig_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_disks; i++)
		n += v->disks[i].moves;
	return n;
}

static void
check_machine(const struct mig_view *v, struct mig_verdict *r)
{
	if (v->lifecycle != LIFE_READY)
		against(r, ERR_BAD_STATE, "%s \"%s\" is %s", guest_type_text(v->type),
		    v->vm, vm_lifecycle_text(v->lifecycle));
	if (v->busy)
		against(r, ERR_BUSY, "%s \"%s\" is in use by %s",
		    guest_type_text(v->type), v->vm, v->busy);
	switch (v->power) {
	case POWER_STARTING:
	case POWER_STALLED:
	case POWER_UNKNOWN:
		against(r, ERR_BAD_STATE, "the power state of %s \"%s\" is %s",
		    guest_type_text(v->type), v->vm, power_state_text(v->power));
		break;
	case POWER_SUSPENDED:
		if (!v->is_same_host) {
			against(r, ERR_BAD_STATE,
			    "%s \"%s\" is suspended, and its memory is kept by "
			    "host \"%s\": start it or power it off first",
			    guest_type_text(v->type), v->vm, v->from->name);
		}
		break;
	case POWER_OFF:
	case POWER_ON:
	case POWER_PAUSED:
	case power_state_COUNT_:
		break;
	}
	if (v->is_same_host && !count_moving(v))
		against(r, ERR_INVALID, "%s \"%s\" is on host \"%s\" already",
		    guest_type_text(v->type), v->vm, v->to->name);
}

static void
check_host(const struct mig_host *h, struct mig_verdict *r)
{
	if (!h->is_up)
		against(r, ERR_BAD_STATE, "host \"%s\" is %s", h->name, h->why_down);
}

static void
check_hosts(const struct mig_view *v, struct mig_verdict *r)
{
	check_host(v->to, r);
	if (v->is_same_host)
		return;
	check_host(v->from, r);
	if (!v->is_same_datacenter)
		against(r, ERR_UNSUPPORTED, "host \"%s\" is in another datacenter",
		    v->to->name);
	const struct mig_engine *en = &v->to->engine;
	if (en->name && !en->there)
		against(r, ERR_UNSUPPORTED, "host \"%s\" has no %s engine", v->to->name,
		    en->name);
	else if (en->name && !en->usable)
		against(r, ERR_UNSUPPORTED, "host \"%s\" cannot use its %s engine: %s",
		    v->to->name, en->name, en->why_not);
}

static void
check_can_move(
    const struct mig_view *v, const struct mig_host *h, struct mig_verdict *r)
{
	if (h->engine.there && h->engine.usable && !h->engine.can_move) {
		against(r, ERR_UNSUPPORTED,
		    "the %s engine of host \"%s\" moves no running %s: %s",
		    h->engine.name, h->name, guest_type_text(v->type),
		    h->engine.why_cannot_move);
	}
}

static void
check_post_copy(
    const struct mig_view *v, const struct mig_host *h, struct mig_verdict *r)
{
	if (v->wants_post_copy && h->engine.there && !h->engine.can_post_copy)
		against(r, ERR_UNSUPPORTED,
		    "post_copy: the %s engine of host \"%s\" cannot: %s",
		    h->engine.name, h->name, h->engine.why_no_post_copy);
}

/* "pc-q35-7.2": the family ends before the version. */
static const char *
version_of(const char *machine)
{
	const char *dash = strrchr(machine, '-');

	return dash ? dash + 1 : machine;
}

static bool
is_older(const char *a, const char *b)
{
	char *rest_a, *rest_b;
	unsigned long major_a = strtoul(version_of(a), &rest_a, 10);
	unsigned long major_b = strtoul(version_of(b), &rest_b, 10);

	if (major_a != major_b)
		return major_a < major_b;
	return strtoul(*rest_a ? rest_a + 1 : rest_a, NULL, 10) <
	       strtoul(*rest_b ? rest_b + 1 : rest_b, NULL, 10);
}

static void
check_machine_type(const struct mig_view *v, struct mig_verdict *r)
{
	const char *here = v->from->engine.machine, *there = v->to->engine.machine;
	size_t family = (size_t)(version_of(here) - here);

	if (!*here || !*there)
		return;
	if (family != (size_t)(version_of(there) - there) ||
	    strncmp(here, there, family) != 0) {
		against(r, ERR_UNSUPPORTED,
		    "host \"%s\" runs machines of type %s, host \"%s\" of type %s",
		    v->from->name, here, v->to->name, there);
	} else if (is_older(there, here)) {
		against(r, ERR_UNSUPPORTED,
		    "host \"%s\" knows machine types up to %s, host \"%s\" up to %s",
		    v->to->name, there, v->from->name, here);
	}
}

static bool
has_flag(const struct mig_host *h, const char *flag)
{
	for (size_t i = 0; i < h->n_cpu_flags; i++) {
		if (strcmp(h->cpu_flags[i], flag) == 0)
			return true;
	}
	return false;
}

static void
check_cpu_flags(const struct mig_view *v, struct mig_verdict *r)
{
	AUTO(str) struct str names = STR_INIT;
	size_t missing = 0;

	for (size_t i = 0; i < v->from->n_cpu_flags; i++) {
		const char *flag = v->from->cpu_flags[i];
		if (has_flag(v->to, flag))
			continue;
		if (missing++ < FLAGS_NAMED)
			str_addf(&names, "%s%.24s", names.len ? ", " : "", flag);
	}
	if (missing > FLAGS_NAMED)
		str_addf(&names, " and %zu more", missing - FLAGS_NAMED);
	if (missing)
		against(r, ERR_UNSUPPORTED,
		    "the processor of host \"%s\" lacks what the %s may use: %s",
		    v->to->name, guest_type_text(v->type), str_cstr(&names));
}

static void
check_channel(const struct mig_host *to, struct mig_verdict *r)
{
	if (!to->channel_port)
		against(r, ERR_UNSUPPORTED,
		    "host \"%s\" takes no transfers: it has no channel port", to->name);
	else if (!to->n_channel_addresses)
		against(r, ERR_UNSUPPORTED,
		    "host \"%s\" has no address at which other hosts reach it",
		    to->name);
}

static void
check_live_machine(const struct mig_view *v, struct mig_verdict *r)
{
	const char *here = v->from->engine.accelerator;
	const char *there = v->to->engine.accelerator;

	if (v->to->engine.usable && !str_same(here, there)) {
		against(r, ERR_UNSUPPORTED,
		    "the machine runs with %s on host \"%s\", host \"%s\" has %s",
		    *here ? here : "no accelerator", v->from->name, v->to->name,
		    *there ? there : "none");
	} else if (v->to->engine.usable && str_same(here, "kvm")) {
		/* An emulated processor needs none of its host's features. */
		check_cpu_flags(v, r);
	}
	check_machine_type(v, r);
}

/* Its programs run on the processor and the kernel of the host itself. */
static void
check_live_container(const struct mig_view *v, struct mig_verdict *r)
{
	if (!str_same(v->from->arch, v->to->arch)) {
		against(r, ERR_UNSUPPORTED,
		    "the processor of host \"%s\" is of type %s, that of host \"%s\" of "
		    "type %s",
		    v->from->name, *v->from->arch ? v->from->arch : "unknown",
		    v->to->name, *v->to->arch ? v->to->arch : "unknown");
	} else if (v->to->engine.usable) {
		check_cpu_flags(v, r);
	}
	if (v->power == POWER_PAUSED) {
		against(r, ERR_BAD_STATE,
		    "container \"%s\" is paused, and what stands still cannot be "
		    "moved: resume it or power it off first",
		    v->vm);
	}
}

/* What only a guest that runs on needs. */
static void
check_live(const struct mig_view *v, struct mig_verdict *r)
{
	check_can_move(v, v->from, r);
	check_can_move(v, v->to, r);
	check_post_copy(v, v->from, r);
	check_post_copy(v, v->to, r);
	if (v->type == GUEST_CONTAINER)
		check_live_container(v, r);
	else
		check_live_machine(v, r);
	for (size_t i = 0; i < v->n_shortages; i++)
		against(
		    r, ERR_NO_CAPACITY, "host \"%s\" %s", v->to->name, v->shortages[i]);
}

/* Stays linked: the images below are there, or are copied there first. */
static bool
finds_base(const struct mig_disk *d, struct mig_verdict *r)
{
	if (!d->base_is_there && d->base_may_come)
		r->brings_template = true;
	return d->base_is_there || d->base_may_come;
}

/* It never is without the layers that it stands on. */
static void
check_moving_root(
    const struct mig_view *v, const struct mig_disk *d, struct mig_verdict *r)
{
	if (r->way == MIG_DISKS && v->power != POWER_OFF) {
		against(r, ERR_BAD_STATE,
		    "container \"%s\" uses %s: power it off, or move it to another "
		    "host with it",
		    v->vm, d->name);
	}
	if (!v->keeps_chain)
		against(r, ERR_UNSUPPORTED,
		    "%s of a container always stands on %s: nobody flattens it",
		    d->name, d->base);
	if (d->has_base && !finds_base(d, r)) {
		against(r, ERR_BAD_STATE,
		    "%s stands on %s, which is not on datastore \"%s\" and cannot be "
		    "copied there",
		    d->name, d->base, v->store);
	}
}

static void
check_moving_disk(
    const struct mig_view *v, const struct mig_disk *d, struct mig_verdict *r)
{
	if (v->type == GUEST_CONTAINER) {
		check_moving_root(v, d, r);
		return;
	}
	if (r->way == MIG_LIVE && d->has_base && v->insists_on_chain) {
		against(r, ERR_UNSUPPORTED,
		    "%s stands on %s and is flattened on its way while the machine "
		    "runs",
		    d->name, d->base);
	}
	if (r->way == MIG_LIVE || !d->has_base)
		return;
	/* A host that reaches both flattens it, or not, as is asked for. */
	if (r->way == MIG_DISKS || v->store_reached_from) {
		if (v->insists_on_chain)
			(void)finds_base(d, r);
		return;
	}
	if (!v->keeps_chain || !finds_base(d, r)) {
		against(r, ERR_UNSUPPORTED,
		    "%s stands on %s%s; host \"%s\", which would flatten it, does not "
		    "reach datastore \"%s\"",
		    d->name, d->base, d->base_is_there ? "" : ", which is not there",
		    v->from->name, v->store);
	}
}

static void
check_store(const struct mig_view *v, struct mig_verdict *r)
{
	uint64_t need_mb = v->store_need_mb + (r->brings_template ? v->template_mb : 0);

	if (!v->store_reached)
		against(r, ERR_BAD_STATE, "host \"%s\" does not reach datastore \"%s\"",
		    v->to->name, v->store);
	if (need_mb > v->store_free_mb) {
		against(r, ERR_NO_CAPACITY,
		    "datastore \"%s\" lacks space: %llu MB asked, %llu MB free",
		    v->store, (unsigned long long)need_mb,
		    (unsigned long long)v->store_free_mb);
	}
	if (v->n_snapshots) {
		against(r, ERR_BAD_STATE,
		    "machine \"%s\" has %zu snapshot%s, whose disks stay: delete "
		    "%s first",
		    v->vm, v->n_snapshots, v->n_snapshots == 1 ? "" : "s",
		    v->n_snapshots == 1 ? "it" : "them");
	}
}

static void
check_disks(const struct mig_view *v, struct mig_verdict *r)
{
	bool over_channel = false;

	for (size_t i = 0; i < v->n_disks; i++) {
		const struct mig_disk *d = &v->disks[i];
		if (d->moves)
			check_moving_disk(v, d, r);
		else if (!d->is_reached && !v->is_same_host)
			against(r, ERR_BAD_STATE,
			    "host \"%s\" does not reach datastore \"%s\" (%s)",
			    v->to->name, d->datastore, d->name);
	}
	if (!count_moving(v))
		return;
	check_store(v, r);
	over_channel = r->way == MIG_COLD && !v->store_reached_from;
	if (over_channel)
		check_channel(v->to, r);
}

static void
check_nics(const struct mig_view *v, struct mig_verdict *r)
{
	for (size_t i = 0; i < v->n_nics; i++) {
		if (!v->nics[i].is_reached)
			against(r, ERR_BAD_STATE,
			    "host \"%s\" does not reach network \"%s\" (%s)",
			    v->to->name, v->nics[i].network, v->nics[i].name);
	}
}

void
migrate_check(const struct mig_view *v, struct mig_verdict *ret)
{
	ret->n = 0;
	ret->brings_template = false;
	ret->way = mig_way_of(v->power, v->is_same_host);
	check_machine(v, ret);
	check_hosts(v, ret);
	if (ret->way == MIG_LIVE) {
		check_live(v, ret);
		check_channel(v->to, ret);
	}
	check_disks(v, ret);
	if (!v->is_same_host)
		check_nics(v, ret);
	for (size_t i = 0; i < v->n_offered; i++)
		against(ret, ERR_BAD_STATE, "%s", v->offered[i]);
}

int
mig_verdict_err(const struct mig_verdict *v, struct err *e)
{
	static const char more[] = "; and more";
	AUTO(str) struct str all = STR_INIT;

	if (!v->n)
		return 0;
	for (size_t i = 0; i < v->n; i++) {
		size_t room = sizeof(e->msg) - (i + 1 < v->n ? sizeof(more) : 1);
		if (i && all.len + strlen(v->v[i].text) + 2 > room) {
			str_add(&all, more);
			break;
		}
		str_addf(&all, "%s%s", i ? "; " : "", v->v[i].text);
	}
	return err_set(e, v->v[0].code, "%s", str_cstr(&all));
}
