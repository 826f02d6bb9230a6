#include "server/advice/advice.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/advice/advice_int.h"
#include "server/advice/engine_pick.h"

#define MAX_COUNT 100u
#define WORD_MAX  40u

struct advice *
advice_new(struct inv *inv, struct hosts *hosts)
{
	struct advice *a = xcalloc(1, sizeof(*a));

	a->inv = inv;
	a->hosts = hosts;
	a->holds = map_new_u64();
	return a;
}

void
advice_free(struct advice *a)
{
	if (!a)
		return;
	MAP_EACH(a->holds, it) {
		free(it.value);
	}
	map_free(a->holds);
	free(a);
}

/* A refusal longer than an error may be ends behind a whole reason. */
static int
refuse(const struct sched_move *m, struct err *e)
{
	static const char more[] = "; and more";
	size_t n = strlen(m->text);

	if (n < sizeof(e->msg))
		return err_set(e, m->code, "%s", m->text);
	n = sizeof(e->msg) - sizeof(more);
	while (n > 0 && strncmp(m->text + n, "; ", 2) != 0)
		n--;
	return err_set(e, m->code, "%.*s%s", (int)n, m->text, more);
}

static obj_id
where_now(const void *arg, const struct vm *vm)
{
	const struct advice *a = arg;
	const struct advice_hold *h = map_get(a->holds, vm->o.id.v);

	return h ? h->host : vm->host;
}

enum rule_verdict
advice_rules(
    const struct advice *a, const struct advice_guest *g, obj_id host, struct str *why)
{
	if (obj_id_none(g->vm))
		return RULE_FOLLOWED;
	return rules_judge(a->inv, g->vm, host, where_now, a, why);
}

static bool
is_among(const obj_id *list, size_t n, obj_id host)
{
	for (size_t i = 0; i < n; i++) {
		if (obj_id_is(list[i], host))
			return true;
	}
	return false;
}

/* The smaller, the better a host serves; 0: perfectly. */
enum { CHOICE_BENT = 1, CHOICE_AVOIDED = 2, CHOICE_NONE = 4 };

static unsigned
judge_host(
    const struct advice *a, const struct advice_guest *g, obj_id host, struct str *why)
{
	unsigned avoided = is_among(g->avoid, g->n_avoid, host) ? CHOICE_AVOIDED : 0;

	if (is_among(g->closed, g->n_closed, host)) {
		str_addf(why, "%shost \"%s\" takes none now", why->len ? "; " : "",
		    inv_name(a->inv, host));
		return CHOICE_NONE;
	}
	switch (advice_rules(a, g, host, why)) {
	case RULE_FOLLOWED:
		return avoided;
	case RULE_BENT:
		return avoided | CHOICE_BENT;
	case RULE_BROKEN:
		break;
	}
	return CHOICE_NONE;
}

/* The best host that is not to be avoided and follows every rule; failing that, one
 * that bends one, and then one to be avoided. */
static int
choose(const struct advice *a, const struct advice_guest *g, const struct sched_move *m,
    obj_id *ret_host, struct err *e)
{
	AUTO(str) struct str why = STR_INIT;
	obj_id best = OBJ_ID_NONE;
	unsigned least = CHOICE_NONE;

	for (size_t i = 0; i < m->candidate_count && m->candidates[i].fits && least;
	     i++) {
		obj_id host = obj_id_make(KIND_HOST, m->candidates[i].host);
		unsigned is = judge_host(a, g, host, &why);
		if (is < least) {
			least = is;
			best = host;
		}
	}
	if (obj_id_none(best))
		return err_set(e, ERR_NO_CAPACITY, "no host can take \"%s\": %s",
		    g->name ? g->name : "it", str_cstr(&why));
	*ret_host = best;
	return 0;
}

int
advice_find_host(
    struct advice *a, const struct advice_guest *g, obj_id *ret_host, struct err *e)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t id;
	int rc = advice_view(a, g, 1, &id, &v, e);

	if (!rc)
		rc = sched_place(v, id, SCHED_EXPLAIN, &plan, e);
	if (rc)
		return rc;
	const struct sched_move *m = &plan->moves[0];
	return m->code ? refuse(m, e) : choose(a, g, m, ret_host, e);
}

int
advice_find_asleep(
    struct advice *a, const struct advice_guest *g, obj_id *ret_host, struct err *e)
{
	struct advice_guest asleep = *g;

