#include "host-agent/engine/qemu/qemu_args.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/str.h"

/* The emulator's code buffer; QEMU's own choice is a gigabyte a guest. */
#define TCG_BUFFER_MB 128

/* Nothing is left to QEMU's own order, which what is plugged later would change. */
#define ADDR_CHANNELS "0x2"
#define ADDR_BRIDGE   "0x3"
#define ADDR_BALLOON  "0x4"
#define ADDR_ENTROPY  "0x5"
#define ADDR_SCREEN   "0x6"
#define ADDR_SEED     "0x7"

static void
add(struct qemu_args *a, const char *arg)
{
	a->argv = xreallocarray(a->argv, a->n + 2, sizeof(*a->argv));
	a->argv[a->n++] = xstrdup(arg);
	a->argv[a->n] = NULL;
}

static void __attribute__((format(printf, 3, 4)))
option(struct qemu_args *a, const char *name, const char *fmt, ...)
{
	AUTO(str) struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	add(a, name);
	add(a, str_cstr(&s));
}

/* The number under which the child knows fd. */
static int
pass_fd(struct qemu_args *a, int fd)
{
	ASSERT(a->n_fds < QEMU_FDS_MAX);
	a->fds[a->n_fds++] = fd;
	return QEMU_FIRST_FD + (int)a->n_fds - 1;
}

static void
add_machine(struct qemu_args *a, const struct qemu_args_in *in)
{
	const struct qemu_shape *s = in->shape;
	bool kvm = str_same(s->accel, "kvm");

	option(a, "-name", "guest=vm-%" PRIu64 ",process=vm-%" PRIu64, in->guest,
	    in->guest);
	option(a, "-uuid", "%s", in->spec->uuid);
	add(a, "-nodefaults");
	add(a, "-no-user-config");
	/* Without the description the last byte of its memory is one that a target
	 * needs: see ADR 0014. */
	option(a, "-machine",
	    "%s,usb=off,vmport=off,hpet=off,dump-guest-core=off,suppress-vmdesc=on",
	    s->machine);
	if (kvm)
		option(a, "-accel", "kvm");
	else
		option(a, "-accel", "tcg,tb-size=%d", TCG_BUFFER_MB);
	option(a, "-cpu", "%s", kvm ? "host" : "max");
	option(a, "-smp", "%u,maxcpus=%u,sockets=1,cores=%u,threads=1", s->boot_cpus,
	    s->max_cpus, s->max_cpus);
	option(a, "-m", "size=%" PRIu64 "K,slots=%d,maxmem=%" PRIu64 "M",
	    qemu_shape_boot_kb(s), QEMU_DIMMS_MAX, s->max_mb);
	option(a, "-rtc", "base=utc,driftfix=slew");
	option(a, "-boot", "menu=off,strict=on");
	add(a, "-S");
}

/* What was plugged into the machine whose memory comes back must be there again. */
static void
add_plugged(struct qemu_args *a, const struct qemu_shape *s)
{
	for (uint32_t i = 0; i < s->n_dimms; i++) {
		AUTO(json) json *backend = qemu_args_dimm_backend(i, s->dimm_mb[i]);
		AUTO(json) json *device = qemu_args_dimm_device(i);
		AUTO_FREE char *backend_text = json_text(backend);
		AUTO_FREE char *device_text = json_text(device);

		option(a, "-object", "%s", backend_text);
		option(a, "-device", "%s", device_text);
	}
	for (uint32_t i = s->boot_cpus; i < s->num_cpu; i++)
		option(a, "-device",
		    "%s-x86_64-cpu,id=cpu%u,socket-id=0,core-id=%u,thread-id=0",
		    str_same(s->accel, "kvm") ? "host" : "max", i, i);
}

