#include "server/ops/vm_spec.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/ops/net_plan.h"
#include "server/ops/ops_int.h"
#include "server/pools/pool_tree.h"

static char *
copy(struct arena *a, const char *s)
{
	return arena_strdup(a, s ? s : "");
}

static void
fill_backing(struct arena *a, const json *list, Drover__DiskSpec *d)
{
	d->n_backing = list ? json_count(list) : 0;
	d->backing = arena_array(a, d->n_backing + 1, sizeof(Drover__DiskLayer *));
	for (size_t i = 0; i < d->n_backing; i++) {
		Drover__DiskLayer *l = arena_alloc(a, sizeof(*l));

		drover__disk_layer__init(l);
		l->path = copy(a, arg_str(json_at(list, i), "path"));
		l->format = copy(a, arg_str(json_at(list, i), "format"));
		d->backing[i] = l;
	}
}

static Drover__DiskSpec *
disk_spec(struct arena *a, const json *j)
{
	Drover__DiskSpec *d = arena_alloc(a, sizeof(*d));

	drover__disk_spec__init(d);
	d->name = copy(a, arg_str(j, "name"));
	d->datastore = obj_id_number(arg_id(j, "datastore"));
	d->path = copy(a, arg_str(j, "path"));
	d->format = copy(a, arg_str(j, "format"));
	d->size_bytes = arg_u64(j, "size_bytes", 0);
	d->iops_limit = arg_u64(j, "iops_limit", 0);
	d->bytes_per_s_limit = arg_u64(j, "bytes_per_s_limit", 0);
	fill_backing(a, json_get(j, "backing"), d);
	return d;
}

static Drover__NicSpec *
nic_spec(struct arena *a, const struct inv *inv, const json *j)
{
	Drover__NicSpec *n = arena_alloc(a, sizeof(*n));
	const struct network *net = inv_network(inv, arg_id(j, "network"));
	const char *address = arg_str(j, "address");

	drover__nic_spec__init(n);
	n->name = copy(a, arg_str(j, "name"));
	n->mac = copy(a, arg_str(j, "mac"));
	n->rx_kbit_limit = arg_u64(j, "rx_kbit_limit", 0);
	n->tx_kbit_limit = arg_u64(j, "tx_kbit_limit", 0);
	if (!net)
		return n;
	const char *slash = net->cidr ? strchr(net->cidr, '/') : NULL;
	n->bridge = copy(a, net->bridge);
	n->vlan = (uint32_t)arg_u64(j, "vlan", net->vlan);
	n->network = copy(a, net->o.name);
	n->gateway = copy(a, net->gateway);
	if (address)
		n->address = arena_printf(a, "%s%s", address, slash ? slash : "/32");
	return n;
}

