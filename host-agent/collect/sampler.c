#include "host-agent/collect/sampler.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/collect/card_load.h"
#include "host-agent/collect/host_figures.h"
#include "host-agent/collect/instances.h"
#include "host-agent/guest/guests.h"
#include "host-agent/resource/disk_io.h"
#include "host-agent/resource/net_dev.h"
#include "loop/timer.h"
#include "proto/msg.h"

struct round {
	struct list_node node;
	uint64_t seq;
	uint64_t at_ms; /* mono */
	size_t n;
	uint8_t packed[]; /* a StatRound without its age */
};

struct sampler {
	struct sampler_conf conf;
	struct timer *tick, *send;
	uint32_t interval_ms, delay_ms;
	uint64_t due_ms; /* mono; the next one */
	bool linked;     /* to a server that wants them */
	bool in_flight;  /* a batch is not acknowledged */
	struct figures host;
	bool has_host;
	struct card_load cards;
	struct map *guests; /* number → struct figures, at the last look */
	struct map *seen;   /* the same, at the look under way */
	struct instances *instances;
	struct list rounds; /* of struct round, oldest first */
	size_t n_rounds, bytes;
	uint64_t seq;
};

/* ---- what is kept ---- */

static void
drop(struct sampler *s, struct round *r)
{
	list_remove(&r->node);
	s->n_rounds--;
	s->bytes -= r->n;
	free(r);
}

static void
keep(struct sampler *s, const Drover__StatRound *m)
{
	size_t n = drover__stat_round__get_packed_size(m);
	uint64_t now_ms = loop_now_ms(s->conf.loop);
	struct round *r = xcalloc(1, sizeof(*r) + n);

	r->seq = m->seq;
	r->at_ms = now_ms;
	r->n = drover__stat_round__pack(m, r->packed);
	list_add_tail(&s->rounds, &r->node);
	s->n_rounds++;
	s->bytes += n;
	LIST_EACH_SAFE(struct round, old, &s->rounds, node) {
		if (old == r || (now_ms - old->at_ms <= SAMPLER_KEPT_MS &&
				    s->bytes <= SAMPLER_BYTES_MAX))
			break;
		drop(s, old);
	}
}

/* ---- sending ---- */

static Drover__StatRound *
unpack(const struct sampler *s, const struct round *r)
{
	Drover__StatRound *m = drover__stat_round__unpack(NULL, r->n, r->packed);

	if (m)
		m->age_ms = loop_now_ms(s->conf.loop) - r->at_ms;
	return m;
}

/* The oldest ones; with none it asks when samples are due. */
static void
send_batch(struct sampler *s)
{
	Drover__StatRound *list[SAMPLER_BATCH_ROUNDS];
	Drover__StatBatch b = DROVER__STAT_BATCH__INIT;
	size_t bytes = 0;

	if (!s->linked || s->in_flight)
		return;
	b.rounds = list;
	LIST_EACH(struct round, r, &s->rounds, node) {
		if (b.n_rounds == SAMPLER_BATCH_ROUNDS ||
		    (b.n_rounds && bytes + r->n > SAMPLER_BATCH_BYTES))
			break;
		bytes += r->n;
		list[b.n_rounds] = unpack(s, r);
		if (list[b.n_rounds])
			b.n_rounds++;
	}
	s->in_flight = s->conf.send(s->conf.arg, &b);
	for (size_t i = 0; i < b.n_rounds; i++)
		drover__stat_round__free_unpacked(list[i], NULL);
}

static void
on_send(void *arg)
{
	send_batch(arg);
}

/* ---- a look at everything ---- */

struct look {
	struct sampler *s;
	uint64_t now_us;
	Drover__StatRound round;
	Drover__StatSet host;
	Drover__StatSet *guests[MAX_GUESTS_PER_HOST];
	struct figures sum; /* of the guests */
};

static void
free_lists(Drover__StatSet *set)
{
	free(set->counters);
	free(set->values);
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

	if (!is.at_us)
		is.at_us = k->now_us;
	instances_look(k->s->instances, object, name, &is);
}