static void
add_sandbox(struct qemu_args *a)
{
	option(a, "-sandbox",
	    "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

static void
add_sockets(struct qemu_args *a, const struct qemu_args_in *in)
{
	option(a, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off",
	    pass_fd(a, in->qmp_fd));
	option(a, "-mon", "chardev=qmp,mode=control");
	option(a, "-chardev", "socket,id=console,fd=%d,server=on,wait=off",
	    pass_fd(a, in->console_fd));
	option(a, "-device", "isa-serial,chardev=console");
	option(a, "-device", "virtio-serial-pci,id=channels,addr=%s", ADDR_CHANNELS);
	option(a, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off",
	    pass_fd(a, in->agent_fd));
	option(a, "-device",
	    "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0");
}

static void
add_blockdev(struct qemu_args *a, const json *node)
{
	AUTO_FREE char *text = json_text(node);

	option(a, "-blockdev", "%s", text);
}

/* Under a set of its own, of which there is one for each layer that may ever be. */
static void
add_node(struct qemu_args *a, struct qemu_node *n, unsigned set)
{
	option(a, "-add-fd", "fd=%d,set=%u", pass_fd(a, n->fd), set);
	qemu_node_set(n, set);
	add_blockdev(a, n->file);
	add_blockdev(a, n->format);
}

static void
add_device(struct qemu_args *a, json *device_take)
{
	AUTO_FREE char *text = qemu_device_text(device_take);

	option(a, "-device", "%s", text);
	json_free(device_take);
}

/* What can come and go later has a fixed place; there it is on the other host too. */
static void
add_bridge(struct qemu_args *a)
{
	option(a, "-device",
	    "pci-bridge,id=" QEMU_BRIDGE ",chassis_nr=1,shpc=off,addr=%s", ADDR_BRIDGE);
}

static void
add_disk(struct qemu_args *a, const struct qemu_args_in *in, size_t i)
{
	unsigned slot = engine_disk_slot(in->spec, i);
	struct qemu_nodes nodes = { .n = 0 };

	qemu_disk_nodes(in->spec->disks[i], &in->disks[i], slot, &nodes);
	for (size_t k = 0; k < nodes.n; k++)
		add_node(
		    a, &nodes.v[k], (unsigned)(i * ENGINE_LAYERS_MAX + nodes.n - k));
	add_device(a, qemu_disk_device(slot));
	qemu_nodes_fini(&nodes);
}

static void
add_seed(struct qemu_args *a, int fd)
{
	struct qemu_node n;

	qemu_seed_node(fd, &n);
	add_node(a, &n, QEMU_DISKS_MAX * ENGINE_LAYERS_MAX + 1);
	option(a, "-device", "virtio-blk-pci,id=seed,drive=seed,addr=%s", ADDR_SEED);
	qemu_node_fini(&n);
}

static void
add_nic(struct qemu_args *a, const struct qemu_args_in *in, size_t i)
{
	unsigned slot = engine_nic_slot(in->spec, i);

	option(a, "-netdev", "tap,id=nic-%u,fd=%d", slot, pass_fd(a, in->tap_fds[i]));
	add_device(a, qemu_nic_device(in->spec->nics[i], slot));
}

static void
add_devices(struct qemu_args *a)
{
	option(a, "-device",
	    "virtio-balloon-pci,id=balloon,deflate-on-oom=on,free-page-reporting=on,"
	    "addr=%s",
	    ADDR_BALLOON);
	option(a, "-object", "rng-builtin,id=entropy");
	option(a, "-device", "virtio-rng-pci,rng=entropy,addr=%s", ADDR_ENTROPY);
	option(a, "-device", "VGA,vgamem_mb=8,addr=%s", ADDR_SCREEN);
	/* Relative: the folder is the child's working folder. */
	option(a, "-vnc", "unix:vnc.sock");
}

/* In an option list a comma ends a value unless it is doubled. */
static void
add_value(struct str *s, const char *key, const char *value)
{
	str_addf(s, ",value=drover.%s=", key);
	for (; *value; value++) {
		str_addc(s, *value);
		if (*value == ',')
			str_addc(s, ',');
	}
}

static void
add_identity(struct qemu_args *a, const Drover__GuestSpec *spec)
{
	AUTO(str) struct str s = STR_INIT, dns = STR_INIT;
	const char *name = *spec->host_name ? spec->host_name : spec->name;

	str_add(&s, "type=11");
	if (*name)
		add_value(&s, "name", name);
	for (size_t i = 0; i < spec->n_nics; i++) {
		if (!*spec->nics[i]->address)
			continue;
		add_value(&s, "address", spec->nics[i]->address);
		if (*spec->nics[i]->gateway)
			add_value(&s, "gateway", spec->nics[i]->gateway);
		break;
	}
	for (size_t i = 0; i < spec->n_dns; i++)
		str_addf(&dns, "%s%s", i ? "," : "", spec->dns[i]);
	if (dns.len)
		add_value(&s, "dns", str_cstr(&dns));
	option(a, "-smbios", "%s", str_cstr(&s));
}

void
qemu_args_build(const struct qemu_args_in *in, struct qemu_args *out)
{
	struct qemu_args a = { .memory_child_fd = -1 };

	add(&a, in->program);
	add_machine(&a, in);
	add_sandbox(&a);
	add_sockets(&a, in);
	add_bridge(&a);
	for (size_t i = 0; i < in->spec->n_disks; i++)
		add_disk(&a, in, i);
	for (size_t i = 0; i < in->spec->n_nics; i++)
		add_nic(&a, in, i);
	add_devices(&a);
	if (in->seed_fd >= 0)
		add_seed(&a, in->seed_fd);
	add_plugged(&a, in->shape);
	add_identity(&a, in->spec);
	if (in->memory_fd >= 0) {
		a.memory_child_fd = pass_fd(&a, in->memory_fd);
		option(&a, "-incoming", "defer");
	}
	*out = a;
}

void
qemu_args_fini(struct qemu_args *a)
{
	for (size_t i = 0; i < a->n; i++)
		free(a->argv[i]);
	free(a->argv);
	*a = (struct qemu_args){ .memory_child_fd = -1 };
}

json *
qemu_args_dimm_backend(uint32_t i, uint64_t mb)
{
	AUTO_FREE char *id = xasprintf("mem-%u", i);
	json *o = json_new_object();

	json_set_str(o, "qom-type", "memory-backend-ram");
	json_set_str(o, "id", id);
	json_set_u64(o, "size", mb << 20);
	return o;
}

json *
qemu_args_dimm_device(uint32_t i)
{
	AUTO_FREE char *id = xasprintf("dimm-%u", i);
	AUTO_FREE char *mem = xasprintf("mem-%u", i);
	json *o = json_new_object();

	json_set_str(o, "driver", "pc-dimm");
	json_set_str(o, "id", id);
	json_set_str(o, "memdev", mem);
	json_set_u64(o, "slot", i);
	return o;
}
