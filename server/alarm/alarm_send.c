#include "server/alarm/alarm_send.h"

#include <stdio.h>

#include "base/assert.h"
#include "base/log.h"
#include "loop/child.h"
#include "loop/worker.h"
#include "server/alarm/alarm_due.h"
#include "server/alarm/alarm_send_int.h"

#define SENDER_MAGIC 0x61736e64u
#define THREADS      4u
#define QUEUE        64u
#define FIRST_MS     2000u
#define LONGEST_MS   300000u
#define GIVE_UP_MS   3600000u
#define DOUBLINGS    8u    /* until it is LONGEST_MS */
#define WAITING_MAX  1000u /* of one receiver: the oldest fall out */

static void go_on(struct alarm_sender *s);

static char *
dup_set(const char *s)
{
	return xstrdup(s ? s : "");
}

static void
on_time(void *arg)
{
	go_on(CAST_OBJ(alarm_sender, arg, SENDER_MAGIC));
}

struct alarm_sender *
alarm_sender_new(struct alarms *a, const struct alarm_opts *o)
{
	struct alarm_sender *s = xcalloc(1, sizeof(*s));

	s->magic = SENDER_MAGIC;
	s->alarms = a;
	s->inv = o->inv;
	s->ops = o->ops;
	s->loop = inv_loop(o->inv);
	s->smtp_url = dup_set(o->smtp_url);
	s->smtp_from = dup_set(o->smtp_from);
	s->smtp_user = dup_set(o->smtp_user);
	s->smtp_password_file = dup_set(o->smtp_password_file);
	s->scripts = dup_set(o->scripts);
	s->ca_file = dup_set(o->ca_file);
	s->deadline_ms = o->deadline_ms;
	s->script_ms = o->script_ms;
	s->receivers = map_new_str();
	s->known = map_new_str();
	list_init(&s->ends);
	atomic_init(&s->stop, false);
	alarm_curl_init();
	s->workers = workers_new(s->loop, THREADS, QUEUE);
	s->timer = timer_new(s->loop, on_time, s);
	return s;
}

/* ---- deliveries ---- */

static void
delivery_free(struct alarm_delivery *d)
{
	list_remove(&d->node);
	if (d->notice.delivery)
		map_del_str(d->sender->known, d->notice.delivery);
	child_free(d->child);
	json_free(d->what);
	free(d->action);
	alarm_notice_fini(&d->notice);
	free(d);
}

static void
receiver_free(struct alarm_sender *s, struct alarm_receiver *r)
{
	LIST_EACH_SAFE(struct alarm_delivery, d, &r->waiting, node) {
		delivery_free(d);
	}
	map_del_str(s->receivers, r->key);
	free(r->key);
	free(r);
}

void
alarm_end_free(struct alarm_end *end)
{
	list_remove(&end->node);
	free(end->action);
	free(end);
}

void
alarm_sender_close(struct alarm_sender *s)
{
	struct workers *w = MOVE(s->workers);

	atomic_store(&s->stop, true);
	workers_free(w);
}

void
alarm_sender_free(struct alarm_sender *s)
{
	if (!s)
		return;
	alarm_sender_close(s);
	MAP_EACH(s->receivers, it)
		receiver_free(s, it.value);
	LIST_EACH_SAFE(struct alarm_end, end, &s->ends, node) {
		alarm_end_free(end);
	}
	map_free(s->receivers);
	map_free(s->known);
	timer_free(s->timer);
	alarm_curl_fini();
	free(s->smtp_url);
	free(s->smtp_from);
	free(s->smtp_user);
	free(s->smtp_password_file);
	free(s->scripts);
	free(s->ca_file);
	s->magic = 0;
	free(s);
}

struct list *
alarm_send_ends(struct alarm_sender *s)
{
	return &s->ends;
}

