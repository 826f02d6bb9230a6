/*
 * cmd_sort: Sort-Object, Group-Object, Measure-Object.
 */
#include <math.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/print.h"

/* All input, kept until the end. */
struct kept {
	struct val list;
};

static enum run
keep_begin(struct stage *st)
{
	struct kept *k = st->state;

	k->list = val_list();
	return RUN_OK;
}

static enum run
keep_process(struct stage *st, struct val v)
{
	struct kept *k = st->state;

	if (st->has_input)
		list_push(k->list.list, val_ref(v));
	return RUN_OK;
}

static void
keep_fini(struct stage *st)
{
	struct kept *k = st->state;

	val_free(k->list);
}

#define MAX_KEYS 8

struct sort_key {
	struct val from; /* property or block; null: the object */
	bool descending;
};

struct sort_row {
	struct val v, key[MAX_KEYS];
	size_t at;
	const struct sort_order *order;
};

struct sort_order {
	struct sort_key key[MAX_KEYS];
	size_t n;
	bool exact;
};

static void
order_from(const struct stage *st, struct sort_order *o)
{
	struct val how = get_arg(st, "Property");
	bool descending = get_switch(st, "Descending");

	o->exact = get_switch(st, "CaseSensitive");
	o->n = 0;
	for (size_t i = 0; i < val_count(how) && o->n < MAX_KEYS; i++) {
		struct sort_key k = { val_at(how, i), descending };
		if (k.from.type == VAL_TABLE) {
			const struct val *d = table_get(k.from.table, "Descending");
			const struct val *x = table_get(k.from.table, "Expression");
			if (!x)
				x = table_get(k.from.table, "E");
			k.descending = d ? val_truth(*d) : descending;
			k.from = x ? *x : VAL_NONE;
		}
		o->key[o->n++] = k;
	}
	if (!o->n)
		o->key[o->n++] = (struct sort_key){ VAL_NONE, descending };
}

static enum run
key_value(struct stage *st, struct val from, struct val v, struct val *ret_key)
{
	if (from.type == VAL_NULL) {
		*ret_key = val_ref(v);
		return RUN_OK;
	}
	if (from.type == VAL_BLOCK)
		return call_block_on(st->sh, from, v, ret_key);
	AUTO_FREE char *name = val_cstr(from);
	*ret_key = member_get(v, name);
	return RUN_OK;
}

static int
compare_rows(const void *a, const void *b)
{
	const struct sort_row *x = a, *y = b;

	for (size_t i = 0; i < x->order->n; i++) {
		int n = val_order(x->key[i], y->key[i], x->order->exact);
		if (n)
			return x->order->key[i].descending ? -n : n;
	}
	return x->at < y->at ? -1 : x->at > y->at;
}

static bool
same_keys(const struct sort_row *a, const struct sort_row *b)
{
	for (size_t i = 0; i < a->order->n; i++)
		if (val_order(a->key[i], b->key[i], a->order->exact) != 0)
			return false;
	return true;
}

static enum run
put_sorted(struct stage *st, const struct sort_row *rows, size_t n)
{
	int64_t left = has_arg(st, "Top") ? get_int(st, "Top", 0) : INT64_MAX;
	bool unique = get_switch(st, "Unique");
	enum run rc = RUN_OK;

	for (size_t i = 0; i < n && left > 0 && rc == RUN_OK; i++) {
		if (unique && i && same_keys(&rows[i - 1], &rows[i]))
			continue;
		rc = st->out->put(st->out, rows[i].v);
		left--;
	}
	return rc;
}

static enum run
sort_end(struct stage *st)
{
	const struct kept *k = st->state;
	size_t n = k->list.list->n;
	struct sort_row *rows = xcalloc(n + 1, sizeof(*rows));
	struct sort_order order;
	enum run rc = RUN_OK;

	order_from(st, &order);
	for (size_t i = 0; i < n && rc == RUN_OK; i++) {
		rows[i].v = k->list.list->v[i];
		rows[i].at = i;
		rows[i].order = &order;
		for (size_t x = 0; x < order.n && rc == RUN_OK; x++)
			rc = key_value(
			    st, order.key[x].from, rows[i].v, &rows[i].key[x]);
	}
	if (rc == RUN_OK) {
		qsort(rows, n, sizeof(*rows), compare_rows);
		rc = put_sorted(st, rows, n);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t x = 0; x < order.n; x++)
			val_free(rows[i].key[x]);
	free(rows);
	return rc;
}

const struct cmd_ops ops_sort = { sizeof(struct kept), keep_begin, keep_process,
	sort_end, keep_fini };

/* The text that names the group of v. */
static enum run
group_name(struct stage *st, struct val v, struct val *ret_name)
{
	struct val how = get_arg(st, "Property");
	struct str b = STR_INIT;
	size_t n = val_count(how) ? val_count(how) : 1;

	for (size_t i = 0; i < n; i++) {
		struct val from = val_count(how) ? val_at(how, i) : VAL_NONE,
			   key = VAL_NONE;
		if (from.type == VAL_TABLE) {
			const struct val *x = table_get(from.table, "Expression");
			from = x ? *x : VAL_NONE;
		}
		enum run rc = key_value(st, from, v, &key);
		if (rc != RUN_OK) {
			str_fini(&b);
			return rc;
		}
		str_add(&b, i ? ", " : "");
		val_add_text(&b, key);
		val_free(key);
	}
	*ret_name = val_from_str(&b);
	return RUN_OK;
}

