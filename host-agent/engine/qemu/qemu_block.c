#include "host-agent/engine/qemu/qemu_block.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/engine/engine_snapshot.h"

#define FIRST_DISK_ADDR 1
#define FIRST_NIC_ADDR  (FIRST_DISK_ADDR + QEMU_DISKS_MAX)

static json *
cache_of(bool direct)
{
	json *c = json_new_object();

	json_set_bool(c, "direct", direct);
	json_set_bool(c, "no-flush", false);
	return c;
}

static json *
file_node(const char *name, bool direct)
{
	json *n = json_new_object();

	json_set_str(n, "driver", "file");
	json_set_str(n, "node-name", name);
	json_set_str(n, "locking", "on");
	json_set_str(n, "aio", direct ? "native" : "threads");
	json_set_json(n, "cache", cache_of(direct));
	json_set_str(n, "discard", "unmap");
	return n;
}

static json *
format_node(const char *name, const char *format)
{
	AUTO_FREE char *file = xasprintf("%s-file", name);
	json *n = json_new_object();

	json_set_str(n, "driver", format);
	json_set_str(n, "node-name", name);
	json_set_str(n, "file", file);
	return n;
}

/* Never what the image's header says: it may name any file. */
static void
set_backing(json *node, const Drover__DiskSpec *d, unsigned slot, size_t below)
{
	AUTO_FREE char *name = xasprintf("base-%u-%zu", slot, below);
	const char *format = below ? d->backing[below - 1]->format : d->format;

	if (below < d->n_backing)
		json_set_str(node, "backing", name);
	else if (str_same(format, "qcow2"))
		json_set_null(node, "backing");
}

/*
 * A template is read through the page cache: all clones on this host read the same. The
 * guest's own images may be merged, and then written: their file nodes can, since what
 * was opened for reading alone keeps its locks for as long as the set has it.
 */
static void
base_node(const Drover__DiskSpec *spec, const struct engine_disk *d, unsigned slot,
    size_t layer, struct qemu_node *out)
{
	AUTO_FREE char *name = xasprintf("base-%u-%zu", slot, layer);
	AUTO_FREE char *file = xasprintf("%s-file", name);
	bool own = engine_layer_is_own(spec->backing[layer]);

	out->fd = d->backing_fds[layer];
	out->file = file_node(file, own && d->direct);
	if (!own)
		json_set_bool(out->file, "read-only", true);
	out->format = format_node(name, spec->backing[layer]->format);
	json_set_json(out->format, "cache", cache_of(own && d->direct));
	json_set_str(out->format, "discard", "unmap");
	json_set_bool(out->format, "read-only", true);
	set_backing(out->format, spec, slot, layer + 1);
}

void
qemu_disk_nodes(const Drover__DiskSpec *spec, const struct engine_disk *d,
    unsigned slot, struct qemu_nodes *out)
{
	AUTO_FREE char *name = xasprintf("disk-%u", slot);
	AUTO_FREE char *file = xasprintf("%s-file", name);
	struct qemu_node *top;

	ASSERT(d->n_backing == spec->n_backing && d->n_backing < ENGINE_LAYERS_MAX);
	out->n = 0;
	for (size_t k = d->n_backing; k--;)
		base_node(spec, d, slot, k, &out->v[out->n++]);
	top = &out->v[out->n++];
	top->fd = d->fd;
	top->file = file_node(file, d->direct);
	top->format = format_node(name, spec->format);
	json_set_json(top->format, "cache", cache_of(d->direct));
	json_set_str(top->format, "discard", "unmap");
	set_backing(top->format, spec, slot, 0);
}

void
qemu_seed_node(int fd, struct qemu_node *out)
{
	out->fd = fd;
	out->file = file_node("seed-file", false);
	json_set_bool(out->file, "read-only", true);
	out->format = format_node("seed", "raw");
	json_set_bool(out->format, "read-only", true);
}

void
qemu_node_set(struct qemu_node *n, unsigned set)
{
	AUTO_FREE char *path = xasprintf("/dev/fdset/%u", set);

	json_set_str(n->file, "filename", path);
}

void
qemu_node_fini(struct qemu_node *n)
{
	json_free(MOVE(n->file));
	json_free(MOVE(n->format));
}

void
qemu_nodes_fini(struct qemu_nodes *ns)
{
	for (size_t i = 0; i < ns->n; i++)
		qemu_node_fini(&ns->v[i]);
	ns->n = 0;
}

static json *
device(const char *driver, const char *id, unsigned addr)
{
	char at[8];
	json *o = json_new_object();

	snprintf(at, sizeof(at), "%#x", addr);
	json_set_str(o, "driver", driver);
	json_set_str(o, "id", id);
	json_set_str(o, "bus", QEMU_BRIDGE);
	json_set_str(o, "addr", at);
	return o;
}

json *
qemu_disk_device(unsigned slot)
{
	AUTO_FREE char *id = xasprintf("blk-%u", slot);
	AUTO_FREE char *drive = xasprintf("disk-%u", slot);
	json *o = device("virtio-blk-pci", id, FIRST_DISK_ADDR + slot);

	json_set_str(o, "drive", drive);
	json_set_u64(o, "bootindex", slot);
	json_set_str(o, "werror", "stop");
	json_set_str(o, "rerror", "stop");
	return o;
}

json *
qemu_nic_device(const Drover__NicSpec *spec, unsigned slot)
{
	AUTO_FREE char *id = xasprintf("net-%u", slot);
	AUTO_FREE char *net = xasprintf("nic-%u", slot);
	json *o = device("virtio-net-pci", id, FIRST_NIC_ADDR + slot);

	json_set_str(o, "netdev", net);
	json_set_str(o, "mac", spec->mac);
	/* No boot ROM: guests boot from their disks. */
	json_set_str(o, "romfile", "");
	return o;
}

json *
qemu_disk_limits(const Drover__DiskSpec *spec, unsigned slot)
{
	static const char *const none[] = { "bps_rd", "bps_wr", "iops_rd", "iops_wr" };
	AUTO_FREE char *id =
	    xasprintf("/machine/peripheral/blk-%u/virtio-backend", slot);
	json *o = json_new_object();

	json_set_str(o, "id", id);
	json_set_u64(o, "bps", spec->bytes_per_s_limit);
	json_set_u64(o, "iops", spec->iops_limit);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		json_set_u64(o, none[i], 0);
	return o;
}

bool
qemu_disk_is_limited(const Drover__DiskSpec *spec)
{
	return spec->bytes_per_s_limit || spec->iops_limit;
}

bool
qemu_node_is_of(const char *node, unsigned slot)
{
	char disk[24], base[24];
	size_t n;

	snprintf(disk, sizeof(disk), "disk-%u", slot);
	snprintf(base, sizeof(base), "base-%u-", slot);
	n = strlen(disk);
	return str_starts(node, base) ||
	       (str_starts(node, disk) && (!node[n] || node[n] == '-'));
}

char *
qemu_device_text(const json *device)
{
	static const char *const keys[] = { "id", "bus", "addr", "drive", "bootindex",
		"netdev", "mac", "romfile", "werror", "rerror" };
	struct str s = STR_INIT;

	str_add(&s, json_str_value(json_get(device, "driver"), NULL));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const json *v = json_get(device, keys[i]);

		if (v && json_what(v) == JSON_IS_INT)
			str_addf(&s, ",%s=%lld", keys[i], (long long)json_int_value(v));
		else if (v)
			str_addf(&s, ",%s=%s", keys[i], json_str_value(v, NULL));
	}
	return str_take(&s);
}
