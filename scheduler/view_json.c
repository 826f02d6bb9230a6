#include <string.h>

#include "scheduler/sched_int.h"

/* Longer than any name or id that the view would take. */
#define MAX_TEXT 512

struct reader {
	struct sched_view *view;
	struct arena *scratch; /* lists, until the view has copied them */
	struct err *e;
};

struct number {
	const char *key;
	enum json_need need;
	uint64_t *ret;
};

/* The ranges are the view's to check; here a number only has to be one. */
static int
read_numbers(struct reader *r, const json *o, const struct number *numbers, size_t n)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < n; i++)
		rc = json_read_u64(o, numbers[i].key, numbers[i].need, 0, INT64_MAX,
		    numbers[i].ret, r->e);
	return rc;
}

static int
id_value(struct reader *r, const json *j, const char *key, enum obj_kind kind,
    uint64_t *ret_id)
{
	const char *text;
	size_t n;
	int rc;

	if (json_what(j) == JSON_IS_INT && json_int_value(j) > 0) {
		*ret_id = (uint64_t)json_int_value(j);
		return 0;
	}
	if (json_what(j) != JSON_IS_STR) {
		return err_set(r->e, ERR_INVALID,
		    "%s: wants an id, such as \"%s-7\" or a number above 0", key,
		    kind_prefix(kind));
	}
	text = json_str_value(j, &n);
	if (n > MAX_TEXT || strlen(text) != n)
		return err_set(r->e, ERR_INVALID, "%s: is no id", key);
	rc = view_id_parse(text, kind, ret_id, r->e);
	if (rc)
		err_wrap(r->e, "%s", key);
	return rc;
}

static int
read_id(struct reader *r, const json *o, const char *key, enum obj_kind kind,
    uint64_t *ret_id)
{
	const json *j = json_get(o, key);

	if (!j || json_what(j) == JSON_IS_NULL)
		return 0;
	return id_value(r, j, key, kind, ret_id);
}

/* An id and a name, which every object has. */
static int
read_head(struct reader *r, const json *o, enum obj_kind kind, uint64_t *ret_id,
    const char **ret_name)
{
	int rc;

	if (!json_get(o, "id"))
		return err_set(r->e, ERR_INVALID, "id: is missing");
	rc = id_value(r, json_get(o, "id"), "id", kind, ret_id);
	if (rc)
		return rc;
	return json_read_str(o, "name", JSON_REQUIRED, MAX_TEXT, ret_name, r->e);
}

/* An absent list is an empty one. */
static int
read_list(struct reader *r, const json *o, const char *key, const json **ret_list,
    size_t *ret_count)
{
	const json *list = json_get(o, key);

	*ret_list = list;
	*ret_count = 0;
	if (!list || json_what(list) == JSON_IS_NULL)
		return 0;
	if (json_what(list) != JSON_IS_ARRAY)
		return err_set(r->e, ERR_INVALID, "%s: wants an array", key);
	*ret_count = json_count(list);
	return 0;
}

static int
read_ids(struct reader *r, const json *o, enum obj_kind kind, const char *key,
    const uint64_t **ret_ids, size_t *ret_count)
{
	const json *list;
	uint64_t *ids;
	size_t n;
	int rc = read_list(r, o, key, &list, &n);

	if (rc)
		return rc;
	ids = arena_array(r->scratch, n ? n : 1, sizeof(*ids));
	for (size_t i = 0; i < n; i++) {
		rc = id_value(r, json_at(list, i), key, kind, &ids[i]);
		if (rc)
			return rc;
	}
	*ret_ids = ids;
	*ret_count = n;
	return 0;
}

static int
find_word(struct reader *r, const char *key, const char *word, const char *const *words,
    size_t n, uint32_t *ret_ix)
{
	for (uint32_t i = 0; i < n; i++) {
		if (!str_same(word, words[i]))
			continue;
		*ret_ix = i;
		return 0;
	}
	return err_set(r->e, ERR_INVALID, "%s: \"%.40s\" is unknown", key, word);
}

