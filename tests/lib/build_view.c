#include "tests/lib/build_view.h"

#include "base/assert.h"

static const uint64_t first_only[] = { 1 };

struct sched_host
build_host(uint64_t id, const char *name)
{
	return (struct sched_host){
		.id = id,
		.name = name,
		.state = SCHED_HOST_CONNECTED,
		.cpu_mhz = 9600,
		.cpu_cores = 4,
		.memory_mb = 8192,
		.engines = 1U << SCHED_ENGINE_QEMU,
		.datastores = first_only,
		.datastore_count = 1,
		.networks = first_only,
		.network_count = 1,
	};
}

struct sched_guest
build_guest(uint64_t id, const char *name)
{
	return (struct sched_guest){
		.id = id,
		.name = name,
		.state = SCHED_GUEST_OFF,
		.num_cpu = 2,
		.memory_mb = 4096,
		.engines = 1U << SCHED_ENGINE_QEMU,
	};
}

struct sched_guest
build_running(uint64_t id, const char *name, uint64_t host)
{
	struct sched_guest g = build_guest(id, name);

	g.host = host;
	g.state = SCHED_GUEST_RUNNING;
	return g;
}

static void
add_surroundings(struct sched_view *v)
{
	static const char *const clusters[] = { "cluster-1", "cluster-2" };
	static const char *const networks[] = { "network-1", "network-2" };
	static const char *const datastores[] = { "datastore-1", "datastore-2" };

	for (uint64_t id = 1; id <= 2; id++) {
		struct sched_cluster c = { .id = id,
			.name = clusters[id - 1],
			.policy = sched_policy_default() };
		struct sched_network n = { .id = id, .name = networks[id - 1] };
		struct sched_datastore d = { .id = id,
			.name = datastores[id - 1],
			.total_mb = 1000000,
			.free_mb = 500000 };

		ASSERT(sched_view_add_cluster(v, &c, NULL) == 0);
		ASSERT(sched_view_add_network(v, &n, NULL) == 0);
		ASSERT(sched_view_add_datastore(v, &d, NULL) == 0);
	}
}

struct sched_view *
build_view(const struct sched_host *hosts, size_t host_count,
    const struct sched_guest *guests, size_t guest_count)
{
	struct sched_view *v = sched_view_new();

	add_surroundings(v);
	for (size_t i = 0; i < host_count; i++)
		ASSERT(sched_view_add_host(v, &hosts[i], NULL) == 0);
	for (size_t i = 0; i < guest_count; i++)
		ASSERT(sched_view_add_guest(v, &guests[i], NULL) == 0);
	ASSERT(sched_view_finish(v, NULL) == 0);
	return v;
}
