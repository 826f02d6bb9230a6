#include "host-agent/collect/look.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "host-agent/collect/card_load.h"
#include "host-agent/collect/host_figures.h"
#include "host-agent/collect/instances.h"
#include "host-agent/collect/rapl.h"
#include "host-agent/guest/guests.h"
#include "host-agent/resource/disk_io.h"
#include "host-agent/resource/net_dev.h"
#include "loop/loop.h"
#include "proto/msg.h"

struct look {
	struct look_conf conf;
	uint64_t at_us;      /* of the last one; 0: none */
	struct figures host; /* at the last one */
	bool has_host;
	struct card_load cards;
	struct rapl rapl;
	struct map *was; /* number → struct figures, at the last one */
	struct map *is;  /* the same, at the one under way */
	struct instances *instances;
	const uint64_t *ids; /* of the one under way; NULL: everything */
	size_t n_ids;
	struct figures sum; /* of its guests */
	/* What came of it. */
	Drover__StatRound round;
	Drover__StatSet host_set;
	Drover__StatSet *guests[MAX_GUESTS_PER_HOST];
};

static bool
is_wanted(const struct look *k, uint64_t id)
{
	for (size_t i = 0; k->ids && i < k->n_ids; i++) {
		if (k->ids[i] == id)
			return true;
	}
	return !k->ids;
}

static void
free_lists(Drover__StatSet *set)
{
	free(set->counters);
	free(set->values);
}

static void
forget_round(struct look *k)
{
	free_lists(&k->host_set);
	for (size_t i = 0; i < k->round.n_guests; i++) {
		free_lists(k->guests[i]);
		free(k->guests[i]);
	}
	drover__stat_round__init(&k->round);
	drover__stat_set__init(&k->host_set);
	k->round.guests = k->guests;
}

static void
forget_guests(struct map *m)
{
	MAP_EACH(m, it)
		free(it.value);
	map_free(m);
}

/* CPU time of a guest that has ended would be missing from the next sum: what each has
 * used since its own last look is added up instead. */
static void
add_to_host(struct look *k, const struct figures *was, const struct figures *is)
{
	uint64_t us = is->v[FIG_CPU_US];

	if (was && was->run == is->run && us != FIG_NONE && us >= was->v[FIG_CPU_US])
		figures_add(&k->sum, FIG_CPU_US, us - was->v[FIG_CPU_US]);
	if (is->v[FIG_MEM_BYTES] != FIG_NONE)
		figures_add(&k->sum, FIG_MEM_BYTES, is->v[FIG_MEM_BYTES]);
}

static void
take_instance(void *arg, uint64_t object, const char *name, const struct figures *f)
{
	struct look *k = arg;
	struct figures is = *f;

	if (k->ids)
		return;
	if (!is.at_us)
		is.at_us = k->at_us;
	instances_look(k->instances, object, name, &is);
}

static void
take_guest(struct look *k, uint64_t guest, const struct figures *f)
{
	struct figures *is = xcalloc(1, sizeof(*is));
	const struct figures *was = map_get(k->was, guest);
	struct sample v[METRIC_MAX];
	Drover__StatSet *set;

	*is = *f;
	is->at_us = k->at_us;
	is->mhz = k->conf.share.mhz;
	free(map_put(k->is, guest, is));
	add_to_host(k, was, is);
	if (k->round.n_guests == MAX_GUESTS_PER_HOST || !is_wanted(k, guest))
		return;
	set = xcalloc(1, sizeof(*set));
	drover__stat_set__init(set);
	set->id = guest;
	stat_set_fill(set, v, figures_samples(was, is, v));
	k->guests[k->round.n_guests++] = set;
}

static void
take_guest_or_instance(
    void *arg, uint64_t guest, const char *instance, const struct figures *f)
{
	if (*instance)
		take_instance(arg, guest, instance, f);
	else
		take_guest(arg, guest, f);
}

static void
take_host_instance(void *arg, const char *name, const struct figures *f)
{
	take_instance(arg, 0, name, f);
}

