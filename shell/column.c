/*
 * column: which columns there are and what stands in them (see print.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/print.h"

#define MAX_TABLE_PROPERTIES 4
#define COMMAS               0x100

/* A row without a header starts the view of the type that it names. */
static const struct view_row {
	const char *type, *header, *property;
	int width;
	enum align align;
	int decimals;
} views[] = {

#define VIEW(type) { #type, NULL, NULL, 0, ALIGN_AUTO, 0 },
#define COLUMN(header, property, width, align, decimals) \
	{ NULL, header, property, width, ALIGN_##align, decimals },
#define END
#include "shell/view.def"
#undef VIEW
#undef COLUMN
#undef END
};

void
columns_free(struct columns *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].header);
		free(c->v[i].format);
		val_free(c->v[i].from);
	}
	free(c->v);
	*c = (struct columns){ 0 };
}

static struct column *
add(struct columns *c, const char *header, struct val from_take)
{
	c->v = xreallocarray(c->v, c->n + 1, sizeof(*c->v));
	c->v[c->n] = (struct column){
		.header = xstrdup(header), .from = from_take, .decimals = -1
	};
	return &c->v[c->n++];
}

static void
add_view_row(struct columns *c, const struct view_row *r)
{
	struct column *col = add(c, r->header, val_text(r->property));

	col->width = r->width;
	col->align = r->align;
	col->commas = r->decimals > 0 && (r->decimals & COMMAS);
	col->decimals = r->decimals < 0 ? -1 : r->decimals & 0xff;
}

void
columns_default(struct val sample, struct columns *ret_cols, bool *ret_list)
{
	bool mine = false;

	*ret_cols = (struct columns){ 0 };
	*ret_list = false;
	for (size_t i = 0; i < ARRAY_SIZE(views); i++) {
		if (views[i].type)
			mine = !strcmp(views[i].type, val_type_name(sample));
		else if (mine)
			add_view_row(ret_cols, &views[i]);
	}
	if (ret_cols->n || sample.type != VAL_TABLE)
		return;
	*ret_list = sample.table->n > MAX_TABLE_PROPERTIES;
	for (size_t i = 0; i < sample.table->n; i++)
		add(ret_cols, sample.table->m[i].key, val_text(sample.table->m[i].key));
}

static const struct val *
either(const struct table *t, const char *const names[])
{
	for (size_t i = 0; names[i]; i++)
		if (table_get(t, names[i]))
			return table_get(t, names[i]);
	return NULL;
}

/* @{Name=…; Expression=…; Width=…; Align=…; Format=…} */
static enum run
add_calculated(struct shell *sh, const struct table *t, struct columns *c)
{
	static const char *const name_keys[] = { "Name", "N", "Label", "L", NULL };
	static const char *const expr_keys[] = { "Expression", "E", NULL };
	static const char *const format_keys[] = { "FormatString", "Format", "F",
		NULL };
	const struct val *expr = either(t, expr_keys), *name = either(t, name_keys);
	const struct val *format = either(t, format_keys),
			 *width = table_get(t, "Width");
	const struct val *align =
	    either(t, (const char *const[]){ "Align", "Alignment", "A", NULL });
	int64_t w = 0;

	if (!expr || (expr->type != VAL_BLOCK && expr->type != VAL_TEXT))
		return throw_new(sh, NULL, ERR_INVALID,
		    "a calculated property wants Name and Expression (a block or a property's name)");
	AUTO_FREE char *header = val_cstr(name ? *name : *expr);
	struct column *col = add(c, header, val_ref(*expr));
	if (format)
		col->format = val_cstr(*format);
	if (width && val_to_int(*width, &w) && w > 0 && w < 1000)
		col->width = (int)w;
	AUTO_FREE char *a = val_cstr(align ? *align : VAL_NONE);
	if (*a)
		col->align = !strcasecmp(a, "Right") ? ALIGN_RIGHT : ALIGN_LEFT;
	return RUN_OK;
}

static void
add_matching(const char *pattern, struct val sample, struct columns *c)
{
	if (!strpbrk(pattern, "*?[")) {
		/* The property's own spelling makes the header. */
		const char *header = pattern;
		for (size_t i = 0; sample.type == VAL_TABLE && i < sample.table->n; i++)
			if (!strcasecmp(sample.table->m[i].key, pattern))
				header = sample.table->m[i].key;
		add(c, header, val_text(pattern));
		return;
	}
	for (size_t i = 0; sample.type == VAL_TABLE && i < sample.table->n; i++)
		if (wild_match(pattern, sample.table->m[i].key))
			add(c, sample.table->m[i].key,
			    val_text(sample.table->m[i].key));
}

enum run
columns_from(
    struct shell *sh, struct val how, struct val sample, struct columns *ret_cols)
{
	struct columns c = { 0 };
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(how) && rc == RUN_OK; i++) {
		struct val v = val_at(how, i);
		if (v.type == VAL_TABLE) {
			rc = add_calculated(sh, v.table, &c);
		} else if (v.type == VAL_BLOCK) {
			add(&c, "Expression", val_ref(v));
		} else {
			AUTO_FREE char *s = val_cstr(v);
			add_matching(s, sample, &c);
		}
	}
	if (rc == RUN_OK)
		*ret_cols = c;
	else
		columns_free(&c);
	return rc;
}

struct val
column_value(struct shell *sh, const struct column *c, struct val object)
{
	struct val v = VAL_NONE, outer = sh->it;

	if (c->from.type == VAL_TEXT)
		return member_get(object, c->from.text->s);
	sh->it = val_ref(object);
	/* As in PowerShell, a failing calculation leaves its cell empty. */
	if (call_block(sh, c->from, &v) != RUN_OK) {
		val_set(&sh->thrown, VAL_NONE);
		sh->fatal = false;
		v = VAL_NONE;
	}
	val_set(&sh->it, outer);
	return v;
}
