#include "host-agent/engine/qemu/qemu_live.h"

#define BALLOON_PATH  "/machine/peripheral/balloon"
#define STATS_EVERY_S 2
#define MB_BYTES      UINT64_C(0x100000)

/* What the guest has not told is less than 0. */
static bool
amount(const json *stats, const char *key, uint64_t *ret)
{
	const json *j = json_get(stats, key);
	bool told = j && json_what(j) == JSON_IS_INT && json_int_value(j) >= 0;

	*ret = told ? (uint64_t)json_int_value(j) : 0;
	return told;
}

static void
on_actual(void *arg, int rc, const json *value)
{
	struct qemu_guest *q = arg;
	uint64_t bytes = 0;

	q->balloon.asked = false;
	if (!rc && value && json_what(value) == JSON_IS_OBJECT &&
	    amount(value, "actual", &bytes))
		q->balloon.seen.actual_mb = (bytes + MB_BYTES - 1) / MB_BYTES;
}

static void
on_stats(void *arg, int rc, const json *value)
{
	struct qemu_guest *q = arg;
	struct engine_balloon *b = &q->balloon.seen;
	const json *stats = NULL;
	uint64_t updated = 0;

	if (!rc && value && json_what(value) == JSON_IS_OBJECT &&
	    amount(value, "last-update", &updated) && updated)
		stats = json_get(value, "stats");
	b->tells = stats && json_what(stats) == JSON_IS_OBJECT &&
		   amount(stats, "stat-total-memory", &b->total_bytes) &&
		   amount(stats, "stat-free-memory", &b->free_bytes) &&
		   amount(stats, "stat-available-memory", &b->available_bytes);
	if (!b->tells)
		return;
	(void)amount(stats, "stat-swap-in", &b->swapped_in_bytes);
	(void)amount(stats, "stat-swap-out", &b->swapped_out_bytes);
}

static void
on_nothing(void *arg, int rc, const json *value)
{
}

static json *
property(const char *name)
{
	json *o = json_new_object();

	json_set_str(o, "path", BALLOON_PATH);
	json_set_str(o, "property", name);
	return o;
}

/* The guest is asked for its figures only where somebody wants them. */
static void
begin_stats(struct qemu_guest *q)
{
	json *o = property("guest-stats-polling-interval");

	json_set_u64(o, "value", STATS_EVERY_S);
	qmp_ask(q->qmp, "qom-set", o, on_nothing, q);
	q->balloon.polls = true;
}

void
qemu_balloon_forget(struct qemu_guest *q)
{
	q->balloon = (struct qemu_balloon){ .asked = false };
}

const struct engine_balloon *
qemu_op_balloon(struct engine_guest *g)
{
	struct qemu_guest *q = qemu_guest_of(g);

	if (!qemu_answers(q))
		return NULL;
	if (!q->balloon.polls)
		begin_stats(q);
	if (!q->balloon.asked) {
		q->balloon.asked = true;
		qmp_ask(q->qmp, "qom-get", property("guest-stats"), on_stats, q);
		qmp_ask(q->qmp, "query-balloon", NULL, on_actual, q);
	}
	return &q->balloon.seen;
}

void
qemu_op_balloon_set(struct engine_guest *g, uint64_t target_mb)
{
	struct qemu_guest *q = qemu_guest_of(g);
	json *o;

	if (!qemu_answers(q))
		return;
	o = json_new_object();
	json_set_u64(o, "value", target_mb * MB_BYTES);
	qmp_ask(q->qmp, "balloon", o, on_nothing, q);
}
