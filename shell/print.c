#include "shell/print.h"

#include <ctype.h>
#include <string.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/mem.h"
#include "shell/data.h"
#include "shell/date.h"

/* Rows are kept back so long, or until there are so many, to find the columns' widths.
 */
#define WAIT_MS      300
#define WAIT_ROWS    100
#define MAX_NESTED   100 /* lists in lists that are laid out one by one */
#define MAX_ELEMENTS 4   /* of a collection in a cell */

int
text_cells(const char *s)
{
	int cells = 0;

	while (*s) {
		wchar_t wide = 0;
		mbstate_t st = { 0 };
		size_t seq = utf8_seq(s, strnlen(s, 4));
		size_t n = seq > 1 ? mbrtowc(&wide, s, seq, &st) : 0;
		int w = n == seq && seq > 1 ? wcwidth(wide) : 1;
		cells += w < 0 ? 1 : w;
		s += seq ? seq : 1;
	}
	return cells;
}

static void
add_elements(struct str *b, const struct items *l, bool utf8)
{
	str_addc(b, '{');
	for (size_t i = 0; i < l->n; i++) {
		str_add(b, i ? ", " : "");
		if (i == MAX_ELEMENTS) {
			str_add(b, utf8 ? "…" : "...");
			break;
		}
		val_add_text(b, l->v[i]);
	}
	str_addc(b, '}');
}

static void
add_table_pairs(struct str *b, const struct table *t)
{
	str_addc(b, '{');
	for (size_t i = 0; i < t->n; i++)
		str_addf(b, "%s%s", i ? ", " : "", t->m[i].key);
	str_addc(b, '}');
}

static void
add_value(struct str *b, const struct column *c, struct val v, bool utf8, int decimals)
{
	char format[16];

	if (c->format && text_format_one(b, v, c->format, NULL) == 0)
		return;
	if (v.type == VAL_TIME) {
		/* Milliseconds are for programs: JSON and CSV have them. */
		date_format(b, v.i, "yyyy-MM-ddTHH:mm:sszzz");
	} else if (v.type == VAL_LIST) {
		add_elements(b, v.list, utf8);
	} else if (v.type == VAL_TABLE && v.table->kind == TABLE_HASH) {
		add_table_pairs(b, v.table);
	} else if (decimals >= 0 &&
		   (v.type == VAL_REAL || (c->decimals >= 0 && v.type == VAL_INT))) {
		snprintf(
		    format, sizeof(format), "%c%d", c->commas ? 'N' : 'F', decimals);
		text_format_one(b, v, format, NULL);
	} else {
		val_add_text(b, v);
	}
}

/* Control characters would spoil the line. */
static char *
cell(
    struct shell *sh, const struct column *c, struct val object, const struct layout *l)
{
	struct str b = STR_INIT;
	struct val v = column_value(sh, c, object);

	add_value(&b, c, v, l->utf8, c->decimals >= 0 ? c->decimals : 2);
	val_free(v);
	for (size_t i = 0; i < b.len && !l->wrap; i++)
		if (iscntrl((unsigned char)b.s[i]))
			b.s[i] = ' ';
	return b.s ? str_take(&b) : xstrdup("");
}

char *
text_fit(const char *s, int cells, bool utf8)
{
	const char *dots = utf8 ? "…" : "...";
	int room = cells - (utf8 ? 1 : 3), used = 0;
	const char *p = s;

	if (text_cells(s) <= cells)
		return xstrdup(s);
	if (room < 0) {
		room = cells;
		dots = "";
	}
	while (*p) {
		size_t n = utf8_seq(p, strnlen(p, 4));
		AUTO_FREE char *one = xstrndup(p, n ? n : 1);
		int w = text_cells(one);
		if (used + w > room)
			break;
		used += w;
		p += n ? n : 1;
	}
	return xasprintf("%.*s%s", (int)(p - s), s, dots);
}

static void
add_padded(struct str *b, const char *s, int cells, enum align align, bool last)
{
	int missing = cells - text_cells(s);

	for (int i = 0; align == ALIGN_RIGHT && i < missing; i++)
		str_addc(b, ' ');
	str_add(b, s);
	for (int i = 0; align != ALIGN_RIGHT && !last && i < missing; i++)
		str_addc(b, ' ');
}

