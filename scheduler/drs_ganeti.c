#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/str.h"
#include "scheduler/drs_file.h"
#include "scheduler/line_at.h"

#define MAX_FIELDS 24
#define CPU_MHZ    1000
#define EXCLUSION  "htools:iextags:"

enum section { GROUPS, NODES, INSTANCES, TAGS, POLICIES, SECTION_COUNT };

struct tagged {
	const char *tags;
	uint64_t guest;
};

struct reader {
	struct sched_view *view;
	struct arena *scratch;
	struct line_at at;
	char *fields[MAX_FIELDS];
	uint32_t field_count;
	struct sched_cluster *clusters; /* added once their policies are known */
	struct map *cluster_at;         /* uuid → place + 1 */
	struct map *node_at;            /* name → id, and so on */
	uint64_t nodes, instances, rules;
	struct tagged *tagged;
	size_t tagged_count;
};

static int
amount(const struct reader *r, uint32_t field, uint64_t most, uint64_t *ret_n,
    struct err *e)
{
	if (parse_u64(r->fields[field], 0, most, "it", ret_n, NULL))
		return line_bad(
		    &r->at, e, "is no number in its range", r->fields[field]);
	return 0;
}

static int
decimal(const struct reader *r, uint32_t field, double *ret_x, struct err *e)
{
	char *end;
	double x = strtod(r->fields[field], &end);

	if (end == r->fields[field] || *end || !(x > 0 && x <= 1e6))
		return line_bad(
		    &r->at, e, "is no number in its range", r->fields[field]);
	*ret_x = x;
	return 0;
}

static void
note(struct map *m, const char *key, uint64_t n)
{
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): a number, never followed */
	map_put_str(m, key, (void *)(uintptr_t)n);
}

static uint64_t
noted(const struct map *m, const char *key)
{
	return (uint64_t)(uintptr_t)map_get_str(m, key);
}

static int
read_group(struct reader *r, struct err *e)
{
	uint64_t id = map_count(r->cluster_at) + 1;

	if (noted(r->cluster_at, r->fields[1]))
		return line_bad(&r->at, e, "is there twice", r->fields[1]);
	r->clusters[id - 1] = (struct sched_cluster){
		.id = id,
		.name = r->fields[0],
		.policy = sched_policy_default(),
	};
	note(r->cluster_at, r->fields[1], id);
	return 0;
}

static int
read_node(struct reader *r, struct err *e)
{
	struct sched_host h = { .id = r->nodes + 1, .name = r->fields[0] };
	uint64_t cpus = 0;
	double speed = 1;
	int rc = amount(r, 1, SCHED_MAX_MEMORY_MB, &h.memory_mb, e);

	if (!rc)
		rc = amount(r, 2, h.memory_mb, &h.memory_overhead_mb, e);
	if (!rc)
		rc = amount(r, 6, SCHED_MAX_MHZ / CPU_MHZ, &cpus, e);
	if (!rc && r->field_count > 14)
		rc = decimal(r, 14, &speed, e);
	if (rc)
		return rc;
	h.cluster = noted(r->cluster_at, r->fields[8]);
	if (!h.cluster)
		return line_bad(&r->at, e, "is no group", r->fields[8]);
	if (noted(r->node_at, h.name))
		return line_bad(&r->at, e, "is there twice", h.name);
	if (str_same(r->fields[7], "Y"))
		h.state = SCHED_HOST_DISCONNECTED;
	h.cpu_cores = cpus < SCHED_MAX_CORES ? cpus : SCHED_MAX_CORES;
	h.cpu_mhz = (uint64_t)fmin((double)cpus * CPU_MHZ * speed, SCHED_MAX_MHZ);
	note(r->node_at, h.name, h.id);
	r->nodes++;
	return line_added(&r->at, sched_view_add_host(r->view, &h, e), e);
}

