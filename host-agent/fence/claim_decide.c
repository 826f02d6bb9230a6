#include "host-agent/fence/claim_decide.h"

bool
claim_accept(uint64_t highest, uint64_t run_gen)
{
	return run_gen > highest;
}

static bool
is_proved(const struct claim_seen *seen, const struct claim_attest *a)
{
	const struct lease_claim *c = &seen->claim;

	if (a->host_id != c->host_id)
		return false;
	switch (a->proof) {
	case CLAIM_REAPED:
		return c->run_gen <= a->run_gen;
	case CLAIM_NETFENCED:
		return seen->beat_dead && a->inc == c->inc;
	case CLAIM_POWERED_OFF:
		return a->inc == c->inc;
	}
	return false;
}

static bool
gives_way(const struct claim_view *v, const struct claim_seen *seen)
{
	for (size_t i = 0; i < v->n_attests; i++)
		if (is_proved(seen, &v->attests[i]))
			return true;
	return false;
}

static enum claim_verdict
weigh(const struct claim_view *v, const struct claim_seen *seen)
{
	switch (seen->claim.phase) {
	case CLAIM_NONE:
		/* A newer copy has come and gone: our order was late. */
		return seen->claim.run_gen > v->run_gen ? CLAIM_WITHDRAW : CLAIM_GO;
	case CLAIM_CLAIM:
	case CLAIM_RUN:
	case CLAIM_MIGRATE_IN:
		/* Generations are unique; an equal one is a copy of our order. */
		if (seen->claim.run_gen >= v->run_gen)
			return CLAIM_WITHDRAW;
		return gives_way(v, seen) ? CLAIM_GO : CLAIM_WAIT;
	case CLAIM_UNKNOWN:
	case CLAIM_PHASES_:
		break;
	}
	return CLAIM_WAIT;
}

enum claim_verdict
claim_decide(const struct claim_view *v, uint32_t *ret_host)
{
	enum claim_verdict all = CLAIM_GO;

	*ret_host = 0;
	for (size_t i = 0; i < v->n_seen; i++) {
		uint32_t host = v->seen[i].claim.host_id;
		if (host == v->host_id)
			continue;
		enum claim_verdict one = weigh(v, &v->seen[i]);
		if (one == CLAIM_WITHDRAW) {
			*ret_host = host;
			return one;
		}
		if (one == CLAIM_WAIT && all == CLAIM_GO) {
			*ret_host = host;
			all = one;
		}
	}
	return all;
}

bool
claim_may_write(uint64_t failed_ms, uint32_t settle_ms, uint64_t now_ms)
{
	return failed_ms == 0 || now_ms >= failed_ms + settle_ms;
}
