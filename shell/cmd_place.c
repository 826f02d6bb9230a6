/*
 * cmd_place: cmdlets that make what machines live in and on.
 */
#include "shell/body.h"
#include "shell/change.h"
#include "shell/data.h"
#include "shell/rest.h"

/* -Datacenter, or the only one there is. */
static enum run
set_datacenter(struct stage *st, json *body)
{
	AUTO(json) json *items = NULL;
	struct err e = ERR_INIT;

	if (has_arg(st, "Datacenter"))
		return body_id(
		    st, body, "Datacenter", KIND_BIT(DATACENTER), "datacenter");
	if (inventory_list(st->sh, KIND_DATACENTER, NULL, &items, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	if (json_count(items) != 1)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "there are %zu datacenters; give -Datacenter", json_count(items));
	json_set_str(body, "datacenter",
	    json_str_value(json_get(json_at(items, 0), "id"), NULL));
	return RUN_OK;
}

static enum run
datacenter_begin(struct stage *st)
{
	return changes_of(st, KIND_DATACENTER);
}

static enum run
datacenter_process(struct stage *st, struct val v)
{
	return change_now(st, "/datacenters", body_named(st), get_text(st, "Name"));
}

const struct cmd_ops ops_new_datacenter = { sizeof(struct changes), datacenter_begin,
	datacenter_process, NULL, changes_fini };

static enum run
folder_begin(struct stage *st)
{
	return changes_of(st, KIND_FOLDER);
}

static enum run
folder_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = body_id(
	    st, body, "Location", KIND_BIT(FOLDER) | KIND_BIT(DATACENTER), "parent");

	if (rc == RUN_OK)
		return change_now(st, "/folders", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_folder = { sizeof(struct changes), folder_begin,
	folder_process, NULL, changes_fini };

static enum run
cluster_begin(struct stage *st)
{
	return changes_of(st, KIND_CLUSTER);
}

static enum run
cluster_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = body_id(st, body, "Location", KIND_BIT(DATACENTER), "datacenter");

	body_number(st, body, "MemoryOvercommitPermille", "memory_overcommit_permille");
	body_number(st, body, "VCpusPerCore", "vcpus_per_core");
	if (rc == RUN_OK)
		rc = body_ha_cluster(st, body);
	if (rc == RUN_OK)
		return change_now(st, "/clusters", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_cluster = { sizeof(struct changes), cluster_begin,
	cluster_process, NULL, changes_fini };

static enum run
network_begin(struct stage *st)
{
	return changes_of(st, KIND_NETWORK);
}

static enum run
network_process(struct stage *st, struct val v)
{
	json *body = body_named(st);
	enum run rc = set_datacenter(st, body);

	body_text(st, body, "Bridge", "bridge");
	body_number(st, body, "VLanId", "vlan");
	body_text(st, body, "Cidr", "cidr");
	body_text(st, body, "Gateway", "gateway");
	body_text(st, body, "RangeFirst", "range_first");
	body_text(st, body, "RangeLast", "range_last");
	body_text(st, body, "Dns", "dns");
	if (rc == RUN_OK)
		return change_now(st, "/networks", body, get_text(st, "Name"));
	json_free(body);
	return rc;
}

const struct cmd_ops ops_new_network = { sizeof(struct changes), network_begin,
	network_process, NULL, changes_fini };

struct new_datastore {
	struct changes changes; /* first: the state that changes_finish knows */
	struct val hosts;       /* all that came through the pipeline */
};

static enum run
datastore_begin(struct stage *st)
{
	struct new_datastore *d = st->state;

	d->changes.kind = KIND_DATASTORE;
	d->hosts = val_list();
	return RUN_OK;
}

static enum run
datastore_process(struct stage *st, struct val v)
{
	struct new_datastore *d = st->state;
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VMHost"), KIND_BIT(HOST), &refs);

	if (rc != RUN_OK)
		return rc;
	for (size_t i = 0; i < val_count(refs); i++)
		list_push(d->hosts.list, val_ref(val_at(refs, i)));
	val_free(refs);
	return RUN_OK;
}

static enum run
datastore_end(struct stage *st)
{
	struct new_datastore *d = st->state;
	json *body, *hosts;
	enum should should;
	enum run rc;

	if (!val_count(d->hosts))
		return RUN_OK;
	should = stage_should(st, get_text(st, "Name"), get_text(st, "Path"));
	if (should != SHOULD_DO)
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	body = body_named(st);
	rc = set_datacenter(st, body);
	hosts = json_new_array();
	for (size_t i = 0; i < val_count(d->hosts); i++)
		json_add_str(hosts, record_id(val_at(d->hosts, i)));
	json_set_json(body, "hosts", hosts);
	body_text(st, body, "Path", "path");
	json_set_bool(body, "shared", get_switch(st, "Shared"));
	if (rc == RUN_OK)
		rc = change_send(
		    st, &d->changes, "POST", "/datastores", body, get_text(st, "Name"));
	else
		json_free(body);
	return rc == RUN_OK ? changes_end(st, &d->changes) : rc;
}

static void
datastore_fini(struct stage *st)
{
	struct new_datastore *d = st->state;

	changes_fini(st);
	val_free(d->hosts);
}

const struct cmd_ops ops_new_datastore = { sizeof(struct new_datastore),
	datastore_begin, datastore_process, datastore_end, datastore_fini };

/* The token and the command line that uses it. */
static struct val
token_record(struct stage *st, json *answer, const char *name)
{
	const struct site *s = st->sh->site;
	struct val r = val_table(TABLE_RECORD, "VMHostToken"), a;
	const char *token = NULL, *print = NULL;

	if (json_read_str(answer, "token", JSON_REQUIRED, 4096, &token, NULL) < 0 ||
	    json_read_str(answer, "ca_fingerprint", JSON_OPTIONAL, 256, &print, NULL) <
		0)
		token = token ? token : "";
	a = val_from_json(answer, TABLE_RECORD);
	const struct val *expires = table_get(a.table, "expires_at"),
			 *host = table_get(a.table, "host");
	AUTO_FREE char *line = xasprintf(
	    "drover-agent enroll --server %s:%u --token %s --ca-fingerprint %s",
	    site_at(s)->address, site_at(s)->port, token, print ? print : "");
	table_set(r.table, "Name", val_text(name));
	table_set(r.table, "Token", val_text(token));
	table_set(r.table, "CAFingerprint", val_text(print));
	table_set(r.table, "ExpiresAt", expires ? val_ref(*expires) : VAL_NONE);
	table_set(r.table, "HostId", host ? val_ref(*host) : VAL_NONE);
	table_set(r.table, "Command", val_text(line));
	val_free(a);
	return r;
}

static enum run
host_token_process(struct stage *st, struct val v)
{
	const char *name = get_text(st, "Name");
	json *body = body_named(st);
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;
	enum run rc = body_id(st, body, "Cluster", KIND_BIT(CLUSTER), "cluster");
	enum should should = rc == RUN_OK ? stage_should(st, name, NULL) : SHOULD_SKIP;

	if (has_arg(st, "ValidMinutes"))
		json_set_i64(body, "ttl_s", get_int(st, "ValidMinutes", 0) * 60);
	if (rc == RUN_OK && should == SHOULD_FAIL)
		rc = RUN_THROW;
	if (rc == RUN_OK && should == SHOULD_DO) {
		if (rest_change(st->sh, "POST", "/enroll-tokens", body, &answer, &e) <
		    0)
			rc = stage_error(st, &e, get_arg(st, "Name"));
		else
			rc = put(st, token_record(st, answer, name));
		known_expire(st->sh);
	}
	json_free(body);
	return rc;
}

const struct cmd_ops ops_host_token = { 0, NULL, host_token_process, NULL, NULL };
