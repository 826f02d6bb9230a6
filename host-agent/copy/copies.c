#include "host-agent/copy/copies.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/copy/copies_int.h"

Drover__Reply *
copies_reply_new(void)
{
	Drover__Reply *r = xcalloc(1, sizeof(*r));

	drover__reply__init(r);
	return r;
}

/* ---- who waits ---- */

static void
wait_for(struct list *waiters, struct order_name name)
{
	struct copy_waiter *w = xcalloc(1, sizeof(*w));

	w->name = name;
	list_add_tail(waiters, &w->node);
}

static struct order_name
take_off(struct copy_waiter *w)
{
	struct order_name name = w->name;

	list_remove(&w->node);
	free(w);
	return name;
}

static bool
is_waiting(const struct list *waiters, struct order_name name)
{
	LIST_EACH(struct copy_waiter, w, waiters, node) {
		if (w->name.task == name.task && w->name.step == name.step)
			return true;
	}
	return false;
}

/* ---- what they are told ---- */

static void
answer_ready(struct copies *cs, struct order_name name)
{
	const struct copies_conf *conf = &cs->conf;
	Drover__ArriveReady *ready = xcalloc(1, sizeof(*ready));
	Drover__Reply *r = copies_reply_new();

	drover__arrive_ready__init(ready);
	r->result_case = DROVER__REPLY__RESULT_ARRIVE_READY;
	r->arrive_ready = ready;
	ready->port = channel_port(conf->channel);
	ready->addresses = xcalloc(conf->n_addresses + 1, sizeof(char *));
	for (size_t i = 0; i < conf->n_addresses; i++) {
		if (*conf->addresses[i])
			ready->addresses[ready->n_addresses++] =
			    xstrdup(conf->addresses[i]);
	}
	cs->ops.reply(cs->ops.arg, name, r);
}

static void
answer_end(struct image_copy *c, struct order_name name)
{
	struct copies *cs = c->owner;
	Drover__CopyFacts *facts;
	Drover__Reply *r;

	progress_drop(cs->conf.progress, name);
	if (c->e.code) {
		cs->ops.fail(cs->ops.arg, name, &c->e);
		return;
	}
	facts = xmemdup(&c->facts, sizeof(c->facts));
	facts->sha256 = xstrdup(c->sum);
	r = copies_reply_new();
	r->result_case = DROVER__REPLY__RESULT_COPY;
	r->copy = facts;
	cs->ops.reply(cs->ops.arg, name, r);
}

void
copy_say_ready(struct image_copy *c)
{
	c->is_ready = true;
	LIST_EACH_SAFE(struct copy_waiter, w, &c->ready_waiters, node)
		answer_ready(c->owner, take_off(w));
}

void
copy_say_end(struct image_copy *c, const struct err *e)
{
	struct copies *cs = c->owner;

	c->e = *e;
	LIST_EACH_SAFE(struct copy_waiter, w, &c->ready_waiters, node)
		cs->ops.fail(cs->ops.arg, take_off(w), &c->e);
	LIST_EACH_SAFE(struct copy_waiter, w, &c->end_waiters, node)
		answer_end(c, take_off(w));
}

/* ---- all of them ---- */

static void
copy_free(struct image_copy *c)
{
	copy_let_go(c);
	LIST_EACH_SAFE(struct copy_waiter, w, &c->ready_waiters, node)
		take_off(w);
	LIST_EACH_SAFE(struct copy_waiter, w, &c->end_waiters, node)
		take_off(w);
	list_remove(&c->node);
	for (size_t i = 0; i < c->n_addresses; i++)
		free(c->addresses[i]);
	free(c->addresses);
	free(c->path);
	free(c->peer_uuid);
	free(c->why_ended);
	free(c);
}

struct copies *
copies_new(const struct copies_conf *c, const struct copies_ops *ops)
{
	struct copies *cs = xcalloc(1, sizeof(*cs));

	cs->conf = *c;
	cs->ops = *ops;
	if (!cs->conf.dial_ms)
		cs->conf.dial_ms = COPIES_DIAL_MS;
	list_init(&cs->all);
	return cs;
}

void
copies_free(struct copies *cs)
{
	if (!cs)
		return;
	LIST_EACH_SAFE(struct image_copy, c, &cs->all, node)
		copy_free(c);
	free(cs);
}

static struct image_copy *
find(const struct copies *cs, enum copy_side side, const ProtobufCBinaryData *key)
{
	LIST_EACH(struct image_copy, c, &cs->all, node) {
		if (c->side == side && !memcmp(c->key, key->data, CHANNEL_KEY_BYTES))
			return c;
	}
	return NULL;
}

static size_t
count(const struct copies *cs, bool is_over)
{
	size_t n = 0;

	LIST_EACH(struct image_copy, c, &cs->all, node)
		n += !c->flow == is_over;
	return n;
}

static void
forget_oldest(struct copies *cs)
{
	size_t over = count(cs, true);

	LIST_EACH_SAFE(struct image_copy, c, &cs->all, node) {
		if (over < COPIES_KEEP)
			return;
		if (c->flow)
			continue;
		copy_free(c);
		over--;
	}
}

/* ---- orders ---- */

