#include "host-agent/link/inbox.h"

#include <string.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "loop/timer.h"
#include "proto/msg.h"

enum verb_keep { PLAIN, JOURNALED };

struct verb {
	Drover__Order__VerbCase verb;
	const char *name;
	enum verb_keep keep;
	enum inbox_who who;
};

static const struct verb verbs[] = {

#define VERB(code, name, keep, who) \
	{ DROVER__ORDER__VERB_##code, name, keep, INBOX_##who },
#include "host-agent/link/verb.def"
#undef VERB
};

enum running_state {
	RUN_BEGINNING, /* its begin is being written */
	RUN_ACTING,
	RUN_ENDING, /* its reply is being written */
};

struct running {
	struct inbox *in;
	struct order_name name;
	const struct verb *verb;
	enum running_state state;
	bool late; /* the deadline has come */
	Drover__Envelope *m;
	Drover__Reply *reply;
	struct timer *deadline;
};

struct inbox {
	struct loop *loop;
	struct journal *journal;
	struct inbox_handler handlers[INBOX_INBOX];
	inbox_send_fn send;
	void *arg;
	struct map *running;
	struct order_name last;
};

static const struct verb *
find_verb(Drover__Order__VerbCase c)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (verbs[i].verb == c)
			return &verbs[i];
	}
	return NULL;
}

const char *
inbox_verb_name(Drover__Order__VerbCase verb)
{
	const struct verb *v = find_verb(verb);

	return v ? v->name : "unknown order";
}

static void
running_free(struct running *r)
{
	timer_free(r->deadline);
	drover__reply__free_unpacked(r->reply, NULL);
	msg_free(r->m);
	free(r);
}

struct inbox *
inbox_new(struct loop *l, struct journal *j,
    const struct inbox_handler handlers[INBOX_INBOX], inbox_send_fn send, void *arg)
{
	struct inbox *in = xcalloc(1, sizeof(*in));

	in->loop = l;
	in->journal = j;
	memcpy(in->handlers, handlers, sizeof(in->handlers));
	in->send = send;
	in->arg = arg;
	in->running = map_new_str();
	return in;
}

void
inbox_free(struct inbox *in)
{
	if (!in)
		return;
	MAP_EACH(in->running, it)
		running_free(it.value);
	map_free(in->running);
	free(in);
}

static struct running *
find_running(const struct inbox *in, struct order_name name)
{
	char key[ORDER_NAME_TEXT];

	return map_get_str(in->running, order_name_text(name, key));
}

static void
forget(struct inbox *in, struct running *r)
{
	char key[ORDER_NAME_TEXT];

	map_del_str(in->running, order_name_text(r->name, key));
	running_free(r);
}

void
inbox_refuse(struct inbox *in, const Drover__Order *o, const struct err *why)
{
	Drover__Reply r = DROVER__REPLY__INIT;

	log_warn("inbox", "order %llu.%u (%s) refused: %s", (unsigned long long)o->task,
	    o->step, inbox_verb_name(o->verb_case), why->msg);
	r.task = o->task;
	r.step = o->step;
	r.fault = msg_fault(why);
	in->send(in->arg, &r);
	drover__fault__free_unpacked(r.fault, NULL);
}

static Drover__Reply *
reply_new(void)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));

	drover__reply__init(r);
	return r;
}

static void
answer_order_query(
    struct inbox *in, struct order_name name, const Drover__OrderQuery *q)
{
	struct order_name asked = { q->task, q->step };
	Drover__Reply *r = reply_new();
	Drover__OrderState *s = xcalloc(1, sizeof(*s));

	drover__order_state__init(s);
	s->running = find_running(in, asked) != NULL;
	s->known = s->running || journal_find(in->journal, asked) != JOURNAL_UNKNOWN;
	if (!s->running && journal_find(in->journal, asked) == JOURNAL_REPLIED) {
		struct err e = ERR_INIT;

		if (journal_reply(in->journal, asked, &s->reply, &e))
			log_err("inbox", "%s", e.msg);
	}
	r->result_case = DROVER__REPLY__RESULT_ORDER;
	r->order = s;
	inbox_reply(in, name, r);
}

static void
act(struct running *r)
{
	struct inbox *in = r->in;
	const Drover__Order *o = r->m->order;
	const struct inbox_handler *h;

	r->state = RUN_ACTING;
	in->last = r->name;
	if (r->verb->who == INBOX_INBOX) {
		answer_order_query(in, r->name, o->order_query);
		return;
	}
	h = &in->handlers[r->verb->who];
	h->start(h->arg, r->name, o);
}

static void
on_begun(void *arg, int rc, const struct err *e)
{
	struct running *r = arg;
	struct err why = ERR_INIT;

	if (rc) {
		err_set(&why, ERR_IO, "the host cannot write its journal: %s", e->msg);
		inbox_refuse(r->in, r->m->order, &why);
		forget(r->in, r);
		return;
	}
	if (r->late) {
		r->state = RUN_ACTING;
		err_set(&why, ERR_CANCELLED, "the host's journal was too slow");
		inbox_fail(r->in, r->name, &why);
		return;
	}
	act(r);
}

