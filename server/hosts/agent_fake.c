#include "server/hosts/agent_fake.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/link.h"
#include "server/hosts/agent_fake_int.h"
#include "server/hosts/hosts.h"

struct packed {
	uint8_t *p;
	size_t n;
};

struct agent_fake *
agent_fake_new(struct loop *l, const struct agent_fake_facts *f)
{
	struct agent_fake *a = xcalloc(1, sizeof(*a));

	a->magic = FAKE_MAGIC;
	a->loop = l;
	a->uuid = xstrdup(f->uuid);
	a->fingerprint = xstrdup(f->fingerprint);
	a->cpu_cores = f->cpu_cores;
	a->cpu_mhz = f->cpu_mhz;
	a->memory_mb = f->memory_mb;
	a->guests = map_new_u64();
	a->replies = map_new_u64();
	a->never = map_new_u64();
	a->deleted = map_new_str();
	return a;
}

static void
drop_held(struct agent_fake *a)
{
	for (size_t i = 0; i < a->n_held; i++)
		msg_free(a->held[i]);
	a->n_held = 0;
}

void
agent_fake_free(struct agent_fake *a)
{
	if (!a)
		return;
	agent_fake_cut(a);
	MAP_EACH(a->guests, it) {
		free(it.value);
	}
	MAP_EACH(a->replies, it) {
		struct packed *k = it.value;
		free(k->p);
		free(k);
	}
	map_free(a->guests);
	map_free(a->replies);
	MAP_EACH(a->never, it) {
		free(it.value);
	}
	map_free(a->never);
	map_free(a->deleted);
	fake_forget_leases(a);
	free(a->uuid);
	free(a->fingerprint);
	free(a);
}

static void
carry_bytes(struct agent_fake *a, const uint8_t *p, size_t n)
{
	Drover__Envelope *m;
	struct err e = ERR_INIT;

	ASSERT(!msg_unpack(p, n, &m, &e));
	a->send(a->send_arg, m);
	msg_free(m);
}

static void
send_bytes(struct agent_fake *a, const uint8_t *p, size_t n)
{
	struct err e = ERR_INIT;

	if (a->send) {
		carry_bytes(a, p, n);
		return;
	}
	if (!a->link || a->silent)
		return;
	/* A link that is going down just loses it, as any. */
	int rc = link_send(a->link, p, n, &e);
	(void)rc;
}

static struct packed *
pack(Drover__Envelope *m)
{
	struct packed *k = xcalloc(1, sizeof(*k));
	struct err e = ERR_INIT;

	m->version = PROTO_VERSION;
	int rc = msg_pack(m, &k->p, &k->n, &e);
	ASSERT(rc == 0);
	return k;
}

static void
send_msg(struct agent_fake *a, Drover__Envelope *m)
{
	if (a->send) {
		a->send(a->send_arg, m);
		return;
	}
	struct packed *k = pack(m);

	send_bytes(a, k->p, k->n);
	free(k->p);
	free(k);
}

/* The guests as they are told; free with statuses_free. */
static Drover__GuestStatus **
statuses_new(const struct agent_fake *a, size_t *ret_n)
{
	size_t n = 0;
	Drover__GuestStatus **list =
	    xcalloc(map_count(a->guests) + 1, sizeof(Drover__GuestStatus *));

	MAP_EACH(a->guests, it) {
		struct fake_guest *g = it.value;
		Drover__GuestStatus *s = xcalloc(1, sizeof(*s));
		drover__guest_status__init(s);
		s->guest = it.key;
		s->uuid = g->uuid;
		s->reason = g->reason;
		s->generation = g->gen;
		s->state = g->state;
		s->started_ms = g->started_ms;
		s->pid = g->state == DROVER__GUEST_STATE__GUEST_RUNNING ? 4711 : 0;
		list[n++] = s;
	}
	*ret_n = n;
	return list;
}

static void
statuses_free(Drover__GuestStatus **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(list[i]);
	free(list);
}

static size_t
fill_stores(
    struct agent_fake *a, Drover__DatastoreStatus *v, Drover__DatastoreStatus **list)
{
	for (size_t i = 0; i < a->n_stores; i++) {
		fake_fill_store(a->stores[i], &v[i]);
		list[i] = &v[i];
	}
	return a->n_stores;
}

enum { FAKE_MACHINES, FAKE_CONTAINERS, FAKE_ENGINES };

