/*
 * What a host reports of its hardware, in its row; stored when it is another thing than
 * before.
 */
#include <string.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/hosts/host_int.h"

#define CONDITIONS_MAX 64u
#define SOURCES_MAX    16u
#define TEXT_MAX       200u

struct storing {
	struct pending p;
	obj_id host;
};

static Drover__HostHealth *
health_dup(const Drover__HostHealth *m)
{
	size_t n = drover__host_health__get_packed_size(m);
	AUTO_FREE uint8_t *p = xmalloc(n + 1);

	drover__host_health__pack(m, p);
	Drover__HostHealth *copy = drover__host_health__unpack(NULL, n, p);
	ASSERT(copy);
	return copy;
}

static bool
is_same(const Drover__HostHealth *a, const Drover__HostHealth *b)
{
	size_t n = drover__host_health__get_packed_size(a);

	if (n != drover__host_health__get_packed_size(b))
		return false;
	AUTO_FREE uint8_t *pa = xmalloc(n + 1), *pb = xmalloc(n + 1);
	drover__host_health__pack(a, pa);
	drover__host_health__pack(b, pb);
	return memcmp(pa, pb, n) == 0;
}

void
host_health_take(struct host_rec *rec, const Drover__HostHealth *m)
{
	if (rec->health && is_same(rec->health, m))
		return;
	if (rec->health)
		drover__host_health__free_unpacked(rec->health, NULL);
	rec->health = health_dup(m);
	rec->health_new = true;
	host_health_update(rec);
}

/* ---- into the row ---- */

static enum host_health
worst(const Drover__HostHealth *m)
{
	enum host_health is = m->n_sources ? HOST_HEALTH_OK : HOST_HEALTH_UNKNOWN;

	for (size_t i = 0; i < m->n_conditions; i++) {
		if (m->conditions[i]->severe)
			return HOST_HEALTH_SEVERE;
		is = HOST_HEALTH_MODERATE;
	}
	return is;
}

/* A text of the host's, as long as may be stored. */
static void
set_text(json *o, const char *key, const char *text)
{
	bool is_good = utf8_valid(text, strlen(text)) && strlen(text) <= TEXT_MAX;

	json_set_str(o, key, is_good ? text : "(it cannot be shown)");
}

static bool
is_text(const json *o, const char *key, const char *text)
{
	const json *v = json_get(o, key);

	return v && json_what(v) == JSON_IS_STR &&
	       str_same(json_str_value(v, NULL), text);
}

/* Since when it has been reported without a break. */
static uint64_t
since(const json *before, const Drover__HealthCondition *c, uint64_t now_ms)
{
	for (size_t i = 0; before && i < json_count(before); i++) {
		const json *o = json_at(before, i);
		const json *at = json_get(o, "since");
		if (at && json_what(at) == JSON_IS_INT &&
		    is_text(o, "source", c->source) &&
		    is_text(o, "component", c->component) &&
		    is_text(o, "text", c->text))
			return (uint64_t)json_int_value(at);
	}
	return now_ms;
}

static json *
conditions_json(const Drover__HostHealth *m, const json *before, uint64_t now_ms)
{
	json *list = json_new_array();

	for (size_t i = 0; i < m->n_conditions && i < CONDITIONS_MAX; i++) {
		const Drover__HealthCondition *c = m->conditions[i];
		json *o = json_new_object();
		set_text(o, "source", c->source);
		set_text(o, "component", c->component);
		json_set_str(o, "severity", c->severe ? "severe" : "moderate");
		set_text(o, "text", c->text);
		json_set_u64(o, "since", since(before, c, now_ms));
		json_add_json(list, o);
	}
	return list;
}

