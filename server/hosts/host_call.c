#include "server/hosts/host_call.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/hosts/host_int.h"

#define CALL_MAGIC 0x63616c6cu

enum call_state {
	CALL_PARKED, /* goes out when the link is up */
	CALL_SENT,
	CALL_IDLE, /* the link broke: asked for again, or forgotten */
	CALL_ENDED,
};

struct call {
	uint32_t magic;
	struct list_node node;
	struct host_rec *rec;
	Drover__Order *order;
	enum call_state state;
	uint64_t deadline_ms; /* mono */
	struct timer *deadline;
	bool patient;
	struct wake wake;
	call_fn fn; /* instead of a wake */
	void *arg;
	Drover__Envelope *reply;
	int rc;
	struct err err;
};

static struct call *
call_find(const struct host_rec *rec, uint64_t task, uint32_t step)
{
	LIST_EACH(struct call, c, &rec->calls, node) {
		if (c->order->task == task && c->order->step == step)
			return c;
	}
	return NULL;
}

static void
call_free(struct call *c)
{
	list_remove(&c->node);
	timer_free(c->deadline);
	drover__order__free_unpacked(c->order, NULL);
	msg_free(c->reply);
	c->magic = 0;
	free(c);
}

static const char *
verb_of(const Drover__Order *o)
{
	const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(
	    &drover__order__descriptor, (unsigned)o->verb_case);

	return f ? f->name : "order";
}

/* Tell who waits. A call for a function ends with it. */
static void
call_end(struct call *c)
{
	struct loop *loop = c->rec->hs->loop;

	c->state = CALL_ENDED;
	timer_stop(c->deadline);
	if (!c->fn) {
		post_wake(loop, c->wake, c->rc, c->rc ? &c->err : NULL);
		c->wake = WAKE_NONE;
		return;
	}
	call_fn fn = c->fn;
	void *arg = c->arg;
	Drover__Envelope *reply = MOVE(c->reply);
	struct err e = c->err;
	int rc = c->rc;
	call_free(c);
	fn(arg, rc, rc ? &e : NULL, rc ? NULL : reply->reply);
	msg_free(reply);
}

static void
on_deadline(void *arg)
{
	struct call *c = CAST_OBJ(call, arg, CALL_MAGIC);
	const char *host = inv_name(c->rec->hs->inv, c->rec->id);

	c->rc = c->state == CALL_SENT
		    ? err_set(&c->err, ERR_TIMEOUT,
			  "host %s has not answered to %s within its time", host,
			  verb_of(c->order))
		    : err_set(&c->err, ERR_TIMEOUT,
			  "host %s did not come back in time for %s", host,
			  verb_of(c->order));
	call_end(c);
}

static void
call_send(struct call *c)
{
	struct hosts *hs = c->rec->hs;
	uint64_t now_ms = loop_now_ms(hs->loop);
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	c->order->deadline_ms =
	    c->deadline_ms > now_ms ? (uint32_t)(c->deadline_ms - now_ms) : 1;
	m.body_case = DROVER__ENVELOPE__BODY_ORDER;
	m.order = c->order;
	/* What the link does not take now goes out on a later tick. */
	c->state = conn_send(c->rec->conn, &m) ? CALL_PARKED : CALL_SENT;
}

static Drover__Order *
order_dup(const Drover__Order *o)
{
	size_t n = drover__order__get_packed_size(o);
	AUTO_FREE uint8_t *p = xmalloc(n);

	drover__order__pack(o, p);
	Drover__Order *copy = drover__order__unpack(NULL, n, p);
	ASSERT(copy);
	return copy;
}

static struct call *
call_new(struct host_rec *rec, const Drover__Order *o, uint32_t deadline_ms)
{
	struct call *c = xcalloc(1, sizeof(*c));

	c->magic = CALL_MAGIC;
	c->rec = rec;
	c->order = order_dup(o);
	c->state = CALL_PARKED;
	c->deadline_ms = loop_now_ms(rec->hs->loop) + deadline_ms;
	c->deadline = timer_new(rec->hs->loop, on_deadline, c);
	timer_after(c->deadline, deadline_ms);
	list_add_tail(&rec->calls, &c->node);
	return c;
}

static void
ask(struct call *c, struct wake w)
{
	c->wake = w;
	if (c->state == CALL_ENDED) {
		call_end(c);
		return;
	}
	if (c->state == CALL_IDLE)
		c->state = CALL_PARKED;
	if (c->state == CALL_PARKED && c->rec->conn)
		call_send(c);
}