/* A list of texts as a message has it; an absent one is empty. */
static char **
texts(struct arena *a, const json *list, size_t *ret_n)
{
	size_t n = list ? json_count(list) : 0;
	char **v = arena_array(a, n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = copy(a, json_str_value(json_at(list, i), NULL));
	*ret_n = n;
	return v;
}

static Drover__ContainerSpec *
container_spec(struct arena *a, const json *j)
{
	Drover__ContainerSpec *c = arena_alloc(a, sizeof(*c));
	const json *groups = json_get(j, "groups");

	drover__container_spec__init(c);
	c->args = texts(a, json_get(j, "args"), &c->n_args);
	c->env = texts(a, json_get(j, "env"), &c->n_env);
	c->devices = texts(a, json_get(j, "devices"), &c->n_devices);
	c->cwd = copy(a, arg_str(j, "cwd"));
	c->stop_signal = copy(a, arg_str(j, "stop_signal"));
	c->uid = (uint32_t)arg_u64(j, "uid", 0);
	c->gid = (uint32_t)arg_u64(j, "gid", 0);
	c->n_groups = groups ? json_count(groups) : 0;
	c->groups = arena_array(a, c->n_groups + 1, sizeof(*c->groups));
	for (size_t i = 0; i < c->n_groups; i++)
		c->groups[i] = (uint32_t)json_int_value(json_at(groups, i));
	c->swap_limit_mb = arg_u64(j, "swap_limit_mb", 0);
	c->pids_limit = (uint32_t)arg_u64(j, "pids_limit", 0);
	c->io_weight = (uint32_t)arg_u64(j, "io_weight", 0);
	return c;
}

/* What a container says of itself comes before its network's. */
static void
fill_names(struct arena *a, const struct vm *vm, Drover__GuestSpec *s)
{
	const json *dns = json_get(vm->container, "dns");

	s->host_name = copy(a, arg_str(vm->container, "host_name"));
	if (dns && json_count(dns))
		s->dns = texts(a, dns, &s->n_dns);
}

static void
fill_dns(
    struct arena *a, const struct inv *inv, const struct vm *vm, Drover__GuestSpec *s)
{
	const struct network *net =
	    vm->networks.n ? inv_network(inv, vm->networks.v[0]) : NULL;
	char *list = net && net->dns ? copy(a, net->dns) : NULL;

	if (!list)
		return;
	s->dns = arena_array(a, strlen(list) + 1, sizeof(*s->dns));
	for (char *next; (next = strsep(&list, ","));) {
		if (*next)
			s->dns[s->n_dns++] = next;
	}
}

static void
fill_devices(
    struct arena *a, const struct inv *inv, const struct vm *vm, Drover__GuestSpec *s)
{
	s->n_disks = vm->disks ? json_count(vm->disks) : 0;
	s->n_nics = vm->nics ? json_count(vm->nics) : 0;
	s->disks = arena_array(a, s->n_disks + 1, sizeof(Drover__DiskSpec *));
	s->nics = arena_array(a, s->n_nics + 1, sizeof(Drover__NicSpec *));
	for (size_t i = 0; i < s->n_disks; i++)
		s->disks[i] = disk_spec(a, json_at(vm->disks, i));
	for (size_t i = 0; i < s->n_nics; i++)
		s->nics[i] = nic_spec(a, inv, json_at(vm->nics, i));
}

static Drover__SeedSpec *
seed_spec(struct arena *a, const json *j)
{
	Drover__SeedSpec *s = arena_alloc(a, sizeof(*s));

	drover__seed_spec__init(s);
	s->meta_data = copy(a, arg_str(j, "meta_data"));
	s->user_data = copy(a, arg_str(j, "user_data"));
	s->network_config = copy(a, arg_str(j, "network_config"));
	return s;
}

static Drover__ResourceSpec *
resource_spec(struct arena *a, const struct vm *vm)
{
	Drover__ResourceSpec *r = arena_alloc(a, sizeof(*r));

	drover__resource_spec__init(r);
	r->cpu_shares =
	    pool_cpu_shares(vm->cpu_shares_level, vm->cpu_shares, vm->num_cpu);
	r->cpu_reservation_mhz = vm->cpu_reservation_mhz;
	r->cpu_limit_mhz = vm->cpu_limit_mhz;
	r->mem_shares =
	    pool_mem_shares(vm->mem_shares_level, vm->mem_shares, vm->memory_mb);
	r->mem_reservation_mb = vm->mem_reservation_mb;
	r->mem_limit_mb = vm->mem_limit_mb;
	return r;
}

Drover__GuestSpec *
vm_spec(struct arena *a, const struct inv *inv, const struct vm *vm)
{
	Drover__GuestSpec *s = arena_alloc(a, sizeof(*s));

	drover__guest_spec__init(s);
	s->guest = obj_id_number(vm->o.id);
	s->uuid = copy(a, vm->uuid);
	s->name = copy(a, vm->o.name);
	s->engine = copy(a, vm->engine);
	s->num_cpu = vm->num_cpu;
	s->memory_mb = vm->memory_mb;
	s->resources = resource_spec(a, vm);
	fill_devices(a, inv, vm, s);
	fill_dns(a, inv, vm, s);
	s->seed = vm->seed ? seed_spec(a, vm->seed) : NULL;
	if (vm->guest_type == GUEST_CONTAINER && vm->container) {
		s->container = container_spec(a, vm->container);
		fill_names(a, vm, s);
	}
	return s;
}

json *
vm_nics_one(obj_id network, const char *mac, uint32_t address)
{
	json *list = json_new_array(), *n = json_new_object();
	char id[OBJ_ID_TEXT], ip[IPV4_TEXT];

	json_set_str(n, "name", "nic-0");
	json_set_str(n, "network", obj_id_text(network, id));
	json_set_str(n, "mac", mac);
	if (address)
		json_set_str(n, "address", ipv4_text(address, ip));
	json_add_json(list, n);
	return list;
}

static bool
mac_is_taken(const struct inv *inv, const char *mac)
{
	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);
		for (size_t i = 0; vm->nics && i < json_count(vm->nics); i++) {
			if (str_same(arg_str(json_at(vm->nics, i), "mac"), mac))
				return true;
		}
	}
	return false;
}

void
vm_mac_pick(const struct inv *inv, obj_id vm, obj_id cluster, char out[18])
{
	const struct obj *cl = inv_get(inv, cluster);
	uint64_t number = obj_id_number(vm);
	/* Two installations on one wire should not meet: their clusters differ in age.
	 */
	uint64_t mix = (cl ? cl->created_ms : 0) * 0x9e3779b97f4a7c15ULL;
	uint32_t part = (uint32_t)(mix >> 56) ^ (uint32_t)(number >> 16);

	for (uint32_t i = 0; i < 256; i++) {
		snprintf(out, 18, "52:54:00:%02x:%02x:%02x", (part + i) & 0xff,
		    (unsigned)(number >> 8) & 0xff, (unsigned)number & 0xff);
		if (!mac_is_taken(inv, out))
			return;
	}
}