const char *
alarm_delivery_text(const struct alarm_delivery *d, const char *key)
{
	const json *j = json_get(d->what, key);

	return j && json_what(j) == JSON_IS_STR ? json_str_value(j, NULL) : "";
}

/* ---- one after the other ---- */

static void
end_delivery(struct alarm_delivery *d, int rc, const struct err *e)
{
	struct alarm_end *end = xcalloc(1, sizeof(*end));
	struct alarm_sender *s = d->sender;
	struct alarm_receiver *r = d->receiver;

	end->alarm = d->alarm;
	end->turn = d->turn;
	end->action = xstrdup(d->action);
	end->rc = rc;
	snprintf(end->msg, sizeof(end->msg), "%s", rc ? e->msg : "");
	list_add_tail(&s->ends, &end->node);
	delivery_free(d);
	r->tries = 0;
	r->next_ms = 0;
	if (list_empty(&r->waiting))
		receiver_free(s, r);
	alarm_write_soon(s->alarms);
}

static bool
is_worth_a_try(const struct alarm_delivery *d, int rc)
{
	return (rc == ERR_TIMEOUT || rc == ERR_LOST || rc == ERR_BUSY ||
		   rc == ERR_UNAVAILABLE) &&
	       loop_now_ms(d->sender->loop) < d->give_up_ms;
}

static uint64_t
pause_ms(unsigned tries)
{
	uint64_t ms = (uint64_t)FIRST_MS << (tries < DOUBLINGS ? tries : DOUBLINGS);

	return ms < LONGEST_MS ? ms : LONGEST_MS;
}

void
alarm_delivery_done(struct alarm_delivery *d, int rc, const struct err *e)
{
	struct alarm_sender *s = d->sender;
	struct alarm_receiver *r = d->receiver;

	r->busy = false;
	/* It is stored, and is done by the next server. */
	if (atomic_load(&s->stop))
		return;
	if (rc)
		log_warn(
		    "alarm", "%s to %s failed: %s", d->notice.delivery, r->key, e->msg);
	if (rc && is_worth_a_try(d, rc))
		r->next_ms = loop_now_ms(s->loop) + pause_ms(r->tries++);
	else
		end_delivery(d, rc, e);
	go_on(s);
}

static void
try_first(struct alarm_receiver *r)
{
	struct alarm_delivery *d = LIST_FIRST(struct alarm_delivery, &r->waiting, node);
	struct err e = ERR_INIT;
	int rc;

	r->busy = true;
	rc = alarm_do(d, &e);
	if (!rc)
		return;
	r->busy = false;
	if (is_worth_a_try(d, rc))
		r->next_ms = loop_now_ms(d->sender->loop) + pause_ms(r->tries++);
	else
		end_delivery(d, rc, &e);
}

/* Begin what may begin; the timer sees to the rest. */
static void
go_on(struct alarm_sender *s)
{
	uint64_t now = loop_now_ms(s->loop), next = UINT64_MAX;

	if (atomic_load(&s->stop))
		return;
	MAP_EACH(s->receivers, it) {
		struct alarm_receiver *r = it.value;

		if (r->busy)
			continue;
		if (r->next_ms > now) {
			next = r->next_ms < next ? r->next_ms : next;
			continue;
		}
		AUTO_FREE char *key = xstrdup(r->key);

		/* What cannot even begin makes room for the one behind it. */
		try_first(r);
		r = map_get_str(s->receivers, key);
		if (r && !r->busy)
			next = now;
	}
	if (next != UINT64_MAX)
		timer_after(s->timer, next > now ? next - now : 1);
}

/* ---- what is due ---- */

static struct alarm_receiver *
receiver_of(struct alarm_sender *s, const struct alarm_delivery *d)
{
	AUTO_FREE char *key = alarm_do_receiver(d);
	struct alarm_receiver *r = map_get_str(s->receivers, key);

	if (!r) {
		r = xcalloc(1, sizeof(*r));
		r->key = xstrdup(key);
		list_init(&r->waiting);
		map_put_str(s->receivers, r->key, r);
	}
	return r;
}

