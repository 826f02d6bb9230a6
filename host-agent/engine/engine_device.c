#include "host-agent/engine/engine_device.h"

#include <inttypes.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/engine/engine_int.h"

#define SLOTS_MAX 64u

/* The number of a name "disk-3"; SLOTS_MAX if it has none. */
static unsigned
number_of(const char *name, const char *prefix)
{
	uint64_t n;

	if (!str_starts(name, prefix) ||
	    parse_u64(name + strlen(prefix), 0, SLOTS_MAX - 1, "number", &n, NULL))
		return SLOTS_MAX;
	return (unsigned)n;
}

static const char *
name_of(const Drover__GuestSpec *spec, const char *prefix, size_t i)
{
	return prefix[0] == 'd' ? spec->disks[i]->name : spec->nics[i]->name;
}

static unsigned
slot_of(const Drover__GuestSpec *spec, const char *prefix, size_t n, size_t i)
{
	unsigned slots[SLOTS_MAX];
	uint64_t taken = 0;

	ASSERT(n <= SLOTS_MAX && i < n);
	/* The first of two of one number has it. */
	for (size_t k = 0; k < n; k++) {
		slots[k] = number_of(name_of(spec, prefix, k), prefix);
		if (slots[k] < SLOTS_MAX && taken >> slots[k] & 1)
			slots[k] = SLOTS_MAX;
		if (slots[k] < SLOTS_MAX)
			taken |= UINT64_C(1) << slots[k];
	}
	for (size_t k = 0; k <= i; k++) {
		if (slots[k] < SLOTS_MAX)
			continue;
		for (slots[k] = 0; taken >> slots[k] & 1;)
			slots[k]++;
		taken |= UINT64_C(1) << slots[k];
	}
	return slots[i];
}

unsigned
engine_disk_slot(const Drover__GuestSpec *spec, size_t i)
{
	return slot_of(spec, "disk-", spec->n_disks, i);
}

unsigned
engine_nic_slot(const Drover__GuestSpec *spec, size_t i)
{
	return slot_of(spec, "nic-", spec->n_nics, i);
}

static void
begin(struct engine_guest *g, enum engine_verb v, const struct engine_device *d,
    struct wake w)
{
	struct err e = ERR_INIT;
	int rc;

	if (!engine_begin(g, v, w))
		return;
	rc = engine_spec_check(g->engine, d->spec, &e);
	if (!rc)
		rc = g->engine->ops->device(g, d, &e);
	if (rc)
		err_wrap(&e, "vm-%" PRIu64, g->number);
	engine_begun(g, rc, &e);
}

void
engine_plug_disk(struct engine_guest *g, const struct engine_device *d, struct wake w)
{
	begin(g, ENGINE_PLUG_DISK, d, w);
}

void
engine_plug_nic(struct engine_guest *g, const struct engine_device *d, struct wake w)
{
	begin(g, ENGINE_PLUG_NIC, d, w);
}

void
engine_unplug_disk(struct engine_guest *g, const struct engine_device *d, struct wake w)
{
	begin(g, ENGINE_UNPLUG_DISK, d, w);
}

void
engine_unplug_nic(struct engine_guest *g, const struct engine_device *d, struct wake w)
{
	begin(g, ENGINE_UNPLUG_NIC, d, w);
}

void
engine_grow_disk(struct engine_guest *g, const struct engine_device *d, struct wake w)
{
	begin(g, ENGINE_GROW_DISK, d, w);
}

void
engine_limit_disk(struct engine_guest *g, const struct engine_device *d, struct wake w)
{
	begin(g, ENGINE_LIMIT_DISK, d, w);
}