static struct call *
call_named(struct hosts *hs, obj_id host, const Drover__Order *o, uint32_t deadline_ms)
{
	struct host_rec *rec = rec_of(hs, host);
	struct call *c = call_find(rec, o->task, o->step);

	return c ? c : call_new(rec, o, deadline_ms);
}

void
host_call(struct hosts *hs, obj_id host, const Drover__Order *o, uint32_t deadline_ms,
    struct wake w)
{
	ask(call_named(hs, host, o, deadline_ms), w);
}

void
host_call_patient(struct hosts *hs, obj_id host, const Drover__Order *o,
    uint32_t deadline_ms, struct wake w)
{
	struct call *c = call_named(hs, host, o, deadline_ms);

	c->patient = true;
	ask(c, w);
}

void
host_call_fn(struct host_rec *rec, const Drover__Order *o, uint32_t deadline_ms,
    call_fn fn, void *arg)
{
	struct call *c = call_new(rec, o, deadline_ms);

	c->fn = fn;
	c->arg = arg;
	c->patient = true;
	if (rec->conn)
		call_send(c);
}

bool
host_call_now(struct host_rec *rec, const Drover__Order *o, uint32_t deadline_ms,
    call_fn fn, void *arg)
{
	if (!rec->conn)
		return false;
	struct call *c = call_new(rec, o, deadline_ms);
	c->fn = fn;
	c->arg = arg;
	call_send(c);
	if (c->state == CALL_SENT)
		return true;
	call_free(c);
	return false;
}

const Drover__Reply *
host_call_reply(const struct hosts *hs, obj_id host, uint64_t task, uint32_t step)
{
	const struct host_rec *rec = rec_find(hs, host);
	const struct call *c = rec ? call_find(rec, task, step) : NULL;

	return c && c->state == CALL_ENDED && !c->rc ? c->reply->reply : NULL;
}

void
host_call_forget(struct hosts *hs, uint64_t task)
{
	MAP_EACH(hs->recs, it) {
		struct host_rec *rec = it.value;
		LIST_EACH_SAFE(struct call, c, &rec->calls, node) {
			if (c->order->task == task)
				call_free(c);
		}
	}
}

uint64_t
host_call_number(struct hosts *hs)
{
	/* 56 bits, as any object's number: a mark, the epoch, a counter. */
	return UINT64_C(1) << 55 | (hs->epoch & 0x7ffff) << 36 |
	       (++hs->last_number & 0xfffffffff);
}

bool
host_calls_wait(const struct host_rec *rec, uint64_t task)
{
	LIST_EACH(struct call, c, &rec->calls, node) {
		if (c->order->task == task && c->state != CALL_ENDED)
			return true;
	}
	return false;
}

void
host_calls_up(struct host_rec *rec)
{
	LIST_EACH(struct call, c, &rec->calls, node) {
		if (c->state == CALL_PARKED)
			call_send(c);
	}
}

void
host_calls_down(struct host_rec *rec)
{
	struct err e = ERR_INIT;

	err_set(
	    &e, ERR_LOST, "the link to host %s broke", inv_name(rec->hs->inv, rec->id));
	LIST_EACH_SAFE(struct call, c, &rec->calls, node) {
		if (c->state != CALL_SENT)
			continue;
		if (c->patient) {
			c->state = CALL_PARKED;
			continue;
		}
		if (c->fn) {
			c->rc = ERR_LOST;
			c->err = e;
			call_end(c);
			continue;
		}
		c->state = CALL_IDLE;
		post_wake(rec->hs->loop, c->wake, ERR_LOST, &e);
		c->wake = WAKE_NONE;
	}
}

void
host_calls_reply(struct host_rec *rec, Drover__Envelope *m_take)
{
	const Drover__Reply *reply = m_take->reply;
	struct call *c = call_find(rec, reply->task, reply->step);

	if (!c || c->state == CALL_ENDED) {
		log_debug("hosts", "reply to %llu/%u of host \"%s\" comes too late",
		    (unsigned long long)reply->task, reply->step,
		    inv_name(rec->hs->inv, rec->id));
		msg_free(m_take);
		return;
	}
	c->reply = m_take;
	c->rc = reply->fault ? msg_fault_err(reply->fault, &c->err) : 0;
	call_end(c);
}

void
host_calls_end(struct host_rec *rec, const struct err *why)
{
	LIST_EACH_SAFE(struct call, c, &rec->calls, node) {
		if (c->state == CALL_ENDED)
			continue;
		c->err = *why;
		c->rc = why->code;
		call_end(c);
	}
}

void
host_calls_free(struct host_rec *rec)
{
	LIST_EACH_SAFE(struct call, c, &rec->calls, node) {
		call_free(c);
	}
}