struct fake_facts {
	Drover__HostFacts facts;
	Drover__EngineFacts engine[FAKE_ENGINES];
	Drover__EngineFacts *engines[FAKE_ENGINES];
	Drover__Capability live, make_disks;
	Drover__Capability *capabilities[2];
};

static void
fill_engines(struct agent_fake *a, struct fake_facts *to)
{
	static char live[] = "live_migration", make_disks[] = "make_disks";
	static char sim[] = "sim", qemu[] = "qemu", oci[] = "oci";
	/* What is invented may be of either kind. */
	char *names[FAKE_ENGINES] = {
		[FAKE_MACHINES] = a->oci_why_not[0] ? qemu : sim,
		[FAKE_CONTAINERS] = oci,
	};

	drover__capability__init(&to->live);
	to->live.name = live;
	to->live.able = true;
	to->capabilities[0] = &to->live;
	drover__capability__init(&to->make_disks);
	to->make_disks.name = make_disks;
	to->make_disks.able = true;
	to->capabilities[1] = &to->make_disks;
	for (size_t i = 0; i < FAKE_ENGINES; i++) {
		drover__engine_facts__init(&to->engine[i]);
		to->engine[i].name = names[i];
		to->engine[i].usable = true;
		to->engine[i].capabilities = to->capabilities;
		to->engine[i].n_capabilities = a->is_old ? 1 : 2;
		to->engines[i] = &to->engine[i];
	}
	to->engine[FAKE_CONTAINERS].usable = !a->oci_why_not[0];
	to->engine[FAKE_CONTAINERS].why_not = a->oci_why_not;
	to->facts.engines = to->engines;
	to->facts.n_engines = FAKE_ENGINES;
}

static void
fill_facts(struct agent_fake *a, struct fake_facts *to)
{
	static char bridge[] = "br0", name[] = "fake", v1[] = "v1", yes[] = "yes";
	static char address[] = "10.9.0.1";
	static char *bridges[] = { bridge }, *addresses[] = { address };
	Drover__HostFacts *f = &to->facts;

	drover__host_facts__init(f);
	fill_engines(a, to);
	f->host_name = name;
	f->cpu_cores = a->cpu_cores;
	f->cpu_mhz = a->cpu_mhz;
	f->memory_bytes = a->memory_mb * MB_BYTES;
	f->cgroup = v1;
	f->anti_spoof = yes;
	f->channel_addresses = addresses;
	f->n_channel_addresses = 1;
	f->channel_port = 7447;
	f->bridges = bridges;
	f->n_bridges = 1;
}

/* What a greeting points to. */
struct greeting {
	Drover__Hello hello;
	struct fake_facts facts;
	Drover__DatastoreStatus stores[MAX_STORES], *store_list[MAX_STORES];
	char boot[32];
};

/* Free its guests with statuses_free. */
static void
fill_greeting(struct agent_fake *a, struct greeting *g)
{
	Drover__Hello *h = &g->hello;

	snprintf(g->boot, sizeof(g->boot), "boot-%u", a->boots);
	fill_facts(a, &g->facts);
	drover__hello__init(h);
	h->version_min = PROTO_VERSION_MIN;
	h->version_max = PROTO_VERSION;
	h->host_uuid = a->uuid;
	h->boot_id = g->boot;
	h->facts = &g->facts.facts;
	h->guests = statuses_new(a, &h->n_guests);
	h->n_datastores = fill_stores(a, g->stores, g->store_list);
	h->datastores = g->store_list;
	h->takes_watches = !a->takes_no_watches;
}

static void
send_hello(struct agent_fake *a)
{
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	struct greeting g;

	fill_greeting(a, &g);
	m.body_case = DROVER__ENVELOPE__BODY_HELLO;
	m.hello = &g.hello;
	send_msg(a, &m);
	statuses_free(g.hello.guests, g.hello.n_guests);
}

Drover__Hello *
agent_fake_hello(struct agent_fake *a)
{
	struct greeting g;

	fill_greeting(a, &g);
	size_t n = drover__hello__get_packed_size(&g.hello);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);
	drover__hello__pack(&g.hello, p);
	statuses_free(g.hello.guests, g.hello.n_guests);
	Drover__Hello *copy = drover__hello__unpack(NULL, n, p);
	ASSERT(copy);
	return copy;
}

void
agent_fake_carry(struct agent_fake *a, agent_fake_send_fn send, void *arg)
{
	agent_fake_cut(a);
	a->send = send;
	a->send_arg = arg;
}

