#include "server/admission/admission_check.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

#define PER_PERCENT 10u
#define PERMILLE    1000u

static uint64_t
cpu_of(const struct failover_guest *g)
{
	return g->cpu_mhz ? g->cpu_mhz : FAILOVER_CPU_MHZ;
}

static uint64_t
memory_of(const struct failover_guest *g)
{
	return g->memory_mb + g->overhead_mb;
}

static struct failover_share
kept_share(const struct admission_view *v)
{
	struct failover_share keep = failover_automatic(v->hosts, v->n_hosts, v->level);

	if (v->cpu_percent)
		keep.cpu_permille = v->cpu_percent * (uint64_t)PER_PERCENT;
	if (v->memory_percent)
		keep.memory_permille = v->memory_percent * (uint64_t)PER_PERCENT;
	return keep;
}

void
admission_weigh(const struct admission_view *v, struct admission_room *ret)
{
	*ret = (struct admission_room){
		.keep = kept_share(v),
		.unreserved =
		    failover_unreserved(v->hosts, v->n_hosts, v->guests, v->n_guests),
		.slots = failover_slots(
		    v->hosts, v->n_hosts, v->guests, v->n_guests, &v->caps, v->level),
	};
	for (size_t i = 0; i < v->n_hosts; i++) {
		ret->cpu_mhz += v->hosts[i].cpu_mhz;
		ret->memory_mb += v->hosts[i].memory_mb;
	}
	for (size_t i = 0; i < v->n_guests; i++) {
		ret->reserved_mhz += cpu_of(&v->guests[i]);
		ret->reserved_mb += memory_of(&v->guests[i]);
	}
}

/* One resource, as the percentage sees it. */
struct part {
	const char *name, *unit;
	uint64_t total, reserved, keep_permille;
	uint64_t asked;       /* with what it takes besides */
	uint64_t reservation; /* of that, what it could do without */
};

static int
check_part(const struct part *p, const char *cluster, const char *name, struct err *e)
{
	uint64_t kept = (p->total * p->keep_permille + PERMILLE - 1) / PERMILLE;
	uint64_t taken = p->reserved + kept;
	uint64_t open = p->total > taken ? p->total - taken : 0;
	uint64_t lacking = p->asked + taken - p->total;
	char fits[80];

	if (!p->keep_permille || p->asked <= open)
		return 0;
	if (p->reservation > lacking) {
		snprintf(fits, sizeof(fits),
		    "it fits with a reservation of %" PRIu64 " %s",
		    p->reservation - lacking, p->unit);
	} else if (lacking <= p->reserved) {
		snprintf(fits, sizeof(fits),
		    "it fits once others give back %" PRIu64 " %s", lacking, p->unit);
	} else {
		snprintf(fits, sizeof(fits), "nothing fits while so much is kept");
	}
	return err_set(e, ERR_NO_CAPACITY,
	    "\"%.50s\" asks for %" PRIu64 " %s of %s, %" PRIu64
	    " too many: cluster \"%.30s\" keeps %" PRIu64 " of %" PRIu64
	    " for lost hosts, %" PRIu64 " are reserved; %s",
	    name, p->asked, p->unit, p->name, lacking, cluster, kept, p->total,
	    p->reserved, fits);
}

static int
check_shares(const struct admission_view *v, const char *name,
    const struct failover_guest *more, struct err *e)
{
	struct admission_room room;

	admission_weigh(v, &room);
	const struct part cpu = { "CPU", "MHz", room.cpu_mhz, room.reserved_mhz,
		room.keep.cpu_permille, cpu_of(more), more->cpu_mhz };
	const struct part memory = { "memory", "MB", room.memory_mb, room.reserved_mb,
		room.keep.memory_permille, memory_of(more), more->memory_mb };
	int rc = check_part(&cpu, v->cluster, name, e);

	return rc ? rc : check_part(&memory, v->cluster, name, e);
}

static int
check_slots(const struct admission_view *v, const char *name,
    const struct failover_guest *more, struct err *e)
{
	AUTO(arena) struct arena *a = arena_new();
	struct failover_guest *all = arena_array(a, v->n_guests + 1, sizeof(*all));

	/* A large one makes all slots large. */
	if (v->n_guests)
		memcpy(all, v->guests, v->n_guests * sizeof(*all));
	all[v->n_guests] = *more;
	const struct failover_slots s = failover_slots(
	    v->hosts, v->n_hosts, all, v->n_guests + 1, &v->caps, v->level);
	if (!v->level || s.used + s.kept <= s.total)
		return 0;
	return err_set(e, ERR_NO_CAPACITY,
	    "with \"%.50s\" cluster \"%.30s\" has %" PRIu64 " slots of %" PRIu64
	    " MHz and %" PRIu64 " MB: %" PRIu64 " are kept for lost hosts and %" PRIu64
	    " used, %" PRIu64 " too many; it fits once so many are free, or with less "
	    "reserved",
	    name, v->cluster, s.total, s.slot.cpu_mhz, s.slot.memory_mb, s.kept, s.used,
	    s.used + s.kept - s.total);
}

int
admission_check(const struct admission_view *v, const char *name,
    const struct failover_guest *more, struct err *e)
{
	switch (v->policy) {
	case HA_ADMIT_PERCENTAGE:
		return check_shares(v, name, more, e);
	case HA_ADMIT_SLOTS:
		return check_slots(v, name, more, e);
	case HA_ADMIT_HOSTS:
	case HA_ADMIT_OFF:
	case ha_admission_COUNT_:
		break;
	}
	return 0;
}

static int
most_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

/* What is left of one resource without the most largest of its n parts. */
static uint64_t
left_of(uint64_t *v, size_t n, uint32_t most)
{
	uint64_t sum = 0;

	qsort(v, n, sizeof(*v), most_first);
	for (size_t i = most; i < n; i++)
		sum += v[i];
	return sum;
}

static uint32_t
missed(uint64_t used, uint64_t left)
{
	return used > left ? (uint32_t)((used - left) * 100 / used) : 0;
}

uint32_t
admission_miss(const struct failover_host *hosts, size_t n_hosts, uint32_t level,
    uint64_t used_mhz, uint64_t used_mb)
{
	AUTO(arena) struct arena *a = arena_new();
	uint64_t *cpu = arena_array(a, n_hosts + 1, sizeof(*cpu));
	uint64_t *memory = arena_array(a, n_hosts + 1, sizeof(*memory));
	uint32_t of_cpu, of_memory;

	for (size_t i = 0; i < n_hosts; i++) {
		cpu[i] = hosts[i].cpu_mhz;
		memory[i] = hosts[i].memory_mb;
	}
	of_cpu = missed(used_mhz, left_of(cpu, n_hosts, level));
	of_memory = missed(used_mb, left_of(memory, n_hosts, level));
	return of_cpu > of_memory ? of_cpu : of_memory;
}
