#include "server/export/push.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "server/export/push_link.h"
#include "server/export/push_text.h"
#include "server/inventory/inv_life.h"
#include "server/stats/stats.h"

#define PUSH_MAGIC    0x70757368u
#define MS_PER_S      UINT64_C(1000)
#define OBJECTS_A_RUN 200u
#define BATCH_BYTES   65536u
#define TARGETS       2u
#define TOKEN_MAX     512u

static const enum obj_kind kinds[] = { KIND_HOST, KIND_VM, KIND_DATASTORE, KIND_POOL,
	KIND_CLUSTER };

static const char *const names[TARGETS] = { "graphite", "influx" };

struct push {
	uint32_t magic;
	struct inv *inv;
	struct stats *stats;
	char *prefix;
	struct push_link *links[TARGETS]; /* NULL: not wanted */
	struct str text[TARGETS];
	size_t samples[TARGETS]; /* in text */
	struct timer *step;
	struct timer *soon;
	uint64_t slot; /* that is being sent */
	size_t kind;   /* where it stands in kinds */
	obj_id after;
};

static void
flush(struct push *p, size_t at_least)
{
	for (size_t i = 0; i < TARGETS; i++) {
		size_t n = p->text[i].len;

		if (!p->links[i] || !n || n < at_least)
			continue;
		push_link_send(p->links[i], str_take(&p->text[i]), n, p->samples[i]);
		p->samples[i] = 0;
	}
}

static void
tell(struct push *p, const struct obj *o)
{
	uint8_t numbers[METRIC_MAX];
	size_t n = metrics_of(stats_objects_of(p->inv, o->id), numbers);
	struct push_sample samples[METRIC_MAX];
	char id[OBJ_ID_TEXT];
	struct push_object to = {
		.kind = kind_plural(obj_id_kind(o->id)),
		.id = obj_id_text(o->id, id),
		.name = o->name,
		.at_s = p->slot * stats_step_s(p->stats),
		.samples = samples,
	};

	for (size_t i = 0; i < n; i++) {
		float v = stats_at(p->stats, o->id, p->slot, numbers[i]);

		if (!isnan(v))
			samples[to.n++] =
			    (struct push_sample){ metric_at(numbers[i]), v };
	}
	if (p->links[PUSH_GRAPHITE])
		push_text_graphite(p->prefix, &to, &p->text[PUSH_GRAPHITE]);
	if (p->links[PUSH_INFLUX])
		push_text_influx(&to, &p->text[PUSH_INFLUX]);
	for (size_t i = 0; i < TARGETS; i++)
		p->samples[i] += to.n;
	flush(p, BATCH_BYTES);
}

/* Some more of the step's objects. */
static void
on_soon(void *arg)
{
	struct push *p = CAST_OBJ(push, arg, PUSH_MAGIC);

	for (unsigned n = 0; n < OBJECTS_A_RUN && p->kind < ARRAY_SIZE(kinds);) {
		const struct obj *o = inv_next(p->inv, kinds[p->kind], p->after);

		if (!o) {
			p->kind++;
			p->after = OBJ_ID_NONE;
			continue;
		}
		tell(p, o);
		p->after = o->id;
		n++;
	}
	if (p->kind < ARRAY_SIZE(kinds))
		timer_after(p->soon, 0);
	else
		flush(p, 0);
}

/* When agents have sent what was due, and pools and clusters are summed up. */
static void
arm(struct push *p)
{
	uint64_t step_ms = stats_step_s(p->stats) * MS_PER_S;
	uint64_t into_ms = clock_wall_ms(loop_clock(inv_loop(p->inv))) % step_ms;
	uint64_t at_ms = step_ms * 3 / 4;

	timer_after(
	    p->step, into_ms < at_ms ? at_ms - into_ms : step_ms + at_ms - into_ms);
}

static void
on_step(void *arg)
{
	struct push *p = CAST_OBJ(push, arg, PUSH_MAGIC);

	flush(p, 0);
	p->slot = clock_wall_ms(loop_clock(inv_loop(p->inv))) /
		  (stats_step_s(p->stats) * MS_PER_S);
	p->kind = 0;
	p->after = OBJ_ID_NONE;
	on_soon(p);
	arm(p);
}

static int
read_token(const char *path, char ret[TOKEN_MAX], struct err *e)
{
	FILE *f = *path ? fopen(path, "re") : NULL;

	ret[0] = 0;
	if (!*path)
		return 0;
	if (!f)
		return err_sys(
		    e, ERR_IO, errno, "push.influx_token_file: cannot read %s", path);
	bool read = fgets(ret, TOKEN_MAX, f) != NULL;
	fclose(f);
	ret[strcspn(ret, "\r\n")] = 0;
	if (!read || !*ret)
		return err_set(
		    e, ERR_INVALID, "push.influx_token_file: %s is empty", path);
	return 0;
}

static int
add_target(struct push *p, enum push_kind kind, const char *token,
    const struct push_opts *o, struct err *e)
{
	const char *text = kind == PUSH_GRAPHITE ? o->graphite : o->influx;
	struct push_address a;
	int rc;

	if (!*text)
		return 0;
	rc = push_address_parse(kind, text, &a, e);
	if (rc)
		return err_wrap(e, "push.%s", names[kind]);
	p->links[kind] = push_link_new(inv_loop(p->inv), &a, token, o->influx_ca);
	return 0;
}

int
push_new(const struct push_opts *o, struct push **ret, struct err *e)
{
	char token[TOKEN_MAX];
	int rc = read_token(o->influx_token_file, token, e);

	*ret = NULL;
	if (rc || (!*o->graphite && !*o->influx))
		return rc;
	struct push *p = xcalloc(1, sizeof(*p));
	p->magic = PUSH_MAGIC;
	p->inv = o->inv;
	p->stats = o->stats;
	p->prefix = xstrdup(o->graphite_prefix);
	p->step = timer_new(inv_loop(o->inv), on_step, p);
	p->soon = timer_new(inv_loop(o->inv), on_soon, p);
	rc = add_target(p, PUSH_GRAPHITE, "", o, e);
	if (!rc)
		rc = add_target(p, PUSH_INFLUX, token, o, e);
	if (rc) {
		push_free(p);
		return rc;
	}
	arm(p);
	*ret = p;
	return 0;
}

void
push_free(struct push *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < TARGETS; i++) {
		push_link_free(p->links[i]);
		str_fini(&p->text[i]);
	}
	timer_free(p->step);
	timer_free(p->soon);
	free(p->prefix);
	p->magic = 0;
	free(p);
}

size_t
push_counts(const struct push *p, struct push_count ret[2])
{
	size_t n = 0;

	for (size_t i = 0; p && i < TARGETS; i++) {
		if (p->links[i])
			ret[n++] =
			    (struct push_count){ names[i], push_link_sent(p->links[i]),
				    push_link_dropped(p->links[i]) };
	}
	return n;
}