void
agent_fake_report(struct agent_fake *a)
{
	Drover__Report r = DROVER__REPORT__INIT;
	Drover__DatastoreStatus stores[MAX_STORES], *list[MAX_STORES];
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	r.seq = ++a->seq;
	r.guests = statuses_new(a, &r.n_guests);
	r.n_datastores = fill_stores(a, stores, list);
	r.datastores = list;
	m.body_case = DROVER__ENVELOPE__BODY_REPORT;
	m.report = &r;
	send_msg(a, &m);
	statuses_free(r.guests, r.n_guests);
}

void
agent_fake_health(struct agent_fake *a, const Drover__HostHealth *health)
{
	Drover__Report r = DROVER__REPORT__INIT;
	Drover__HostHealth said = *health;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	r.seq = ++a->seq;
	r.health = &said;
	r.guests = statuses_new(a, &r.n_guests);
	m.body_case = DROVER__ENVELOPE__BODY_REPORT;
	m.report = &r;
	send_msg(a, &m);
	statuses_free(r.guests, r.n_guests);
}

void
agent_fake_claim(struct agent_fake *a, const Drover__Progress *p)
{
	Drover__Report r = DROVER__REPORT__INIT;
	Drover__Progress said = *p, *list[] = { &said };
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	r.seq = ++a->seq;
	r.n_progress = ARRAY_SIZE(list);
	r.progress = list;
	r.guests = statuses_new(a, &r.n_guests);
	m.body_case = DROVER__ENVELOPE__BODY_REPORT;
	m.report = &r;
	send_msg(a, &m);
	statuses_free(r.guests, r.n_guests);
}

void
agent_fake_lie(struct agent_fake *a, uint64_t guest, uint64_t generation)
{
	struct fake_guest *g = map_get(a->guests, guest);

	g->gen = generation;
}

void
agent_fake_happen(struct agent_fake *a, uint64_t guest, Drover__GuestState s,
    const char *what, const char *reason)
{
	struct fake_guest *g = map_get(a->guests, guest);
	Drover__GuestEvent ev = DROVER__GUEST_EVENT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	AUTO_FREE char *what_text = xstrdup(what);
	AUTO_FREE char *reason_text = xstrdup(reason);

	g->state = s;
	snprintf(g->reason, sizeof(g->reason), "%s", reason);
	ev.id = ++a->event;
	ev.guest = guest;
	ev.generation = g->gen;
	ev.state = s;
	ev.what = what_text;
	ev.reason = reason_text;
	m.body_case = DROVER__ENVELOPE__BODY_EVENT;
	m.event = &ev;
	send_msg(a, &m);
}

struct fake_guest *
fake_guest_make(struct agent_fake *a, uint64_t number, const char *uuid)
{
	struct fake_guest *g = map_get(a->guests, number);

	if (g)
		return g;
	g = xcalloc(1, sizeof(*g));
	snprintf(g->uuid, sizeof(g->uuid), "%s", uuid);
	g->state = DROVER__GUEST_STATE__GUEST_STOPPED;
	map_put(a->guests, number, g);
	return g;
}

void
agent_fake_plant(struct agent_fake *a, uint64_t guest, const char *uuid)
{
	fake_guest_make(a, guest, uuid)->state = DROVER__GUEST_STATE__GUEST_RUNNING;
}

void
agent_fake_forget(struct agent_fake *a, uint64_t guest)
{
	free(map_del(a->guests, guest));
}

static uint64_t
guest_of(const Drover__Order *o)
{
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_GUEST_CREATE:
		return o->guest_create->spec->guest;
	case DROVER__ORDER__VERB_GUEST_START:
		return o->guest_start->guest;
	default:
		return fake_guest_of_move(o);
	}
}

static struct packed *
make_reply(struct agent_fake *a, const Drover__Order *o)
{
	Drover__Reply r = DROVER__REPLY__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__GuestStatus status = DROVER__GUEST_STATUS__INIT;
	struct fake_results results;
	struct fake_move_results moves;
	struct err e = ERR_INIT;

	r.task = o->task;
	r.step = o->step;
	if (fake_do_order(a, o, &e))
		r.fault = msg_fault(&e);
	else
		fake_fill_result(a, o, &r, &results);
	if (!r.fault)
		fake_fill_move(a, o, &r, &moves);
	struct fake_guest *g = map_get(a->guests, guest_of(o));
	if (!r.fault && g && r.result_case == DROVER__REPLY__RESULT__NOT_SET) {
		status.guest = guest_of(o);
		status.uuid = g->uuid;
		status.generation = g->gen;
		status.state = g->state;
		status.started_ms = g->started_ms;
		r.result_case = DROVER__REPLY__RESULT_GUEST;
		r.guest = &status;
	}
	m.body_case = DROVER__ENVELOPE__BODY_REPLY;
	m.reply = &r;
	struct packed *k = pack(&m);
	if (r.fault)
		drover__fault__free_unpacked(r.fault, NULL);
	return k;
}

