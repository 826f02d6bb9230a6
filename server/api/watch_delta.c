#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "server/api/watch_int.h"
#include "server/inventory/feed.h"
#include "server/inventory/inv_json.h"

/* What became of one object between two revisions. */
struct merged {
	obj_id id;
	bool whole; /* it is new: all of it */
	bool gone;
	uint64_t fields;
};

bool
watch_covers(enum sub_kind s, enum obj_kind k)
{
	switch (s) {
	case SUB_TASKS:
		return k == KIND_TASK;
	case SUB_INVENTORY:
		return k != KIND_TASK && k != KIND_USER && k != KIND_EVENT &&
		       k != KIND_ALARM && k != KIND_ALARMDEF;
	case SUB_ALARMS:
		return k == KIND_ALARM || k == KIND_ALARMDEF;
	case SUB_EVENTS:
	case SUB_STATS:
	case SUB_KIND_COUNT_:
		return false;
	}
	return false;
}

static void
merge(struct map *all, const struct change *ch)
{
	struct merged *m = map_get(all, ch->id.v);

	if (!m) {
		m = xcalloc(1, sizeof(*m));
		m->id = ch->id;
		map_put(all, ch->id.v, m);
	}
	switch (ch->kind) {
	case CHANGE_ADD:
		m->whole = true;
		m->gone = false;
		break;
	case CHANGE_SET:
		m->fields |= ch->fields;
		break;
	case CHANGE_DEL:
		m->gone = true;
		break;
	}
}

static struct map *
gather(struct watch *w, enum sub_kind kind, uint64_t from)
{
	struct map *all = map_new_u64();
	const struct change *ch;

	for (uint64_t i = 0; (ch = feed_after(w->d.inv, from, i)); i++)
		if (watch_covers(kind, obj_id_kind(ch->id)))
			merge(all, ch);
	return all;
}

static char *
render(struct watch *w, struct map *all)
{
	AUTO(json) json *set = json_new_object(), *del = json_new_array();
	AUTO_FREE uint64_t *keys = map_keys_sorted(all);
	char id[OBJ_ID_TEXT];

	for (size_t i = 0; i < map_count(all); i++) {
		const struct merged *m = map_get(all, keys[i]);
		const struct obj *o = inv_get(w->d.inv, m->id);
		obj_id_text(m->id, id);
		if (m->gone || !o)
			json_add_str(del, id);
		else if (m->whole)
			json_set_json(set, id, inv_json(w->d.inv, o));
		else
			json_set_json(set, id, inv_json_patch(w->d.inv, o, m->fields));
	}
	AUTO_FREE char *s = json_text(set), *d = json_text(del);
	return xasprintf("\"set\":%s,\"del\":%s", s, d);
}

/* The delta's middle part from a revision to now. */
static const char *
delta_text(struct watch *w, enum sub_kind kind, uint64_t from)
{
	struct delta_memo *m = &w->memo[kind];
	uint64_t to = inv_rev(w->d.inv);

	if (m->valid && m->from == from && m->to == to)
		return m->set;
	struct map *all = gather(w, kind, from);
	free(m->set);
	m->set = map_count(all) ? render(w, all) : NULL;
	m->from = from;
	m->to = to;
	m->valid = true;
	MAP_EACH(all, it)
		free(it.value);
	map_free(all);
	return m->set;
}

bool
watch_delta(struct watch *w, struct client *c, struct sub *s)
{
	uint64_t to = inv_rev(w->d.inv);

	if (s->lapsed || s->rev == to)
		return false;
	if (!feed_reaches(w->d.inv, s->rev)) {
		watch_lapse(w, c, s, "the changes since then are no longer kept");
		return true;
	}
	const char *middle = delta_text(w, s->kind, s->rev);
	s->rev = to;
	if (!middle)
		return false;
	char *text = xasprintf("{\"type\":\"delta\",\"id\":%llu,\"rev\":%llu,%s}",
	    (unsigned long long)s->id, (unsigned long long)to, middle);
	watch_send(w, c, text, strlen(text));
	return true;
}

static void
send_chunk(
    struct watch *w, struct client *c, const struct sub *s, json *items_take, bool last)
{
	json *j = json_new_object();

	json_set_str(j, "type", "snap");
	json_set_u64(j, "id", s->id);
	json_set_u64(j, "rev", s->rev);
	json_set_json(j, "items", items_take);
	json_set_bool(j, "last", last);
	watch_send_json(w, c, j);
}

void
watch_snapshot(struct watch *w, struct client *c, struct sub *s)
{
	json *items = json_new_array();

	s->rev = inv_rev(w->d.inv);
	for (unsigned k = KIND_NONE + 1; k < KIND_COUNT_; k++) {
		if (!watch_covers(s->kind, k))
			continue;
		INV_EACH(w->d.inv, k, o)
		{
			if (json_count(items) == WATCH_CHUNK) {
				send_chunk(w, c, s, items, false);
				items = json_new_array();
			}
			json_add_json(items, inv_json(w->d.inv, o));
		}
	}
	send_chunk(w, c, s, items, true);
}