/* On which nodes its disks are. */
static int
bind_to_disks(struct reader *r, struct sched_guest *g, struct err *e)
{
	const char *template = r->field_count > 8 ? r->fields[8] : "drbd";
	uint64_t nodes[2] = { g->host };
	struct sched_rule rule = { .id = r->rules + 1,
		.name = arena_printf(r->scratch, "mirror of %.60s", g->name),
		.kind = SCHED_RULE_MUST_RUN_ON,
		.guests = &g->id,
		.guest_count = 1,
		.hosts = nodes,
		.host_count = 2 };

	if (str_same(template, "plain") || str_same(template, "file"))
		g->pinned = "its disks are on its node alone";
	if (!str_same(template, "drbd"))
		return 0;
	nodes[1] = noted(r->node_at, r->fields[7]);
	if (!nodes[1] || nodes[1] == nodes[0])
		return line_bad(&r->at, e, "is no node for a mirror", r->fields[7]);
	r->rules++;
	return sched_view_add_rule(r->view, &rule, e);
}

static bool
is_running(const char *status)
{
	return str_same(status, "running") || str_same(status, "ERROR_up");
}

static int
read_instance(struct reader *r, struct err *e)
{
	struct sched_guest g = {
		.id = r->instances + 1, .name = r->fields[0], .is_measured = true
	};
	uint64_t vcpus = 0;
	int rc = amount(r, 1, SCHED_MAX_MEMORY_MB, &g.memory_mb, e);

	if (!rc)
		rc = amount(r, 3, SCHED_MAX_MHZ / CPU_MHZ, &vcpus, e);
	if (rc)
		return rc;
	g.host = noted(r->node_at, r->fields[6]);
	if (!g.host)
		return line_bad(&r->at, e, "is no node", r->fields[6]);
	g.num_cpu = vcpus < SCHED_MAX_VCPUS ? vcpus : SCHED_MAX_VCPUS;
	g.cpu_demand_mhz = vcpus * CPU_MHZ;
	if (is_running(r->fields[4]))
		g.state = SCHED_GUEST_RUNNING;
	if (str_same(r->fields[5], "N"))
		g.pinned = "it is not to be balanced";
	rc = bind_to_disks(r, &g, e);
	if (rc)
		return rc;
	if (r->field_count > 9 && *r->fields[9])
		r->tagged[r->tagged_count++] = (struct tagged){ r->fields[9], g.id };
	r->instances++;
	return line_added(&r->at, sched_view_add_guest(r->view, &g, e), e);
}

/* ---- exclusion tags ---- */

struct bearer {
	const char *tag;
	uint64_t guest;
};

static int
cmp_bearers(const void *pa, const void *pb)
{
	const struct bearer *a = pa, *b = pb;
	int order = strcmp(a->tag, b->tag);

	return order ? order : (a->guest > b->guest) - (a->guest < b->guest);
}

/* Who bears which tag of the form prefix:…; room is for all tags of all. */
static size_t
list_bearers(const struct reader *r, const char *prefix, struct bearer *list)
{
	size_t n = 0, p = strlen(prefix);

	for (size_t i = 0; i < r->tagged_count; i++) {
		char *rest = arena_strdup(r->scratch, r->tagged[i].tags);

		for (char *tag; (tag = strsep(&rest, ","));) {
			if (!strncmp(tag, prefix, p) && tag[p] == ':')
				list[n++] = (struct bearer){ tag, r->tagged[i].guest };
		}
	}
	qsort(list, n, sizeof(*list), cmp_bearers);
	return n;
}

static size_t
count_tags(const struct reader *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->tagged_count; i++) {
		n++;
		for (const char *s = r->tagged[i].tags; *s; s++)
			n += *s == ',';
	}
	return n;
}

/* Those who share a tag, from the first of them on; ret_next: the first who does not.
 */
static int
keep_apart(struct reader *r, const struct bearer *list, size_t n, size_t *ret_next,
    struct err *e)
{
	uint64_t *guests = arena_array(r->scratch, n, sizeof(*guests));
	struct sched_rule rule = {
		.id = r->rules + 1,
		.name = arena_printf(r->scratch, "%.80s", list->tag),
		.kind = SCHED_RULE_APART,
		.guests = guests,
	};
	size_t i;

	for (i = 0; i < n && str_same(list[i].tag, list->tag); i++) {
		if (!i || list[i].guest != list[i - 1].guest)
			guests[rule.guest_count++] = list[i].guest;
	}
	*ret_next += i;
	if (rule.guest_count < 2)
		return 0;
	r->rules++;
	return line_added(&r->at, sched_view_add_rule(r->view, &rule, e), e);
}

