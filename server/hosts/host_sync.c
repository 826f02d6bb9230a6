#include "server/hosts/host_sync.h"

#include <string.h>

#include "base/str.h"

static const struct sync_vm *
find_vm(const struct sync_vm *vms, size_t n, uint64_t number)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (vms[mid].number == number)
			return &vms[mid];
		if (vms[mid].number < number)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

static bool
is_listed(Drover__GuestStatus *const *guests, size_t n, const struct sync_vm *vm)
{
	for (size_t i = 0; i < n; i++) {
		if (guests[i]->guest == vm->number &&
		    str_same(guests[i]->uuid, vm->uuid))
			return true;
	}
	return false;
}

/* What a host has of a machine that belongs to another one. */
static enum sync_kind
kind_elsewhere(const struct sync_vm *vm, const Drover__GuestStatus *s)
{
	switch (s->state) {
	/* Stopped for good, and only because of a move; the inventory's host is where
	 * the move ended. */
	case DROVER__GUEST_STATE__GUEST_GIVEN:
		return SYNC_RELEASE;
	case DROVER__GUEST_STATE__GUEST_ARRIVING:
		return SYNC_REFUSE;
	/* A move of what does not run makes its generation higher. */
	case DROVER__GUEST_STATE__GUEST_STOPPED:
		return generation_is_past(s->generation, vm->known.run_gen)
			   ? SYNC_RELEASE
			   : SYNC_UNKNOWN;
	/* So does HA, for what was lost: it was killed here before. */
	case DROVER__GUEST_STATE__GUEST_FAILED:
		return vm->leased &&
			       generation_is_past(s->generation, vm->known.run_gen)
			   ? SYNC_RELEASE
			   : SYNC_UNKNOWN;
	/* One that runs is a question for people. */
	default:
		return SYNC_UNKNOWN;
	}
}

/* One guest of the host; false if there is nothing to say. */
static bool
look_at(const struct sync_vm *vm, const Drover__GuestStatus *s, struct sync_finding *f)
{
	*f = (struct sync_finding){ .number = s->guest, .status = s };
	if (!vm || !str_same(vm->uuid, s->uuid)) {
		f->kind = SYNC_UNKNOWN;
		return true;
	}
	/* A task that works on it knows where it is. */
	if (vm->busy)
		return false;
	if (vm->elsewhere) {
		f->kind = kind_elsewhere(vm, s);
		return true;
	}
	if (s->state == DROVER__GUEST_STATE__GUEST_GIVEN) {
		f->kind = SYNC_TAKE_BACK;
		return true;
	}
	f->kind = SYNC_CHANGE;
	return guest_news(&vm->known, s, &f->change);
}

static bool
is_missing(const struct sync_vm *vm)
{
	return !vm->busy && !vm->elsewhere && vm->known.lifecycle == LIFE_READY &&
	       vm->known.power != POWER_UNKNOWN;
}

size_t
host_sync(const struct sync_vm *vms, size_t n_vms, Drover__GuestStatus *const *guests,
    size_t n_guests, enum sync_scope scope, struct sync_finding *out)
{
	size_t n = 0;

	for (size_t i = 0; i < n_guests; i++)
		n += look_at(find_vm(vms, n_vms, guests[i]->guest), guests[i], &out[n]);
	if (scope == SYNC_PRESENT)
		return n;
	for (size_t i = 0; i < n_vms; i++) {
		if (!is_missing(&vms[i]) || is_listed(guests, n_guests, &vms[i]))
			continue;
		out[n++] = (struct sync_finding){
			.kind = SYNC_MISSING,
			.number = vms[i].number,
		};
	}
	return n;
}
