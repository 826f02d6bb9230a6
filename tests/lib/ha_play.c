#include "tests/lib/ha_play.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define SECOND_MS UINT64_C(1000)
#define DEAD_MS   9500u
#define S(x)      DROVER__GUEST_STATE__GUEST_##x

static uint64_t
lead_end(void *arg)
{
	const struct ha_play *p = arg;

	return clock_mono_ms(p->l->clock) + 4000;
}

static uint64_t
before_end(void *arg)
{
	return 0;
}

static void
ha_begin(struct ha_play *p)
{
	const struct ha_opts o = {
		.inv = p->l->inv,
		.hosts = p->l->hosts,
		.advice = p->l->advice,
		.tasks = p->l->tasks,
		.ops = p->l->ops,
		.epoch = p->l->epoch,
		.lead_end_ms = lead_end,
		.before_end_ms = before_end,
		.arg = p,
	};

	p->ha = ha_new(&o);
}

const struct host *
hp_row(const struct ha_play *p, unsigned i)
{
	return inv_host(p->l->inv, p->l->host[i]);
}

static void
tell_words(struct ha_play *p, unsigned by)
{
	for (unsigned i = 0; i < p->l->n_hosts; i++) {
		uint64_t still_ms =
		    p->still[i] ? clock_mono_ms(p->l->clock) - p->still_since_ms[i] : 0;
		struct agent_fake_word w = {
			.slot = hp_row(p, i)->ha_slot,
			.unread = p->blind,
			.still_ms = still_ms,
			.dead = still_ms >= DEAD_MS,
			.isolated = p->isolated[i],
		};
		if (i != by && w.slot)
			agent_fake_sees(p->l->agent[by], &w);
	}
}

void
hp_second(struct ha_play *p)
{
	for (unsigned i = 0; i < p->l->n_hosts; i++) {
		if (p->silent[i] || !agent_fake_welcomed(p->l->agent[i]))
			continue;
		tell_words(p, i);
		agent_fake_beat(p->l->agent[i]);
	}
	lab_advance(p->l, SECOND_MS);
}

void
hp_seconds(struct ha_play *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		hp_second(p);
}

void
hp_set(struct ha_play *p, const char *args)
{
	assert_int_equal(lab_op(p->l, "cluster.update", p->l->cluster, args), 0);
}

struct ha_play *
hp_new(unsigned n_hosts)
{
	struct ha_play *p = xcalloc(1, sizeof(*p));

	p->l = lab_new(n_hosts, 8192);
	ha_begin(p);
	hp_set(p, "{'ha_enabled':true,'ha_admission':'off'}");
	hp_seconds(p, 4);
	return p;
}

void
hp_free(struct ha_play *p)
{
	ha_free(p->ha);
	lab_free(p->l);
	free(p);
}

unsigned
hp_host_of(const struct ha_play *p, obj_id vm)
{
	for (unsigned i = 0; i < p->l->n_hosts; i++) {
		if (obj_id_is(p->l->host[i], inv_vm(p->l->inv, vm)->host))
			return i;
	}
	fail_msg("the machine is on no host");
	return 0;
}

Drover__GuestState
hp_state(const struct ha_play *p, unsigned host, obj_id vm)
{
	return agent_fake_state(p->l->agent[host], obj_id_number(vm));
}

void
hp_kill(struct ha_play *p, unsigned i)
{
	agent_fake_die(p->l->agent[i]);
	p->silent[i] = p->still[i] = true;
	p->still_since_ms[i] = clock_mono_ms(p->l->clock);
}

void
hp_revive(struct ha_play *p, unsigned i)
{
	p->silent[i] = p->still[i] = p->isolated[i] = false;
	lab_dial(p->l);
}

void
hp_assert_once(const struct ha_play *p, obj_id vm)
{
	unsigned n = 0;

	for (unsigned i = 0; i < p->l->n_hosts; i++)
		n += hp_state(p, i, vm) == S(RUNNING);
	assert_int_equal(n, 1);
	assert_int_equal(hp_state(p, hp_host_of(p, vm), vm), S(RUNNING));
	assert_int_equal(lab_power(p->l, vm), POWER_ON);
}

bool
hp_has_event(const struct ha_play *p, const char *type, const char *part)
{
	const json *ev;

	for (size_t i = 0; (ev = event_recent(p->l->inv, i)); i++) {
		const char *msg = json_str_value(json_get(ev, "message"), NULL);
		if (str_same(json_str_value(json_get(ev, "type"), NULL), type) &&
		    strstr(msg, part))
			return true;
	}
	return false;
}

unsigned
hp_tasks(const struct ha_play *p, const char *op)
{
	unsigned n = 0;

	INV_EACH(p->l->inv, KIND_TASK, o)
	{
		n += str_same(inv_task(p->l->inv, o->id)->op, op);
	}
	return n;
}

unsigned
hp_restarts(const struct ha_play *p)
{
	return hp_tasks(p, "ha.restart");
}

void
hp_crash(struct ha_play *p)
{
	ha_free(p->ha);
	lab_crash(p->l);
	ha_begin(p);
}
