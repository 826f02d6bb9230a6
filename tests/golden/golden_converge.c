/*
 * A policy and what is seen at times, a line each → what is done about it.
 *
 *   policy DOWNTIME_MS DOWNTIME_MAX_MS throttle|full GIVE_UP_MS
 *   seen ELAPSED_MS ROUNDS LEFT_KB DIRTY_KB_S WIRE_KB_S THROTTLE_PCT
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/converge.h"
#include "tests/golden/run_golden.h"

#define NUMBERS 6

struct converge_case {
	struct converge_policy policy;
	struct converge converge;
};

static size_t
numbers(char *words, uint64_t *out)
{
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(words, " ", &save); w && n < NUMBERS;
	     w = strtok_r(NULL, " ", &save))
		if (!parse_u64(w, 0, UINT64_MAX, "number", &out[n], NULL))
			n++;
	return n;
}

static void
take_policy(struct converge_case *c, char *words)
{
	bool throttles = strstr(words, "throttle") != NULL;
	uint64_t v[NUMBERS] = { 0 };

	(void)numbers(words, v);
	c->policy = (struct converge_policy){ .downtime_ms = (uint32_t)v[0],
		.downtime_max_ms = (uint32_t)v[1],
		.may_throttle = throttles,
		.give_up_ms = (uint32_t)v[2] };
	converge_begin(&c->converge, &c->policy);
}

static void
take_seen(struct converge_case *c, char *words, struct str *out)
{
	static const char *const acts[] = {
		[CONVERGE_GO_ON] = "go on",
		[CONVERGE_RAISE] = "raise",
		[CONVERGE_THROTTLE] = "throttle",
		[CONVERGE_GIVE_UP] = "give up",
	};
	char note[CONVERGE_NOTE_MAX] = "";
	uint64_t v[NUMBERS] = { 0 };
	struct converge_seen s;
	enum converge_act act;

	(void)numbers(words, v);
	s = (struct converge_seen){ .elapsed_ms = v[0],
		.rounds = (uint32_t)v[1],
		.remaining_bytes = v[2] * 1000,
		.dirty_bytes_per_s = v[3] * 1000,
		.bytes_per_s = v[4] * 1000,
		.throttle_pct = (uint32_t)v[5] };
	act = converge_decide(&c->converge, &c->policy, &s, note);
	str_addf(out, "%" PRIu64 " ms: %s%s%s\n", s.elapsed_ms, acts[act],
	    *note ? ": " : "", note);
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	AUTO_FREE char *copy = xstrndup(text, n);
	struct converge_case c = { .policy = { .downtime_ms = 0 } };
	char *save = NULL;

	converge_begin(&c.converge, &c.policy);
	for (char *line = strtok_r(copy, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (str_starts(line, "policy "))
			take_policy(&c, line + strlen("policy "));
		else if (str_starts(line, "seen "))
			take_seen(&c, line + strlen("seen "), out);
	}
}
