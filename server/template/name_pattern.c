#include "server/template/name_pattern.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#define DIGITS_MAX 9u

bool
name_is_pattern(const char *name)
{
	return strpbrk(name, "{}") != NULL;
}

static int
bad(const char *name, const char *why, struct err *e)
{
	return err_set(
	    e, ERR_INVALID, "name: \"%.80s\" %s, such as web-{01..50}", name, why);
}

/* A run of digits at s that is ended by stop. */
static int
read_number(const char *s, size_t n, uint64_t *ret_v, struct err *e)
{
	char digits[DIGITS_MAX + 1];

	if (!n || n > DIGITS_MAX || strspn(s, "0123456789") != n)
		return err_set(e, ERR_INVALID, "no number");
	memcpy(digits, s, n);
	digits[n] = '\0';
	return parse_u64(digits, 0, UINT32_MAX, "number", ret_v, e);
}

int
name_pattern_parse(const char *name, struct name_pattern *ret, struct err *e)
{
	const char *open = strchr(name, '{');
	const char *close = open ? strchr(open, '}') : NULL;
	const char *dots = open ? strstr(open, "..") : NULL;
	struct err ignored = ERR_INIT;
	uint64_t first = 0, last = 0;

	if (!close || !dots || dots > close || strpbrk(close + 1, "{}"))
		return bad(name, "wants one range in braces", e);
	const char *to = dots + strlen("..");
	size_t n_first = (size_t)(dots - open - 1), n_last = (size_t)(close - to);
	if (read_number(open + 1, n_first, &first, &ignored) ||
	    read_number(to, n_last, &last, &ignored))
		return bad(name, "wants whole numbers on both sides of the dots", e);
	if (first > last)
		return bad(name, "wants the smaller number first", e);
	if (last - first >= NAME_PATTERN_MAX)
		return err_set(e, ERR_INVALID,
		    "name: \"%.80s\" stands for %llu names, at most %u may be", name,
		    (unsigned long long)last - first + 1, NAME_PATTERN_MAX);
	bool padded = (n_first > 1 && open[1] == '0') || (n_last > 1 && to[0] == '0');
	*ret = (struct name_pattern){
		.text = name,
		.head = (uint32_t)(open - name),
		.tail = close + 1,
		.first = (uint32_t)first,
		.count = (uint32_t)(last - first + 1),
		.width = padded ? (uint32_t)(n_first > n_last ? n_first : n_last) : 0,
	};
	return 0;
}

char *
name_pattern_at(const struct name_pattern *p, uint32_t i)
{
	return xasprintf(
	    "%.*s%0*u%s", (int)p->head, p->text, (int)p->width, p->first + i, p->tail);
}