static int
read_word(struct reader *r, const json *o, const char *key, const char *const *words,
    size_t n, uint32_t *ret_ix)
{
	const char *word = NULL;
	int rc = json_read_str(o, key, JSON_OPTIONAL, MAX_TEXT, &word, r->e);

	if (rc || !word)
		return rc;
	return find_word(r, key, word, words, n, ret_ix);
}

static int
read_engines(struct reader *r, const json *o, uint32_t *ret_mask)
{
	const json *list;
	uint32_t mask = 0, bit = 0;
	size_t n, len;
	int rc = read_list(r, o, "engines", &list, &n);

	for (size_t i = 0; !rc && i < n; i++) {
		if (json_what(json_at(list, i)) != JSON_IS_STR)
			return err_set(r->e, ERR_INVALID, "engines: wants names");
		rc = find_word(r, "engines", json_str_value(json_at(list, i), &len),
		    sched_engines, SCHED_ENGINE_COUNT_, &bit);
		mask |= UINT32_C(1) << bit;
	}
	if (!rc)
		*ret_mask = mask;
	return rc;
}

static int
read_policy(struct reader *r, const json *o, struct sched_policy *p)
{
	static const char *const known[] = { "memory_overcommit_permille",
		"vcpus_per_core", "vcpu_demand_mhz", NULL };
	const struct number numbers[] = {
		{ known[0], JSON_OPTIONAL, &p->memory_overcommit_permille },
		{ known[1], JSON_OPTIONAL, &p->vcpus_per_core },
		{ known[2], JSON_OPTIONAL, &p->vcpu_demand_mhz },
	};
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_numbers(r, o, numbers, ARRAY_SIZE(numbers));
	return rc;
}

static int
read_cluster(struct reader *r, const json *o)
{
	static const char *const known[] = { "id", "name", "policy", NULL };
	struct sched_cluster c = { .policy = sched_policy_default() };
	const json *policy = json_get(o, "policy");
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_head(r, o, KIND_CLUSTER, &c.id, &c.name);
	if (!rc && policy) {
		rc = read_policy(r, policy, &c.policy);
		if (rc)
			err_wrap(r->e, "policy");
	}
	return rc ? rc : sched_view_add_cluster(r->view, &c, r->e);
}

static int
read_network(struct reader *r, const json *o)
{
	static const char *const known[] = { "id", "name", NULL };
	struct sched_network n = { 0 };
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_head(r, o, KIND_NETWORK, &n.id, &n.name);
	return rc ? rc : sched_view_add_network(r->view, &n, r->e);
}

static int
read_datastore(struct reader *r, const json *o)
{
	static const char *const known[] = { "id", "name", "total_mb", "free_mb",
		NULL };
	struct sched_datastore d = { 0 };
	const struct number numbers[] = {
		{ "total_mb", JSON_REQUIRED, &d.total_mb },
		{ "free_mb", JSON_REQUIRED, &d.free_mb },
	};
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_head(r, o, KIND_DATASTORE, &d.id, &d.name);
	if (!rc)
		rc = read_numbers(r, o, numbers, ARRAY_SIZE(numbers));
	return rc ? rc : sched_view_add_datastore(r->view, &d, r->e);
}

