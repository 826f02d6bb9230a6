#include "host-agent/link/outbox.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/record/record.h"
#include "host-agent/record/saver.h"
#include "loop/loop.h"

#define OUTBOX_FILE_MAX ((size_t)64 << 20)

struct waiting_event {
	struct list_node node;
	uint64_t id;
	uint64_t seq; /* of the write that stores it */
	bool stored;
	struct str packed;
};

struct outbox {
	struct loop *loop;
	struct saver *saver;
	outbox_send_fn send;
	void *arg;
	struct list events;
	size_t count;
	uint64_t last_id;
};

static void
drop(struct outbox *b, struct waiting_event *w)
{
	ASSERT(list_linked(&w->node));
	list_remove(&w->node);
	str_fini(&w->packed);
	free(w);
	b->count--;
}

static void
make_room(struct outbox *b)
{
	struct waiting_event *old = LIST_FIRST(struct waiting_event, &b->events, node);

	if (b->count < OUTBOX_MAX || !old)
		return;
	log_warn("outbox", "%u events wait already: event %" PRIu64 " dropped",
	    OUTBOX_MAX, old->id);
	drop(b, old);
}

static struct waiting_event *
keep(struct outbox *b, uint64_t id, const void *p, size_t n, bool stored)
{
	struct waiting_event *w = xcalloc(1, sizeof(*w));

	make_room(b);
	w->id = id;
	w->stored = stored;
	str_addn(&w->packed, p, n);
	list_add_tail(&b->events, &w->node);
	b->count++;
	if (id > b->last_id)
		b->last_id = id;
	return w;
}

static void
load(struct outbox *b, const struct str *file)
{
	const uint8_t *p = (const uint8_t *)file->s;
	size_t at = 0;
	uint32_t n;

	while (record_peek(p + at, file->len - at, &n, NULL) == 1) {
		const uint8_t *body = p + at + RECORD_HEAD;
		Drover__GuestEvent *ev = drover__guest_event__unpack(NULL, n, body);

		if (ev)
			keep(b, ev->id, body, n, true);
		drover__guest_event__free_unpacked(ev, NULL);
		at += RECORD_HEAD + (size_t)n;
	}
}

static int
load_file(struct outbox *b, const char *path, struct err *e)
{
	AUTO(str) struct str file = STR_INIT;
	struct err why = ERR_INIT;
	int rc = record_file_read(path, OUTBOX_FILE_MAX, &file, &why);

	if (rc == ERR_NOT_FOUND || (!rc && !file.len))
		return 0;
	if (rc)
		return err_set(e, why.code, "%s", why.msg);
	load(b, &file);
	/* Files are replaced whole, so a record that does not read is a damaged disk.
	 */
	size_t whole = 0;
	LIST_EACH(struct waiting_event, w, &b->events, node)
		whole += RECORD_HEAD + w->packed.len;
	if (whole < file.len && b->count < OUTBOX_MAX) {
		AUTO_FREE char *aside = xasprintf("%s.damaged", path);

		log_err("outbox", "%s is damaged after %zu events: copied to %s", path,
		    b->count, aside);
		return record_file_write(aside, 0600, file.s, file.len, e);
	}
	return 0;
}

int
outbox_open(const struct outbox_conf *c, struct outbox **ret_b, struct err *e)
{
	struct outbox *b = xcalloc(1, sizeof(*b));
	int rc;

	b->loop = c->loop;
	b->send = c->send;
	b->arg = c->arg;
	list_init(&b->events);
	rc = load_file(b, c->path, e);
	if (rc) {
		outbox_free(b);
		return rc;
	}
	b->saver = saver_new(c->loop, c->workers, c->path);
	*ret_b = b;
	return 0;
}

void
outbox_free(struct outbox *b)
{
	if (!b)
		return;
	saver_free(b->saver);
	LIST_EACH_SAFE(struct waiting_event, w, &b->events, node)
		drop(b, w);
	free(b);
}

static void
send_one(struct outbox *b, const struct waiting_event *w)
{
	Drover__GuestEvent *ev = drover__guest_event__unpack(
	    NULL, w->packed.len, (const uint8_t *)w->packed.s);

	if (ev)
		b->send(b->arg, ev);
	drover__guest_event__free_unpacked(ev, NULL);
}

static void
on_stored(void *arg, uint64_t seq, int rc, const struct err *e)
{
	struct outbox *b = arg;

	/* Rather told and perhaps told twice than not told while the disk is full. */
	if (rc)
		log_err("outbox", "events are not on disk: %s", e->msg);
	LIST_EACH(struct waiting_event, w, &b->events, node) {
		if (w->stored || w->seq > seq)
			continue;
		w->stored = true;
		send_one(b, w);
	}
}

static uint64_t
save(struct outbox *b)
{
	AUTO(str) struct str all = STR_INIT;

	LIST_EACH(struct waiting_event, w, &b->events, node) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it left the list */
		record_add(&all, w->packed.s, w->packed.len);
	}
	return saver_put(b->saver, str_cstr(&all), all.len, on_stored, b);
}

void
outbox_add(struct outbox *b, const Drover__GuestEvent *ev)
{
	Drover__GuestEvent copy = *ev;
	uint64_t now = clock_wall_ms(loop_clock(b->loop));

	copy.id = now > b->last_id ? now : b->last_id + 1;
	copy.wall_ms = now;

	size_t n = drover__guest_event__get_packed_size(&copy);
	AUTO_FREE uint8_t *p = xmalloc(n);

	drover__guest_event__pack(&copy, p);
	struct waiting_event *w = keep(b, copy.id, p, n, false);
	w->seq = save(b);
}

void
outbox_resend(struct outbox *b)
{
	LIST_EACH(struct waiting_event, w, &b->events, node) {
		if (w->stored)
			send_one(b, w);
	}
}

void
outbox_ack(struct outbox *b, uint64_t id)
{
	LIST_EACH_SAFE(struct waiting_event, w, &b->events, node) {
		if (w->id != id)
			continue;
		drop(b, w);
		(void)save(b);
		return;
	}
}

size_t
outbox_count(const struct outbox *b)
{
	return b->count;
}
