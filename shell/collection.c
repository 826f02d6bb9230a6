/*
 * collection: lists that grow, as ArrayList and List[T] do (see val.h, eval.h).
 */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "shell/eval.h"

enum list_kind
list_kind_of(const char *type)
{
	size_t name = strcspn(type, "[");
	const char *from = type;

	for (size_t i = 0; i < name; i++)
		if (type[i] == '.')
			from = type + i + 1;
	name -= (size_t)(from - type);
	if (name == 9 && !strncasecmp(from, "ArrayList", name) && !from[name])
		return LIST_ARRAYLIST;
	if (name == 4 && !strncasecmp(from, "List", name) && from[name] == '[')
		return LIST_TYPED;
	return LIST_ARRAY;
}

struct val
val_steady(struct val v)
{
	struct val now;

	if (v.type != VAL_LIST || v.list->kind == LIST_ARRAY)
		return val_ref(v);
	now = val_list();
	for (size_t i = 0; i < v.list->n; i++)
		list_push(now.list, val_ref(v.list->v[i]));
	return now;
}

bool
val_holds(struct val v, const struct items *l)
{
	size_t n = 0, cap = 0;
	struct val *open = NULL;
	bool is = v.type == VAL_LIST && v.list == l;

	/* Lists may be deeper than the stack. */
	while (v.type == VAL_LIST && !is) {
		for (size_t i = 0; i < v.list->n && !is; i++) {
			struct val one = v.list->v[i];
			if (one.type != VAL_LIST)
				continue;
			is = one.list == l;
			if (n == cap) {
				cap = cap ? cap * 2 : 16;
				open = xreallocarray(open, cap, sizeof(*open));
			}
			open[n++] = one;
		}
		v = n ? open[--n] : VAL_NONE;
	}
	free(open);
	return is;
}

static int64_t
index_of(const struct items *l, struct val want)
{
	for (size_t i = 0; i < l->n; i++)
		if (val_equal(l->v[i], want, false))
			return (int64_t)i;
	return -1;
}

static void
remove_from(struct items *l, size_t at, size_t n)
{
	/* Nothing of the list is left dangling while its elements are let go. */
	for (; n; n--) {
		struct val gone = l->v[at];
		memmove(&l->v[at], &l->v[at + 1], (l->n - at - 1) * sizeof(*l->v));
		l->n--;
		val_free(gone);
	}
}

static void
insert(struct items *l, size_t at, struct val v_take)
{
	list_push(l, VAL_NONE);
	memmove(&l->v[at + 1], &l->v[at], (l->n - 1 - at) * sizeof(*l->v));
	l->v[at] = v_take;
}

static void
reverse(struct items *l)
{
	for (size_t i = 0; i < l->n / 2; i++) {
		struct val other = l->v[l->n - 1 - i];
		l->v[l->n - 1 - i] = l->v[i];
		l->v[i] = other;
	}
}

static int
compare(const void *a, const void *b)
{
	return val_order(*(const struct val *)a, *(const struct val *)b, false);
}

/* An index from 0 up to and with most. */
static int
place_of(struct val args, size_t i, size_t most, size_t *ret_at, struct err *e)
{
	int64_t at = -1;

	if (val_count(args) <= i || !val_to_int(val_at(args, i), &at) || at < 0 ||
	    (size_t)at > most)
		return err_set(
		    e, ERR_INVALID, "the index is not between 0 and %zu", most);
	*ret_at = (size_t)at;
	return 0;
}

enum change {
	ADD,
	ADD_RANGE,
	INSERT,
	REMOVE,
	REMOVE_AT,
	REMOVE_RANGE,
	CLEAR,
	REVERSE,
	SORT
};

static const struct {
	const char *name;
	enum change change;
	size_t args;
} changes[] = {
	{ "Add", ADD, 1 },
	{ "AddRange", ADD_RANGE, 1 },
	{ "Insert", INSERT, 2 },
	{ "Remove", REMOVE, 1 },
	{ "RemoveAt", REMOVE_AT, 1 },
	{ "RemoveRange", REMOVE_RANGE, 2 },
	{ "Clear", CLEAR, 0 },
	{ "Reverse", REVERSE, 0 },
	{ "Sort", SORT, 0 },
};

static int
remove_some(struct items *l, enum change how, struct val args, struct err *e)
{
	size_t at = 0, n = 1;

	if (!l->n)
		return err_set(e, ERR_INVALID, "the list is empty");
	if (place_of(args, 0, l->n - 1, &at, e) < 0)
		return e->code;
	if (how == REMOVE_RANGE && place_of(args, 1, l->n - at, &n, e) < 0)
		return e->code;
	remove_from(l, at, n);
	return 0;
}

static int
add_some(
    struct items *l, enum change how, struct val args, struct val *ret_v, struct err *e)
{
	struct val v = val_at(args, how == INSERT ? 1 : 0);
	size_t at = l->n, n = how == ADD_RANGE ? val_count(v) : 1;

	if (val_holds(v, l) && !(how == ADD_RANGE && v.list == l))
		return err_set(e, ERR_INVALID, "a list cannot hold itself");
	if (how == INSERT && place_of(args, 0, l->n, &at, e) < 0)
		return e->code;
	for (size_t i = 0; i < n; i++)
		insert(l, at + i, val_ref(how == ADD_RANGE ? val_at(v, i) : v));
	if (how == ADD && l->kind == LIST_ARRAYLIST)
		*ret_v = val_int((int64_t)at);
	return 0;
}

static int
change_list(
    struct items *l, enum change how, struct val args, struct val *ret_v, struct err *e)
{
	int64_t at;

	switch (how) {
	case ADD:
	case ADD_RANGE:
	case INSERT:
		return add_some(l, how, args, ret_v, e);
	case REMOVE_AT:
	case REMOVE_RANGE:
		return remove_some(l, how, args, e);
	case REMOVE:
		at = index_of(l, val_at(args, 0));
		if (at >= 0)
			remove_from(l, (size_t)at, 1);
		if (l->kind == LIST_TYPED)
			*ret_v = val_bool(at >= 0);
		return 0;
	case CLEAR:
		remove_from(l, 0, l->n);
		return 0;
	case REVERSE:
		reverse(l);
		return 0;
	case SORT:
		if (l->n)
			qsort(l->v, l->n, sizeof(*l->v), compare);
		return 0;
	}
	return 0;
}

int
list_method(struct items *l, const char *name, struct val args, struct val *ret_v,
    struct err *e)
{
	struct val want = val_count(args) ? val_at(args, 0) : VAL_NONE;

	*ret_v = VAL_NONE;
	if (!strcasecmp(name, "Contains")) {
		*ret_v = val_bool(index_of(l, want) >= 0);
		return 0;
	}
	if (!strcasecmp(name, "IndexOf")) {
		*ret_v = val_int(index_of(l, want));
		return 0;
	}
	if (!strcasecmp(name, "ToArray")) {
		struct val all = { .type = VAL_LIST, .list = l };
		*ret_v = l->kind == LIST_ARRAY ? val_ref(all) : val_steady(all);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		if (strcasecmp(name, changes[i].name) != 0)
			continue;
		if (l->kind == LIST_ARRAY)
			return err_set(e, ERR_UNSUPPORTED,
			    "an array keeps its size; += makes another, and "
			    "[System.Collections.ArrayList] grows");
		if (val_count(args) < changes[i].args)
			return err_set(e, ERR_INVALID, "%s wants %zu values",
			    changes[i].name, changes[i].args);
		return change_list(l, changes[i].change, args, ret_v, e);
	}
	return ERR_NOT_FOUND;
}
