#include "scheduler/sched_int.h"

bool
has_ix(const uint32_t *ix, size_t count, uint32_t wanted)
{
	size_t low = 0, high = count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (ix[mid] == wanted)
			return true;
		if (ix[mid] < wanted)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

bool
rule_names_hosts(enum sched_rule_kind kind)
{
	return kind != SCHED_RULE_TOGETHER && kind != SCHED_RULE_APART;
}

bool
rule_is_positive(enum sched_rule_kind kind)
{
	return kind == SCHED_RULE_MUST_RUN_ON || kind == SCHED_RULE_SHOULD_RUN_ON;
}

bool
rule_is_strict(enum sched_rule_kind kind)
{
	return kind == SCHED_RULE_APART || kind == SCHED_RULE_MUST_RUN_ON ||
	       kind == SCHED_RULE_MUST_NOT_RUN_ON;
}

bool
rule_is_against(const struct view_rule *r, const struct load *l,
    const struct view_guest *g, uint32_t host_ix)
{
	if (rule_names_hosts(r->in.kind))
		return has_ix(r->host_ix, r->in.host_count, host_ix) !=
		       rule_is_positive(r->in.kind);
	for (size_t i = 0; i < r->in.guest_count; i++) {
		uint32_t other = r->guest_ix[i], at = l->at[other];

		if (other == g->ix || at == NO_IX)
			continue;
		if ((at == host_ix) == (r->in.kind == SCHED_RULE_APART))
			return true;
	}
	return false;
}
