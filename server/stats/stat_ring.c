#include "server/stats/stat_ring.h"

#include <math.h>

#include "base/mem.h"
#include "server/stats/stat_value.h"

struct stat_ring {
	uint32_t slots;
	uint64_t newest;
	uint64_t oldest; /* nothing was put in before it */
	uint8_t n_columns;
	uint8_t column[METRIC_MAX]; /* of a counter, from 1; 0: it has none yet */
	uint16_t **columns;
};

/* What only ever grows: a thousandth of it may be more than all it grew. */
static bool
is_exact(uint32_t counter)
{
	return counter == METRIC_SYS_UPTIME;
}

static uint32_t
width(uint32_t counter)
{
	return is_exact(counter) ? 2 : 1;
}

struct stat_ring *
stat_ring_new(uint32_t slots)
{
	struct stat_ring *r = xcalloc(1, sizeof(*r));

	r->slots = slots;
	return r;
}

void
stat_ring_free(struct stat_ring *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n_columns; i++)
		free(r->columns[i]);
	free(r->columns);
	free(r);
}

static uint16_t *
column_of(const struct stat_ring *r, uint32_t counter)
{
	uint8_t at = counter < METRIC_MAX ? r->column[counter] : 0;

	return at ? r->columns[at - 1] : NULL;
}

static uint16_t *
add_column(struct stat_ring *r, uint32_t counter)
{
	size_t n = (size_t)r->slots * width(counter);
	uint16_t *column = xcalloc(n, sizeof(*column));

	for (size_t i = 0; i < n; i++)
		column[i] = STAT_GAP;
	r->columns = xrealloc(r->columns, (r->n_columns + 1u) * sizeof(*r->columns));
	r->columns[r->n_columns++] = column;
	r->column[counter] = r->n_columns;
	return column;
}

static void
write_cell(const struct stat_ring *r, uint16_t *column, uint64_t slot, uint32_t counter,
    float v)
{
	size_t at = slot % r->slots;

	if (is_exact(counter))
		memcpy(&column[2 * at], &v, sizeof(v));
	else
		column[at] = stat_pack(v);
}

static void
clear_slots(struct stat_ring *r, uint64_t first, uint64_t n)
{
	for (uint32_t counter = 0; counter < METRIC_MAX; counter++) {
		uint16_t *column = column_of(r, counter);

		for (uint64_t i = 0; column && i < n; i++)
			write_cell(r, column, first + i, counter, NAN);
	}
}

static bool
make_room(struct stat_ring *r, uint64_t slot)
{
	uint64_t ahead;

	if (!r->newest) {
		r->newest = r->oldest = slot;
		return true;
	}
	if (slot <= r->newest) {
		if (slot + r->slots <= r->newest)
			return false;
		if (slot < r->oldest)
			r->oldest = slot;
		return true;
	}
	ahead = slot - r->newest;
	clear_slots(r, r->newest + 1, ahead < r->slots ? ahead : r->slots);
	r->newest = slot;
	if (r->oldest + r->slots <= slot)
		r->oldest = slot - r->slots + 1;
	return true;
}

bool
stat_ring_put(struct stat_ring *r, uint64_t slot, uint32_t counter, float v)
{
	uint16_t *column;

	if (counter >= METRIC_MAX || !make_room(r, slot))
		return false;
	column = column_of(r, counter);
	if (!column)
		column = add_column(r, counter);
	write_cell(r, column, slot, counter, v);
	return true;
}

float
stat_ring_get(const struct stat_ring *r, uint64_t slot, uint32_t counter)
{
	const uint16_t *column = column_of(r, counter);
	size_t at = slot % r->slots;
	float v;

	if (!column || slot > r->newest || slot < r->oldest)
		return NAN;
	if (!is_exact(counter))
		return stat_unpack(column[at]);
	memcpy(&v, &column[2 * at], sizeof(v));
	return v;
}

bool
stat_ring_has(const struct stat_ring *r, uint32_t counter)
{
	return column_of(r, counter);
}

void
stat_ring_copy(const struct stat_ring *r, uint32_t counter, uint64_t first, size_t n,
    float *ret_v)
{
	const uint16_t *column = column_of(r, counter);
	size_t at = first % r->slots;

	if (!column || is_exact(counter)) {
		for (size_t i = 0; i < n; i++)
			ret_v[i] = stat_ring_get(r, first + i, counter);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		uint64_t slot = first + i;

		ret_v[i] = slot > r->newest || slot < r->oldest
			       ? NAN
			       : stat_unpack(column[at]);
		at = at + 1 == r->slots ? 0 : at + 1;
	}
}

uint64_t
stat_ring_newest(const struct stat_ring *r)
{
	return r->newest;
}

uint64_t
stat_ring_oldest(const struct stat_ring *r)
{
	return r->oldest;
}

size_t
stat_ring_bytes(const struct stat_ring *r)
{
	size_t n = sizeof(*r) + r->n_columns * sizeof(*r->columns);

	for (uint32_t i = 0; i < METRIC_MAX; i++) {
		if (r->column[i])
			n += (size_t)r->slots * width(i) * sizeof(uint16_t);
	}
	return n;
}
