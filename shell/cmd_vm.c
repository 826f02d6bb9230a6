/*
 * cmd_vm: cmdlets that make and change machines, and Remove- of everything.
 */
#include <string.h>

#include "shell/body.h"
#include "shell/change.h"

static enum run
changes_begin(struct stage *st)
{
	return changes_of(st, KIND_VM);
}

/*
 * The snapshot of this machine that a parameter means: names of snapshots are their
 * machines' own.
 */
static int
snapshot_of(struct stage *st, const char *param, struct val vm,
    struct val *ret_snapshot, struct err *e)
{
	AUTO_FREE char *vm_name = val_cstr(vm);
	AUTO_FREE char *wanted = val_cstr(get_arg(st, param));
	struct val all = VAL_NONE, hit = VAL_NONE;
	size_t n = 0;

	if (resolve_all(st, get_arg(st, param), KIND_BIT(SNAPSHOT), &all, e) < 0)
		return e->code;
	for (size_t i = 0; i < val_count(all); i++) {
		if (!lies_in(st->sh, record_id(val_at(all, i)), record_id(vm)))
			continue;
		if (n++ == 0)
			hit = val_ref(val_at(all, i));
	}
	val_free(all);
	if (n == 1) {
		*ret_snapshot = hit;
		return 0;
	}
	val_free(hit);
	if (!n)
		return err_set(e, ERR_NOT_FOUND,
		    "machine \"%s\" has no snapshot \"%s\"", vm_name, wanted);
	return err_set(e, ERR_INVALID,
	    "\"%s\" fits %zu snapshots of machine \"%s\", one is wanted", wanted, n,
	    vm_name);
}

