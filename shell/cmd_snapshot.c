/*
 * cmd_snapshot: cmdlets that take, change and remove snapshots.
 */
#include "shell/body.h"
#include "shell/change.h"

static enum run
snapshot_begin(struct stage *st)
{
	return changes_of(st, KIND_SNAPSHOT);
}

/* Who asked for settled file systems wants to know that there are none. */
static void
tell_snapshot(struct stage *st, const struct pending *p, const json *task)
{
	const json *r = json_get(task, "result");
	const char *why = NULL;

	if (!get_switch(st, "Quiesce") || !r || json_what(r) != JSON_IS_OBJECT)
		return;
	if (!json_read_str(r, "quiesce_why_not", JSON_OPTIONAL, 256, &why, NULL) &&
	    why && *why)
		warn(st->sh, "snapshot \"%s\" is not quiesced: %s",
		    get_text(st, "Name"), why);
}

static enum run
new_begin(struct stage *st)
{
	struct changes *c = st->state;

	c->tell = tell_snapshot;
	return snapshot_begin(st);
}

static enum run
new_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = body_named(st);
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	if (rc != RUN_OK)
		return rc;
	body_text(st, body, "Description", "description");
	body_bool(st, body, "Memory", "memory");
	body_bool(st, body, "Quiesce", "quiesce");
	rc = change_each(st, refs, "POST", "snapshots", body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_new_snapshot = { sizeof(struct changes), new_begin,
	new_process, changes_finish, changes_fini };

static enum run
set_process(struct stage *st, struct val v)
{
	AUTO(json) json *body = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc;

	body_text(st, body, "Name", "name");
	body_text(st, body, "Description", "description");
	if (!json_count(body))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Set-Snapshot wants -Name or -Description");
	rc = resolve(st, get_arg(st, "Snapshot"), KIND_BIT(SNAPSHOT), &refs);
	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "PATCH", NULL, body);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_set_snapshot = { sizeof(struct changes), snapshot_begin,
	set_process, changes_finish, changes_fini };

static enum run
remove_begin(struct stage *st)
{
	return RUN_OK;
}

static enum run
remove_process(struct stage *st, struct val v)
{
	bool children = get_switch(st, "RemoveChildren");
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "Snapshot"), KIND_BIT(SNAPSHOT), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++) {
		AUTO_FREE char *name = val_cstr(val_at(refs, i));
		AUTO_FREE char *path = object_path(record_id(val_at(refs, i)), NULL);
		AUTO_FREE char *with =
		    xasprintf("%s%s", path, children ? "?children=true" : "");
		enum should should =
		    stage_should(st, name, children ? "and those below it" : NULL);

		if (should == SHOULD_FAIL)
			rc = RUN_THROW;
		else if (should == SHOULD_DO)
			rc = change_send(st, st->state, "DELETE", with, NULL, name);
	}
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_remove_snapshot = { sizeof(struct changes), remove_begin,
	remove_process, changes_finish, changes_fini };

static enum run
consolidate_begin(struct stage *st)
{
	return changes_of(st, KIND_VM);
}

static enum run
consolidate_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, "POST", "consolidate", NULL);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_consolidate = { sizeof(struct changes), consolidate_begin,
	consolidate_process, changes_finish, changes_fini };