static int
check_key(const struct copies *cs, const ProtobufCBinaryData *key, struct err *e)
{
	if (!cs->conf.channel)
		return err_set(e, ERR_UNAVAILABLE,
		    "this host has no channel to others: see its log");
	if (key->len != CHANNEL_KEY_BYTES)
		return err_set(e, ERR_INVALID, "a copy's key is of %u bytes, not %zu",
		    CHANNEL_KEY_BYTES, key->len);
	return 0;
}

/* What else is at it? */
static int
check_free(const struct copies *cs, uint64_t datastore, const char *path, struct err *e)
{
	if (count(cs, false) >= COPIES_MAX)
		return err_set(
		    e, ERR_BUSY, "%u copies are under way already", COPIES_MAX);
	LIST_EACH(struct image_copy, c, &cs->all, node) {
		if (c->flow && c->side == COPY_TAKES && c->datastore == datastore &&
		    str_same(c->path, path))
			return err_set(
			    e, ERR_BUSY, "\"%.100s\" is being received already", path);
	}
	return 0;
}

/* A failed one of the same key may be begun once more. */
static struct image_copy *
copy_new(struct copies *cs, enum copy_side side, const ProtobufCBinaryData *key,
    struct datastore *ds, const char *path)
{
	struct image_copy *old = find(cs, side, key), *c = xcalloc(1, sizeof(*c));

	if (old)
		copy_free(old);
	forget_oldest(cs);
	c->owner = cs;
	c->side = side;
	memcpy(c->key, key->data, sizeof(c->key));
	c->datastore = datastore_number(ds);
	c->path = xstrdup(path);
	list_init(&c->ready_waiters);
	list_init(&c->end_waiters);
	c->job = image_job_new(ds, path);
	c->wire_fd = -1;
	list_add_tail(&cs->all, &c->node);
	return c;
}

static Drover__DiskLayer *
layer_dup(const Drover__DiskLayer *l)
{
	Drover__DiskLayer *copy = xcalloc(1, sizeof(*copy));

	drover__disk_layer__init(copy);
	copy->path = xstrdup(l->path);
	copy->format = xstrdup(l->format);
	return copy;
}

int
copies_receive(struct copies *cs, struct order_name name, struct datastore *ds,
    const Drover__ImageReceive *o, struct err *e)
{
	struct image_copy *c;
	int rc = check_key(cs, &o->key, e);

	if (rc)
		return rc;
	c = find(cs, COPY_TAKES, &o->key);
	if (c && (c->is_ready && (c->flow || !c->e.code))) {
		answer_ready(cs, name);
		return 0;
	}
	if (!c || !c->flow) {
		rc = check_free(cs, o->datastore, o->path, e);
		if (rc)
			return rc;
		c = copy_new(cs, COPY_TAKES, &o->key, ds, o->path);
		c->peer_uuid = xstrdup(o->source_uuid);
		c->job->format = xstrdup(o->format);
		c->job->size_bytes = o->size_bytes;
		c->job->backing = o->backing ? layer_dup(o->backing) : NULL;
		c->job->gid = cs->conf.disk->gid;
		copy_start(c);
	}
	wait_for(&c->ready_waiters, name);
	return 0;
}

static void
take_dest(struct image_copy *c, const Drover__ImageSend *o)
{
	c->peer_uuid = xstrdup(o->target_uuid);
	c->addresses = xcalloc(o->n_addresses + 1, sizeof(char *));
	for (; c->n_addresses < o->n_addresses; c->n_addresses++)
		c->addresses[c->n_addresses] = xstrdup(o->addresses[c->n_addresses]);
	c->port = (uint16_t)o->port;
	c->cap = o->bytes_per_s;
}

int
copies_send(struct copies *cs, struct order_name name, struct datastore *ds,
    const Drover__ImageSend *o, struct err *e)
{
	struct image_copy *c;
	int rc = check_key(cs, &o->key, e);

	if (!rc && o->port > UINT16_MAX)
		rc = err_set(e, ERR_INVALID, "%u is no port", o->port);
	if (rc)
		return rc;
	c = find(cs, COPY_GIVES, &o->key);
	if (c && !c->flow && !c->e.code) {
		answer_end(c, name);
		return 0;
	}
	if (!c || !c->flow) {
		rc = check_free(cs, o->datastore, o->path, e);
		if (rc)
			return rc;
		c = copy_new(cs, COPY_GIVES, &o->key, ds, o->path);
		take_dest(c, o);
		copy_start(c);
	}
	wait_for(&c->end_waiters, name);
	return 0;
}

int
copies_received(struct copies *cs, struct order_name name,
    const Drover__ImageReceived *o, struct err *e)
{
	struct image_copy *c;
	int rc = check_key(cs, &o->key, e);

	if (rc)
		return rc;
	c = find(cs, COPY_TAKES, &o->key);
	if (!c)
		return err_set(e, ERR_LOST,
		    "this host knows nothing of that copy: its agent was restarted");
	if (c->flow)
		wait_for(&c->end_waiters, name);
	else
		answer_end(c, name);
	return 0;
}

bool
copies_cancel(struct copies *cs, struct order_name name, const char *why)
{
	LIST_EACH(struct image_copy, c, &cs->all, node) {
		if (!is_waiting(&c->ready_waiters, name) &&
		    !is_waiting(&c->end_waiters, name))
			continue;
		copy_give_up(c, why);
		return true;
	}
	return false;
}
