/*
 * cmd_device: disks and network cards of machines.
 *
 * They are no objects of the inventory: a record knows its machine ("ParentId") and its
 * name there.
 */
#include <string.h>

#include "base/json_peek.h"
#include "shell/body.h"
#include "shell/change.h"
#include "shell/rest.h"

#define GB       1073741824.0
#define MB_BYTES 1048576
#define KBIT     1000

enum { DEVICE_DISK, DEVICE_NIC };

/* "name" of an id, "" where there is no such object any more. */
static char *
name_of(struct stage *st, const char *id)
{
	AUTO(val) struct val ref = id ? reference_to(st->sh, id) : VAL_NONE;

	return id ? val_cstr(ref) : xstrdup("");
}

static void
put_limit(struct val r, const char *name, int64_t n)
{
	table_set(r.table, name, n ? val_int(n) : VAL_NONE);
}

static struct val
disk_record(struct stage *st, const json *vm, const json *d)
{
	struct val r = val_table(TABLE_RECORD, "HardDisk");
	AUTO_FREE char *store = name_of(st, json_peek_str(d, "datastore"));
	const char *path = json_peek_str(d, "path");
	AUTO_FREE char *file = xasprintf("[%s] %s", store, path ? path : "");
	const json *backing = json_get(d, "backing");

	table_set(r.table, "Parent", val_text(json_peek_str(vm, "name")));
	table_set(r.table, "Name", val_text(json_peek_str(d, "name")));
	table_set(r.table, "CapacityGB",
	    val_real((double)json_peek_int(d, "size_bytes") / GB));
	table_set(r.table, "StorageFormat", val_text(json_peek_str(d, "format")));
	table_set(r.table, "Filename", val_text(file));
	table_set(
	    r.table, "Layers", val_int(backing ? (int64_t)json_count(backing) + 1 : 1));
	put_limit(r, "IopsLimit", json_peek_int(d, "iops_limit"));
	put_limit(
	    r, "MBPerSecondLimit", json_peek_int(d, "bytes_per_s_limit") / MB_BYTES);
	table_set(r.table, "ParentId", val_text(json_peek_str(vm, "id")));
	return r;
}

static struct val
nic_record(struct stage *st, const json *vm, const json *n)
{
	struct val r = val_table(TABLE_RECORD, "NetworkAdapter");
	AUTO_FREE char *network = name_of(st, json_peek_str(n, "network"));

	table_set(r.table, "Parent", val_text(json_peek_str(vm, "name")));
	table_set(r.table, "Name", val_text(json_peek_str(n, "name")));
	table_set(r.table, "Type", val_text("virtio"));
	table_set(r.table, "NetworkName", val_text(network));
	table_set(r.table, "MacAddress", val_text(json_peek_str(n, "mac")));
	table_set(r.table, "IPAddress", val_text(json_peek_str(n, "address")));
	put_limit(r, "VLanId", json_peek_int(n, "vlan"));
	put_limit(r, "ReceiveMbitLimit", json_peek_int(n, "rx_kbit_limit") / KBIT);
	put_limit(r, "TransmitMbitLimit", json_peek_int(n, "tx_kbit_limit") / KBIT);
	table_set(r.table, "ParentId", val_text(json_peek_str(vm, "id")));
	return r;
}

/* Those of a machine whose name fits. */
static enum run
put_devices(struct stage *st, const char *vm_id, int what, const char *pattern)
{
	AUTO_FREE char *path = object_path(vm_id, NULL);
	AUTO(json) json *vm = NULL;
	struct err e = ERR_INIT;
	enum run rc = RUN_OK;

	if (rest_get(st->sh, path, &vm, &e) < 0) {
		AUTO(val) struct val target = val_text(vm_id);

		return stage_error(st, &e, target);
	}
	const json *list = json_get(vm, what == DEVICE_DISK ? "disks" : "nics");
	for (size_t i = 0; list && rc == RUN_OK && i < json_count(list); i++) {
		const json *d = json_at(list, i);
		const char *name = json_peek_str(d, "name");

		if (pattern && !(name && wild_match(pattern, name)))
			continue;
		rc = put(st, what == DEVICE_DISK ? disk_record(st, vm, d)
						 : nic_record(st, vm, d));
	}
	return rc;
}

static enum run
get_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = put_devices(
		    st, record_id(val_at(refs, i)), st->cmd->arg, get_text(st, "Name"));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_device = { 0, NULL, get_process, NULL, NULL };

/* ---- changes ---- */

/* What the task's result names, as it is now. */
static void
tell_device(struct stage *st, const struct pending *p, const json *task)
{
	const json *result = json_get(task, "result");
	const char *vm = json_peek_str(result, "vm"),
		   *device = json_peek_str(result, "device");

	if (vm && device)
		(void)put_devices(st, vm, st->cmd->arg, device);
}

static enum run
change_begin(struct stage *st)
{
	((struct changes *)st->state)->tell = tell_device;
	return RUN_OK;
}

static enum run
quiet_begin(struct stage *st)
{
	return RUN_OK;
}