static void
take_guest(struct look *k, uint64_t guest, const struct figures *f)
{
	struct figures *is = xcalloc(1, sizeof(*is));
	const struct figures *was = map_get(k->s->guests, guest);
	struct sample v[METRIC_MAX];
	Drover__StatSet *set;

	*is = *f;
	is->at_us = k->now_us;
	is->mhz = k->s->conf.share.mhz;
	map_put(k->s->seen, guest, is);
	add_to_host(k, was, is);
	if (k->round.n_guests == MAX_GUESTS_PER_HOST)
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
take_host(struct look *k, const struct host_devices *d)
{
	struct sampler *s = k->s;
	struct figures f;
	struct sample v[METRIC_MAX];

	host_figures_read(s->conf.root, &s->conf.share, d, &f);
	f.at_us = k->now_us;
	if (s->conf.share.partial) {
		uint64_t so_far = s->has_host ? s->host.v[FIG_CPU_US] : 0;

		f.v[FIG_CPU_US] = so_far;
		f.v[FIG_MEM_BYTES] = 0;
		if (k->sum.v[FIG_CPU_US] != FIG_NONE)
			f.v[FIG_CPU_US] += k->sum.v[FIG_CPU_US];
		if (k->sum.v[FIG_MEM_BYTES] != FIG_NONE)
			f.v[FIG_MEM_BYTES] = k->sum.v[FIG_MEM_BYTES];
	} else {
		card_load_look(&s->cards, s->conf.root, d->links, d->n_links);
		if (s->cards.is_known)
			f.v[FIG_NET_BUSY_US] = s->cards.busy_us;
		host_figures_instances(s->conf.root, d, &f, take_host_instance, k);
	}
	stat_set_fill(
	    &k->host, v, figures_samples(s->has_host ? &s->host : NULL, &f, v));
	k->round.host = &k->host;
	s->host = f;
	s->has_host = true;
}

static void
forget_guests(struct map *m)
{
	MAP_EACH(m, it)
		free(it.value);
	map_free(m);
}

static void
look(struct sampler *s, struct look *k)
{
	AUTO_FREE struct net_dev *links = NULL;
	AUTO_FREE struct disk_io *disks = NULL;
	struct host_devices d = { 0 };
	struct err e = ERR_INIT;

	if (net_dev_read("/proc/self/net/dev", &links, &d.n_links, &e))
		log_debug("sampler", "%s", e.msg);
	if (disk_io_read("/proc/diskstats", &disks, &d.n_disks, &e))
		log_debug("sampler", "%s", e.msg);
	d.links = links;
	d.disks = disks;
	s->seen = map_new_u64();
	instances_begin(s->instances);
	/* Before the guests: they count in the room of its disks. */
	k->now_us = clock_mono_us(loop_clock(s->conf.loop));
	figures_init(&k->sum, METRIC_OF_HOST);
	if (!s->conf.share.partial)
		take_host(k, &d);
	guests_figures(s->conf.guests, &d, take_guest_or_instance, k);
	if (s->conf.share.partial)
		take_host(k, &d);
	forget_guests(s->guests);
	s->guests = MOVE(s->seen);
	instances_fill(s->instances, &k->round);
}

/* Look at everything; what there is since the last look becomes a round. */
static void
sample(struct sampler *s)
{
	struct look *k = xcalloc(1, sizeof(*k));
	bool is_first = !s->has_host;
	uint64_t was_us = s->host.at_us;

	k->s = s;
	drover__stat_round__init(&k->round);
	drover__stat_set__init(&k->host);
	k->round.guests = k->guests;
	look(s, k);
	if (!is_first) {
		k->round.seq = ++s->seq;
		k->round.span_ms = (uint32_t)((k->now_us - was_us) / 1000);
		keep(s, &k->round);
	}
	free_lists(&k->host);
	for (size_t i = 0; i < k->round.n_guests; i++) {
		free_lists(k->guests[i]);
		free(k->guests[i]);
	}
	free(k);
}

static void
arm(struct sampler *s)
{
	uint64_t now_ms = loop_now_ms(s->conf.loop);

	timer_after(s->tick, s->due_ms > now_ms ? s->due_ms - now_ms : 0);
}

static void
on_tick(void *arg)
{
	struct sampler *s = arg;
	uint64_t now_ms = loop_now_ms(s->conf.loop);

	sample(s);
	/* What was missed is not made up. */
	s->due_ms += s->interval_ms;
	if (s->due_ms <= now_ms)
		s->due_ms += (now_ms - s->due_ms) / s->interval_ms * s->interval_ms +
			     s->interval_ms;
	arm(s);
	timer_after(s->send, s->delay_ms);
}

/* ---- what the link tells ---- */

struct sampler *
sampler_new(const struct sampler_conf *c)
{
	struct sampler *s = xcalloc(1, sizeof(*s));

	s->conf = *c;
	s->tick = timer_new(c->loop, on_tick, s);
	s->send = timer_new(c->loop, on_send, s);
	s->guests = map_new_u64();
	s->instances = instances_new();
	list_init(&s->rounds);
	return s;
}

void
sampler_free(struct sampler *s)
{
	if (!s)
		return;
	LIST_EACH_SAFE(struct round, r, &s->rounds, node)
		drop(s, r);
	forget_guests(s->guests);
	instances_free(s->instances);
	card_load_fini(&s->cards);
	timer_free(s->tick);
	timer_free(s->send);
	free(s);
}

void
sampler_welcome(struct sampler *s, uint32_t interval_ms)
{
	s->linked = interval_ms != 0;
	s->in_flight = false;
	if (s->linked)
		send_batch(s);
	else
		timer_stop(s->tick);
}

void
sampler_ack(struct sampler *s, const Drover__StatAck *a)
{
	uint64_t now_ms = loop_now_ms(s->conf.loop), last_ms = s->host.at_us / 1000;

	s->in_flight = false;
	LIST_EACH_SAFE(struct round, r, &s->rounds, node) {
		if (r->seq > a->seq)
			break;
		drop(s, r);
	}
	if (a->interval_ms < SAMPLER_MIN_MS || a->interval_ms > SAMPLER_MAX_MS ||
	    a->due_ms > a->interval_ms) {
		log_warn("sampler", "the server wants samples every %u ms: ignored",
		    a->interval_ms);
		return;
	}
	s->interval_ms = a->interval_ms;
	s->delay_ms = a->delay_ms < a->interval_ms ? a->delay_ms : 0;
	s->due_ms = now_ms + a->due_ms;
	if (!s->has_host)
		sample(s);
	else if (s->due_ms - last_ms < s->interval_ms / 2)
		s->due_ms += s->interval_ms;
	arm(s);
	if (!list_empty(&s->rounds))
		send_batch(s);
}

void
sampler_link_down(struct sampler *s)
{
	s->linked = s->in_flight = false;
}
