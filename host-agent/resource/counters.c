#include "host-agent/resource/counters.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/str.h"

#define MB_BYTES UINT64_C(0x100000)

void
counters_add(struct counters *to, const struct counter *c)
{
	if (to->n < COUNTERS_MAX)
		to->v[to->n++] = *c;
}

const struct counter *
counters_find(const struct counters *c, const char *name)
{
	for (size_t i = 0; i < c->n; i++) {
		if (str_same(c->v[i].name, name))
			return &c->v[i];
	}
	return NULL;
}

void
counters_follow(struct counters *now, const struct counters *was)
{
	for (size_t i = 0; i < now->n; i++) {
		struct counter *c = &now->v[i];
		const struct counter *old = counters_find(was, c->name);

		if (old) {
			c->told = old->told;
			c->told_ms = old->told_ms;
		}
		if (c->peak)
			continue;
		c->peak = c->current;
		if (old && old->peak > c->peak)
			c->peak = old->peak;
	}
}

void
counters_ready(struct counters *now, const struct counters *was, uint64_t *seen)
{
	const struct counter *before = counters_find(was, COUNTER_READY);

	for (size_t i = 0; i < now->n; i++) {
		struct counter *c = &now->v[i];
		uint64_t live = c->current;

		if (!str_same(c->name, COUNTER_READY))
			continue;
		if (before)
			c->current =
			    before->current + (live > *seen ? live - *seen : 0);
		c->peak = c->current;
		*seen = live;
	}
}

void
counters_begin(struct counters *c)
{
	for (size_t i = 0; i < c->n; i++)
		c->v[i].told = c->v[i].failures;
}

uint64_t
counter_news(struct counter *c, uint64_t now_ms)
{
	uint64_t times;

	/* The kernel began to count anew. */
	if (c->failures < c->told)
		c->told = 0;
	times = c->failures - c->told;
	if (!c->tells || !times ||
	    (c->told_ms && now_ms - c->told_ms < COUNTER_TELL_MS))
		return 0;
	c->told = c->failures;
	c->told_ms = now_ms;
	return times;
}

void
counter_text(const struct counter *c, uint64_t times, char *buf, size_t n)
{
	bool bytes = str_same(c->unit, COUNTER_BYTES);
	int at = snprintf(
	    buf, n, "%s %" PRIu64 " time%s", c->name, times, times == 1 ? "" : "s");

	if (c->limit && at > 0 && (size_t)at < n)
		snprintf(buf + at, n - (size_t)at, ": its limit is %" PRIu64 "%s",
		    bytes ? c->limit / MB_BYTES : c->limit, bytes ? " MB" : "");
}
