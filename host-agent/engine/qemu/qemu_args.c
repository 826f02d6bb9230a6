#include "host-agent/engine/qemu/qemu_args.h"

#include <inttypes.h>

#include "base/assert.h"
#include "base/str.h"

/* The emulator's code buffer; QEMU's own choice is a gigabyte a guest. */
#define TCG_BUFFER_MB 128

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
	option(a, "-m", "size=%" PRIu64 "M,slots=%d,maxmem=%" PRIu64 "M", s->boot_mb,
	    QEMU_DIMMS_MAX, s->max_mb);
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
	option(a, "-device", "virtio-serial-pci,id=channels");
	option(a, "-chardev", "socket,id=agent,fd=%d,server=on,wait=off",
	    pass_fd(a, in->agent_fd));
	option(a, "-device",
	    "virtserialport,bus=channels.0,chardev=agent,name=org.qemu.guest_agent.0");
}

static void
add_blockdev(struct qemu_args *a, json *node)
{
	AUTO_FREE char *text = json_text(node);

	option(a, "-blockdev", "%s", text);
	json_free(node);
}

static json *
cache_of(bool direct)
{
	json *c = json_new_object();

	json_set_bool(c, "direct", direct);
	json_set_bool(c, "no-flush", false);
	return c;
}

static json *
file_node(const char *name, unsigned set, bool direct)
{
	AUTO_FREE char *path = xasprintf("/dev/fdset/%u", set);
	json *n = json_new_object();

	json_set_str(n, "driver", "file");
	json_set_str(n, "node-name", name);
	json_set_str(n, "filename", path);
	json_set_str(n, "locking", "on");
	json_set_str(n, "aio", direct ? "native" : "threads");
	json_set_json(n, "cache", cache_of(direct));
	json_set_str(n, "discard", "unmap");
	return n;
}

static json *
format_node(const char *name, const char *format, const char *file)
{
	json *n = json_new_object();

	json_set_str(n, "driver", format);
	json_set_str(n, "node-name", name);
	json_set_str(n, "file", file);
	return n;
}

/* Each image's descriptor is in a set of its own. */
static unsigned
set_of(size_t disk, size_t layer)
{
	return (unsigned)(disk * ENGINE_LAYERS_MAX + layer) + 1;
}

/* Never what the image's header says: it may name any file. */
static void
set_backing(json *node, const Drover__DiskSpec *d, size_t disk, size_t below)
{
	AUTO_FREE char *name = xasprintf("base-%zu-%zu", disk, below);
	const char *format = below ? d->backing[below - 1]->format : d->format;

	if (below < d->n_backing)
		json_set_str(node, "backing", name);
	else if (str_same(format, "qcow2"))
		json_set_null(node, "backing");
}

/* Through the page cache: all clones on this host read the same base. */
static void
add_base(struct qemu_args *a, const struct qemu_args_in *in, size_t i, size_t layer)
{
	const Drover__DiskSpec *spec = in->spec->disks[i];
	AUTO_FREE char *name = xasprintf("base-%zu-%zu", i, layer);
	AUTO_FREE char *file = xasprintf("%s-file", name);
	unsigned set = set_of(i, layer + 1);
	json *n;

	option(a, "-add-fd", "fd=%d,set=%u",
	    pass_fd(a, in->disks[i].backing_fds[layer]), set);
	n = file_node(file, set, false);
	json_set_bool(n, "read-only", true);
	add_blockdev(a, n);
	n = format_node(name, spec->backing[layer]->format, file);
	json_set_bool(n, "read-only", true);
	set_backing(n, spec, i, layer + 1);
	add_blockdev(a, n);
}

static void
add_disk(struct qemu_args *a, const struct qemu_args_in *in, size_t i)
{
	const Drover__DiskSpec *spec = in->spec->disks[i];
	const struct engine_disk *d = &in->disks[i];
	AUTO_FREE char *name = xasprintf("disk-%zu", i);
	AUTO_FREE char *file = xasprintf("disk-%zu-file", i);
	unsigned set = set_of(i, 0);
	json *n;

	ASSERT(d->n_backing == spec->n_backing);
	for (size_t k = d->n_backing; k--;)
		add_base(a, in, i, k);
	option(a, "-add-fd", "fd=%d,set=%u", pass_fd(a, d->fd), set);
	add_blockdev(a, file_node(file, set, d->direct));
	n = format_node(name, spec->format, file);
	json_set_json(n, "cache", cache_of(d->direct));
	json_set_str(n, "discard", "unmap");
	set_backing(n, spec, i, 0);
	add_blockdev(a, n);
	option(a, "-device",
	    "virtio-blk-pci,id=blk-%zu,drive=%s,bootindex=%zu,werror=stop,rerror=stop",
	    i, name, i);
}

/* Behind all that was there before there were seeds: no other device moves. */
static void
add_seed(struct qemu_args *a, int fd)
{
	unsigned set = set_of(QEMU_DISKS_MAX, 0);
	json *n;

	option(a, "-add-fd", "fd=%d,set=%u", pass_fd(a, fd), set);
	n = file_node("seed-file", set, false);
	json_set_bool(n, "read-only", true);
	add_blockdev(a, n);
	n = format_node("seed", "raw", "seed-file");
	json_set_bool(n, "read-only", true);
	add_blockdev(a, n);
	option(a, "-device", "virtio-blk-pci,id=seed,drive=seed");
}

static void
add_nic(struct qemu_args *a, const struct qemu_args_in *in, size_t i)
{
	option(a, "-netdev", "tap,id=nic-%zu,fd=%d", i, pass_fd(a, in->tap_fds[i]));
	/* No boot ROM: guests boot from their disks. */
	option(a, "-device",
	    "virtio-net-pci,id=net-%zu,netdev=nic-%zu,mac=%s,romfile=", i, i,
	    in->spec->nics[i]->mac);
}

static void
add_devices(struct qemu_args *a)
{
	option(a, "-device", "virtio-balloon-pci,id=balloon");
	option(a, "-object", "rng-builtin,id=entropy");
	option(a, "-device", "virtio-rng-pci,rng=entropy");
	option(a, "-device", "VGA,vgamem_mb=8");
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