static enum run
body_capacity(struct stage *st, json *body)
{
	if (has_arg(st, "CapacityGB") && has_arg(st, "CapacityMB"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-CapacityGB and -CapacityMB cannot both be given");
	if (has_arg(st, "CapacityGB"))
		return body_amount(st, body, "CapacityGB", 1024, "size_mb");
	return body_amount(st, body, "CapacityMB", 1, "size_mb");
}

static void
body_disk_limits(struct stage *st, json *body)
{
	body_number(st, body, "IopsLimit", "iops_limit");
	body_number(st, body, "MBPerSecondLimit", "mb_per_s_limit");
}

static enum run
body_nic(struct stage *st, json *body)
{
	body_number(st, body, "VLanId", "vlan");
	body_number(st, body, "ReceiveMbitLimit", "rx_mbit_limit");
	body_number(st, body, "TransmitMbitLimit", "tx_mbit_limit");
	return body_id(st, body, "NetworkName", KIND_BIT(NETWORK), "network");
}

static enum run
send_new(struct stage *st, const char *action, const json *body)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	if (rc == RUN_OK)
		rc = change_each(st, refs, "POST", action, body);
	val_free(refs);
	return rc;
}

static enum run
new_disk_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = body_capacity(st, body);

	if (rc == RUN_OK && !json_count(body))
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "New-HardDisk wants -CapacityGB or -CapacityMB");
	if (rc == RUN_OK)
		rc = body_id(st, body, "Datastore", KIND_BIT(DATASTORE), "datastore");
	if (rc != RUN_OK)
		return rc;
	body_text(st, body, "StorageFormat", "format");
	body_disk_limits(st, body);
	return send_new(st, "disks", body);
}

const struct cmd_ops ops_new_disk = { sizeof(struct changes), change_begin,
	new_disk_process, changes_finish, changes_fini };

static enum run
new_nic_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = body_nic(st, body);

	body_text(st, body, "IPAddress", "address");
	return rc == RUN_OK ? send_new(st, "nics", body) : rc;
}

const struct cmd_ops ops_new_nic = { sizeof(struct changes), change_begin,
	new_nic_process, changes_finish, changes_fini };

/* "/vms/vm-1/disks/disk-1" of a record of ours; NULL: it is none. */
static char *
path_of(const struct stage *st, struct val device)
{
	const struct val *vm, *name;
	AUTO_FREE char *id = NULL;
	AUTO_FREE char *text = NULL;
	AUTO_FREE char *at = NULL;

	if (device.type != VAL_TABLE)
		return NULL;
	vm = table_get(device.table, "ParentId");
	name = table_get(device.table, "Name");
	if (!vm || !name)
		return NULL;
	id = val_cstr(*vm);
	text = val_cstr(*name);
	at = object_path(id, st->cmd->arg == DEVICE_DISK ? "disks" : "nics");
	struct str b = STR_INIT;
	str_addf(&b, "%s/", at);
	url_add(&b, text);
	return str_take(&b);
}

static char *
vm_name_of(struct val device)
{
	const struct val *vm =
	    device.type == VAL_TABLE ? table_get(device.table, "Parent") : NULL;

	return val_cstr(vm ? *vm : VAL_NONE);
}

static enum run
each_device(struct stage *st, const char *method, const char *query, const json *body)
{
	const char *param = st->cmd->arg == DEVICE_DISK ? "HardDisk" : "NetworkAdapter";
	struct val list = get_arg(st, param);
	enum run rc = RUN_OK;

	for (size_t i = 0; rc == RUN_OK && i < val_count(list); i++) {
		AUTO_FREE char *at = path_of(st, val_at(list, i));
		AUTO_FREE char *path = at ? xasprintf("%s%s", at, query) : NULL;
		AUTO_FREE char *vm = vm_name_of(val_at(list, i));
		enum should should;

		if (!at)
			return throw_new(st->sh, st->node, ERR_INVALID,
			    "-%s wants what Get-%s gives", param, param);
		AUTO_FREE char *what = xasprintf("%s %s", vm, strrchr(at, '/') + 1);
		should = stage_should(st, what, NULL);
		if (should == SHOULD_FAIL)
			return RUN_THROW;
		if (should == SHOULD_DO)
			rc = change_send(st, st->state, method, path,
			    body ? json_dup(body) : NULL, vm);
	}
	return rc;
}

static enum run
set_disk_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = body_capacity(st, body);

	body_disk_limits(st, body);
	if (rc == RUN_OK && !json_count(body))
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-HardDisk wants something to change");
	return rc == RUN_OK ? each_device(st, "PATCH", "", body) : rc;
}

const struct cmd_ops ops_set_disk = { sizeof(struct changes), change_begin,
	set_disk_process, changes_finish, changes_fini };

static enum run
set_nic_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	enum run rc = body_nic(st, body);

	if (rc == RUN_OK && !json_count(body))
		rc = throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-NetworkAdapter wants something to change");
	return rc == RUN_OK ? each_device(st, "PATCH", "", body) : rc;
}

const struct cmd_ops ops_set_nic = { sizeof(struct changes), change_begin,
	set_nic_process, changes_finish, changes_fini };

/* As in PowerCLI the files stay unless they are wanted gone. */
static enum run
remove_process(struct stage *st, struct val v)
{
	bool keep = st->cmd->arg == DEVICE_DISK && !get_switch(st, "DeletePermanently");

	return each_device(st, "DELETE", keep ? "?keep=true" : "", NULL);
}

const struct cmd_ops ops_remove_device = { sizeof(struct changes), quiet_begin,
	remove_process, changes_finish, changes_fini };