static void
take_order(struct agent_fake *a, const Drover__Order *o)
{
	uint64_t key = o->task << 16 | o->step;
	struct packed *k = map_get(a->replies, key);

	if (fake_spring(a, o, FAKE_BEFORE))
		return;
	if (!k) {
		k = make_reply(a, o);
		fake_count_doubled(a);
		map_put(a->replies, key, k);
	}
	if (fake_spring(a, o, FAKE_AFTER))
		return;
	if (a->lose_next) {
		a->lose_next = false;
		agent_fake_cut(a);
		return;
	}
	send_bytes(a, k->p, k->n);
}

static void
send_pong(struct agent_fake *a, uint64_t nonce)
{
	Drover__Pong pong = DROVER__PONG__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	pong.nonce = nonce;
	m.body_case = DROVER__ENVELOPE__BODY_PONG;
	m.pong = &pong;
	send_msg(a, &m);
}

void
agent_fake_linked(struct agent_fake *a)
{
	a->welcomed = true;
	fake_say_anew(a);
}

void
agent_fake_order(struct agent_fake *a, Drover__Envelope *m_take)
{
	AUTO(msg) Drover__Envelope *m = m_take;

	a->orders++;
	if (!a->holding) {
		take_order(a, m->order);
		return;
	}
	ASSERT(a->n_held < MAX_HELD);
	a->held[a->n_held++] = MOVE(m);
}

static void
take_watch(struct agent_fake *a, const Drover__StatWatch *w)
{
	struct fake_watch *to = &a->watch;

	ASSERT(w->n_objects <= FAKE_MAX_WATCHED);
	to->last = *w;
	for (size_t i = 0; i < w->n_objects; i++)
		to->objects[i] = w->objects[i];
	to->last.objects = to->objects;
	to->is_told = true;
	to->times++;
}

void
agent_fake_hear(struct agent_fake *a, const Drover__Envelope *m)
{
	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_WELCOME:
		agent_fake_linked(a);
		break;
	case DROVER__ENVELOPE__BODY_REFUSE:
		a->refused = err_from_name(m->refuse->code);
		break;
	case DROVER__ENVELOPE__BODY_PING:
		send_pong(a, m->ping->nonce);
		break;
	case DROVER__ENVELOPE__BODY_EVENT_ACK:
		a->acked = m->event_ack->id;
		break;
	case DROVER__ENVELOPE__BODY_HA_CONF:
		fake_take_conf(a, m->ha_conf);
		break;
	case DROVER__ENVELOPE__BODY_BEAT_REPLY:
		fake_take_reply(a, m->beat_reply);
		break;
	case DROVER__ENVELOPE__BODY_STAT_WATCH:
		take_watch(a, m->stat_watch);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_OPEN:
	case DROVER__ENVELOPE__BODY_SESSION_DATA:
	case DROVER__ENVELOPE__BODY_SESSION_CREDIT:
	case DROVER__ENVELOPE__BODY_SESSION_SIZE:
	case DROVER__ENVELOPE__BODY_SESSION_END:
		if (a->server_of_sessions)
			a->server_of_sessions(m, a->server_arg);
		break;
	default:
		break;
	}
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct agent_fake *a = CAST_OBJ(agent_fake, arg, FAKE_MAGIC);
	AUTO(msg) Drover__Envelope *m = NULL;
	struct err e = ERR_INIT;

	int rc = msg_unpack(p, n, &m, &e);
	ASSERT(rc == 0);
	if (m->body_case == DROVER__ENVELOPE__BODY_ORDER)
		agent_fake_order(a, MOVE(m));
	else
		agent_fake_hear(a, m);
}

static void
on_up(struct link *k, void *arg)
{
	send_hello(CAST_OBJ(agent_fake, arg, FAKE_MAGIC));
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	agent_fake_cut(CAST_OBJ(agent_fake, arg, FAKE_MAGIC));
}

