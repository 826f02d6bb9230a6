#include "host-agent/engine/qemu/qemu_mig.h"

#include "base/mem.h"
#include "base/str.h"

/* The channel has the cap; QEMU's own would only make it wait. */
#define FULL_SPEED (1ull << 60)
#define MAX_TEXT   1024
/* Of what got across in a round, the share that may be written anew before QEMU slows
 * the guest.  The first means: not yet. */
#define THROTTLE_LATE    100
#define THROTTLE_NOW     40
#define THROTTLE_INITIAL 20
#define THROTTLE_STEP    15
#define THROTTLE_MAX     99

static void
add_cap(json *list, const char *name, bool on)
{
	json *cap = json_new_object();

	json_set_str(cap, "capability", name);
	json_set_bool(cap, "state", on);
	json_add_json(list, cap);
}

json *
qemu_mig_caps(enum qemu_mig_use use, bool throttle)
{
	json *o = json_new_object(), *list = json_new_array();

	add_cap(list, "events", true);
	add_cap(list, "return-path", false);
	add_cap(list, "pause-before-switchover", use == QEMU_MIG_OUT);
	add_cap(list, "auto-converge", use == QEMU_MIG_OUT && throttle);
	/* Its disks are written to until it is let go. */
	add_cap(list, "late-block-activate", use == QEMU_MIG_IN);
	json_set_json(o, "capabilities", list);
	return o;
}

json *
qemu_mig_limits(uint32_t downtime_ms)
{
	json *o = qemu_mig_downtime(downtime_ms);

	json_set_u64(o, "max-bandwidth", FULL_SPEED);
	json_set_u64(o, "throttle-trigger-threshold", THROTTLE_LATE);
	json_set_u64(o, "cpu-throttle-initial", THROTTLE_INITIAL);
	json_set_u64(o, "cpu-throttle-increment", THROTTLE_STEP);
	json_set_u64(o, "max-cpu-throttle", THROTTLE_MAX);
	return o;
}

json *
qemu_mig_downtime(uint32_t downtime_ms)
{
	json *o = json_new_object();

	json_set_u64(o, "downtime-limit", downtime_ms);
	return o;
}

json *
qemu_mig_throttle(void)
{
	json *o = json_new_object();

	json_set_u64(o, "throttle-trigger-threshold", THROTTLE_NOW);
	return o;
}

json *
qemu_mig_tail(void)
{
	json *o = json_new_object();

	json_set_str(o, "path", "/machine");
	json_set_str(o, "property", "suppress-vmdesc");
	return o;
}

bool
qemu_mig_tail_is_bare(const json *answer)
{
	return json_what(answer) == JSON_IS_BOOL && json_bool_value(answer);
}

enum qemu_mig_status
qemu_mig_status(const char *name)
{
	static const struct {
		const char *name;
		enum qemu_mig_status status;
	} known[] = {
		{ "none", QEMU_MIG_NONE },
		{ "setup", QEMU_MIG_MOVES },
		{ "active", QEMU_MIG_MOVES },
		{ "wait-unplug", QEMU_MIG_MOVES },
		{ "pre-switchover", QEMU_MIG_HOLDS },
		{ "device", QEMU_MIG_SWITCHES },
		{ "cancelling", QEMU_MIG_ENDS },
		{ "completed", QEMU_MIG_COMPLETED },
		{ "failed", QEMU_MIG_FAILED },
		{ "cancelled", QEMU_MIG_FAILED },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (str_same(known[i].name, name))
			return known[i].status;
	/* None that we ask for: what cannot be named is not meddled with. */
	return QEMU_MIG_SWITCHES;
}

static uint64_t
number(const json *o, const char *key)
{
	uint64_t v = 0;

	if (json_read_u64(o, key, JSON_OPTIONAL, 0, INT64_MAX, &v, NULL))
		return 0;
	return v;
}

static void
read_ram(const json *ram, struct qemu_mig_facts *f)
{
	const json *mbps = json_get(ram, "mbps");
	enum json_type t = mbps ? json_what(mbps) : JSON_IS_NULL;
	bool has_rate = t == JSON_IS_INT || t == JSON_IS_REAL;

	f->transferred_bytes = number(ram, "transferred");
	f->remaining_bytes = number(ram, "remaining");
	f->total_bytes = number(ram, "total");
	f->rounds = (uint32_t)number(ram, "dirty-sync-count");
	f->dirty_bytes_per_s =
	    number(ram, "dirty-pages-rate") * number(ram, "page-size");
	if (has_rate && json_number(mbps) > 0)
		f->bytes_per_s = (uint64_t)(json_number(mbps) * 1e6 / 8);
}

int
qemu_mig_read(const json *o, struct qemu_mig_facts *ret_f, struct err *e)
{
	struct qemu_mig_facts f = { .why = "" };
	const char *status = "none";
	const json *part;
	int rc;

	rc = json_read_str(o, "status", JSON_OPTIONAL, 64, &status, e);
	if (!rc)
		rc = json_read_str(o, "error-desc", JSON_OPTIONAL, MAX_TEXT, &f.why, e);
	if (rc)
		return rc;
	f.status = qemu_mig_status(status);
	f.total_ms = number(o, "total-time");
	f.setup_ms = number(o, "setup-time");
	f.downtime_ms = number(o, "downtime");
	f.throttle_pct = (uint32_t)number(o, "cpu-throttle-percentage");
	part = json_get(o, "ram");
	if (part && json_what(part) == JSON_IS_OBJECT)
		read_ram(part, &f);
	part = json_get(o, "blocked-reasons");
	if (part && json_what(part) == JSON_IS_ARRAY)
		f.blocked = part;
	*ret_f = f;
	return 0;
}