static json *
sources_json(const Drover__HostHealth *m)
{
	json *list = json_new_array();

	for (size_t i = 0; i < m->n_sources && i < SOURCES_MAX; i++) {
		json *o = json_new_object();
		set_text(o, "name", m->sources[i]->name);
		if (m->sources[i]->why_not[0])
			set_text(o, "why_not", m->sources[i]->why_not);
		json_add_json(list, o);
	}
	return list;
}

/* "memory: DIMM 3 fails; fan: fan 2 is slow; and 3 more" */
static void
say(const struct host *h, struct str *out)
{
	size_t n = json_count(h->health_conditions);

	for (size_t i = 0; i < n && i < 2; i++) {
		const json *o = json_at(h->health_conditions, i);
		str_addf(out, "%s%s: %s", i ? "; " : "",
		    json_str_value(json_get(o, "component"), NULL),
		    json_str_value(json_get(o, "text"), NULL));
	}
	if (n > 2)
		str_addf(out, "; and %zu more", n - 2);
}

static void
add_event(struct txn *t, const struct host *h, enum host_health was)
{
	AUTO(str) struct str why = STR_INIT;

	if (h->health == was)
		return;
	say(h, &why);
	switch (h->health) {
	case HOST_HEALTH_SEVERE:
		txn_event(t, EV_HOST_HEALTH_SEVERE, h->o.id, OBJ_ID_NONE, NULL,
		    "Hardware of host %s may fail at any time: %s", h->o.name,
		    str_cstr(&why));
		break;
	case HOST_HEALTH_MODERATE:
		txn_event(t, EV_HOST_HEALTH_MODERATE, h->o.id, OBJ_ID_NONE, NULL,
		    "Hardware of host %s reports errors: %s", h->o.name,
		    str_cstr(&why));
		break;
	case HOST_HEALTH_OK:
	case HOST_HEALTH_UNKNOWN:
	case host_health_COUNT_:
		if (was == HOST_HEALTH_MODERATE || was == HOST_HEALTH_SEVERE)
			txn_event(t, EV_HOST_HEALTH_OK, h->o.id, OBJ_ID_NONE, NULL,
			    "Hardware of host %s reports no errors any more",
			    h->o.name);
		break;
	}
}

static void
drop_storing(struct pending *p)
{
	free(LIST_ENTRY(p, struct storing, p));
}

static void
on_stored(void *arg, int rc, const struct err *e)
{
	AUTO_FREE struct storing *s = arg;
	struct hosts *hs = pending_end(&s->p);
	struct host_rec *rec = rec_find(hs, s->host);

	if (!rec)
		return;
	rec->health_storing = false;
	if (!rc)
		return;
	rec->health_new = true;
	log_warn("hosts", "the health of host \"%s\" is not stored yet: %s",
	    inv_name(hs->inv, s->host), e->msg);
}

void
host_health_update(struct host_rec *rec)
{
	struct hosts *hs = rec->hs;
	const struct host *row = inv_host(hs->inv, rec->id);

	if (!row || !rec->health_new || rec->health_storing)
		return;
	AUTO(json)
	json *conditions = conditions_json(
	    rec->health, row->health_conditions, clock_wall_ms(loop_clock(hs->loop)));
	AUTO(json) json *sources = sources_json(rec->health);
	enum host_health is = worst(rec->health), was = row->health;

	rec->health_new = false;
	if (is == was && row->health_conditions && row->health_sources &&
	    json_same(row->health_conditions, conditions) &&
	    json_same(row->health_sources, sources))
		return;
	struct txn *t = txn_new(hs->inv);
	struct host *edit = txn_edit(t, rec->id);
	edit->health = is;
	json_free(edit->health_conditions);
	edit->health_conditions = MOVE(conditions);
	json_free(edit->health_sources);
	edit->health_sources = MOVE(sources);
	add_event(t, edit, was);
	struct storing *s = xcalloc(1, sizeof(*s));
	s->host = rec->id;
	rec->health_storing = true;
	pending_add(hs, &s->p, drop_storing);
	txn_commit(t, on_stored, s);
}