/* Where the host is a share of a machine only what its guests use counts. */
static void
read_host(struct look *k, const struct host_devices *d, struct figures *f)
{
	host_figures_read(k->conf.root, &k->conf.share, d, f);
	f->at_us = k->at_us;
	if (k->conf.share.partial) {
		f->v[FIG_CPU_US] = k->has_host ? k->host.v[FIG_CPU_US] : 0;
		f->v[FIG_MEM_BYTES] = 0;
		if (k->sum.v[FIG_CPU_US] != FIG_NONE)
			f->v[FIG_CPU_US] += k->sum.v[FIG_CPU_US];
		if (k->sum.v[FIG_MEM_BYTES] != FIG_NONE)
			f->v[FIG_MEM_BYTES] = k->sum.v[FIG_MEM_BYTES];
		return;
	}
	card_load_look(&k->cards, k->conf.root, d->links, d->n_links);
	if (k->cards.is_known)
		f->v[FIG_NET_BUSY_US] = k->cards.busy_us;
	rapl_look(&k->rapl, k->conf.root);
	if (k->rapl.is_known)
		f->v[FIG_ENERGY_UJ] = k->rapl.used_uj;
	if (!k->ids)
		host_figures_instances(k->conf.root, d, f, take_host_instance, k);
}

static void
take_host(struct look *k, const struct host_devices *d)
{
	struct figures f;
	struct sample v[METRIC_MAX];

	read_host(k, d, &f);
	stat_set_fill(
	    &k->host_set, v, figures_samples(k->has_host ? &k->host : NULL, &f, v));
	k->round.host = &k->host_set;
	k->host = f;
	k->has_host = true;
}

/* A host that is a share of a machine is known by all its guests. */
static void
take_guests(struct look *k, const struct host_devices *d)
{
	if (!k->ids || (k->conf.share.partial && is_wanted(k, 0))) {
		guests_figures(k->conf.guests, d, take_guest_or_instance, k);
		return;
	}
	for (size_t i = 0; i < k->n_ids; i++) {
		if (k->ids[i])
			guests_figures_of(
			    k->conf.guests, k->ids[i], d, take_guest_or_instance, k);
	}
}

static void
take_all(struct look *k)
{
	AUTO_FREE struct net_dev *links = NULL;
	AUTO_FREE struct disk_io *disks = NULL;
	struct host_devices d = { 0 };
	struct err e = ERR_INIT;

	if (net_dev_read("/proc/self/net/dev", &links, &d.n_links, &e))
		log_debug("look", "%s", e.msg);
	if (disk_io_read("/proc/diskstats", &disks, &d.n_disks, &e))
		log_debug("look", "%s", e.msg);
	d.links = links;
	d.disks = disks;
	k->is = map_new_u64();
	instances_begin(k->instances);
	figures_init(&k->sum, METRIC_OF_HOST);
	if (!is_wanted(k, 0))
		k->has_host = false;
	/* Before the guests: they count in the room of its disks. */
	else if (!k->conf.share.partial)
		take_host(k, &d);
	take_guests(k, &d);
	if (k->conf.share.partial && is_wanted(k, 0))
		take_host(k, &d);
	forget_guests(k->was);
	k->was = MOVE(k->is);
	instances_fill(k->instances, &k->round);
}

Drover__StatRound *
look_take_of(struct look *k, const uint64_t *ids, size_t n)
{
	uint64_t before_us = k->at_us;

	forget_round(k);
	k->at_us = clock_mono_us(loop_clock(k->conf.loop));
	k->ids = ids;
	k->n_ids = n;
	take_all(k);
	k->ids = NULL;
	if (!before_us)
		return NULL;
	k->round.span_ms = (uint32_t)((k->at_us - before_us) / 1000);
	return &k->round;
}

Drover__StatRound *
look_take(struct look *k)
{
	return look_take_of(k, NULL, 0);
}

uint64_t
look_at_us(const struct look *k)
{
	return k->at_us;
}

struct look *
look_new(const struct look_conf *c)
{
	struct look *k = xcalloc(1, sizeof(*k));

	k->conf = *c;
	k->was = map_new_u64();
	k->instances = instances_new();
	forget_round(k);
	return k;
}

void
look_free(struct look *k)
{
	if (!k)
		return;
	forget_round(k);
	forget_guests(k->was);
	instances_free(k->instances);
	card_load_fini(&k->cards);
	free(k);
}
