/*
 * cmd_system: variables, time, chance.
 */
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "shell/cmd.h"

static struct val
variable_record(const struct member *m)
{
	struct val r = val_table(TABLE_RECORD, "PSCustomObject");

	table_set(r.table, "Name", val_text(m->key));
	table_set(r.table, "Value", val_ref(m->v));
	return r;
}

static enum run
get_variable_process(struct stage *st, struct val v)
{
	const char *pattern = get_text(st, "Name");
	bool any = false;
	enum run rc = RUN_OK;

	for (const struct scope *s = st->sh->scope; s; s = s->up) {
		for (size_t i = 0; s->vars && i < s->vars->n && rc == RUN_OK; i++) {
			const struct member *m = &s->vars->m[i];
			if ((pattern && !wild_match(pattern, m->key)) ||
			    var_find(st->sh, m->key) != &m->v)
				continue;
			any = true;
			rc = put(st, get_switch(st, "ValueOnly") ? val_ref(m->v)
								 : variable_record(m));
		}
	}
	if (rc == RUN_OK && pattern && !any && !strpbrk(pattern, "*?["))
		return stage_fail(
		    st, ERR_NOT_FOUND, "there is no variable \"%s\"", pattern);
	return rc;
}

const struct cmd_ops ops_get_variable = { 0, NULL, get_variable_process, NULL, NULL };

static enum run
set_variable_process(struct stage *st, struct val v)
{
	struct err e = ERR_INIT;
	struct val value = val_ref(get_arg(st, "Value"));

	if (var_set_in(st->sh, get_text(st, "Scope"), get_text(st, "Name"), value, &e) <
	    0)
		return stage_error(st, &e, VAL_NONE);
	return RUN_OK;
}

const struct cmd_ops ops_set_variable = { 0, NULL, set_variable_process, NULL, NULL };

static enum run
remove_variable_process(struct stage *st, struct val v)
{
	const char *name = get_text(st, "Name");

	for (struct scope *s = st->sh->scope; s; s = s->up)
		if (s->vars && table_del(s->vars, name))
			return RUN_OK;
	return stage_fail(st, ERR_NOT_FOUND, "there is no variable \"%s\"", name);
}

const struct cmd_ops ops_remove_variable = { 0, NULL, remove_variable_process, NULL,
	NULL };

static enum run
strict_process(struct stage *st, struct val v)
{
	bool off = get_switch(st, "Off");

	if (off == has_arg(st, "Version"))
		return stage_fail(
		    st, ERR_INVALID, "Set-StrictMode wants -Version or -Off");
	st->sh->strict = !off;
	return RUN_OK;
}

const struct cmd_ops ops_strict = { 0, NULL, strict_process, NULL, NULL };

static enum run
sleep_process(struct stage *st, struct val v)
{
	struct val s = get_arg(st, "Seconds");
	double seconds = s.type == VAL_REAL ? s.d : s.type == VAL_INT ? (double)s.i : 0;
	double ms = seconds * 1000 + (double)get_int(st, "Milliseconds", 0);

	if (!(ms >= 0 && ms <= 86400e3))
		return stage_fail(
		    st, ERR_INVALID, "Start-Sleep wants 0 to 86400 seconds");
	struct timespec left = { (time_t)(ms / 1000),
		(long)((int64_t)ms % 1000 * 1000000) };
	while (nanosleep(&left, &left) < 0 && !shell_interrupted())
		;
	if (!shell_interrupted())
		return RUN_OK;
	st->sh->exit_code = 130;
	return RUN_EXIT;
}

const struct cmd_ops ops_sleep = { 0, NULL, sleep_process, NULL, NULL };

static enum run
get_date_process(struct stage *st, struct val v)
{
	struct val t = get_arg(st, "Date");
	const char *format = get_text(st, "Format");
	struct str b = STR_INIT;
	struct err e = ERR_INIT;

	if (t.type != VAL_TIME)
		t = val_time((int64_t)clock_wall_ms(clock_system()));
	if (!format)
		return put(st, t);
	if (text_format_one(&b, t, format, &e) < 0)
		return stage_error(st, &e, VAL_NONE);
	return put(st, val_from_str(&b));
}

const struct cmd_ops ops_get_date = { 0, NULL, get_date_process, NULL, NULL };

static enum run
new_timespan_process(struct stage *st, struct val v)
{
	struct val start = get_arg(st, "Start"), end = get_arg(st, "End");
	int64_t ms = 0, n;

	static const struct {
		const char *name;
		int64_t unit;
	} parts[] = { { "Days", 86400000 }, { "Hours", 3600000 }, { "Minutes", 60000 },
		{ "Seconds", 1000 } };

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		if (__builtin_mul_overflow(
			get_int(st, parts[i].name, 0), parts[i].unit, &n) ||
		    __builtin_add_overflow(ms, n, &ms))
			return stage_fail(st, ERR_INVALID, "the span is out of range");
	}
	if (start.type == VAL_TIME) {
		int64_t to = end.type == VAL_TIME
				 ? end.i
				 : (int64_t)clock_wall_ms(clock_system());
		ms = to - start.i;
	}
	return put(st, val_span(ms));
}

const struct cmd_ops ops_new_timespan = { 0, NULL, new_timespan_process, NULL, NULL };

static enum run
measure_command_process(struct stage *st, struct val v)
{
	uint64_t from = clock_mono_ms(clock_system());
	enum run rc = run_block(st->sh, get_arg(st, "Expression"), sink_null());

	if (rc != RUN_OK)
		return rc;
	return put(st, val_span((int64_t)(clock_mono_ms(clock_system()) - from)));
}

const struct cmd_ops ops_measure_command = { 0, NULL, measure_command_process, NULL,
	NULL };

struct random {
	struct val list;
};

static enum run
random_process(struct stage *st, struct val v)
{
	struct random *r = st->state;

	if (r->list.type == VAL_NULL)
		r->list = val_list();
	if (st->has_input)
		list_push(r->list.list, val_ref(v));
	return RUN_OK;
}

static enum run
random_end(struct stage *st)
{
	struct random *r = st->state;
	int64_t low = get_int(st, "Minimum", 0),
		high = get_int(st, "Maximum", INT32_MAX);
	struct rng rng;
	uint64_t seed;

	rng_secret(&seed, sizeof(seed));
	rng_seed(&rng, seed);
	if (val_count(r->list))
		return put(
		    st, val_ref(r->list.list->v[rng_below(&rng, r->list.list->n)]));
	if (high <= low)
		return stage_fail(
		    st, ERR_INVALID, "-Maximum must be greater than -Minimum");
	return put(st,
	    val_int(low + (int64_t)rng_below(&rng, (uint64_t)high - (uint64_t)low)));
}

static void
random_fini(struct stage *st)
{
	val_free(((struct random *)st->state)->list);
}

const struct cmd_ops ops_get_random = { sizeof(struct random), NULL, random_process,
	random_end, random_fini };