	asleep.is_for_asleep = true;
	return advice_find_host(a, &asleep, ret_host, e);
}

int
advice_place(struct advice *a, const struct advice_guest *g, unsigned count,
    json **ret_j, struct err *e)
{
	AUTO(sched_view) struct sched_view *v = NULL;
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t ids[MAX_COUNT];

	if (count < 1 || count > MAX_COUNT)
		return err_set(e, ERR_INVALID,
		    "count: wants a whole number between 1 and %u", MAX_COUNT);
	int rc = advice_view(a, g, count, ids, &v, e);
	if (!rc)
		rc = sched_place_many(v, ids, count, SCHED_EXPLAIN, &plan, e);
	if (!rc)
		*ret_j = advice_plan_json(a->inv, plan, g->engine);
	return rc;
}

/* An id of a kind that exists; absent leaves *ret_id alone. */
static int
read_id(const struct advice *a, const json *body, const char *name, enum obj_kind kind,
    obj_id *ret_id, struct err *e)
{
	const char *s = NULL;
	int rc = json_read_str(body, name, JSON_OPTIONAL, OBJ_ID_TEXT, &s, e);

	if (rc || !s)
		return rc;
	rc = obj_id_parse(s, kind, ret_id, e);
	if (rc)
		return err_wrap(e, "%s", name);
	if (!inv_get(a->inv, *ret_id))
		return err_set(e, ERR_NOT_FOUND, "%s: there is no %s", name, s);
	return 0;
}

/* Of a kind that is given: only hosts that can run it. */
static int
read_engine(
    const struct advice *a, const json *body, struct advice_guest *g, struct err *e)
{
	const char *word = NULL;
	int rc = json_read_str(body, "guest_type", JSON_OPTIONAL, WORD_MAX, &word, e);
	int type = word ? guest_type_parse(word) : 0;

	if (rc || !word)
		return rc;
	if (type < 0)
		return err_set(e, ERR_INVALID,
		    "guest_type: wants machine or container, got \"%s\"", word);
	return engine_of_cluster(
	    a->inv, g->cluster, (enum guest_type)type, &g->engine, e);
}

int
advice_place_request(struct advice *a, const json *body, json **ret_j, struct err *e)
{
	static const char *const known[] = { "cluster", "num_cpu", "memory_mb",
		"datastore", "network", "count", "guest_type", NULL };
	struct advice_guest g = { .name = "machine" };
	uint64_t num_cpu = 0, count = 1;
	int rc = json_only(body, known, e);

	if (!rc)
		rc = read_id(a, body, "cluster", KIND_CLUSTER, &g.cluster, e);
	if (!rc && obj_id_none(g.cluster))
		rc = err_set(e, ERR_INVALID, "cluster: is missing");
	if (!rc)
		rc = json_read_u64(body, "num_cpu", JSON_REQUIRED, 1, 128, &num_cpu, e);
	if (!rc)
		rc = json_read_u64(
		    body, "memory_mb", JSON_REQUIRED, 32, 4194304, &g.memory_mb, e);
	if (!rc)
		rc = read_id(a, body, "datastore", KIND_DATASTORE, &g.datastore, e);
	if (!rc)
		rc = read_id(a, body, "network", KIND_NETWORK, &g.network, e);
	if (!rc)
		rc = json_read_u64(
		    body, "count", JSON_OPTIONAL, 1, MAX_COUNT, &count, e);
	if (!rc)
		rc = read_engine(a, body, &g, e);
	if (rc)
		return rc;
	g.num_cpu = (uint32_t)num_cpu;
	return advice_place(a, &g, (unsigned)count, ret_j, e);
}

void
advice_hold_take(struct advice *a, const struct advice_hold *h)
{
	free(map_put(a->holds, h->vm.v, xmemdup(h, sizeof(*h))));
}

void
advice_hold_drop(struct advice *a, obj_id vm)
{
	free(map_del(a->holds, vm.v));
}

const struct advice_hold *
advice_hold_find(const struct advice *a, obj_id vm)
{
	return map_get(a->holds, vm.v);
}

void
advice_held_addresses(
    const struct advice *a, obj_id network, uint32_t **list, size_t *n)
{
	MAP_EACH(a->holds, it) {
		const struct advice_hold *h = it.value;
		if (!h->address || !obj_id_is(h->network, network))
			continue;
		*list = xreallocarray(*list, *n + 1, sizeof(**list));
		(*list)[(*n)++] = h->address;
	}
}
