#include "scheduler/drs_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "scheduler/sched.h"

#define MAX_WORDS   16
#define MAX_RULES   100000u
#define MAX_MEMBERS 100000u

struct reader {
	struct drs_file *f;
	const char *what;
	uint32_t line;
	char *words[MAX_WORDS];
	uint32_t word_count;
	struct bal_rule *rules;
	uint32_t host_room, guest_room, rule_room;
};

static int
bad(const struct reader *r, struct err *e, const char *why, const char *word)
{
	return err_set(
	    e, ERR_INVALID, "%s: line %u: %s: \"%.40s\"", r->what, r->line, why, word);
}

static void *
grow(struct arena *a, void *old, uint32_t count, uint32_t *room, size_t size)
{
	void *more;

	if (count < *room)
		return old;
	*room = *room * 2 + 64;
	more = arena_array(a, *room, size);
	if (count)
		memcpy(more, old, count * size);
	return more;
}

static int
number(
    const struct reader *r, const char *word, double most, double *ret_x, struct err *e)
{
	char *end;
	double x = strtod(word, &end);

	if (end == word || *end || !(x >= 0 && x <= most))
		return bad(r, e, "is no number in its range", word);
	*ret_x = x;
	return 0;
}

static int
index_of(const struct reader *r, const char *word, uint32_t count, uint32_t *ret_i,
    struct err *e)
{
	double x = 0;
	int rc = number(r, word, UINT32_MAX, &x, e);

	if (rc)
		return rc;
	if (x >= count)
		return bad(r, e, "is no id above", word);
	*ret_i = (uint32_t)x;
	return 0;
}

/* Ids are there to be read by people: they count from 0. */
static int
check_id(const struct reader *r, uint32_t count, struct err *e)
{
	double id = 0;
	int rc = number(r, r->words[1], UINT32_MAX, &id, e);

	if (!rc && id != count)
		return bad(r, e, "is not the next id", r->words[1]);
	return rc;
}

static int
read_host(struct reader *r, struct err *e)
{
	struct bal *b = &r->f->bal;
	uint32_t n = b->host_count, room = r->host_room;
	struct bal_host h = { 0 };
	int rc = check_id(r, n, e);

	if (!rc)
		rc = number(r, r->words[3], (double)SCHED_MAX_MHZ, &h.cpu_cap, e);
	if (!rc)
		rc = number(r, r->words[5], (double)SCHED_MAX_MEMORY_MB, &h.mem_cap, e);
	if (rc)
		return rc;
	if (n == SCHED_MAX_HOSTS || h.cpu_cap < 1 || h.mem_cap < 1)
		return bad(
		    r, e, "one host too many, or one without capacity", r->words[2]);
	r->f->host_names = grow(b->arena, r->f->host_names, n, &room, sizeof(char *));
	b->hosts = grow(b->arena, b->hosts, n, &r->host_room, sizeof(h));
	r->f->host_names[n] = arena_strdup(b->arena, r->words[2]);
	b->hosts[b->host_count++] = h;
	return 0;
}

static int
read_guest(struct reader *r, struct err *e)
{
	struct bal *b = &r->f->bal;
	uint32_t n = b->guest_count, room = r->guest_room;
	struct bal_guest g = { 0 };
	int rc = check_id(r, n, e);

	if (!rc)
		rc = index_of(r, r->words[3], b->host_count, &g.home, e);
	if (!rc)
		rc = number(r, r->words[5], (double)SCHED_MAX_MEMORY_MB, &g.mem, e);
	if (!rc)
		rc = number(r, r->words[6], (double)SCHED_MAX_MHZ, &g.cpu, e);
	if (!rc)
		rc = number(r, r->words[12], (double)SCHED_MAX_MEMORY_MB, &g.dirty, e);
	if (rc)
		return rc;
	if (n == SCHED_MAX_GUESTS)
		return bad(r, e, "one guest too many", r->words[2]);
	r->f->guest_names = grow(b->arena, r->f->guest_names, n, &room, sizeof(char *));
	b->guests = grow(b->arena, b->guests, n, &r->guest_room, sizeof(g));
	r->f->guest_names[n] = arena_strdup(b->arena, r->words[2]);
	b->guests[b->guest_count++] = g;
	return 0;
}

