/*
 * cmd_move: Move-VM.
 */
#include <string.h>

#include "shell/body.h"
#include "shell/change.h"
#include "shell/rest.h"

#define PLACES                                                                    \
	(KIND_BIT(HOST) | KIND_BIT(CLUSTER) | KIND_BIT(POOL) | KIND_BIT(FOLDER) | \
	    KIND_BIT(DATACENTER))

static uint64_t
number_of(const json *o, const char *key)
{
	uint64_t n = 0;
	struct err e = ERR_INIT;

	return json_read_u64(o, key, JSON_OPTIONAL, 0, INT64_MAX, &n, &e) ? 0 : n;
}

static const char *
name_of(struct shell *sh, const json *o, const char *key)
{
	const json *v = json_get(o, key);
	const char *id =
	    v && json_what(v) == JSON_IS_STR ? json_str_value(v, NULL) : "";
	const struct known *k = *id ? known_get(sh, id) : NULL;

	return k ? k->name : id;
}

/* What people want to know of a move, past the pipeline: it is not the cmdlet's output.
 */
static void
tell_move(struct stage *st, const struct pending *p, const json *task)
{
	const json *r = json_get(task, "result"), *outage;
	const char *why = NULL;
	AUTO(str) struct str b = STR_INIT;

	if (!r || json_what(r) != JSON_IS_OBJECT || !json_get(r, "total_ms"))
		return;
	/* known_get may move what it gave before. */
	str_addf(&b, "%s: %s", p->name, name_of(st->sh, r, "from"));
	str_addf(&b, " -> %s in %.2f s", name_of(st->sh, r, "to"),
	    (double)number_of(r, "total_ms") / 1000);
	outage = json_get(r, "outage_ms");
	if (outage && json_what(outage) != JSON_IS_NULL)
		str_addf(&b, ", outage %.0f ms", json_number(outage));
	else if (!json_read_str(r, "outage_why_not", JSON_OPTIONAL, 256, &why, NULL) &&
		 why && *why)
		str_addf(&b, ", outage not measured: %s", why);
	fprintf(st->sh->screen.err, "%s\n", str_cstr(&b));
}

static enum run
move_begin(struct stage *st)
{
	struct changes *c = st->state;

	c->tell = tell_move;
	return changes_of(st, KIND_VM);
}

/* -Destination says by its kind what is to change: where it runs, what it is part of,
 * or where it is kept. */
static enum run
read_destination(struct stage *st, json *move, json *change)
{
	const char *id;
	struct val keep = VAL_NONE;
	enum run rc = resolve_one(st, "Destination", PLACES, &id, &keep);
	obj_id o = OBJ_ID_NONE;

	if (rc != RUN_OK || !id || obj_id_parse(id, KIND_NONE, &o, NULL))
		return rc;
	if (obj_id_kind(o) == KIND_HOST || obj_id_kind(o) == KIND_CLUSTER)
		json_set_str(move, kind_prefix(obj_id_kind(o)), id);
	else if (obj_id_kind(o) == KIND_POOL)
		json_set_str(change, "pool", id);
	else
		json_set_str(change, "parent", id);
	val_free(keep);
	return rc;
}

static enum run
read_wish(struct stage *st, json *move, json *change)
{
	enum run rc = read_destination(st, move, change);

	if (rc == RUN_OK)
		rc = body_id(st, move, "Datastore", KIND_BIT(DATASTORE), "datastore");
	if (rc == RUN_OK)
		rc = body_id(st, change, "InventoryLocation",
		    KIND_BIT(FOLDER) | KIND_BIT(DATACENTER), "parent");
	if (rc != RUN_OK)
		return rc;
	if (!json_count(move) && !json_count(change))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Move-VM wants -Destination or -Datastore");
	if (json_count(move)) {
		body_number(st, move, "BandwidthMB", "bandwidth_mb");
		body_number(st, move, "DowntimeMs", "downtime_ms");
		body_bool(st, move, "KeepChain", "keep_chain");
	}
	return RUN_OK;
}

/* Those of one host, named where there are several to choose from. */
static void
show_obstacles(struct stage *st, const json *check, const char *host)
{
	const json *list = json_get(check, "obstacles");
	FILE *f = st->sh->screen.out;
	bool copies = false;

	if (!list || !json_count(list))
		fprintf(f, "         %s%snothing is in its way\n", host ? host : "",
		    host ? ": " : "");
	if (!json_read_bool(check, "copies_template", JSON_OPTIONAL, &copies, NULL) &&
	    copies)
		fprintf(f,
		    "         %s%sits template is copied to the datastore first\n",
		    host ? host : "", host ? ": " : "");
	for (size_t i = 0; list && i < json_count(list); i++) {
		const json *why = json_at(list, i);
		if (json_what(why) == JSON_IS_STR)
			fprintf(f, "         %s%s%s\n", host ? host : "",
			    host ? ": " : "", json_str_value(why, NULL));
	}
}

/* -WhatIf says what would happen: every obstacle, as the server sees them now. */
static enum run
show_check(struct stage *st, struct val ref, const json *move)
{
	AUTO_FREE char *path = object_path(record_id(ref), "migrate-check");
	AUTO(json) json *answer = NULL;
	AUTO(json) json *body = json_dup(move);
	struct err e = ERR_INIT;

	if (rest_change(st->sh, "POST", path, body, &answer, &e) < 0)
		return stage_error(st, &e, ref);
	const json *items = json_get(answer, "items");
	if (!items)
		show_obstacles(st, answer, NULL);
	for (size_t i = 0; items && i < json_count(items); i++) {
		const json *one = json_at(items, i);
		AUTO_FREE char *host = xstrdup(name_of(st->sh, one, "host"));
		show_obstacles(st, one, host);
	}
	return RUN_OK;
}

/* "host-2, disks to local-2" */
static char *
places_of(const struct stage *st)
{
	static const struct {
		const char *param, *front;
	} places[] = {
		{ "Destination", "" },
		{ "InventoryLocation", "into " },
		{ "Datastore", "disks to " },
	};
	struct str b = STR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		AUTO_FREE char *name = val_cstr(get_arg(st, places[i].param));
		if (*name)
			str_addf(
			    &b, "%s%s%s", b.len ? ", " : "", places[i].front, name);
	}
	return str_take(&b);
}

static enum run
move_one(struct stage *st, struct val ref, const json *move, const json *change)
{
	AUTO_FREE char *name = val_cstr(ref);
	AUTO_FREE char *where = places_of(st);
	AUTO_FREE char *path = object_path(record_id(ref), NULL);
	AUTO_FREE char *act = object_path(record_id(ref), "migrate");
	enum should should = stage_should(st, name, *where ? where : NULL);
	enum run rc = RUN_OK;

	if (should == SHOULD_FAIL)
		return RUN_THROW;
	if (should == SHOULD_SKIP)
		return json_count(move) ? show_check(st, ref, move) : RUN_OK;
	if (json_count(change))
		rc = change_send(st, st->state, "PATCH", path, json_dup(change), name);
	if (rc == RUN_OK && json_count(move))
		rc = change_send(st, st->state, "POST", act, json_dup(move), name);
	return rc;
}

static enum run
move_process(struct stage *st, struct val v)
{
	AUTO(json) json *move = json_new_object();
	AUTO(json) json *change = json_new_object();
	struct val refs = VAL_NONE;
	enum run rc = read_wish(st, move, change);

	if (rc == RUN_OK)
		rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);
	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = move_one(st, val_at(refs, i), move, change);
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_move_vm = { sizeof(struct changes), move_begin, move_process,
	changes_finish, changes_fini };