static enum run
reference_snapshot(struct stage *st, json *body, struct val vm)
{
	struct val snapshot = VAL_NONE;
	struct err e = ERR_INIT;

	if (!has_arg(st, "ReferenceSnapshot"))
		return RUN_OK;
	if (snapshot_of(st, "ReferenceSnapshot", vm, &snapshot, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	json_set_str(body, "snapshot", record_id(snapshot));
	val_free(snapshot);
	return RUN_OK;
}

/* Of a template, or of another machine: what is asked of the server differs. */
static enum run
new_vm_source(struct stage *st, json *body, const char **ret_vm, struct val *keep)
{
	enum run rc = resolve_one(st, "VM", KIND_BIT(VM), ret_vm, keep);

	if (rc != RUN_OK)
		return rc;
	if (!*ret_vm == !has_arg(st, "Template"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "New-VM wants either -Template or -VM");
	if (*ret_vm) {
		body_bool(st, body, "LinkedClone", "linked");
		return reference_snapshot(st, body, val_at(*keep, 0));
	}
	body_bool(st, body, "FullClone", "full");
	return body_id(st, body, "Template", KIND_BIT(TEMPLATE), "template");
}

static enum run
disk_size(struct stage *st, json *body)
{
	if (has_arg(st, "DiskMB") && has_arg(st, "DiskGB"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-DiskMB and -DiskGB cannot both be given");
	if (has_arg(st, "DiskMB"))
		return body_amount(st, body, "DiskMB", 1, "disk_mb");
	return body_amount(st, body, "DiskGB", 1024, "disk_mb");
}

static enum run
new_vm_body(struct stage *st, json *body)
{
	static const struct {
		const char *param;
		unsigned kinds;
		const char *key;
	} objects[] = {
		{ "VMHost", KIND_BIT(HOST), "host" },
		{ "ResourcePool", KIND_BIT(POOL) | KIND_BIT(CLUSTER), NULL },
		{ "Location", KIND_BIT(FOLDER) | KIND_BIT(DATACENTER), "parent" },
		{ "Datastore", KIND_BIT(DATASTORE), "datastore" },
		{ "NetworkName", KIND_BIT(NETWORK), "network" },
		{ "OSCustomizationSpec", KIND_BIT(CUSTSPEC), "custspec" },
	};
	enum run rc = RUN_OK;

	for (size_t i = 0; i < ARRAY_SIZE(objects) && rc == RUN_OK; i++)
		rc = body_id(
		    st, body, objects[i].param, objects[i].kinds, objects[i].key);
	if (rc == RUN_OK)
		rc = body_cpus(st, body);
	if (rc == RUN_OK)
		rc = body_memory(st, body);
	if (rc == RUN_OK)
		rc = disk_size(st, body);
	body_word(st, body, "Kind", "guest_type");
	body_text(st, body, "IPAddress", "ip_address");
	body_settings(st, body);
	if (rc == RUN_OK && has_arg(st, "Notes"))
		json_set_str(body, "notes", get_text(st, "Notes"));
	if (rc == RUN_OK && get_switch(st, "PowerOn"))
		json_set_bool(body, "power_on", true);
	return rc;
}

static enum run
new_vm_process(struct stage *st, struct val v)
{
	struct val names = get_arg(st, "Name");
	AUTO(json) json *body = json_new_object();
	const char *vm = NULL;
	struct val keep = VAL_NONE;
	enum run rc = new_vm_source(st, body, &vm, &keep);
	AUTO_FREE char *path = vm ? object_path(vm, "clone") : xstrdup("/vms");

	if (rc == RUN_OK)
		rc = new_vm_body(st, body);
	for (size_t i = 0; i < val_count(names) && rc == RUN_OK; i++) {
		AUTO_FREE char *name = val_cstr(val_at(names, i));
		enum should should = stage_should(st, name, NULL);
		if (should == SHOULD_FAIL)
			return RUN_THROW;
		if (should == SHOULD_SKIP)
			continue;
		json *one = json_dup(body);
		json_set_str(one, "name", name);
		rc = change_send(st, st->state, "POST", path, one, name);
	}
	val_free(keep);
	return rc;
}

const struct cmd_ops ops_new_vm = { sizeof(struct changes), changes_begin,
	new_vm_process, changes_finish, changes_fini };

enum {
	POWER_START,
	POWER_STOP,
	POWER_STOP_GUEST,
	POWER_RESET,
	POWER_RESTART_GUEST,
	POWER_SUSPEND
};

static const struct {
	const char *action, *mode;
} power[] = {
	[POWER_START] = { "start", NULL },
	[POWER_STOP] = { "stop", "acpi_then_kill" },
	[POWER_STOP_GUEST] = { "stop", "acpi" },
	[POWER_RESET] = { "restart", "reset" },
	[POWER_RESTART_GUEST] = { "restart", "acpi" },
	[POWER_SUSPEND] = { "suspend", NULL },
};

static enum run
power_body(struct stage *st, json *body)
{
	int how = st->cmd->arg;
	bool timed =
	    how == POWER_STOP || how == POWER_STOP_GUEST || how == POWER_RESTART_GUEST;

	if (power[how].mode)
		json_set_str(body, "mode", power[how].mode);
	if (how == POWER_STOP && get_switch(st, "Kill"))
		json_set_str(body, "mode", "kill");
	if (timed && has_arg(st, "TimeoutSeconds"))
		json_set_i64(body, "timeout_s", get_int(st, "TimeoutSeconds", 0));
	return how == POWER_START ? body_id(st, body, "VMHost", KIND_BIT(HOST), "host")
				  : RUN_OK;
}

static enum run
power_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = power_body(st, body);

	if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);
	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "POST", power[st->cmd->arg].action, body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_vm_power = { sizeof(struct changes), changes_begin,
	power_process, changes_finish, changes_fini };

/* What came after the snapshot is lost, and a machine that runs is ended: that asks. */
static enum run
revert_one(struct stage *st, struct val vm)
{
	AUTO_FREE char *name = val_cstr(vm);
	struct val snapshot = VAL_NONE;
	struct err e = ERR_INIT;

	if (snapshot_of(st, "Snapshot", vm, &snapshot, &e) < 0)
		return stage_error(st, &e, vm);
	AUTO_FREE char *to = val_cstr(snapshot);
	AUTO_FREE char *detail = xasprintf("back to snapshot \"%s\"", to);
	AUTO_FREE char *path = object_path(record_id(snapshot), "revert");
	val_free(snapshot);
	switch (stage_should_as(st, ENDS, name, detail)) {
	case SHOULD_DO:
		return change_send(st, st->state, "POST", path, NULL, name);
	case SHOULD_FAIL:
		return RUN_THROW;
	case SHOULD_SKIP:
		break;
	}
	return RUN_OK;
}

static enum run
revert(struct stage *st)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = revert_one(st, val_at(refs, i));
	val_free(refs);
	return rc;
}

static enum run
set_vm_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = body_cpus(st, body);

	if (rc == RUN_OK)
		rc = body_memory(st, body);
	if (rc != RUN_OK)
		return rc;
	if (has_arg(st, "Name"))
		json_set_str(body, "name", get_text(st, "Name"));
	if (has_arg(st, "Notes"))
		json_set_str(body, "notes", get_text(st, "Notes"));
	body_settings(st, body);
	body_name(st, body, "DrsAutomationLevel", "drs_automation");
	rc = body_ha_guest(st, body);
	if (rc != RUN_OK)
		return rc;
	if (json_count(body) && has_arg(st, "Snapshot"))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "-Snapshot goes alone: what else is changed would be lost");
	if (has_arg(st, "Snapshot"))
		return revert(st);
	if (!json_count(body))
		return throw_new(
		    st->sh, st->node, ERR_INVALID, "Set-VM wants something to change");
	rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);
	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_vm = { sizeof(struct changes), changes_begin,
	set_vm_process, changes_finish, changes_fini };

static enum run
remove_begin(struct stage *st)
{
	return RUN_OK;
}

static enum run
remove_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "Target"), 1u << st->cmd->arg, &refs);

	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "DELETE", NULL, NULL);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_remove = { sizeof(struct changes), remove_begin,
	remove_process, changes_finish, changes_fini };