static int
read_tag(struct reader *r, struct err *e)
{
	size_t n = strlen(EXCLUSION), next = 0;
	int rc = 0;

	if (strncmp(r->fields[0], EXCLUSION, n) != 0)
		return 0;
	struct bearer *list = arena_array(r->scratch, count_tags(r) + 1, sizeof(*list));

	n = list_bearers(r, r->fields[0] + n, list);
	while (!rc && next < n)
		rc = keep_apart(r, list + next, n - next, &next, e);
	return rc;
}

/* ---- the text ---- */

static int
read_policy(struct reader *r, struct err *e)
{
	double ratio = 0;
	int rc = decimal(r, 4, &ratio, e);

	for (size_t i = 0; !rc && i < map_count(r->cluster_at); i++) {
		struct sched_cluster *c = &r->clusters[i];

		if (*r->fields[0] && !str_same(c->name, r->fields[0]))
			continue;
		c->policy.vcpus_per_core = (uint64_t)fmin(ceil(ratio), 1024);
		c->policy.vcpu_demand_mhz = CPU_MHZ;
	}
	return rc;
}

static const struct {
	uint32_t fields; /* at least */
	int (*read)(struct reader *r, struct err *e);
} sections[SECTION_COUNT] = {
	[GROUPS] = { 3, read_group },
	[NODES] = { 9, read_node },
	[INSTANCES] = { 8, read_instance },
	[TAGS] = { 1, read_tag },
	[POLICIES] = { 5, read_policy },
};

static int
read_line(struct reader *r, enum section s, char *line, struct err *e)
{
	r->field_count = 0;
	for (char *f; (f = strsep(&line, "|"));) {
		if (r->field_count == MAX_FIELDS)
			return line_bad(&r->at, e, "one field too many", f);
		r->fields[r->field_count++] = f;
	}
	if (r->field_count < sections[s].fields)
		return line_bad(&r->at, e, "has too few fields", r->fields[0]);
	return sections[s].read(r, e);
}

static int
read_lines(struct reader *r, char *rest, struct err *e)
{
	enum section s = GROUPS;
	int rc = 0;

	for (char *line; !rc && s < SECTION_COUNT && (line = strsep(&rest, "\n"));) {
		r->at.line++;
		line[strcspn(line, "\r")] = '\0';
		if (*line)
			rc = read_line(r, s, line, e);
		else
			s++;
	}
	for (size_t i = 0; !rc && i < map_count(r->cluster_at); i++)
		rc = line_added(
		    &r->at, sched_view_add_cluster(r->view, &r->clusters[i], e), e);
	if (!rc && !r->nodes)
		rc = err_set(e, ERR_INVALID, "%s has no node", r->at.what);
	return rc;
}

static size_t
count_lines(const char *text)
{
	size_t n = 1;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

int
drs_ganeti_read(const char *text, size_t n, const char *what,
    struct sched_view **ret_view, struct err *e)
{
	AUTO(arena) struct arena *scratch = arena_new();
	AUTO(sched_view) struct sched_view *v = sched_view_new();
	AUTO(map) struct map *cluster_at = map_new_str();
	AUTO(map) struct map *node_at = map_new_str();
	struct reader r = { .view = v,
		.scratch = scratch,
		.at = { what, 0 },
		.cluster_at = cluster_at,
		.node_at = node_at };
	char *copy;
	int rc;

	if (memchr(text, '\0', n))
		return err_set(e, ERR_INVALID, "%s is no text", what);
	copy = arena_array(scratch, n + 1, 1);
	if (n)
		memcpy(copy, text, n);
	size_t lines = count_lines(copy);

	r.clusters = arena_array(scratch, lines, sizeof(*r.clusters));
	r.tagged = arena_array(scratch, lines, sizeof(*r.tagged));
	rc = read_lines(&r, copy, e);
	if (!rc) {
		rc = sched_view_finish(v, e);
		if (rc)
			err_wrap(e, "%s", what);
	}
	if (!rc)
		*ret_view = MOVE(v);
	return rc;
}
