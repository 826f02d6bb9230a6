#include "host-agent/health/health_source.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"

static const char *const components[] = {
	[HEALTH_MEMORY] = "memory",
	[HEALTH_STORAGE] = "storage",
	[HEALTH_POWER] = "power",
	[HEALTH_FAN] = "fan",
	[HEALTH_TEMPERATURE] = "temperature",
};

const char *
health_component_name(enum health_component c)
{
	ASSERT(c < HEALTH_COMPONENT_COUNT_);
	return components[c];
}

/* Room for one more, if need be in the place of one that is not as bad. */
static struct health_condition *
make_room(struct health_list *l, enum health_severity s)
{
	if (l->n < HEALTH_CONDITIONS_MAX)
		return &l->v[l->n++];
	for (size_t i = l->n; s == HEALTH_SEVERE && i-- > 0;) {
		if (l->v[i].severity == HEALTH_MODERATE)
			return &l->v[i];
	}
	return NULL;
}

void
health_add(struct health_list *l, const char *source, enum health_component c,
    enum health_severity s, const char *fmt, ...)
{
	struct health_condition *at = make_room(l, s);
	va_list ap;

	if (!at)
		return;
	/* All of it: lists are compared as bytes. */
	memset(at, 0, sizeof(*at));
	at->source = source;
	at->component = c;
	at->severity = s;
	va_start(ap, fmt);
	vsnprintf(at->text, sizeof(at->text), fmt, ap);
	va_end(ap);
	/* What is cut off may be half a character. */
	for (size_t n = strlen(at->text); n && !utf8_valid(at->text, n);)
		at->text[--n] = '\0';
}

uint64_t
edac_growth(struct edac_past *p, uint64_t count, uint64_t now_ms)
{
	bool was_reset = count < p->then;

	if (!p->has_begun || was_reset) {
		*p = (struct edac_past){ true, count, count, now_ms };
	} else if (now_ms - p->turned_ms >= EDAC_TURN_MS) {
		p->before = p->then;
		p->then = count;
		p->turned_ms = now_ms;
	}
	return count - p->before;
}

static int
parse_component(const char *word, enum health_component *ret_c, struct err *e)
{
	for (unsigned i = 0; i < HEALTH_COMPONENT_COUNT_; i++) {
		if (str_same(components[i], word)) {
			*ret_c = (enum health_component)i;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
	    "\"%.40s\" is not memory, storage, power, fan or temperature", word);
}

static int
parse_line(const char *line, struct health_list *out, struct err *e)
{
	char component[16] = "", severity[16] = "";
	enum health_component c = HEALTH_COMPONENT_COUNT_;
	int at = 0, rc;

	(void)sscanf(line, "%15s %15s %n", component, severity, &at);
	rc = parse_component(component, &c, e);
	if (rc)
		return rc;
	if (!str_same(severity, "moderate") && !str_same(severity, "severe"))
		return err_set(
		    e, ERR_INVALID, "\"%s\" is not moderate or severe", severity);
	if (!at || !line[at])
		return err_set(e, ERR_INVALID, "it does not say what is wrong");
	if (!utf8_valid(line + at, strlen(line + at)))
		return err_set(e, ERR_INVALID, "it is no UTF-8");
	health_add(out, health_test.name, c,
	    str_same(severity, "severe") ? HEALTH_SEVERE : HEALTH_MODERATE, "%s",
	    line + at);
	return 0;
}

int
health_test_parse(const char *text, struct health_list *out, struct err *e)
{
	unsigned number = 0;

	for (const char *at = text; *at; number++) {
		char line[HEALTH_TEXT + 40];
		size_t n = strcspn(at, "\n");

		if (n >= sizeof(line))
			return err_set(
			    e, ERR_INVALID, "line %u: it is too long", number + 1);
		memcpy(line, at, n);
		line[n] = '\0';
		at += n + (at[n] == '\n');
		if (line[strspn(line, " \t")] == '\0' || line[0] == '#')
			continue;
		if (parse_line(line, out, e))
			return err_wrap(e, "line %u", number + 1);
	}
	return 0;
}