static void
fill_notice(
    struct alarm_delivery *d, const struct alarm *al, const struct alarm_due *due)
{
	struct alarm_notice *n = &d->notice;
	char id[OBJ_ID_TEXT];
	bool is_server = obj_id_none(al->entity);

	n->alarm = xstrdup(obj_id_text(al->o.id, id));
	n->delivery =
	    xasprintf("%s/%llu/%s", id, (unsigned long long)due->turn, due->action);
	n->name = xstrdup(al->o.name);
	n->entity = xstrdup(obj_id_text(al->entity, id));
	n->entity_name = xstrdup(al->entity_name ? al->entity_name : "");
	n->entity_kind =
	    xstrdup(is_server ? "server" : kind_prefix(obj_id_kind(al->entity)));
	n->reason = xstrdup(due->reason);
	n->status = due->status;
	n->was = due->was;
	n->at_ms = due->at_ms;
}

static size_t
count(const struct list *l)
{
	size_t n = 0;

	LIST_EACH(struct alarm_delivery, d, l, node)
		n++;
	return n;
}

static void
make_room(struct alarm_receiver *r)
{
	struct alarm_delivery *first =
	    LIST_FIRST(struct alarm_delivery, &r->waiting, node);
	struct err e = ERR_INIT;

	if (!first || count(&r->waiting) < WAITING_MAX)
		return;
	/* The first may be under way. */
	first = LIST_ENTRY(first->node.next, struct alarm_delivery, node);
	err_set(
	    &e, ERR_TOO_LARGE, "more than %u actions wait for %s", WAITING_MAX, r->key);
	end_delivery(first, e.code, &e);
}

/* One whose definition has no such action any more is done, too. */
static void
strike(struct alarm_sender *s, const struct alarm *al, const struct alarm_due *due)
{
	struct alarm_end *end = xcalloc(1, sizeof(*end));

	end->alarm = al->o.id;
	end->turn = due->turn;
	end->action = xstrdup(due->action);
	list_add_tail(&s->ends, &end->node);
	alarm_write_soon(s->alarms);
}

static void
begin(struct alarm_sender *s, const struct alarm *al, const struct alarm_due *due)
{
	const struct alarm_def *def = inv_alarm_def(s->inv, al->definition);
	struct alarm_delivery *d;
	json *what =
	    def ? alarm_action_whole(def->actions, def->secrets, due->action) : NULL;

	if (!what) {
		strike(s, al, due);
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->sender = s;
	d->alarm = al->o.id;
	d->entity = al->entity;
	d->turn = due->turn;
	d->action = xstrdup(due->action);
	d->what = what;
	d->type = alarm_action_type(what);
	d->give_up_ms = loop_now_ms(s->loop) + GIVE_UP_MS;
	fill_notice(d, al, due);
	map_put_str(s->known, d->notice.delivery, d);
	d->receiver = receiver_of(s, d);
	make_room(d->receiver);
	list_add_tail(&d->receiver->waiting, &d->node);
}

void
alarm_send_due(struct alarm_sender *s, const struct alarm *al)
{
	char id[OBJ_ID_TEXT];

	for (size_t i = 0; al->due && i < json_count(al->due); i++) {
		struct alarm_due due;
		struct err e = ERR_INIT;

		if (alarm_due_read(json_at(al->due, i), &due, &e)) {
			log_warn("alarm", "%s: what is due cannot be read: %s",
			    obj_id_text(al->o.id, id), e.msg);
			continue;
		}
		AUTO_FREE char *key = xasprintf("%s/%llu/%s", obj_id_text(al->o.id, id),
		    (unsigned long long)due.turn, due.action);

		if (!map_get_str(s->known, key))
			begin(s, al, &due);
	}
	timer_after(s->timer, 1);
}