static const struct link_events fake_events = { on_up, on_frame, on_down };

void
agent_fake_dial(struct agent_fake *a, struct hosts *hs)
{
	struct tls_identity host = { .role = TLS_ROLE_HOST };
	struct tls_identity server = { .role = TLS_ROLE_SERVER };
	struct link *theirs;

	agent_fake_cut(a);
	snprintf(host.uuid, sizeof(host.uuid), "%s", a->uuid);
	snprintf(host.fingerprint, sizeof(host.fingerprint), "%s", a->fingerprint);
	a->refused = 0;
	a->silent = false;
	link_pair(a->loop, &host, &server, &a->link, &theirs);
	link_set_events(a->link, &fake_events, a);
	hosts_accept(hs, theirs, "10.0.0.9:40000");
}

void
agent_fake_move(struct agent_fake *a, struct loop *l)
{
	agent_fake_cut(a);
	a->loop = l;
}

void
agent_fake_cut(struct agent_fake *a)
{
	link_free(a->link);
	a->link = NULL;
	a->welcomed = false;
	a->watch.is_told = false;
	drop_held(a);
}

const Drover__StatWatch *
agent_fake_watched(const struct agent_fake *a)
{
	return a->watch.is_told ? &a->watch.last : NULL;
}

unsigned
agent_fake_watches(const struct agent_fake *a)
{
	return a->watch.times;
}

void
agent_fake_be_unwatchable(struct agent_fake *a)
{
	a->takes_no_watches = true;
}

void
agent_fake_restart(struct agent_fake *a)
{
	agent_fake_cut(a);
	a->boots++;
	fake_forget_arriving(a);
}

bool
agent_fake_welcomed(const struct agent_fake *a)
{
	return a->welcomed;
}

int
agent_fake_refused(const struct agent_fake *a)
{
	return a->refused;
}

void
agent_fake_watch(struct agent_fake *a, agent_fake_fn fn, void *arg)
{
	a->watcher = fn;
	a->watcher_arg = arg;
}

void
agent_fake_serve(struct agent_fake *a, agent_fake_session_fn fn, void *arg)
{
	a->server_of_sessions = fn;
	a->server_arg = arg;
}

void
agent_fake_say(struct agent_fake *a, Drover__Envelope *m)
{
	send_msg(a, m);
}

void
agent_fake_age(struct agent_fake *a)
{
	a->is_old = true;
}

void
agent_fake_no_containers(struct agent_fake *a, const char *why)
{
	snprintf(a->oci_why_not, sizeof(a->oci_why_not), "%s", why);
}

void
agent_fake_lose_next(struct agent_fake *a)
{
	a->lose_next = true;
}

void
agent_fake_fail_next(struct agent_fake *a, int code, const char *message)
{
	err_set(&a->fail_next, code, "%s", message);
}

void
agent_fake_hold(struct agent_fake *a)
{
	a->holding = true;
}

void
agent_fake_release(struct agent_fake *a)
{
	a->holding = false;
	for (size_t i = 0; i < a->n_held && a->link; i++)
		take_order(a, a->held[i]->order);
	drop_held(a);
}

void
agent_fake_be_silent(struct agent_fake *a)
{
	a->silent = true;
}

uint64_t
agent_fake_acked(const struct agent_fake *a)
{
	return a->acked;
}

unsigned
agent_fake_guests(const struct agent_fake *a)
{
	return (unsigned)map_count(a->guests);
}

unsigned
agent_fake_running(const struct agent_fake *a)
{
	unsigned n = 0;

	MAP_EACH(a->guests, it) {
		const struct fake_guest *g = it.value;
		n += g->state == DROVER__GUEST_STATE__GUEST_RUNNING;
	}
	return n;
}

Drover__GuestState
agent_fake_state(const struct agent_fake *a, uint64_t guest)
{
	const struct fake_guest *g = map_get(a->guests, guest);

	return g ? g->state : DROVER__GUEST_STATE__GUEST_UNKNOWN;
}

unsigned
agent_fake_starts(const struct agent_fake *a, uint64_t guest)
{
	const struct fake_guest *g = map_get(a->guests, guest);

	return g ? g->starts : 0;
}

unsigned
agent_fake_orders(const struct agent_fake *a)
{
	return a->orders;
}

unsigned
agent_fake_works(const struct agent_fake *a)
{
	return a->works;
}

uint64_t
agent_fake_written(const struct agent_fake *a)
{
	return a->written;
}