static int
read_host(struct reader *r, const json *o)
{
	static const char *const known[] = { "id", "name", "cluster", "state",
		"cpu_mhz", "cpu_cores", "memory_mb", "memory_overhead_mb", "engines",
		"datastores", "networks", "network_permille", "disk_permille",
		"max_guests", NULL };
	struct sched_host h = { 0 };
	uint32_t state = SCHED_HOST_CONNECTED;
	const struct number numbers[] = {
		{ "cpu_mhz", JSON_REQUIRED, &h.cpu_mhz },
		{ "cpu_cores", JSON_REQUIRED, &h.cpu_cores },
		{ "memory_mb", JSON_REQUIRED, &h.memory_mb },
		{ "memory_overhead_mb", JSON_OPTIONAL, &h.memory_overhead_mb },
		{ "network_permille", JSON_OPTIONAL, &h.network_permille },
		{ "disk_permille", JSON_OPTIONAL, &h.disk_permille },
		{ "max_guests", JSON_OPTIONAL, &h.max_guests },
	};
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_head(r, o, KIND_HOST, &h.id, &h.name);
	if (!rc)
		rc = read_id(r, o, "cluster", KIND_CLUSTER, &h.cluster);
	if (!rc)
		rc = read_word(
		    r, o, "state", sched_host_states, SCHED_HOST_STATE_COUNT_, &state);
	if (!rc)
		rc = read_numbers(r, o, numbers, ARRAY_SIZE(numbers));
	if (!rc)
		rc = read_engines(r, o, &h.engines);
	if (!rc)
		rc = read_ids(r, o, KIND_DATASTORE, kind_plural(KIND_DATASTORE),
		    &h.datastores, &h.datastore_count);
	if (!rc)
		rc = read_ids(r, o, KIND_NETWORK, kind_plural(KIND_NETWORK),
		    &h.networks, &h.network_count);
	if (rc)
		return rc;
	h.state = (enum sched_host_state)state;
	return sched_view_add_host(r->view, &h, r->e);
}

static int
read_disk(struct reader *r, const json *o, struct sched_disk *d)
{
	static const char *const known[] = { "need_mb", "datastore",
		"backing_datastore", NULL };
	const struct number numbers[] = { { "need_mb", JSON_REQUIRED, &d->need_mb } };
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_numbers(r, o, numbers, ARRAY_SIZE(numbers));
	if (!rc)
		rc = read_id(r, o, "datastore", KIND_DATASTORE, &d->datastore);
	if (!rc)
		rc = read_id(
		    r, o, "backing_datastore", KIND_DATASTORE, &d->backing_datastore);
	return rc;
}

static int
read_disks(struct reader *r, const json *o, struct sched_guest *g)
{
	struct sched_disk *disks;
	const json *list;
	size_t n;
	int rc = read_list(r, o, "disks", &list, &n);

	if (rc)
		return rc;
	disks = arena_array(r->scratch, n ? n : 1, sizeof(*disks));
	for (size_t i = 0; i < n; i++) {
		rc = read_disk(r, json_at(list, i), &disks[i]);
		if (rc) {
			err_wrap(r->e, "disks[%zu]", i);
			return rc;
		}
	}
	g->disks = disks;
	g->disk_count = n;
	return 0;
}

static int
read_guest(struct reader *r, const json *o)
{
	static const char *const known[] = { "id", "name", "host", "cluster",
		"want_host", "state", "num_cpu", "memory_mb", "engines", "disks",
		"networks", "cpu_demand_mhz", "dirty_kb_s", "stable_s", "pinned",
		"resting", "cpu_reservation_mhz", "memory_reservation_mb",
		"memory_overhead_mb", "restart", NULL };
	struct sched_guest g = { 0 };
	uint32_t state = SCHED_GUEST_OFF, restart = SCHED_RESTART_MEDIUM;
	const struct number numbers[] = {
		{ "num_cpu", JSON_REQUIRED, &g.num_cpu },
		{ "memory_mb", JSON_REQUIRED, &g.memory_mb },
		{ "cpu_demand_mhz", JSON_OPTIONAL, &g.cpu_demand_mhz },
		{ "dirty_kb_s", JSON_OPTIONAL, &g.dirty_kb_s },
		{ "stable_s", JSON_OPTIONAL, &g.stable_s },
		{ "cpu_reservation_mhz", JSON_OPTIONAL, &g.cpu_reservation_mhz },
		{ "memory_reservation_mb", JSON_OPTIONAL, &g.memory_reservation_mb },
		{ "memory_overhead_mb", JSON_OPTIONAL, &g.memory_overhead_mb },
	};
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_head(r, o, KIND_VM, &g.id, &g.name);
	if (!rc)
		rc = read_id(r, o, "host", KIND_HOST, &g.host);
	if (!rc)
		rc = read_id(r, o, "cluster", KIND_CLUSTER, &g.cluster);
	if (!rc)
		rc = read_id(r, o, "want_host", KIND_HOST, &g.want_host);
	if (!rc)
		rc = read_word(r, o, "state", sched_guest_states,
		    SCHED_GUEST_STATE_COUNT_, &state);
	if (!rc)
		rc = read_word(
		    r, o, "restart", sched_restarts, SCHED_RESTART_COUNT_, &restart);
	if (!rc)
		rc = json_read_str(
		    o, "pinned", JSON_OPTIONAL, MAX_TEXT, &g.pinned, r->e);
	if (!rc)
		rc = json_read_str(
		    o, "resting", JSON_OPTIONAL, MAX_TEXT, &g.resting, r->e);
	if (!rc)
		rc = read_numbers(r, o, numbers, ARRAY_SIZE(numbers));
	if (!rc)
		rc = read_engines(r, o, &g.engines);
	if (!rc)
		rc = read_disks(r, o, &g);
	if (!rc)
		rc = read_ids(r, o, KIND_NETWORK, kind_plural(KIND_NETWORK),
		    &g.networks, &g.network_count);
	if (rc)
		return rc;
	g.state = (enum sched_guest_state)state;
	g.restart = (enum sched_restart)restart;
	g.is_measured = json_get(o, "cpu_demand_mhz");
	return sched_view_add_guest(r->view, &g, r->e);
}