static enum run
put_groups(struct stage *st, struct val groups)
{
	enum run rc = RUN_OK;

	if (get_switch(st, "AsHashTable"))
		return st->out->put(st->out, groups);
	for (size_t i = 0; i < groups.table->n && rc == RUN_OK; i++) {
		struct val r = val_table(TABLE_RECORD,
		    get_switch(st, "NoElement") ? "GroupInfoNoElement" : "GroupInfo");
		struct val members = groups.table->m[i].v;
		table_set(r.table, "Count", val_int((int64_t)members.list->n));
		table_set(r.table, "Name", val_text(groups.table->m[i].key));
		if (!get_switch(st, "NoElement"))
			table_set(r.table, "Group", val_ref(members));
		rc = put(st, r);
	}
	return rc;
}

static enum run
group_end(struct stage *st)
{
	const struct kept *k = st->state;
	AUTO(val) struct val groups = val_table(TABLE_HASH, "Hashtable");

	for (size_t i = 0; i < k->list.list->n; i++) {
		struct val name = VAL_NONE;
		enum run rc = group_name(st, k->list.list->v[i], &name);
		if (rc != RUN_OK)
			return rc;
		struct val *members = table_get(groups.table, name.text->s);
		if (!members) {
			table_set(groups.table, name.text->s, val_list());
			members = table_get(groups.table, name.text->s);
		}
		list_push(members->list, val_ref(k->list.list->v[i]));
		val_free(name);
	}
	return put_groups(st, groups);
}

const struct cmd_ops ops_group = { sizeof(struct kept), keep_begin, keep_process,
	group_end, keep_fini };

struct measured {
	int64_t count;
	double sum;
	struct val max, min;
	bool whole; /* only ints so far */
	int64_t isum;
};

static enum run
measure_one(struct stage *st, struct measured *m, struct val v)
{
	bool numbers = get_switch(st, "Sum") || get_switch(st, "Average");
	struct val n = val_int(0);

	m->count++;
	if (numbers && !val_to_number(v, &n)) {
		AUTO_FREE char *s = val_cstr(v);
		m->count--;
		return stage_fail(st, ERR_INVALID, "\"%.60s\" is no number", s);
	}
	if (n.type == VAL_REAL || __builtin_add_overflow(m->isum, n.i, &m->isum))
		m->whole = false;
	m->sum += n.type == VAL_REAL ? n.d : (double)n.i;
	if (m->max.type == VAL_NULL || val_order(v, m->max, false) > 0)
		val_set(&m->max, val_ref(v));
	if (m->min.type == VAL_NULL || val_order(v, m->min, false) < 0)
		val_set(&m->min, val_ref(v));
	return RUN_OK;
}

static enum run
put_measured(struct stage *st, const struct measured *m, const char *property)
{
	struct val r = val_table(TABLE_RECORD, "MeasureInfo");

	table_set(r.table, "Count", val_int(m->count));
	table_set(r.table, "Average",
	    get_switch(st, "Average") && m->count ? val_real(m->sum / (double)m->count)
						  : VAL_NONE);
	table_set(r.table, "Sum",
	    !get_switch(st, "Sum") ? VAL_NONE
	    : m->whole             ? val_int(m->isum)
				   : val_real(m->sum));
	table_set(
	    r.table, "Maximum", get_switch(st, "Maximum") ? val_ref(m->max) : VAL_NONE);
	table_set(
	    r.table, "Minimum", get_switch(st, "Minimum") ? val_ref(m->min) : VAL_NONE);
	table_set(r.table, "Property", val_text(property));
	return put(st, r);
}

struct measure {
	struct measured one[MAX_KEYS];
	size_t n;
};

static enum run
measure_begin(struct stage *st)
{
	struct measure *m = st->state;
	size_t n = val_count(get_arg(st, "Property"));

	m->n = n > MAX_KEYS ? MAX_KEYS : n ? n : 1;
	for (size_t i = 0; i < m->n; i++)
		m->one[i].whole = true;
	return RUN_OK;
}

static enum run
measure_process(struct stage *st, struct val v)
{
	struct measure *m = st->state;
	struct val names = get_arg(st, "Property");
	enum run rc = RUN_OK;

	if (!st->has_input)
		return RUN_OK;
	if (!val_count(names))
		return measure_one(st, &m->one[0], v);
	for (size_t i = 0; i < m->n && rc == RUN_OK; i++) {
		struct val part = member_get(v, val_at(names, i).text->s);
		if (part.type != VAL_NULL)
			rc = measure_one(st, &m->one[i], part);
		val_free(part);
	}
	return rc;
}

static enum run
measure_end(struct stage *st)
{
	const struct measure *m = st->state;
	struct val names = get_arg(st, "Property");
	enum run rc = RUN_OK;

	for (size_t i = 0; i < m->n && rc == RUN_OK; i++)
		rc = put_measured(
		    st, &m->one[i], val_count(names) ? val_at(names, i).text->s : NULL);
	return rc;
}

static void
measure_fini(struct stage *st)
{
	struct measure *m = st->state;

	for (size_t i = 0; i < MAX_KEYS; i++) {
		val_free(m->one[i].max);
		val_free(m->one[i].min);
	}
}

const struct cmd_ops ops_measure = { sizeof(struct measure), measure_begin,
	measure_process, measure_end, measure_fini };
