#include "scheduler/failover.h"

#include <stdlib.h>

#include "base/arena.h"

#define PERMILLE    1000u
#define PER_PERCENT 10u

static uint64_t
larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

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

/* ---- slots ---- */

static uint64_t
capped(uint64_t x, uint64_t cap)
{
	return cap && x > cap ? cap : larger(x, 1);
}

struct failover_slot
failover_slot_size(
    const struct failover_guest *guests, size_t n, const struct failover_slot *caps)
{
	struct failover_slot s = { FAILOVER_CPU_MHZ, 0 };

	for (size_t i = 0; i < n; i++) {
		s.cpu_mhz = larger(s.cpu_mhz, guests[i].cpu_mhz);
		s.memory_mb = larger(s.memory_mb, memory_of(&guests[i]));
	}
	s.cpu_mhz = capped(s.cpu_mhz, caps ? caps->cpu_mhz : 0);
	s.memory_mb = capped(s.memory_mb, caps ? caps->memory_mb : 0);
	return s;
}

uint64_t
failover_host_slots(const struct failover_host *h, const struct failover_slot *s)
{
	uint64_t cpu = h->cpu_mhz / s->cpu_mhz, memory = h->memory_mb / s->memory_mb;

	return cpu < memory ? cpu : memory;
}

static uint64_t
rounded_up(uint64_t x, uint64_t of)
{
	return x / of + (x % of != 0);
}

uint64_t
failover_guest_slots(const struct failover_guest *g, const struct failover_slot *s)
{
	uint64_t cpu = rounded_up(g->cpu_mhz, s->cpu_mhz);
	uint64_t memory = rounded_up(memory_of(g), s->memory_mb);

	return larger(1, larger(cpu, memory));
}

static int
most_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x < y) - (x > y);
}

struct failover_slots
failover_slots(const struct failover_host *hosts, size_t n_hosts,
    const struct failover_guest *guests, size_t n_guests,
    const struct failover_slot *caps, uint32_t failures)
{
	AUTO(arena) struct arena *a = arena_new();
	size_t n = n_hosts < FAILOVER_MAX_HOSTS ? n_hosts : FAILOVER_MAX_HOSTS;
	uint64_t *slots = arena_array(a, n + 1, sizeof(*slots)), left;
	struct failover_slots r = { .slot =
					failover_slot_size(guests, n_guests, caps) };

	for (size_t i = 0; i < n_guests; i++)
		r.used += failover_guest_slots(&guests[i], &r.slot);
	for (size_t i = 0; i < n; i++) {
		slots[i] = failover_host_slots(&hosts[i], &r.slot);
		r.total += slots[i];
	}
	qsort(slots, n, sizeof(*slots), most_first);
	for (size_t i = 0; i < n && i < failures; i++)
		r.kept += slots[i];
	left = r.total - r.kept;
	r.free = left > r.used ? left - r.used : 0;
	left = r.total;
	for (size_t i = 0; i < n && left - slots[i] >= r.used; i++) {
		left -= slots[i];
		r.survives++;
	}
	return r;
}

/* ---- percentage ---- */

struct sums {
	uint64_t cpu_mhz, memory_mb;
};

static struct sums
sum_hosts(const struct failover_host *hosts, size_t n)
{
	struct sums s = { 0, 0 };

	for (size_t i = 0; i < n; i++) {
		s.cpu_mhz += hosts[i].cpu_mhz;
		s.memory_mb += hosts[i].memory_mb;
	}
	return s;
}

static struct sums
sum_guests(const struct failover_guest *guests, size_t n)
{
	struct sums s = { 0, 0 };

	for (size_t i = 0; i < n; i++) {
		s.cpu_mhz += cpu_of(&guests[i]);
		s.memory_mb += memory_of(&guests[i]);
	}
	return s;
}

static uint64_t
unreserved(uint64_t total, uint64_t reserved)
{
	return total > reserved ? (total - reserved) * PERMILLE / total : 0;
}

static struct failover_share
share_left(const struct sums *hosts, const struct sums *guests)
{
	return (struct failover_share){
		unreserved(hosts->cpu_mhz, guests->cpu_mhz),
		unreserved(hosts->memory_mb, guests->memory_mb),
	};
}

struct failover_share
failover_unreserved(const struct failover_host *hosts, size_t n_hosts,
    const struct failover_guest *guests, size_t n_guests)
{
	struct sums h = sum_hosts(hosts, n_hosts), g = sum_guests(guests, n_guests);

	return share_left(&h, &g);
}

/* The sum of the most largest ones of one resource, as a share of all. */
static uint64_t
largest_of(uint64_t *v, size_t n, uint32_t most, uint64_t total)
{
	uint64_t sum = 0;

	qsort(v, n, sizeof(*v), most_first);
	for (size_t i = 0; i < n && i < most; i++)
		sum += v[i];
	return total ? rounded_up(sum * 100, total) * PER_PERCENT : 0;
}

struct failover_share
failover_automatic(const struct failover_host *hosts, size_t n_hosts, uint32_t failures)
{
	AUTO(arena) struct arena *a = arena_new();
	uint64_t *cpu = arena_array(a, n_hosts + 1, sizeof(*cpu));
	uint64_t *memory = arena_array(a, n_hosts + 1, sizeof(*memory));
	struct sums s = sum_hosts(hosts, n_hosts);

	for (size_t i = 0; i < n_hosts; i++) {
		cpu[i] = hosts[i].cpu_mhz;
		memory[i] = hosts[i].memory_mb;
	}
	return (struct failover_share){
		largest_of(cpu, n_hosts, failures, s.cpu_mhz),
		largest_of(memory, n_hosts, failures, s.memory_mb),
	};
}

bool
failover_share_admits(const struct failover_host *hosts, size_t n_hosts,
    const struct failover_guest *guests, size_t n_guests,
    const struct failover_guest *more, const struct failover_share *keep)
{
	struct sums h = sum_hosts(hosts, n_hosts), g = sum_guests(guests, n_guests);
	struct failover_share left;

	g.cpu_mhz += cpu_of(more);
	g.memory_mb += memory_of(more);
	left = share_left(&h, &g);
	return left.cpu_permille >= keep->cpu_permille &&
	       left.memory_permille >= keep->memory_permille;
}
