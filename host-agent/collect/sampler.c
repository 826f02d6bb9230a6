#include "host-agent/collect/sampler.h"

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/timer.h"

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
	struct look *look;
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
	uint64_t now_ms = loop_now_ms(s->conf.look.loop);
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
		m->age_ms = loop_now_ms(s->conf.look.loop) - r->at_ms;
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

/* What there is since the last look becomes a round. */
static void
sample(struct sampler *s)
{
	Drover__StatRound *r = look_take(s->look);

	if (!r)
		return;
	r->seq = ++s->seq;
	keep(s, r);
}

static void
arm(struct sampler *s)
{
	uint64_t now_ms = loop_now_ms(s->conf.look.loop);

	timer_after(s->tick, s->due_ms > now_ms ? s->due_ms - now_ms : 0);
}

static void
on_tick(void *arg)
{
	struct sampler *s = arg;
	uint64_t now_ms = loop_now_ms(s->conf.look.loop);

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
	s->tick = timer_new(c->look.loop, on_tick, s);
	s->send = timer_new(c->look.loop, on_send, s);
	s->look = look_new(&c->look);
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
	look_free(s->look);
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
	uint64_t now_ms = loop_now_ms(s->conf.look.loop), last_ms = look_at_us(s->look) / 1000;

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
	if (!last_ms)
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
