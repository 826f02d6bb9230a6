#include "server/access/login_decide.h"

uint64_t
login_wait_ms(const struct login_count *c, uint64_t now_ms)
{
	return c->until_ms > now_ms ? c->until_ms - now_ms : 0;
}

void
login_failed(struct login_count *c, uint32_t free, uint64_t now_ms)
{
	if (login_stale(c, now_ms))
		c->failures = 0;
	c->failures++;
	c->last_ms = now_ms;
	if (c->failures < free)
		return;
	uint32_t doublings = c->failures - free;
	uint64_t wait = doublings > 16 ? LOGIN_MAX_WAIT_MS : 1000ULL << doublings;
	if (wait > LOGIN_MAX_WAIT_MS)
		wait = LOGIN_MAX_WAIT_MS;
	c->until_ms = now_ms + wait;
}

bool
login_stale(const struct login_count *c, uint64_t now_ms)
{
	return c->until_ms <= now_ms && c->last_ms + LOGIN_FORGET_MS <= now_ms;
}
