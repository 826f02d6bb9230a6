#include "host-agent/engine/qemu/qemu_chain.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

#define ID_MAX     INT64_MAX
#define NAME_MAX_  512
#define GRAPH_MAX  8192 /* nodes and edges that are looked at */
#define FDSET_ROOT "/dev/fdset/"

static const char *
text_of(const json *o, const char *key)
{
	const char *s = "";

	if (json_read_str(o, key, JSON_OPTIONAL, NAME_MAX_, &s, NULL))
		return "";
	return s;
}

static uint64_t
id_of(const json *o, const char *key)
{
	uint64_t v = 0;

	(void)json_read_u64(o, key, JSON_OPTIONAL, 1, ID_MAX, &v, NULL);
	return v;
}

static const json *
list_of(const json *graph, const char *key)
{
	const json *l =
	    graph && json_what(graph) == JSON_IS_OBJECT ? json_get(graph, key) : NULL;

	return l && json_what(l) == JSON_IS_ARRAY && json_count(l) <= GRAPH_MAX ? l
										: NULL;
}

static const json *
node_by_id(const json *nodes, uint64_t id)
{
	for (size_t i = 0; i < json_count(nodes); i++) {
		const json *n = json_at(nodes, i);

		if (json_what(n) == JSON_IS_OBJECT && id_of(n, "id") == id)
			return n;
	}
	return NULL;
}

/* The node that id has in the role; NULL: none. */
static const json *
child_of(const json *nodes, const json *edges, uint64_t id, const char *role)
{
	for (size_t i = 0; i < json_count(edges); i++) {
		const json *e = json_at(edges, i);

		if (json_what(e) == JSON_IS_OBJECT && id_of(e, "parent") == id &&
		    str_same(text_of(e, "name"), role))
			return node_by_id(nodes, id_of(e, "child"));
	}
	return NULL;
}

static const json *
device_of(const json *nodes, unsigned disk)
{
	char path[96], id[32];

	snprintf(id, sizeof(id), "blk-%u", disk);
	snprintf(path, sizeof(path), "/machine/peripheral/%s/virtio-backend", id);
	for (size_t i = 0; i < json_count(nodes); i++) {
		const json *n = json_at(nodes, i);

		if (json_what(n) != JSON_IS_OBJECT ||
		    !str_same(text_of(n, "type"), "block-backend"))
			continue;
		if (str_same(text_of(n, "name"), path) ||
		    str_same(text_of(n, "name"), id))
			return n;
	}
	return NULL;
}

/* One more than the largest N of the nodes "disk-I-N". */
static unsigned
next_number(const json *nodes, unsigned disk)
{
	unsigned next = 1;
	char prefix[32];

	snprintf(prefix, sizeof(prefix), "disk-%u-", disk);
	for (size_t i = 0; i < json_count(nodes); i++) {
		const json *n = json_at(nodes, i);
		const char *name =
		    json_what(n) == JSON_IS_OBJECT ? text_of(n, "name") : "";
		uint64_t v;

		if (str_starts(name, prefix) &&
		    !parse_u64(
			name + strlen(prefix), 1, UINT32_MAX - 1, "", &v, NULL) &&
		    v >= next)
			next = (unsigned)v + 1;
	}
	return next;
}

int
qemu_chain_read(
    const json *graph, unsigned disk, struct qemu_chain *ret_c, struct err *e)
{
	const json *nodes = list_of(graph, "nodes"), *edges = list_of(graph, "edges");
	const json *at = nodes && edges ? device_of(nodes, disk) : NULL;
	struct qemu_chain c = { .n = 0 };

	if (!at)
		return err_set(e, ERR_NOT_FOUND, "QEMU shows no device blk-%u", disk);
	at = child_of(nodes, edges, id_of(at, "id"), "root");
	/* A job puts nodes of its own into the chain; their names begin with '#'. */
	for (size_t steps = 0; at && steps < json_count(edges); steps++) {
		const char *name = text_of(at, "name");

		if (*name != '#' && c.n == ENGINE_LAYERS_MAX)
			return err_set(e, ERR_UNSUPPORTED,
			    "disk %u stands on more than %d images", disk,
			    ENGINE_LAYERS_MAX);
		if (*name != '#')
			snprintf(c.nodes[c.n++], QEMU_NODE_MAX, "%s", name);
		at = child_of(nodes, edges, id_of(at, "id"), "backing");
	}
	if (!c.n)
		return err_set(e, ERR_NOT_FOUND, "QEMU shows no image of blk-%u", disk);
	c.next = next_number(nodes, disk);
	*ret_c = c;
	return 0;
}

int
qemu_chain_fdset(const json *nodes, const char *name, uint64_t *ret_set, struct err *e)
{
	AUTO_FREE char *wanted = xasprintf("%s-file", name);

	for (size_t i = 0; nodes && json_what(nodes) == JSON_IS_ARRAY &&
			   i < json_count(nodes) && i < GRAPH_MAX;
	     i++) {
		const json *n = json_at(nodes, i);
		const char *file;

		if (json_what(n) != JSON_IS_OBJECT ||
		    !str_same(text_of(n, "node-name"), wanted))
			continue;
		file = text_of(n, "file");
		if (str_starts(file, FDSET_ROOT))
			return parse_u64(file + strlen(FDSET_ROOT), 0, INT64_MAX,
			    "descriptor set", ret_set, e);
	}
	return err_set(e, ERR_NOT_FOUND, "QEMU shows no file of node %s", name);
}
