/*
 * cmd_select: Select-Object, Tee-Object, Get-Unique, New-Object.
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/print.h"

struct select {
	int64_t seen, out;
	struct val last;  /* objects kept back for -Last */
	struct val known; /* put out already, for -Unique */
	struct columns cols;
	bool has_cols;
};

static enum run
select_begin(struct stage *st)
{
	struct select *s = st->state;

	s->last = val_list();
	s->known = val_list();
	return RUN_OK;
}

static bool
excluded(const struct stage *st, const char *name)
{
	struct val list = get_arg(st, "ExcludeProperty");

	for (size_t i = 0; i < val_count(list); i++) {
		AUTO_FREE char *pattern = val_cstr(val_at(list, i));
		if (wild_match(pattern, name))
			return true;
	}
	return false;
}

static enum run
project(struct stage *st, struct val v, struct val *ret_v)
{
	struct select *s = st->state;
	AUTO(val) struct val all = val_text("*");
	struct val how = has_arg(st, "Property") ? get_arg(st, "Property") : all;

	if (!has_arg(st, "Property") && !has_arg(st, "ExcludeProperty")) {
		*ret_v = val_ref(v);
		return RUN_OK;
	}
	columns_free(&s->cols);
	enum run rc = columns_from(st->sh, how, v, &s->cols);
	if (rc != RUN_OK)
		return rc;
	struct val r = val_table(TABLE_RECORD, "PSCustomObject");
	for (size_t i = 0; i < s->cols.n; i++)
		if (!excluded(st, s->cols.v[i].header))
			table_set(r.table, s->cols.v[i].header,
			    column_value(st->sh, &s->cols.v[i], v));
	*ret_v = r;
	return RUN_OK;
}

static bool
same_record(struct val a, struct val b)
{
	if (a.type != VAL_TABLE || b.type != VAL_TABLE || record_id(a))
		return val_equal(a, b, true);
	if (a.table->n != b.table->n)
		return false;
	for (size_t i = 0; i < a.table->n; i++) {
		const struct val *o = table_get(b.table, a.table->m[i].key);
		if (!o || !val_equal(a.table->m[i].v, *o, true))
			return false;
	}
	return true;
}

static bool
is_known(struct select *s, struct val v)
{
	for (size_t i = 0; i < s->known.list->n; i++)
		if (same_record(s->known.list->v[i], v))
			return true;
	list_push(s->known.list, val_ref(v));
	return false;
}

static enum run
put_selected(struct stage *st, struct val v)
{
	struct select *s = st->state;
	struct val r = VAL_NONE;
	enum run rc = project(st, v, &r);

	if (rc != RUN_OK)
		return rc;
	if (get_switch(st, "Unique") && is_known(s, r)) {
		val_free(r);
		return RUN_OK;
	}
	s->out++;
	const char *expand = get_text(st, "ExpandProperty");
	if (expand) {
		struct val m = member_get(v, expand);
		val_free(r);
		rc = put_each(st->out, m);
		val_free(m);
	} else {
		rc = put(st, r);
	}
	if (rc == RUN_OK && has_arg(st, "First") && !has_arg(st, "Last") &&
	    s->out >= get_int(st, "First", 0))
		return stage_stop(st);
	return rc;
}

static bool
at_index(const struct stage *st, int64_t at)
{
	struct val list = get_arg(st, "Index");

	for (size_t i = 0; i < val_count(list); i++)
		if (val_at(list, i).type == VAL_INT && val_at(list, i).i == at)
			return true;
	return false;
}

static enum run
select_process(struct stage *st, struct val v)
{
	struct select *s = st->state;
	int64_t at = s->seen++;

	if (!st->has_input)
		return RUN_OK;
	if (has_arg(st, "First") && get_int(st, "First", 0) <= 0)
		return stage_stop(st);
	if (has_arg(st, "Last")) {
		list_push(s->last.list, val_ref(v));
		return RUN_OK;
	}
	if (at < get_int(st, "Skip", 0) || (has_arg(st, "Index") && !at_index(st, at)))
		return RUN_OK;
	return put_selected(st, v);
}

