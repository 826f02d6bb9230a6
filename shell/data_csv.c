/*
 * data_csv: records as CSV and back (see data.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/data.h"

static void
add_field(struct str *b, const char *s, const struct csv_form *form)
{
	const char special[] = { form->delimiter, '"', '\n', '\r', '\0' };

	if (form->as_needed && !strpbrk(s, special)) {
		str_add(b, s);
		return;
	}
	str_addc(b, '"');
	for (; *s; s++) {
		if (*s == '"')
			str_addc(b, '"');
		str_addc(b, *s);
	}
	str_addc(b, '"');
}

static void
add_record(
    struct str *b, const struct table *names, struct val v, const struct csv_form *form)
{
	for (size_t i = 0; i < names->n; i++) {
		const struct val *m =
		    v.type == VAL_TABLE ? table_get(v.table, names->m[i].key) : NULL;
		AUTO_FREE char *s = val_cstr(m ? *m : VAL_NONE);
		if (i)
			str_addc(b, form->delimiter);
		if (m && m->type != VAL_NULL)
			add_field(b, s, form);
	}
	str_addc(b, '\n');
}

void
csv_print(struct str *b, struct val list, const struct csv_form *form)
{
	struct val first = val_count(list) ? val_at(list, 0) : VAL_NONE;
	AUTO(val) struct val plain = val_table(TABLE_RECORD, "PSCustomObject");

	if (first.type == VAL_NULL)
		return;
	if (first.type != VAL_TABLE) {
		struct val n = first.type == VAL_TEXT
				   ? val_int((int64_t)first.text->len)
				   : VAL_NONE;
		table_set(plain.table, first.type == VAL_TEXT ? "Length" : "Value",
		    val_ref(n));
		first = plain;
	}
	for (size_t i = 0; form->header && i < first.table->n; i++) {
		if (i)
			str_addc(b, form->delimiter);
		add_field(b, first.table->m[i].key, form);
	}
	if (form->header)
		str_addc(b, '\n');
	for (size_t i = 0; i < val_count(list); i++) {
		struct val v = val_at(list, i);
		if (v.type != VAL_TABLE) {
			AUTO(val)
			struct val row = val_table(TABLE_RECORD, "PSCustomObject");
			table_set(row.table, first.table->m[0].key,
			    v.type == VAL_TEXT ? val_int((int64_t)v.text->len)
					       : val_ref(v));
			add_record(b, first.table, row, form);
		} else {
			add_record(b, first.table, v, form);
		}
	}
}

/* One field at *s into b; moves behind it and returns what ended it. */
static char
read_field(const char **s, char delimiter, struct str *b, bool *ret_open)
{
	bool quoted = **s == '"';

	*ret_open = false;
	if (quoted)
		++*s;
	for (; **s; ++*s) {
		if (quoted && **s == '"') {
			if ((*s)[1] != '"') {
				quoted = false;
				continue;
			}
			++*s;
		} else if (!quoted &&
			   (**s == delimiter || **s == '\n' || **s == '\r')) {
			break;
		}
		str_addc(b, **s);
	}
	*ret_open = quoted;
	char end = **s;
	if (end == '\r' && (*s)[1] == '\n')
		++*s;
	if (end)
		++*s;
	return end;
}

/* One line of fields. */
static struct val
read_line(const char **s, char delimiter, bool *ret_open)
{
	struct val list = val_list();
	struct str b = STR_INIT;
	char end;

	do {
		end = read_field(s, delimiter, &b, ret_open);
		list_push(list.list, val_textn(str_cstr(&b), b.len));
		str_reset(&b);
	} while (end == delimiter && end && !*ret_open);
	str_fini(&b);
	return list;
}

int
csv_parse(const char *s, char delimiter, struct val header, struct val *ret_list,
    struct err *e)
{
	struct val list = val_list(), names = val_ref(header);
	bool open = false;

	if (!strncmp(s, "\xef\xbb\xbf", 3))
		s += 3;
	while (*s && !open) {
		AUTO(val) struct val line = read_line(&s, delimiter, &open);
		if (line.list->n == 1 && !line.list->v[0].text->len)
			continue;
		if (names.type == VAL_NULL) {
			names = val_ref(line);
			continue;
		}
		struct val row = val_table(TABLE_RECORD, "PSCustomObject");
		for (size_t i = 0; i < val_count(names); i++) {
			AUTO_FREE char *key = val_cstr(val_at(names, i));
			table_set(row.table, key,
			    i < line.list->n ? val_ref(line.list->v[i]) : VAL_NONE);
		}
		list_push(list.list, row);
	}
	val_free(names);
	if (open) {
		val_free(list);
		return err_set(
		    e, ERR_INVALID, "a quoted field of the CSV text is not closed");
	}
	*ret_list = list;
	return 0;
}
