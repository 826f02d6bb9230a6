#include "server/hosts/agent_fake.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "loop/link.h"
#include "server/hosts/agent_fake_int.h"
#include "server/hosts/hosts.h"

#define MB_BYTES UINT64_C(0x100000)

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
	free(a->uuid);
	free(a->fingerprint);
	free(a);
}

static void
send_bytes(struct agent_fake *a, const uint8_t *p, size_t n)
{
	struct err e = ERR_INIT;

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

static void
fill_store(uint64_t number, Drover__DatastoreStatus *s)
{
	drover__datastore_status__init(s);
	s->datastore = number;
	s->reachable = true;
	s->capacity_bytes = UINT64_C(102400) * MB_BYTES;
	s->free_bytes = UINT64_C(51200) * MB_BYTES;
}

static size_t
fill_stores(
    struct agent_fake *a, Drover__DatastoreStatus *v, Drover__DatastoreStatus **list)
{
	for (size_t i = 0; i < a->n_stores; i++) {
		fill_store(a->stores[i], &v[i]);
		list[i] = &v[i];
	}
	return a->n_stores;
}

struct fake_facts {
	Drover__HostFacts facts;
	Drover__EngineFacts engine;
	Drover__EngineFacts *engines[1];
	Drover__Capability live;
	Drover__Capability *capabilities[1];
};

static void
fill_facts(const struct agent_fake *a, struct fake_facts *to)
{
	static char sim[] = "sim", bridge[] = "br0", name[] = "fake", v1[] = "v1";
	static char live[] = "live_migration", address[] = "10.9.0.1";
	static char *bridges[] = { bridge }, *addresses[] = { address };
	Drover__HostFacts *f = &to->facts;

	drover__host_facts__init(f);
	drover__engine_facts__init(&to->engine);
	to->engine.name = sim;
	to->engine.usable = true;
	drover__capability__init(&to->live);
	to->live.name = live;
	to->live.able = true;
	to->capabilities[0] = &to->live;
	to->engine.capabilities = to->capabilities;
	to->engine.n_capabilities = 1;
	to->engines[0] = &to->engine;
	f->host_name = name;
	f->cpu_cores = a->cpu_cores;
	f->cpu_mhz = a->cpu_mhz;
	f->memory_bytes = a->memory_mb * MB_BYTES;
	f->cgroup = v1;
	f->engines = to->engines;
	f->n_engines = 1;
	f->channel_addresses = addresses;
	f->n_channel_addresses = 1;
	f->channel_port = 7447;
	f->bridges = bridges;
	f->n_bridges = 1;
}

static void
send_hello(struct agent_fake *a)
{
	Drover__Hello h = DROVER__HELLO__INIT;
	struct fake_facts facts;
	Drover__DatastoreStatus stores[MAX_STORES], *list[MAX_STORES];
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	char boot[32];

	snprintf(boot, sizeof(boot), "boot-%u", a->boots);
	fill_facts(a, &facts);
	h.version_min = PROTO_VERSION_MIN;
	h.version_max = PROTO_VERSION;
	h.host_uuid = a->uuid;
	h.boot_id = boot;
	h.facts = &facts.facts;
	h.guests = statuses_new(a, &h.n_guests);
	h.n_datastores = fill_stores(a, stores, list);
	h.datastores = list;
	m.body_case = DROVER__ENVELOPE__BODY_HELLO;
	m.hello = &h;
	send_msg(a, &m);
	statuses_free(h.guests, h.n_guests);
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

int
fake_no_guest(uint64_t number, struct err *e)
{
	return err_set(
	    e, ERR_NOT_FOUND, "no guest vm-%llu here", (unsigned long long)number);
}

static int
do_start(struct agent_fake *a, const Drover__GuestStart *o, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, o->guest);

	if (!g)
		return fake_no_guest(o->guest, e);
	if (o->generation < g->gen)
		return err_set(e, ERR_STALE, "generation %llu is older than %llu",
		    (unsigned long long)o->generation, (unsigned long long)g->gen);
	if (g->state == DROVER__GUEST_STATE__GUEST_RUNNING)
		return o->generation == g->gen
			   ? 0
			   : err_set(e, ERR_BAD_STATE, "it runs already");
	g->gen = o->generation;
	g->state = DROVER__GUEST_STATE__GUEST_RUNNING;
	g->started_ms = clock_wall_ms(loop_clock(a->loop));
	g->reason[0] = '\0';
	g->starts++;
	return 0;
}

static int
do_state(struct agent_fake *a, uint64_t number, Drover__GuestState to, struct err *e)
{
	struct fake_guest *g = map_get(a->guests, number);

	if (!g)
		return fake_no_guest(number, e);
	g->state = to;
	return 0;
}

void
fake_delete_disk(struct agent_fake *a, const Drover__DiskSpec *d)
{
	AUTO_FREE char *key =
	    xasprintf("%llu/%s", (unsigned long long)d->datastore, d->path);

	map_put_str(a->deleted, key, a);
}

bool
agent_fake_deleted(const struct agent_fake *a, uint64_t datastore, const char *path)
{
	AUTO_FREE char *key = xasprintf("%llu/%s", (unsigned long long)datastore, path);

	return map_get_str(a->deleted, key) != NULL;
}

static int
do_delete(struct agent_fake *a, const Drover__GuestDelete *o, struct err *e)
{
	uint64_t number = o->guest;
	struct fake_guest *g = map_get(a->guests, number);

	if (g && g->state == DROVER__GUEST_STATE__GUEST_RUNNING)
		return err_set(e, ERR_BAD_STATE, "it runs");
	for (size_t i = 0; o->spec && !o->keep_disks && i < o->spec->n_disks; i++)
		fake_delete_disk(a, o->spec->disks[i]);
	free(map_del(a->guests, number));
	return 0;
}

static void
do_attach(struct agent_fake *a, uint64_t store)
{
	for (size_t i = 0; i < a->n_stores; i++) {
		if (a->stores[i] == store)
			return;
	}
	ASSERT(a->n_stores < MAX_STORES);
	a->stores[a->n_stores++] = store;
}

static int
do_guest_order(struct agent_fake *a, const Drover__Order *o, struct err *e)
{
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_GUEST_CREATE:
		fake_guest_make(
		    a, o->guest_create->spec->guest, o->guest_create->spec->uuid);
		return 0;
	case DROVER__ORDER__VERB_GUEST_START:
		return do_start(a, o->guest_start, e);
	case DROVER__ORDER__VERB_GUEST_STOP:
		if (!map_get(a->guests, o->guest_stop->guest))
			return 0;
		return do_state(
		    a, o->guest_stop->guest, DROVER__GUEST_STATE__GUEST_STOPPED, e);
	case DROVER__ORDER__VERB_GUEST_PAUSE:
		return do_state(
		    a, o->guest_pause->guest, DROVER__GUEST_STATE__GUEST_PAUSED, e);
	case DROVER__ORDER__VERB_GUEST_RESUME:
		return do_state(
		    a, o->guest_resume->guest, DROVER__GUEST_STATE__GUEST_RUNNING, e);
	case DROVER__ORDER__VERB_GUEST_SUSPEND:
		return do_state(a, o->guest_suspend->guest,
		    DROVER__GUEST_STATE__GUEST_SUSPENDED, e);
	case DROVER__ORDER__VERB_GUEST_DELETE:
		return do_delete(a, o->guest_delete, e);
	default:
		return 0;
	}
}

