#include "host-agent/link/journal.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/str.h"
#include "host-agent/record/reclog.h"

/* Records in the file, per order kept, before it is rewritten. */
#define COMPACT_FACTOR 4u

struct entry {
	struct list_node node; /* in the order of the offsets */
	struct order_name name;
	enum journal_state state;
	uint64_t offset; /* of the newest record */
};

struct journal {
	struct reclog *log;
	struct map *by_name;
	struct list entries;
	size_t keep;
	size_t records; /* in the file */
	bool compacting;
};

const char *
order_name_text(struct order_name n, char buf[ORDER_NAME_TEXT])
{
	snprintf(buf, ORDER_NAME_TEXT, "%" PRIu64 ".%" PRIu32, n.task, n.step);
	return buf;
}

static void
entry_drop(struct journal *j, struct entry *en)
{
	char key[ORDER_NAME_TEXT];

	ASSERT(list_linked(&en->node));
	map_del_str(j->by_name, order_name_text(en->name, key));
	list_remove(&en->node);
	free(en);
}

/* The newest are kept; an order that still runs is never forgotten. */
static void
forget_oldest(struct journal *j)
{
	LIST_EACH_SAFE(struct entry, en, &j->entries, node) {
		if (map_count(j->by_name) <= j->keep)
			return;
		if (en->state == JOURNAL_REPLIED)
			entry_drop(j, en);
	}
}

static void
note(struct journal *j, struct order_name name, enum journal_state state,
    uint64_t offset)
{
	char key[ORDER_NAME_TEXT];
	struct entry *en = map_get_str(j->by_name, order_name_text(name, key));

	if (!en) {
		en = xcalloc(1, sizeof(*en));
		en->name = name;
		map_put_str(j->by_name, key, en);
	}
	en->state = state;
	en->offset = offset;
	list_remove(&en->node);
	list_add_tail(&j->entries, &en->node);
	j->records++;
	forget_oldest(j);
}

static void
on_replay(void *arg, uint64_t offset, const uint8_t *p, size_t n)
{
	struct journal *j = arg;
	Drover__OrderState *s = drover__order_state__unpack(NULL, n, p);

	if (!s || !s->reply) {
		log_err(
		    "journal", "record at %" PRIu64 " is no order: skipped", offset);
	} else {
		struct order_name name = { s->reply->task, s->reply->step };

		note(j, name, s->running ? JOURNAL_BEGUN : JOURNAL_REPLIED, offset);
	}
	drover__order_state__free_unpacked(s, NULL);
}

static void
on_compacted(void *arg, int rc, const struct reclog_moves *m, const struct err *e)
{
	struct journal *j = arg;

	j->compacting = false;
	j->records = map_count(j->by_name);
	if (rc) {
		log_warn("journal", "not compacted: %s", e->msg);
		return;
	}
	LIST_EACH(struct entry, en, &j->entries, node) {
		en->offset = reclog_moved(m, en->offset);
	}
}

static void
compact_if_due(struct journal *j)
{
	AUTO_FREE uint64_t *offsets = NULL;
	uint64_t durable = reclog_durable(j->log);
	size_t n = 0;

	if (j->compacting || j->records < COMPACT_FACTOR * j->keep)
		return;
	offsets = xcalloc(map_count(j->by_name) + 1, sizeof(*offsets));
	LIST_EACH(struct entry, en, &j->entries, node) {
		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it left the list */
		if (en->offset < durable)
			offsets[n++] = en->offset;
	}
	j->compacting = !reclog_compact(j->log, offsets, n, on_compacted, j, NULL);
}

int
journal_open(struct loop *l, struct workers *w, const char *path, size_t keep,
    struct journal **ret_j, struct err *e)
{
	struct journal *j = xcalloc(1, sizeof(*j));
	const struct reclog_conf c = { l, w, path, on_replay, j };
	uint64_t cut = 0;
	int rc;

	j->by_name = map_new_str();
	j->keep = keep;
	list_init(&j->entries);
	rc = reclog_open(&c, &j->log, &cut, e);
	if (rc) {
		journal_free(j);
		return rc;
	}
	if (cut)
		log_err("journal", "%s: %" PRIu64 " bytes at its end are damaged", path,
		    cut);
	compact_if_due(j);
	*ret_j = j;
	return 0;
}

void
journal_free(struct journal *j)
{
	if (!j)
		return;
	reclog_free(j->log);
	LIST_EACH_SAFE(struct entry, en, &j->entries, node)
		entry_drop(j, en);
	map_free(j->by_name);
	free(j);
}

enum journal_state
journal_find(const struct journal *j, struct order_name name)
{
	char key[ORDER_NAME_TEXT];
	const struct entry *en = map_get_str(j->by_name, order_name_text(name, key));

	return en ? en->state : JOURNAL_UNKNOWN;
}

int
journal_reply(
    struct journal *j, struct order_name name, Drover__Reply **ret_r, struct err *e)
{
	char key[ORDER_NAME_TEXT];
	const struct entry *en = map_get_str(j->by_name, order_name_text(name, key));
	AUTO(str) struct str body = STR_INIT;
	Drover__OrderState *s;
	int rc;

	if (!en || en->state != JOURNAL_REPLIED)
		return err_set(e, ERR_NOT_FOUND, "order %s has no stored reply", key);
	rc = reclog_read(j->log, en->offset, &body, e);
	if (rc)
		return rc;
	s = drover__order_state__unpack(NULL, body.len, (const uint8_t *)body.s);
	if (!s || !s->reply) {
		drover__order_state__free_unpacked(s, NULL);
		return err_set(e, ERR_CORRUPT, "stored reply of order %s", key);
	}
	*ret_r = MOVE(s->reply);
	drover__order_state__free_unpacked(s, NULL);
	return 0;
}

static void
append(struct journal *j, const Drover__OrderState *s, enum journal_state state,
    journal_fn done, void *arg)
{
	struct order_name name = { s->reply->task, s->reply->step };
	size_t n = drover__order_state__get_packed_size(s);
	AUTO_FREE uint8_t *p = xmalloc(n);

	drover__order_state__pack(s, p);
	note(j, name, state, reclog_append(j->log, p, n, done, arg));
	compact_if_due(j);
}

void
journal_begin(struct journal *j, struct order_name name, journal_fn done, void *arg)
{
	Drover__OrderState s = DROVER__ORDER_STATE__INIT;
	Drover__Reply r = DROVER__REPLY__INIT;

	r.task = name.task;
	r.step = name.step;
	s.known = s.running = true;
	s.reply = &r;
	append(j, &s, JOURNAL_BEGUN, done, arg);
}

void
journal_end(struct journal *j, const Drover__Reply *r, journal_fn done, void *arg)
{
	Drover__OrderState s = DROVER__ORDER_STATE__INIT;
	Drover__Reply copy = *r;

	s.known = true;
	s.reply = &copy;
	append(j, &s, JOURNAL_REPLIED, done, arg);
}

size_t
journal_count(const struct journal *j)
{
	return map_count(j->by_name);
}
