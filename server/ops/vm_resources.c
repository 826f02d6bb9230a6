#include "server/ops/vm_resources.h"

#include <inttypes.h>

#include "base/str.h"
#include "server/admission/admission.h"
#include "server/ops/ops_int.h"

static const char *const settings[] = { "cpu_shares_level", "cpu_shares",
	"cpu_reservation_mhz", "cpu_limit_mhz", "mem_shares_level", "mem_shares",
	"mem_reservation_mb", "mem_limit_mb" };

bool
vm_resources_given(const json *args)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		if (arg_has(args, settings[i]))
			return true;
	}
	return false;
}

/* One resource's shares: a level, or a number of its own. */
struct shares {
	const char *level_name, *shares_name;
	char **level;
	uint64_t *shares;
};

static int
lay_shares(const struct shares *s, const json *args, struct err *e)
{
	const char *level = arg_str(args, s->level_name);
	bool has_number = arg_has(args, s->shares_name);
	bool is_custom = str_same(level, "custom");

	if (is_custom && !has_number)
		return err_set(e, ERR_INVALID, "%s: custom wants %s", s->level_name,
		    s->shares_name);
	if (level && !is_custom && has_number)
		return err_set(e, ERR_INVALID, "%s: has no place beside %s \"%s\"",
		    s->shares_name, s->level_name, level);
	if (!level && !has_number)
		return 0;
	text_set(s->level, has_number ? "custom" : level);
	*s->shares = arg_u64(args, s->shares_name, 0);
	return 0;
}

static int
check_limit(const char *what, const char *unit, uint64_t limit, uint64_t reservation,
    struct err *e)
{
	if (!limit || limit >= reservation)
		return 0;
	return err_set(e, ERR_INVALID,
	    "the %s limit of %" PRIu64 " %s is below the reservation of %" PRIu64, what,
	    limit, unit, reservation);
}

static int
check_amounts(const struct vm *vm, struct err *e)
{
	int rc =
	    check_limit("CPU", "MHz", vm->cpu_limit_mhz, vm->cpu_reservation_mhz, e);

	if (!rc)
		rc = check_limit(
		    "memory", "MB", vm->mem_limit_mb, vm->mem_reservation_mb, e);
	if (rc || vm->mem_reservation_mb <= vm->memory_mb)
		return rc;
	return err_set(e, ERR_INVALID,
	    "the memory reservation of %" PRIu64 " MB is above the %" PRIu64
	    " MB that \"%s\" has",
	    vm->mem_reservation_mb, vm->memory_mb, vm->o.name);
}

int
vm_resources_lay(struct vm *vm, const json *args, struct err *e)
{
	const struct shares cpu = { "cpu_shares_level", "cpu_shares",
		&vm->cpu_shares_level, &vm->cpu_shares };
	const struct shares mem = { "mem_shares_level", "mem_shares",
		&vm->mem_shares_level, &vm->mem_shares };
	int rc = lay_shares(&cpu, args, e);

	if (!rc)
		rc = lay_shares(&mem, args, e);
	if (rc)
		return rc;
	vm->cpu_reservation_mhz =
	    arg_u64(args, "cpu_reservation_mhz", vm->cpu_reservation_mhz);
	vm->cpu_limit_mhz = arg_u64(args, "cpu_limit_mhz", vm->cpu_limit_mhz);
	vm->mem_reservation_mb =
	    arg_u64(args, "mem_reservation_mb", vm->mem_reservation_mb);
	vm->mem_limit_mb = arg_u64(args, "mem_limit_mb", vm->mem_limit_mb);
	if (arg_has(args, "pool"))
		vm->pool = arg_id(args, "pool");
	return check_amounts(vm, e);
}

static int
check_cluster(
    const struct inv *inv, const struct vm *now, const struct vm *wanted, struct err *e)
{
	obj_id from = inv_ancestor(inv, now->pool, KIND_CLUSTER);
	obj_id to = inv_ancestor(inv, wanted->pool, KIND_CLUSTER);

	if (obj_id_is(now->pool, wanted->pool) || obj_id_is(from, to))
		return 0;
	return err_set(e, ERR_INVALID,
	    "pool: \"%s\" is in cluster \"%s\", \"%s\" in \"%s\": it must be moved to "
	    "that cluster first",
	    inv_name(inv, wanted->pool), inv_name(inv, to), now->o.name,
	    inv_name(inv, from));
}

int
vm_resources_admit(
    const struct inv *inv, const struct vm *now, const struct vm *wanted, struct err *e)
{
	bool moves = !obj_id_is(now->pool, wanted->pool);
	struct pool_claim more = pool_claim_of(wanted);
	int rc = check_cluster(inv, now, wanted, e);

	if (rc || now->power_state == POWER_OFF || now->power_state == POWER_SUSPENDED)
		return rc;
	/* A tree that is overcommitted must not keep anybody from asking for less. */
	if (!moves && more.cpu_mhz <= now->cpu_reservation_mhz)
		more.cpu_mhz = 0;
	if (!moves && more.mem_mb <= now->mem_reservation_mb)
		more.mem_mb = 0;
	rc = pool_admit_guest(inv, wanted->pool, now->o.id, &more, e);
	return rc ? rc : admission_grow(inv, now, wanted, e);
}