static int
read_rule(struct reader *r, const json *o)
{
	static const char *const known[] = { "id", "name", "kind", "guests", "hosts",
		NULL };
	struct sched_rule rule = { 0 };
	uint32_t kind = SCHED_RULE_KIND_COUNT_;
	int rc = json_only(o, known, r->e);

	if (!rc)
		rc = read_head(r, o, KIND_RULE, &rule.id, &rule.name);
	if (!rc)
		rc = read_word(
		    r, o, "kind", sched_rule_kinds, SCHED_RULE_KIND_COUNT_, &kind);
	if (!rc && kind == SCHED_RULE_KIND_COUNT_)
		rc = err_set(r->e, ERR_INVALID, "kind: is missing");
	if (!rc)
		rc = read_ids(r, o, KIND_VM, "guests", &rule.guests, &rule.guest_count);
	if (!rc)
		rc = read_ids(r, o, KIND_HOST, "hosts", &rule.hosts, &rule.host_count);
	if (rc)
		return rc;
	rule.kind = (enum sched_rule_kind)kind;
	return sched_view_add_rule(r->view, &rule, r->e);
}

static const struct section {
	const char *key;
	int (*read)(struct reader *r, const json *o);
} sections[] = {
	{ "clusters", read_cluster },
	{ "networks", read_network },
	{ "datastores", read_datastore },
	{ "hosts", read_host },
	{ "guests", read_guest },
	{ "rules", read_rule },
};

static int
read_section(struct reader *r, const json *top, const struct section *s)
{
	const json *list;
	size_t n;
	int rc = read_list(r, top, s->key, &list, &n);

	for (size_t i = 0; !rc && i < n; i++) {
		rc = s->read(r, json_at(list, i));
		if (rc)
			err_wrap(r->e, "%s[%zu]", s->key, i);
	}
	return rc;
}

static int
read_view(struct reader *r, const json *top)
{
	static const char *const known[] = { "version", "clusters", "networks",
		"datastores", "hosts", "guests", "rules", NULL };
	uint64_t version;
	int rc = json_only(top, known, r->e);

	if (!rc)
		rc = json_read_u64(top, "version", JSON_REQUIRED, SNAPSHOT_VERSION,
		    SNAPSHOT_VERSION, &version, r->e);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(sections); i++)
		rc = read_section(r, top, &sections[i]);
	return rc ? rc : sched_view_finish(r->view, r->e);
}

int
sched_view_from_json(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e)
{
	AUTO(arena) struct arena *scratch = arena_new();
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	AUTO(json) json *top = NULL;
	struct reader r = { .view = v, .scratch = scratch, .e = e };
	int rc = json_parse(text, n, what, &top, e);

	if (rc)
		return rc;
	rc = read_view(&r, top);
	if (rc) {
		err_wrap(e, "%s", what);
		return rc;
	}
	*ret_view = MOVE(v);
	return 0;
}
