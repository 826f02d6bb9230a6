#include "host-agent/channel/pace.h"

#define NS_PER_US       UINT64_C(1000)
#define NS_PER_S        UINT64_C(1000000000)
#define PIECES_A_SECOND 20u
#define PIECE_MIN       4096u

void
pace_set(struct pace *p, uint64_t bytes_per_s, uint64_t now_us)
{
	p->bytes_per_s = bytes_per_s;
	p->next_ns = now_us * NS_PER_US;
}

/* A rate of a few bytes a second must not make this overflow. */
static uint64_t
cost_ns(uint64_t n, uint64_t rate)
{
	uint64_t whole_s = n / rate;
	uint64_t rest = n % rate;

	return whole_s * NS_PER_S +
	       (uint64_t)((unsigned __int128)rest * NS_PER_S / rate);
}

uint64_t
pace_take(struct pace *p, uint64_t n, uint64_t now_us)
{
	uint64_t rate = p->bytes_per_s;
	uint64_t now_ns = now_us * NS_PER_US;
	uint64_t burst_ns = PACE_BURST_US * NS_PER_US;
	uint64_t floor_ns = now_ns > burst_ns ? now_ns - burst_ns : 0;
	uint64_t was = p->next_ns, next;

	if (!rate)
		return now_us;
	do {
		next = (was > floor_ns ? was : floor_ns) + cost_ns(n, rate);
	} while (!atomic_compare_exchange_weak(&p->next_ns, &was, next));
	return next / NS_PER_US;
}

uint64_t
pace_piece(const struct pace *p, uint64_t max)
{
	uint64_t rate = p->bytes_per_s;
	uint64_t piece = rate / PIECES_A_SECOND;

	if (!rate || piece > max)
		return max;
	return piece < PIECE_MIN ? PIECE_MIN : piece;
}
