#include "tests/sim/storm_shrink.h"

#include <string.h>

/* "I1", so that shrinking does not wander from one failure to another. */
#define INVARIANT_BYTES 3

static bool
fails_alike(uint64_t seed, enum storm_plant plant, const struct storm_schedule *s,
    const char *invariant)
{
	struct storm *w = storm_new(seed, plant);

	storm_use(w, s);
	storm_run(w);
	bool alike =
	    w->failure.is && strncmp(w->failure.text, invariant, INVARIANT_BYTES) == 0;
	storm_free(w);
	return alike;
}

static bool
leave_out(uint64_t seed, enum storm_plant plant, struct storm_schedule *s,
    const char *invariant)
{
	for (size_t i = 0; i < s->n; i++) {
		struct storm_schedule less = *s;
		less.n--;
		memmove(less.list + i, less.list + i + 1,
		    (less.n - i) * sizeof(less.list[0]));
		if (!fails_alike(seed, plant, &less, invariant))
			continue;
		*s = less;
		return true;
	}
	return false;
}

static void
shorten(uint64_t seed, enum storm_plant plant, struct storm_schedule *s,
    const char *invariant)
{
	for (size_t i = 0; i < s->n; i++) {
		for (struct storm_schedule less = *s; less.list[i].for_ms > 500;) {
			less.list[i].for_ms = less.list[i].for_ms * 3 / 4;
			if (!fails_alike(seed, plant, &less, invariant))
				break;
			*s = less;
		}
	}
}

void
storm_shrink(uint64_t seed, enum storm_plant plant, struct storm_schedule *s)
{
	struct storm *w = storm_new(seed, plant);
	char invariant[INVARIANT_BYTES + 1] = "";

	storm_use(w, s);
	storm_run(w);
	memcpy(invariant, w->failure.text, INVARIANT_BYTES);
	storm_free(w);
	while (leave_out(seed, plant, s, invariant))
		continue;
	shorten(seed, plant, s, invariant);
}
