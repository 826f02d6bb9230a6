#include "server/ops/device_plan.h"

#include <stdio.h>
#include <string.h>

#include "base/json_peek.h"
#include "base/mem.h"
#include "base/str.h"

#define MB         UINT64_C(0x100000)
#define KBIT       1000u /* in an Mbit */
#define DISK_START "disk-"
#define NIC_START  "nic-"

static bool
number_of(const json *o, const char *key, uint64_t *ret_n)
{
	const json *v = o ? json_get(o, key) : NULL;

	if (!v || json_what(v) != JSON_IS_INT)
		return false;
	*ret_n = (uint64_t)json_int_value(v);
	return true;
}

const json *
device_find(const json *list, const char *name)
{
	for (size_t i = 0; list && name && i < json_count(list); i++) {
		if (str_same(json_peek_str(json_at(list, i), "name"), name))
			return json_at(list, i);
	}
	return NULL;
}

void
device_lists_fini(struct device_lists *l)
{
	json_free(MOVE(l->disks));
	json_free(MOVE(l->nics));
}

static json *
list_dup(const json *list)
{
	return list ? json_dup(list) : json_new_array();
}

/* The lowest number that no device of the list has: its place in the machine. */
static int
pick_name(
    const json *list, const char *start, unsigned max, char out[16], struct err *e)
{
	for (unsigned i = 0; i < max; i++) {
		snprintf(out, 16, "%s%u", start, i);
		if (!device_find(list, out))
			return 0;
	}
	return err_set(
	    e, ERR_NO_CAPACITY, "it has %u of them already, no more fit", max);
}

static int
need(const json *list, const json *args, char out[16], struct err *e)
{
	const char *name = json_peek_str(args, "name");

	if (!name || strlen(name) >= 16 || !device_find(list, name))
		return err_set(
		    e, ERR_NOT_FOUND, "it has no \"%.40s\"", name ? name : "");
	snprintf(out, 16, "%s", name);
	return 0;
}

/* A number that is 0 is not written down. */
static void
set_number(json *o, const char *key, uint64_t n)
{
	if (n)
		json_set_u64(o, key, n);
	else
		json_del(o, key);
}

static void
set_disk_limits(json *d, const json *args)
{
	uint64_t n;

	if (number_of(args, "iops_limit", &n))
		set_number(d, "iops_limit", n);
	if (number_of(args, "mb_per_s_limit", &n))
		set_number(d, "bytes_per_s_limit", n * MB);
}

/* Of a name that no file had before: one that was removed may have been kept. */
static int
disk_add(const struct vm *vm, const json *args, struct device_lists *out, struct err *e)
{
	const char *format = json_peek_str(args, "format");
	uint64_t mb = 0, number = 0;
	char id[OBJ_ID_TEXT];
	json *d;
	int rc = pick_name(out->disks, DISK_START, DEVICE_DISKS_MAX, out->name, e);

	if (rc)
		return rc;
	format = format ? format : "qcow2";
	number_of(args, "size_mb", &mb);
	number_of(args, "number", &number);
	AUTO_FREE char *path = xasprintf("vms/%s/%s-%llu.%s", obj_id_text(vm->o.id, id),
	    out->name, (unsigned long long)number, format);
	d = json_new_object();
	json_set_str(d, "name", out->name);
	json_set_str(d, "datastore", json_peek_str(args, "datastore"));
	json_set_str(d, "path", path);
	json_set_str(d, "format", format);
	json_set_u64(d, "size_bytes", mb * MB);
	set_disk_limits(d, args);
	json_add_json(out->disks, d);
	return 0;
}

static json *
entry(json *list, const char *name)
{
	for (size_t i = 0; i < json_count(list); i++) {
		if (str_same(json_peek_str(json_at(list, i), "name"), name))
			return json_at(list, i);
	}
	return NULL;
}

static json *
without(const json *list, const char *name)
{
	json *left = json_new_array();

	for (size_t i = 0; i < json_count(list); i++) {
		if (!str_same(json_peek_str(json_at(list, i), "name"), name))
			json_add_json(left, json_dup(json_at(list, i)));
	}
	return left;
}

static int
disk_update(const json *args, struct device_lists *out, struct err *e)
{
	uint64_t mb = 0, bytes = 0;
	json *d;
	int rc = need(out->disks, args, out->name, e);

	if (rc)
		return rc;
	d = entry(out->disks, out->name);
	number_of(d, "size_bytes", &bytes);
	if (number_of(args, "size_mb", &mb)) {
		if (mb * MB < bytes)
			return err_set(e, ERR_INVALID,
			    "size_mb: %s has %llu MB and cannot shrink to %llu MB",
			    out->name, (unsigned long long)((bytes + MB - 1) / MB),
			    (unsigned long long)mb);
		json_set_u64(d, "size_bytes", mb * MB);
	}
	set_disk_limits(d, args);
	return 0;
}

static void
set_nic(json *n, const json *args)
{
	const char *network = json_peek_str(args, "network"), *address;
	uint64_t v;

	if (network)
		json_set_str(n, "network", network);
	address = json_peek_str(args, "address");
	if (address && *address)
		json_set_str(n, "address", address);
	else if (address)
		json_del(n, "address");
	if (number_of(args, "vlan", &v))
		set_number(n, "vlan", v);
	if (number_of(args, "rx_mbit_limit", &v))
		set_number(n, "rx_kbit_limit", v * KBIT);
	if (number_of(args, "tx_mbit_limit", &v))
		set_number(n, "tx_kbit_limit", v * KBIT);
}

static int
nic_add(const json *args, struct device_lists *out, struct err *e)
{
	json *n;
	int rc = pick_name(out->nics, NIC_START, DEVICE_NICS_MAX, out->name, e);

	if (rc)
		return rc;
	n = json_new_object();
	json_set_str(n, "name", out->name);
	json_set_str(n, "mac", json_peek_str(args, "mac"));
	set_nic(n, args);
	json_add_json(out->nics, n);
	return 0;
}

static int
carry_out(const struct vm *vm, enum device_verb verb, const json *args,
    struct device_lists *out, struct err *e)
{
	bool of_disk = verb <= DEVICE_DISK_REMOVE;
	json *left;
	int rc;

	switch (verb) {
	case DEVICE_DISK_ADD:
		return disk_add(vm, args, out, e);
	case DEVICE_DISK_UPDATE:
		return disk_update(args, out, e);
	case DEVICE_NIC_ADD:
		return nic_add(args, out, e);
	case DEVICE_NIC_UPDATE:
		rc = need(out->nics, args, out->name, e);
		if (!rc)
			set_nic(entry(out->nics, out->name), args);
		return rc;
	case DEVICE_DISK_REMOVE:
	case DEVICE_NIC_REMOVE:
		break;
	}
	rc = need(of_disk ? out->disks : out->nics, args, out->name, e);
	if (rc)
		return rc;
	left = without(of_disk ? out->disks : out->nics, out->name);
	json_free(of_disk ? out->disks : out->nics);
	*(of_disk ? &out->disks : &out->nics) = left;
	return 0;
}

int
device_plan(const struct vm *vm, enum device_verb verb, const json *args,
    struct device_lists *out, struct err *e)
{
	struct device_lists l = { list_dup(vm->disks), list_dup(vm->nics), "" };
	int rc = carry_out(vm, verb, args, &l, e);

	if (rc) {
		device_lists_fini(&l);
		return err_wrap(e, "machine \"%s\"", vm->o.name);
	}
	*out = l;
	return 0;
}
