#include <stdarg.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"
#include "server/db/db.h"
#include "server/event/event_int.h"

#define MAX_WAITING 10000u
#define MAX_BATCH   100u
#define RETRY_MS    1000u

struct waiting {
	struct list_node node;
	struct event_draft draft;
};

/* Events that are in no transaction of others, in the order of posting. */
struct event_queue {
	uint32_t magic;
	struct events *ev;
	struct list waiting;
	size_t n_waiting;
	size_t n_sent; /* that many at the head are in a transaction */
	size_t n_lost; /* dropped since the last one was stored */
	struct timer *retry;
};

#define QUEUE_MAGIC 0x65767175u

static void send_batch(struct event_queue *q);

static void
drop(struct event_queue *q, struct waiting *w)
{
	list_remove(&w->node);
	q->n_waiting--;
	event_draft_fini(&w->draft);
	free(w);
}

/* Drop the first n. */
static void
drop_heads(struct event_queue *q, size_t n)
{
	LIST_EACH_SAFE(struct waiting, w, &q->waiting, node) {
		if (n-- == 0)
			return;
		drop(q, w);
	}
}

/* The oldest that is not on its way goes for a newer one. */
static void
make_room(struct event_queue *q)
{
	size_t on_way = q->n_sent;

	if (q->n_waiting < MAX_WAITING)
		return;
	LIST_EACH_SAFE(struct waiting, w, &q->waiting, node) {
		if (on_way-- > 0)
			continue;
		drop(q, w);
		q->n_lost++;
		return;
	}
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	struct event_queue *q = CAST_OBJ(event_queue, arg, QUEUE_MAGIC);
	size_t n = q->n_sent;
	q->n_sent = 0;
	if (rc == ERR_UNAVAILABLE) {
		timer_after(q->retry, RETRY_MS);
		return;
	}
	if (rc < 0)
		log_err("event", "%zu events are lost: %s", n, e->msg);
	drop_heads(q, n);
	if (q->n_lost > 0)
		log_warn("event",
		    "%zu events were dropped: the database was away or too slow for them",
		    q->n_lost);
	q->n_lost = 0;
	send_batch(q);
}

static void
send_batch(struct event_queue *q)
{
	if (q->n_sent > 0 || q->n_waiting == 0 || !db_is_up(inv_db(q->ev->inv)))
		return;
	struct txn *t = txn_new(q->ev->inv);
	LIST_EACH(struct waiting, w, &q->waiting, node) {
		struct event_draft copy = w->draft;
		copy.entity_name = xstrdup(copy.entity_name);
		copy.user = xstrdup(copy.user);
		copy.message = xstrdup(copy.message);
		event_put(t, &copy);
		if (++q->n_sent == MAX_BATCH)
			break;
	}
	txn_commit(t, on_stored, q);
}

static void
on_retry(void *arg)
{
	send_batch(CAST_OBJ(event_queue, arg, QUEUE_MAGIC));
}

void
event_post(struct inv *inv, enum event_code code, obj_id entity, const char *user,
    const char *fmt, ...)
{
	AUTO(str) struct str message = STR_INIT;
	struct events *ev = inv_events(inv);
	if (!ev)
		return;
	va_list ap;
	va_start(ap, fmt);
	str_addv(&message, fmt, ap);
	va_end(ap);

	struct event_queue *q = ev->queue;
	make_room(q);
	struct waiting *w = xcalloc(1, sizeof(*w));
	w->draft = (struct event_draft){
		.code = code,
		.entity = entity,
		.task = OBJ_ID_NONE,
		.entity_name = xstrdup(inv_name(inv, entity)),
		.user = xstrdup(user),
		.message = str_take(&message),
		.at_ms = clock_wall_ms(loop_clock(inv_loop(inv))),
	};
	list_add_tail(&q->waiting, &w->node);
	q->n_waiting++;
	send_batch(q);
}

struct event_queue *
event_queue_new(struct events *ev)
{
	struct event_queue *q = xcalloc(1, sizeof(*q));
	q->magic = QUEUE_MAGIC;
	q->ev = ev;
	list_init(&q->waiting);
	q->retry = timer_new(inv_loop(ev->inv), on_retry, q);
	db_watch(inv_db(ev->inv), on_retry, q);
	return q;
}

void
event_queue_free(struct event_queue *q)
{
	db_unwatch(inv_db(q->ev->inv), on_retry, q);
	drop_heads(q, q->n_waiting);
	timer_free(q->retry);
	free(q);
}