static int
do_order(struct agent_fake *a, const Drover__Order *o, struct err *e)
{
	int rc;

	a->works++;
	if (a->watcher)
		a->watcher(o, a->watcher_arg);
	if (a->fail_next.code) {
		*e = a->fail_next;
		err_clear(&a->fail_next);
		return e->code;
	}
	if (fake_do_move(a, o, &rc, e))
		return rc;
	switch (o->verb_case) {
	case DROVER__ORDER__VERB_DATASTORE_ATTACH:
		do_attach(a, o->datastore_attach->spec->datastore);
		return 0;
	case DROVER__ORDER__VERB_DATASTORE_DETACH:
		a->n_stores = 0;
		return 0;
	case DROVER__ORDER__VERB_FILE_WRITE:
		a->written = o->file_write->offset + o->file_write->data.len;
		return 0;
	default:
		return do_guest_order(a, o, e);
	}
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

/* What a reply may point to. */
struct results {
	Drover__TemplateFacts tpl;
	Drover__ArriveReady ready;
	Drover__CopyFacts copy;
	Drover__FileFacts file;
	Drover__DatastoreStatus store;
};

/* Of images that go from host to host. */
static void
fill_copy(const Drover__Order *o, Drover__Reply *r, struct results *to)
{
	static char address[] = "10.9.0.1";
	static char *addresses[] = { address };

	if (o->verb_case == DROVER__ORDER__VERB_IMAGE_RECEIVE) {
		drover__arrive_ready__init(&to->ready);
		to->ready.addresses = addresses;
		to->ready.n_addresses = 1;
		to->ready.port = 7447;
		r->result_case = DROVER__REPLY__RESULT_ARRIVE_READY;
		r->arrive_ready = &to->ready;
	}
	if (o->verb_case == DROVER__ORDER__VERB_IMAGE_SEND ||
	    o->verb_case == DROVER__ORDER__VERB_IMAGE_RECEIVED) {
		drover__copy_facts__init(&to->copy);
		to->copy.bytes = 1024 * MB_BYTES;
		r->result_case = DROVER__REPLY__RESULT_COPY;
		r->copy = &to->copy;
	}
}

static void
fill_result(
    struct agent_fake *a, const Drover__Order *o, Drover__Reply *r, struct results *to)
{
	Drover__TemplateFacts *tpl = &to->tpl;
	Drover__FileFacts *file = &to->file;
	static char path[] = "templates/1/disk.qcow2", format[] = "qcow2";

	fill_copy(o, r, to);
	if (o->verb_case == DROVER__ORDER__VERB_TEMPLATE_IMPORT ||
	    o->verb_case == DROVER__ORDER__VERB_TEMPLATE_FROM_DISK) {
		drover__template_facts__init(tpl);
		tpl->path = path;
		tpl->format = format;
		tpl->virtual_bytes = 1024 * MB_BYTES;
		r->result_case = DROVER__REPLY__RESULT_TEMPLATE;
		r->template_ = tpl;
	}
	if (o->verb_case == DROVER__ORDER__VERB_FILE_WRITE) {
		drover__file_facts__init(file);
		file->path = o->file_write->path;
		file->size_bytes = a->written;
		r->result_case = DROVER__REPLY__RESULT_FILE;
		r->file = file;
	}
	if (o->verb_case == DROVER__ORDER__VERB_DATASTORE_ATTACH) {
		fill_store(o->datastore_attach->spec->datastore, &to->store);
		r->result_case = DROVER__REPLY__RESULT_DATASTORE;
		r->datastore = &to->store;
	}
}

static struct packed *
make_reply(struct agent_fake *a, const Drover__Order *o)
{
	Drover__Reply r = DROVER__REPLY__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	Drover__GuestStatus status = DROVER__GUEST_STATUS__INIT;
	struct results results;
	struct fake_move_results moves;
	struct err e = ERR_INIT;

	r.task = o->task;
	r.step = o->step;
	if (do_order(a, o, &e))
		r.fault = msg_fault(&e);
	else
		fill_result(a, o, &r, &results);
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

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct agent_fake *a = CAST_OBJ(agent_fake, arg, FAKE_MAGIC);
	Drover__Envelope *m;
	struct err e = ERR_INIT;

	int rc = msg_unpack(p, n, &m, &e);
	ASSERT(rc == 0);
	switch (m->body_case) {
	case DROVER__ENVELOPE__BODY_WELCOME:
		a->welcomed = true;
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
	case DROVER__ENVELOPE__BODY_ORDER:
		a->orders++;
		if (a->holding) {
			ASSERT(a->n_held < MAX_HELD);
			a->held[a->n_held++] = m;
			return;
		}
		take_order(a, m->order);
		break;
	default:
		break;
	}
	msg_free(m);
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
	drop_held(a);
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
