#include "server/drs/drs_past.h"

#include <math.h>

#define SMOOTH     0.5
#define STEADY     0.25 /* of its demand that may come and go */
#define STEADY_MHZ 100.0
#define HOUR_SLOTS 4u
#define DAY_SLOTS  96u

uint64_t
drs_past_slot(uint64_t now_ms)
{
	return now_ms / DRS_SLOT_MS + 1 + DRS_SLOTS;
}

static bool
is_kept(const struct drs_past *p, uint64_t slot)
{
	return slot <= p->slot && slot + DRS_SLOTS > p->slot;
}

void
drs_past_recall(struct drs_past *p, uint64_t slot, uint32_t mhz)
{
	uint32_t *most = &p->most_mhz[slot % DRS_SLOTS];

	/* What nobody looked at had no figures: it says nothing. */
	for (uint64_t s = p->slot + 1; s <= slot && s <= p->slot + DRS_SLOTS; s++)
		p->most_mhz[s % DRS_SLOTS] = 0;
	if (slot > p->slot)
		p->slot = slot;
	if (is_kept(p, slot) && mhz > *most)
		*most = mhz;
}

uint32_t
drs_past_most(const struct drs_past *p, uint64_t slot)
{
	return is_kept(p, slot) ? p->most_mhz[slot % DRS_SLOTS] : 0;
}

static void
note_most(struct drs_past *p, uint64_t now_ms)
{
	drs_past_recall(p, drs_past_slot(now_ms),
	    p->cpu_mhz < UINT32_MAX ? (uint32_t)p->cpu_mhz : UINT32_MAX);
}

void
drs_past_take(struct drs_past *p, double cpu_mhz, uint64_t now_ms)
{
	if (!p->since_ms) {
		p->cpu_mhz = cpu_mhz;
		p->since_ms = now_ms;
	} else {
		if (fabs(cpu_mhz - p->cpu_mhz) > fmax(STEADY * p->cpu_mhz, STEADY_MHZ))
			p->since_ms = now_ms;
		p->cpu_mhz += SMOOTH * (cpu_mhz - p->cpu_mhz);
	}
	note_most(p, now_ms);
}

static double
most_of(const struct drs_past *p, uint64_t from, uint64_t to)
{
	uint32_t most = 0;

	for (uint64_t s = from; s <= to; s++) {
		if (drs_past_most(p, s) > most)
			most = drs_past_most(p, s);
	}
	return most;
}

double
drs_past_peak(const struct drs_past *p, uint64_t now_ms)
{
	uint64_t now = drs_past_slot(now_ms);
	uint64_t yesterday = now - DAY_SLOTS;
	double most = most_of(p, now - HOUR_SLOTS + 1, now);

	most = fmax(most, most_of(p, yesterday, yesterday + HOUR_SLOTS - 1));
	return fmax(most, p->cpu_mhz);
}

void
drs_losses_note(struct drs_losses *l, uint64_t now_ms)
{
	for (unsigned i = DRS_FLAPS - 1; i > 0; i--)
		l->at_ms[i] = l->at_ms[i - 1];
	l->at_ms[0] = now_ms ? now_ms : 1;
}

bool
drs_losses_are_many(const struct drs_losses *l, uint64_t now_ms)
{
	uint64_t oldest = l->at_ms[DRS_FLAPS - 1];

	return oldest && l->at_ms[0] - oldest < DRS_FLAPS_MS &&
	       now_ms - l->at_ms[0] < DRS_FLAPS_MS;
}