/* Widths by header, wish and values; what is too wide is cut from the right. */
static void
fix_columns(struct layout *l, char **cells, size_t rows)
{
	struct columns *c = &l->cols;
	int used = 0;

	for (size_t k = 0; k < c->n; k++) {
		int w = text_cells(c->v[k].header);
		w = w > c->v[k].width ? w : c->v[k].width;
		for (size_t i = 0; i < rows; i++) {
			int cw = text_cells(cells[i * c->n + k]);
			w = cw > w ? cw : w;
		}
		c->v[k].width = w;
	}
	for (size_t k = 0; k < c->n; k++) {
		int room = l->width - used - (k ? 1 : 0);
		if (room < 1) {
			for (size_t x = k; x < c->n; x++)
				c->v[x].width = 0;
			break;
		}
		if (c->v[k].width > room)
			c->v[k].width = room;
		used += c->v[k].width + (k ? 1 : 0);
	}
}

static void
print_row(struct str *b, const struct layout *l, char *const *cells, bool dashes)
{
	const struct columns *c = &l->cols;

	for (size_t k = 0; k < c->n && c->v[k].width; k++) {
		bool last = k + 1 == c->n || !c->v[k + 1].width;
		AUTO_FREE char *s = text_fit(cells[k], c->v[k].width, l->utf8);
		for (char *p = s; dashes && *p; p++)
			*p = '-';
		if (k)
			str_addc(b, ' ');
		add_padded(b, s, c->v[k].width, c->v[k].align, last);
	}
	while (b->len && b->s[b->len - 1] == ' ')
		b->s[--b->len] = '\0';
	str_addc(b, '\n');
}

static void
print_header(struct str *b, struct layout *l)
{
	AUTO_FREE char **names = xcalloc(l->cols.n + 1, sizeof(char *));

	str_addc(b, '\n');
	if (l->no_header)
		return;
	for (size_t k = 0; k < l->cols.n; k++)
		names[k] = l->cols.v[k].header;
	print_row(b, l, names, false);
	print_row(b, l, names, true);
}

void
print_table(
    struct shell *sh, struct str *b, struct layout *l, const struct val *v, size_t n)
{
	struct columns *c = &l->cols;
	char **cells = xcalloc(n * c->n + 1, sizeof(char *));

	for (size_t k = 0; k < c->n && n && !l->started; k++) {
		struct val first = column_value(sh, &c->v[k], v[0]);
		if (c->v[k].align == ALIGN_AUTO)
			c->v[k].align = val_is_number(first) || first.type == VAL_BOOL
					    ? ALIGN_RIGHT
					    : ALIGN_LEFT;
		val_free(first);
	}
	for (size_t i = 0; i < n * c->n; i++)
		cells[i] = cell(sh, &c->v[i % c->n], v[i / c->n], l);
	if (!l->started) {
		fix_columns(l, cells, n);
		print_header(b, l);
		l->started = true;
	}
	for (size_t i = 0; i < n; i++)
		print_row(b, l, cells + i * c->n, false);
	for (size_t i = 0; i < n * c->n; i++)
		free(cells[i]);
	free(cells);
}

void
print_list(struct shell *sh, struct str *b, const struct layout *l, struct val v)
{
	int longest = 0;

	for (size_t k = 0; k < l->cols.n; k++) {
		int w = text_cells(l->cols.v[k].header);
		longest = w > longest ? w : longest;
	}
	str_addc(b, '\n');
	for (size_t k = 0; k < l->cols.n; k++) {
		struct val m = column_value(sh, &l->cols.v[k], v);
		add_padded(b, l->cols.v[k].header, longest, ALIGN_LEFT, false);
		str_add(b, " : ");
		add_value(b, &l->cols.v[k], m, l->utf8, l->cols.v[k].decimals);
		while (b->len && b->s[b->len - 1] == ' ')
			b->s[--b->len] = '\0';
		str_addc(b, '\n');
		val_free(m);
	}
}

