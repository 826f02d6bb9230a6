#include "scheduler/drs_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/str.h"
#include "scheduler/line_at.h"

#define MAX_WORDS 16

struct reader {
	struct sched_view *view;
	struct arena *scratch;
	struct line_at at;
	char *words[MAX_WORDS];
	uint32_t word_count;
	uint32_t hosts, guests, rules; /* so far; ids are one more than in the file */
};

static int
number(
    const struct reader *r, const char *word, double most, double *ret_x, struct err *e)
{
	char *end;
	double x = strtod(word, &end);

	if (end == word || *end || !(x >= 0 && x <= most))
		return line_bad(&r->at, e, "is no number in its range", word);
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
		return line_bad(&r->at, e, "is no id above", word);
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
		return line_bad(&r->at, e, "is not the next id", r->words[1]);
	return rc;
}

/* Amounts are whole; fractions of a MHz or MB are nobody's business. */
static int
amount(const struct reader *r, uint32_t word, uint64_t most, uint64_t *ret_n,
    struct err *e)
{
	double x = 0;
	int rc = number(r, r->words[word], (double)most, &x, e);

	if (!rc)
		*ret_n = (uint64_t)(x + 0.5);
	return rc;
}

static int
read_host(struct reader *r, struct err *e)
{
	struct sched_host h = { .id = r->hosts + UINT64_C(1), .name = r->words[2] };
	int rc = check_id(r, r->hosts, e);

	if (!rc)
		rc = amount(r, 3, SCHED_MAX_MHZ, &h.cpu_mhz, e);
	if (!rc)
		rc = amount(r, 4, SCHED_MAX_CORES, &h.cpu_cores, e);
	if (!rc)
		rc = amount(r, 5, SCHED_MAX_MEMORY_MB, &h.memory_mb, e);
	if (rc)
		return rc;
	r->hosts++;
	return line_added(&r->at, sched_view_add_host(r->view, &h, e), e);
}

static int
read_guest(struct reader *r, struct err *e)
{
	struct sched_guest g = {
		.id = r->guests + UINT64_C(1),
		.name = r->words[2],
		.state = SCHED_GUEST_RUNNING,
		.is_measured = true,
	};
	uint32_t host = 0;
	double dirty = 0;
	int rc = check_id(r, r->guests, e);

	if (!rc)
		rc = index_of(r, r->words[3], r->hosts, &host, e);
	if (!rc)
		rc = amount(r, 4, SCHED_MAX_VCPUS, &g.num_cpu, e);
	if (!rc)
		rc = amount(r, 5, SCHED_MAX_MEMORY_MB, &g.memory_mb, e);
	if (!rc)
		rc = amount(r, 6, SCHED_MAX_MHZ, &g.cpu_demand_mhz, e);
	if (!rc)
		rc = amount(r, 8, SCHED_MAX_MHZ, &g.cpu_reservation_mhz, e);
	if (!rc)
		rc = amount(r, 9, SCHED_MAX_MEMORY_MB, &g.memory_reservation_mb, e);
	if (!rc)
		rc = number(r, r->words[12], 1e6, &dirty, e);
	if (rc)
		return rc;
	g.dirty_kb_s = (uint64_t)(dirty * 1024 + 0.5);
	g.host = host + UINT64_C(1);
	r->guests++;
	return line_added(&r->at, sched_view_add_guest(r->view, &g, e), e);
}

/* Ids between commas, of which there are count so far. */
static int
read_members(struct reader *r, char *list, uint32_t count, uint64_t **ret_ids,
    size_t *ret_n, struct err *e)
{
	uint64_t *ids = arena_array(r->scratch, strlen(list) + 1, sizeof(*ids));
	size_t n = 0;

	for (char *word; (word = strsep(&list, ","));) {
		uint32_t ix = 0;
		int rc = index_of(r, word, count, &ix, e);

		if (rc)
			return rc;
		ids[n++] = ix + UINT64_C(1);
	}
	*ret_ids = ids;
	*ret_n = n;
	return 0;
}

static int
read_rule(struct reader *r, struct err *e)
{
	static const struct {
		const char *word;
		enum sched_rule_kind kind;
	} kinds[] = { { "anti", SCHED_RULE_APART }, { "aff", SCHED_RULE_TOGETHER },
		{ "must", SCHED_RULE_MUST_RUN_ON } };
	struct sched_rule rule = { .id = ++r->rules, .kind = SCHED_RULE_KIND_COUNT_ };
	uint64_t *guests = NULL, *hosts = NULL;
	int rc;

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (str_same(kinds[i].word, r->words[1]))
			rule.kind = kinds[i].kind;
	}
	if (rule.kind == SCHED_RULE_KIND_COUNT_)
		return line_bad(&r->at, e, "is no kind of rule", r->words[1]);
	rule.name =
	    arena_printf(r->scratch, "%s-%u", r->words[1], (unsigned)(rule.id - 1));
	rc = read_members(r, r->words[2], r->guests, &guests, &rule.guest_count, e);
	if (!rc && rule.kind == SCHED_RULE_MUST_RUN_ON)
		rc =
		    read_members(r, r->words[3], r->hosts, &hosts, &rule.host_count, e);
	if (rc)
		return rc;
	rule.guests = guests;
	rule.hosts = hosts;
	return line_added(&r->at, sched_view_add_rule(r->view, &rule, e), e);
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
			return line_bad(&r->at, e, "one word too many", w);
		r->words[r->word_count++] = w;
	}
	if (!r->word_count || *r->words[0] == '#')
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(records); i++) {
		if (!str_same(records[i].word, r->words[0]))
			continue;
		if (r->word_count != records[i].words)
			return line_bad(
			    &r->at, e, "wrong number of words for", r->words[0]);
		return records[i].read(r, e);
	}
	return line_bad(&r->at, e, "is no record", r->words[0]);
}

int
drs_file_read(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e)
{
	AUTO(arena) struct arena *scratch = arena_new();
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	struct reader r = { .view = v, .scratch = scratch, .at = { what, 0 } };
	char *copy, *rest;
	int rc = 0;

	if (memchr(text, '\0', n))
		return err_set(e, ERR_INVALID, "%s is no text", what);
	copy = arena_array(scratch, n + 1, 1);
	if (n)
		memcpy(copy, text, n);
	rest = copy;
	for (char *line; !rc && (line = strsep(&rest, "\n"));) {
		r.at.line++;
		rc = read_line(&r, line, e);
	}
	if (!rc && !r.hosts)
		rc = err_set(e, ERR_INVALID, "%s has no host", what);
	if (!rc) {
		rc = sched_view_finish(v, e);
		if (rc)
			err_wrap(e, "%s", what);
	}
	if (!rc)
		*ret_view = MOVE(v);
	return rc;
}