static enum run
select_end(struct stage *st)
{
	struct select *s = st->state;
	int64_t n = (int64_t)s->last.list->n - get_int(st, "Skip", 0);
	int64_t from = n - get_int(st, "Last", 0);
	enum run rc = RUN_OK;

	for (int64_t i = from > 0 ? from : 0; i < n && rc == RUN_OK; i++)
		rc = put_selected(st, s->last.list->v[i]);
	return rc;
}

static void
select_fini(struct stage *st)
{
	struct select *s = st->state;

	val_free(s->last);
	val_free(s->known);
	columns_free(&s->cols);
}

const struct cmd_ops ops_select = { sizeof(struct select), select_begin, select_process,
	select_end, select_fini };

static enum run
tee_begin(struct stage *st)
{
	struct val *list = st->state;

	*list = val_list();
	return RUN_OK;
}

static enum run
tee_process(struct stage *st, struct val v)
{
	struct val *list = st->state;

	if (!st->has_input)
		return RUN_OK;
	list_push(list->list, val_ref(v));
	return st->out->put(st->out, v);
}

static enum run
tee_end(struct stage *st)
{
	struct val *list = st->state;
	const char *name = get_text(st, "Variable");

	if (name)
		var_set(st->sh, name, val_ref(*list));
	return RUN_OK;
}

static void
tee_fini(struct stage *st)
{
	val_free(*(struct val *)st->state);
}

const struct cmd_ops ops_tee = { sizeof(struct val), tee_begin, tee_process, tee_end,
	tee_fini };

static enum run
unique_process(struct stage *st, struct val v)
{
	struct val *before = st->state;

	if (!st->has_input || (before->type != VAL_NULL && same_record(*before, v)))
		return RUN_OK;
	val_set(before, val_ref(v));
	return st->out->put(st->out, v);
}

const struct cmd_ops ops_unique = { sizeof(struct val), NULL, unique_process, NULL,
	tee_fini };

static bool
has_equal(struct val list, struct val v)
{
	for (size_t i = 0; i < val_count(list); i++)
		if (same_record(val_at(list, i), v))
			return true;
	return false;
}

static enum run
put_side(
    struct stage *st, struct val list, struct val other, const char *mark, bool equal)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(list) && rc == RUN_OK; i++) {
		if (has_equal(other, val_at(list, i)) != equal)
			continue;
		struct val r = val_table(TABLE_RECORD, "PSCustomObject");
		table_set(r.table, "InputObject", val_ref(val_at(list, i)));
		table_set(r.table, "SideIndicator", val_text(mark));
		rc = put(st, r);
	}
	return rc;
}

static enum run
compare_process(struct stage *st, struct val v)
{
	struct val a = get_arg(st, "ReferenceObject"),
		   b = get_arg(st, "DifferenceObject");
	enum run rc = RUN_OK;

	if (get_switch(st, "IncludeEqual"))
		rc = put_side(st, a, b, "==", true);
	if (rc == RUN_OK)
		rc = put_side(st, b, a, "=>", false);
	return rc == RUN_OK ? put_side(st, a, b, "<=", false) : rc;
}

const struct cmd_ops ops_compare = { 0, NULL, compare_process, NULL, NULL };

static enum run
new_object_process(struct stage *st, struct val v)
{
	const char *type = get_text(st, "TypeName");
	struct val from = get_arg(st, "Property"), r;
	size_t n = type ? strlen(type) : 0;
	struct err e = ERR_INIT;

	if (n >= 12 && !strcasecmp(type + n - 12, "PSCredential")) {
		if (credential_make(get_arg(st, "ArgumentList"), &r, &e) < 0)
			return stage_error(st, &e, VAL_NONE);
		return put(st, r);
	}
	if (type && list_kind_of(type) != LIST_ARRAY) {
		r = val_list();
		r.list->kind = list_kind_of(type);
		return put(st, r);
	}
	if (!type || (strcasecmp(type, "pscustomobject") != 0 &&
			 strcasecmp(type, "psobject") != 0))
		return stage_fail(st, ERR_UNSUPPORTED,
		    "New-Object makes pscustomobject and PSCredential only, not \"%s\"",
		    type ? type : "");
	r = from.type == VAL_TABLE ? table_copy(from.table)
				   : val_table(TABLE_RECORD, "");
	r.table->kind = TABLE_RECORD;
	r.table->type = "PSCustomObject";
	return put(st, r);
}

const struct cmd_ops ops_new_object = { 0, NULL, new_object_process, NULL, NULL };
