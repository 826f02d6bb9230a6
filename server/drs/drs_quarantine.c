/*
 * Guests leave hosts in quarantine as far as nobody's performance suffers by it.
 */
#include <math.h>

#include "server/drs/drs_int.h"

#define PRIORITY 2u
/* No host is loaded beyond this for it, with every guest there at its peak. */
#define FULLEST 0.81

static bool
has_room(const struct drs_run *r, uint32_t guest, uint32_t host)
{
	double peak = r->peak[host] + drs_peak(&r->v->guests[guest]);

	return peak <= FULLEST * r->v->hosts[host].cpu_mhz;
}

/* Of those that no rule is against the one that it makes least uneven. */
static uint32_t
find_place(const struct drs_run *r, uint32_t guest)
{
	const char *text;
	uint32_t best = DRS_NONE, n;
	double least = HUGE_VAL;
	const struct drs_sums now = drs_sum(r, &n);

	for (uint32_t h = 0; h < r->v->host_count; h++) {
		if (h == r->at[guest] || drs_against(r, guest, h, true, &text) ||
		    !has_room(r, guest, h))
			continue;
		struct drs_sums s = drs_sum_after(r, &now, guest, h);
		double after = drs_imbalance(&s, n);
		if (after < least) {
			least = after;
			best = h;
		}
	}
	return best;
}

void
drs_leave_quarantine(struct drs_run *r)
{
	for (uint32_t g = 0; g < r->v->guest_count; g++) {
		const struct drs_guest *guest = &r->v->guests[g];
		uint32_t to;

		if (!r->v->hosts[r->at[g]].is_quarantined || r->has_moved[g] ||
		    guest->pinned)
			continue;
		to = find_place(r, g);
		if (to != DRS_NONE)
			drs_take(r, g, to, PRIORITY, DRS_HOST_DEGRADED);
	}
}