/* A hashtable is shown as rows of Name and Value. */
static struct val
pairs(const struct table *t)
{
	struct val list = val_list();

	for (size_t i = 0; i < t->n; i++) {
		struct val row = val_table(TABLE_RECORD, "Hashtable");
		table_set(row.table, "Name", val_text(t->m[i].key));
		table_set(row.table, "Value", val_ref(t->m[i].v));
		list_push(list.list, row);
	}
	return list;
}

static void
emit(struct printer *p)
{
	if (!p->f)
		return;
	fwrite(str_cstr(&p->text), 1, p->text.len, p->f);
	str_reset(&p->text);
}

static void
print_waiting(struct printer *p)
{
	const struct items *l = p->waiting.list;

	if (!l->n)
		return;
	if (p->as_list)
		for (size_t i = 0; i < l->n; i++)
			print_list(p->sh, &p->text, &p->layout, l->v[i]);
	else
		print_table(p->sh, &p->text, &p->layout, l->v, l->n);
	val_set(&p->waiting, val_list());
	emit(p);
}

static void
close_table(struct printer *p)
{
	print_waiting(p);
	if (p->type)
		str_addc(&p->text, '\n');
	p->type = NULL;
	columns_free(&p->layout.cols);
	p->layout.started = false;
	emit(p);
}

static void
open_table(struct printer *p, struct val v)
{
	close_table(p);
	columns_default(v, &p->layout.cols, &p->as_list);
	if (p->form == OUT_LIST && v.table->kind != TABLE_HASH) {
		columns_free(&p->layout.cols);
		AUTO(val) struct val all = val_text("*");
		columns_from(p->sh, all, v, &p->layout.cols);
		p->as_list = true;
	}
	if (p->form == OUT_TABLE)
		p->as_list = false;
	p->type = v.table->type;
	p->since_ms = clock_mono_ms(clock_system());
}

static enum run
print_record(struct printer *p, struct val v)
{
	if (!p->type || strcmp(p->type, v.table->type) != 0)
		open_table(p, v);
	list_push(p->waiting.list, val_ref(v));
	if (p->waiting.list->n >= WAIT_ROWS ||
	    clock_mono_ms(clock_system()) - p->since_ms > WAIT_MS)
		print_waiting(p);
	return RUN_OK;
}

static enum run
print_one(struct sink *s, struct val v)
{
	struct printer *p = (struct printer *)s;

	if (p->form == OUT_JSON || p->form == OUT_CSV) {
		list_push(p->waiting.list, val_ref(v));
		return RUN_OK;
	}
	if (v.type == VAL_LIST && p->depth < MAX_NESTED) {
		p->depth++;
		enum run rc = put_each(s, v);
		p->depth--;
		return rc;
	}
	if (v.type == VAL_TABLE && v.table->kind == TABLE_HASH) {
		AUTO(val) struct val rows = pairs(v.table);
		if (rows.list->n)
			open_table(p, rows.list->v[0]);
		return put_each(s, rows);
	}
	if (v.type == VAL_TABLE && v.table->kind == TABLE_RECORD && !is_message(v) &&
	    strcmp(v.table->type, "SecureString") != 0 && v.table->n)
		return print_record(p, v);
	close_table(p);
	val_add_text(&p->text, v);
	str_addc(&p->text, '\n');
	emit(p);
	return RUN_OK;
}

void
printer_init(struct printer *p, struct shell *sh, FILE *f, enum output form)
{
	*p = (struct printer){ .sink = { print_one }, .sh = sh, .f = f, .form = form };
	p->waiting = val_list();
	p->layout.width = sh->screen.width;
	p->layout.utf8 = sh->screen.utf8;
}

void
printer_end(struct printer *p)
{
	if (p->form == OUT_JSON)
		json_print(&p->text, p->waiting, &(struct json_form){ .depth = 10 });
	else if (p->form == OUT_CSV)
		csv_print(&p->text, p->waiting,
		    &(struct csv_form){ .delimiter = ',', .header = true });
	else
		close_table(p);
	val_free(p->waiting);
	p->waiting = VAL_NONE;
	columns_free(&p->layout.cols);
	emit(p);
	if (p->f) {
		fflush(p->f);
		str_fini(&p->text);
	}
}