static void
on_deadline(void *arg)
{
	struct running *r = arg;
	const struct inbox_handler *h;
	char text[ORDER_NAME_TEXT];

	r->late = true;
	if (r->state != RUN_ACTING || r->verb->who == INBOX_INBOX)
		return;
	log_warn("inbox", "order %s (%s): its %u ms are over",
	    order_name_text(r->name, text), r->verb->name, r->m->order->deadline_ms);
	h = &r->in->handlers[r->verb->who];
	if (h->cancel)
		h->cancel(h->arg, r->name, "the order's deadline has come");
}

static void
begin(struct inbox *in, const struct verb *v, Drover__Envelope *m_take)
{
	struct running *r = xcalloc(1, sizeof(*r));
	const Drover__Order *o = m_take->order;
	uint32_t ms = o->deadline_ms;
	char key[ORDER_NAME_TEXT];

	r->in = in;
	r->name = (struct order_name){ o->task, o->step };
	r->verb = v;
	r->m = m_take;
	map_put_str(in->running, order_name_text(r->name, key), r);
	if (ms) {
		r->deadline = timer_new(in->loop, on_deadline, r);
		timer_after(r->deadline,
		    ms < ORDER_DEADLINE_MAX_MS ? ms : ORDER_DEADLINE_MAX_MS);
	}
	log_info("inbox", "order %s: %s", key, v->name);
	if (v->keep == JOURNALED)
		journal_begin(in->journal, r->name, on_begun, r);
	else
		act(r);
}

static void
send_stored(struct inbox *in, const Drover__Order *o)
{
	struct order_name name = { o->task, o->step };
	Drover__Reply *r = NULL;
	struct err e = ERR_INIT;
	char text[ORDER_NAME_TEXT];

	if (journal_reply(in->journal, name, &r, &e)) {
		inbox_refuse(in, o, &e);
		return;
	}
	log_info("inbox", "order %s came again: answered as before",
	    order_name_text(name, text));
	in->send(in->arg, r);
	drover__reply__free_unpacked(r, NULL);
}

/* 0: it may begin. */
static int
admit(struct inbox *in, const Drover__Order *o, const struct verb *v, struct err *e)
{
	if (!v)
		return err_set(e, ERR_UNSUPPORTED,
		    "this agent (version " DROVER_VERSION ") does not know the order");
	if (map_count(in->running) >= MAX_ORDERS_RUNNING)
		return err_set(e, ERR_BUSY, "%u orders are in progress on this host",
		    MAX_ORDERS_RUNNING);
	return 0;
}

void
inbox_order(struct inbox *in, Drover__Envelope *m_take)
{
	const Drover__Order *o = m_take->order;
	struct order_name name = { o->task, o->step };
	const struct verb *v = find_verb(o->verb_case);
	struct err e = ERR_INIT;
	char text[ORDER_NAME_TEXT];

	if (find_running(in, name)) {
		log_info("inbox", "order %s came again while it is carried out",
		    order_name_text(name, text));
	} else if (journal_find(in->journal, name) == JOURNAL_REPLIED) {
		send_stored(in, o);
	} else if (admit(in, o, v, &e)) {
		inbox_refuse(in, o, &e);
	} else {
		begin(in, v, m_take);
		return;
	}
	msg_free(m_take);
}

static void
finish(struct running *r)
{
	char text[ORDER_NAME_TEXT];
	const Drover__Fault *f = r->reply->fault;

	if (f)
		log_warn("inbox", "order %s: %s failed: %s",
		    order_name_text(r->name, text), r->verb->name, f->message);
	else
		log_info("inbox", "order %s: %s done", order_name_text(r->name, text),
		    r->verb->name);
	r->in->send(r->in->arg, r->reply);
	forget(r->in, r);
}

static void
on_ended(void *arg, int rc, const struct err *e)
{
	/* The work is done; without the record a repeated order does it again. */
	if (rc)
		log_err("inbox", "a reply is not in the journal: %s", e->msg);
	finish(arg);
}

void
inbox_reply(struct inbox *in, struct order_name name, Drover__Reply *r_take)
{
	struct running *r = find_running(in, name);

	if (!r || r->state != RUN_ACTING) {
		drover__reply__free_unpacked(r_take, NULL);
		return;
	}
	r_take->task = name.task;
	r_take->step = name.step;
	r->reply = r_take;
	r->state = RUN_ENDING;
	if (r->verb->keep == JOURNALED)
		journal_end(in->journal, r_take, on_ended, r);
	else
		finish(r);
}

void
inbox_fail(struct inbox *in, struct order_name name, const struct err *e)
{
	struct running *r = find_running(in, name);
	Drover__Reply *reply = reply_new();
	struct err why = *e;

	if (r && r->late && e->code == ERR_CANCELLED)
		err_set(&why, ERR_TIMEOUT, "not done within %u ms: %s",
		    r->m->order->deadline_ms, e->msg);
	reply->fault = msg_fault(&why);
	inbox_reply(in, name, reply);
}

struct order_name
inbox_last(const struct inbox *in)
{
	return in->last;
}

size_t
inbox_running(const struct inbox *in)
{
	return map_count(in->running);
}
