/*
 * The table of a program's settings as its sample file and its page of documentation.
 */
#include <inttypes.h>
#include <string.h>

#include "base/conf.h"
#include "base/str.h"

static const char *
type_text(enum conf_type t)
{
	switch (t) {
	case CONF_UINT:
		return "number";
	case CONF_BOOL:
		return "yes or no";
	case CONF_BYTES:
		return "size";
	case CONF_TEXT:
		return "text";
	case CONF_PATH:
		return "path";
	case CONF_LIST:
		return "list";
	}
	return "";
}

static const char *
when_text(enum conf_when w)
{
	return w == CONF_RELOAD ? "reload" : "restart";
}

/* "number from 1 to 65535", "size", "text". */
static void
add_kind(const struct conf_key *k, struct str *out)
{
	str_add(out, type_text(k->type));
	if ((k->type != CONF_UINT && k->type != CONF_BYTES) || (!k->min && !k->max))
		return;
	if (k->max)
		str_addf(out, " from %" PRIu64 " to %" PRIu64, k->min, k->max);
	else
		str_addf(out, " from %" PRIu64, k->min);
}

static void
print_sample(const struct conf_key *keys, struct str *out)
{
	const char *section = "";
	size_t section_len = 0;
	for (const struct conf_key *k = keys; k->name; k++) {
		const char *dot = strrchr(k->name, '.');
		size_t len = dot ? (size_t)(dot - k->name) : 0;
		if (len != section_len || memcmp(section, k->name, len) != 0) {
			str_addf(
			    out, "%s[%.*s]\n", out->len ? "\n" : "", (int)len, k->name);
			section = k->name;
			section_len = len;
		}
		str_addf(out, "# %s (", k->help);
		add_kind(k, out);
		str_addf(out, "; takes a %s)\n", when_text(k->when));
		str_addf(out, "#%s =%s%s\n", dot ? dot + 1 : k->name,
		    *k->preset ? " " : "", k->preset);
	}
}

/* Text of a table's cell, where a bar would end it. */
static void
add_cell(struct str *out, const char *s)
{
	for (; *s; s++) {
		if (*s == '|')
			str_addc(out, '\\');
		str_addc(out, *s);
	}
}

static void
print_markdown(const struct conf_key *keys, struct str *out)
{
	str_add(out, "| Key | Value | Default | Takes effect at | Meaning |\n");
	str_add(out, "|---|---|---|---|---|\n");
	for (const struct conf_key *k = keys; k->name; k++) {
		str_addf(out, "| `%s` | ", k->name);
		add_kind(k, out);
		str_add(out, " | ");
		if (*k->preset)
			str_addf(out, "`%s`", k->preset);
		str_addf(out, " | %s | ", when_text(k->when));
		add_cell(out, k->help);
		str_add(out, " |\n");
	}
}

bool
conf_print(const struct conf_key *keys, const char *form, struct str *out)
{
	if (!form)
		print_sample(keys, out);
	else if (str_same(form, "markdown"))
		print_markdown(keys, out);
	else
		return false;
	return true;
}
