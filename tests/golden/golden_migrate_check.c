/* A move as JSON → how it would go, and every reason against it. */
#include "base/arena.h"
#include "base/json.h"
#include "server/migrate/migrate_check.h"
#include "tests/golden/run_golden.h"

static const char *
str_of(const json *o, const char *key, const char *preset)
{
	const json *j = o ? json_get(o, key) : NULL;

	return j ? json_str_value(j, NULL) : preset;
}

static bool
flag(const json *o, const char *key, bool preset)
{
	const json *j = o ? json_get(o, key) : NULL;

	return j ? json_bool_value(j) : preset;
}

static uint64_t
number(const json *o, const char *key, uint64_t preset)
{
	const json *j = o ? json_get(o, key) : NULL;

	return j ? (uint64_t)json_int_value(j) : preset;
}

static const char *const *
texts(struct arena *mem, const json *o, const char *key, size_t *ret_n)
{
	const json *list = o ? json_get(o, key) : NULL;
	size_t n = list ? json_count(list) : 0;
	const char **v = arena_array(mem, n + 1, sizeof(*v));

	for (size_t i = 0; i < n; i++)
		v[i] = json_str_value(json_at(list, i), NULL);
	*ret_n = n;
	return v;
}

static const struct mig_host *
host(struct arena *mem, const json *o, const char *name)
{
	struct mig_host *h = arena_alloc(mem, sizeof(*h));

	h->name = str_of(o, "name", name);
	h->is_up = flag(o, "up", true);
	h->why_down = str_of(o, "why_down", "not_responding");
	h->engine.name = str_of(o, "engine", "qemu");
	h->engine.there = flag(o, "engine_there", true);
	h->engine.usable = flag(o, "usable", true);
	h->engine.why_not = str_of(o, "why_not", "");
	h->engine.can_move = flag(o, "can_move", true);
	h->engine.why_cannot_move = str_of(o, "why_cannot_move", "");
	h->engine.can_post_copy = flag(o, "can_post_copy", true);
	h->engine.why_no_post_copy = str_of(o, "why_no_post_copy", "");
	h->engine.accelerator = str_of(o, "accelerator", "kvm");
	h->engine.machine = str_of(o, "machine", "pc-q35-7.2");
	h->arch = str_of(o, "arch", "x86_64");
	h->cpu_flags = texts(mem, o, "cpu_flags", &h->n_cpu_flags);
	h->channel_port = (uint32_t)number(o, "port", 7447);
	h->n_channel_addresses = (size_t)number(o, "addresses", 1);
	return h;
}

static void
fill_disks(struct arena *mem, const json *list, struct mig_view *v)
{
	struct mig_disk *d;

	v->n_disks = list ? json_count(list) : 0;
	v->disks = d = arena_array(mem, v->n_disks + 1, sizeof(*d));
	for (size_t i = 0; i < v->n_disks; i++) {
		const json *o = json_at(list, i);
		d[i] = (struct mig_disk){
			.name = str_of(o, "name", "disk-0"),
			.datastore = str_of(o, "datastore", "shared"),
			.is_reached = flag(o, "reached", true),
			.moves = flag(o, "moves", false),
			.has_base = flag(o, "base", false),
			.base_is_there = flag(o, "base_there", false),
			.base_may_come = flag(o, "base_may_come", false),
			.base = "template \"tiny\"",
		};
	}
}

static void
fill_nics(struct arena *mem, const json *list, struct mig_view *v)
{
	struct mig_nic *n;

	v->n_nics = list ? json_count(list) : 0;
	v->nics = n = arena_array(mem, v->n_nics + 1, sizeof(*n));
	for (size_t i = 0; i < v->n_nics; i++) {
		const json *o = json_at(list, i);
		n[i].name = str_of(o, "name", "nic-0");
		n[i].network = str_of(o, "network", "lan");
		n[i].is_reached = flag(o, "reached", true);
	}
}

static void
fill_view(struct arena *mem, const json *o, struct mig_view *v)
{
	const json *store = json_get(o, "store");

	v->vm = str_of(o, "vm", "web");
	v->wants_post_copy = flag(o, "post_copy", false);
	v->type = (enum guest_type)guest_type_parse(str_of(o, "type", "machine"));
	v->lifecycle =
	    (enum vm_lifecycle)vm_lifecycle_parse(str_of(o, "lifecycle", "ready"));
	v->power =
	    (enum power_state)power_state_parse(str_of(o, "power", "powered_on"));
	v->busy = str_of(o, "busy", NULL);
	v->from = host(mem, json_get(o, "from"), "h1");
	v->to = host(mem, json_get(o, "to"), "h2");
	v->is_same_host = flag(o, "same_host", false);
	v->is_same_datacenter = flag(o, "same_datacenter", true);
	v->store = str_of(store, "name", NULL);
	v->store_reached = flag(store, "reached", true);
	v->store_reached_from = flag(store, "reached_from", false);
	v->store_free_mb = number(store, "free_mb", 10240);
	v->store_need_mb = number(store, "need_mb", 512);
	v->template_mb = number(store, "template_mb", 0);
	v->keeps_chain = flag(o, "keep_chain", true);
	v->insists_on_chain = flag(o, "keep_chain", false);
	if (!store)
		v->store_need_mb = 0;
	fill_disks(mem, json_get(o, "disks"), v);
	fill_nics(mem, json_get(o, "nics"), v);
	v->n_snapshots = (size_t)number(o, "snapshots", 0);
	v->shortages = texts(mem, o, "shortages", &v->n_shortages);
	v->offered = texts(mem, o, "offered", &v->n_offered);
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	static const char *const ways[] = { "live", "cold", "disks" };
	AUTO(arena) struct arena *mem = arena_new();
	AUTO(json) json *o = NULL;
	struct mig_view v = { 0 };
	struct mig_verdict verdict;
	struct err e = ERR_INIT;

	if (json_parse(text, n, "move", &o, &e)) {
		str_addf(out, "%s\n", e.msg);
		return;
	}
	fill_view(mem, o, &v);
	migrate_check(&v, &verdict);
	str_addf(out, "%s: %s%s\n", ways[verdict.way], verdict.n ? "no" : "yes",
	    verdict.brings_template ? ", template first" : "");
	for (size_t i = 0; i < verdict.n; i++)
		str_addf(
		    out, "  %s: %s\n", err_name(verdict.v[i].code), verdict.v[i].text);
	if (mig_verdict_err(&verdict, &e))
		str_addf(out, "error: %s\n", e.msg);
}