static int
read_members(struct reader *r, char *list, struct bal_rule *rule, struct err *e)
{
	const struct bal *b = &r->f->bal;
	uint32_t *members = arena_array(b->arena, strlen(list) + 1, sizeof(*members));

	for (char *word; (word = strsep(&list, ","));) {
		int rc =
		    index_of(r, word, b->guest_count, &members[rule->guest_count], e);

		if (rc)
			return rc;
		for (uint32_t k = 0; k < rule->guest_count; k++) {
			if (members[k] == members[rule->guest_count])
				return bad(r, e, "is named twice", word);
		}
		if (++rule->guest_count > MAX_MEMBERS)
			return bad(r, e, "one guest too many", word);
	}
	rule->guests = members;
	return 0;
}

static int
read_rule_hosts(struct reader *r, char *list, struct bal_rule *rule, struct err *e)
{
	const struct bal *b = &r->f->bal;
	bool *hosts = arena_array(b->arena, b->host_count + 1, sizeof(*hosts));

	for (char *word; (word = strsep(&list, ","));) {
		uint32_t h = 0;
		int rc = index_of(r, word, b->host_count, &h, e);

		if (rc)
			return rc;
		hosts[h] = true;
	}
	rule->hosts = hosts;
	return 0;
}

static int
read_rule(struct reader *r, struct err *e)
{
	struct bal *b = &r->f->bal;
	struct bal_rule rule = { .kind = BAL_ONLY_ON };
	int rc;

	if (!strcmp(r->words[1], "anti"))
		rule.kind = BAL_APART;
	else if (!strcmp(r->words[1], "aff"))
		rule.kind = BAL_TOGETHER;
	else if (strcmp(r->words[1], "must") != 0)
		return bad(r, e, "is no kind of rule", r->words[1]);
	if (b->rule_count == MAX_RULES)
		return bad(r, e, "one rule too many", r->words[1]);
	rc = read_members(r, r->words[2], &rule, e);
	if (!rc && rule.kind == BAL_ONLY_ON)
		rc = read_rule_hosts(r, r->words[3], &rule, e);
	if (rc)
		return rc;
	r->rules = grow(b->arena, r->rules, b->rule_count, &r->rule_room, sizeof(rule));
	r->rules[b->rule_count++] = rule;
	return 0;
}

/* The records, and how many words each has. */
static const struct record {
	const char *word;
	uint32_t words;
	int (*read)(struct reader *r, struct err *e);
} records[] = {
	{ "H", 6, read_host },
	{ "V", 13, read_guest },
	{ "R", 4, read_rule },
};

static int
read_line(struct reader *r, char *line, struct err *e)
{
	char *save = NULL;

	r->word_count = 0;
	for (char *w = strtok_r(line, " \t\r", &save); w;
	     w = strtok_r(NULL, " \t\r", &save)) {
		if (r->word_count == MAX_WORDS)
			return bad(r, e, "one word too many", w);
		r->words[r->word_count++] = w;
	}
	if (!r->word_count || *r->words[0] == '#')
		return 0;
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		if (strcmp(records[i].word, r->words[0]) != 0)
			continue;
		if (r->word_count != records[i].words)
			return bad(r, e, "wrong number of words for", r->words[0]);
		return records[i].read(r, e);
	}
	return bad(r, e, "is no record", r->words[0]);
}

int
drs_file_read(
    const char *text, size_t n, const char *what, struct drs_file *ret_f, struct err *e)
{
	struct reader r = { .f = ret_f, .what = what };
	char *copy, *rest;
	int rc = 0;

	memset(ret_f, 0, sizeof(*ret_f));
	ret_f->bal.arena = arena_new();
	if (memchr(text, '\0', n))
		return err_set(e, ERR_INVALID, "%s is no text", what);
	copy = arena_array(ret_f->bal.arena, n + 1, 1);
	if (n)
		memcpy(copy, text, n);
	rest = copy;
	for (char *line; !rc && (line = strsep(&rest, "\n"));) {
		r.line++;
		rc = read_line(&r, line, e);
	}
	ret_f->bal.rules = r.rules;
	if (!rc && !ret_f->bal.host_count)
		rc = err_set(e, ERR_INVALID, "%s has no host", what);
	return rc;
}
