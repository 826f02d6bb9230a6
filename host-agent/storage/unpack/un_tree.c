#include "host-agent/storage/unpack/un_tree.h"

#include <string.h>

#include "base/assert.h"
#include "base/mem.h"

#define BUCKETS_FIRST 1024u
#define NODES_FIRST   1024u
#define FNV_START     2166136261u
#define FNV_STEP      16777619u

static uint32_t
hash(uint32_t parent, const char *name, size_t len)
{
	uint32_t h = (FNV_START ^ parent) * FNV_STEP;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * FNV_STEP;
	return h ^ h >> 15;
}

static uint32_t
keep_text(struct un_tree *t, const char *s, size_t len)
{
	size_t at = t->text_len;

	while (t->text_cap - at <= len) {
		t->text_cap = t->text_cap ? 2 * t->text_cap : NODES_FIRST;
		t->text = xrealloc(t->text, t->text_cap);
	}
	memcpy(t->text + at, s, len);
	t->text[at + len] = '\0';
	t->text_len = at + len + 1;
	ASSERT(t->text_len <= UINT32_MAX);
	return (uint32_t)at;
}

static uint32_t *
bucket_of(const struct un_tree *t, uint32_t parent, const char *name, size_t len)
{
	return &t->buckets[hash(parent, name, len) & (t->n_buckets - 1)];
}

static void
enter(struct un_tree *t, uint32_t i)
{
	struct un_node *n = &t->nodes[i];
	const char *name = t->text + n->name;
	uint32_t *first = bucket_of(t, n->parent, name, strlen(name));

	n->next_same = *first;
	*first = i;
}

static void
spread(struct un_tree *t)
{
	t->n_buckets *= 2;
	t->buckets = xreallocarray(t->buckets, t->n_buckets, sizeof(*t->buckets));
	memset(t->buckets, 0xff, t->n_buckets * sizeof(*t->buckets));
	for (uint32_t i = 1; i < t->n; i++) {
		if (!t->nodes[i].is_gone)
			enter(t, i);
	}
}

void
un_tree_init(struct un_tree *t, uint32_t root_ino)
{
	*t = (struct un_tree){ .cap = NODES_FIRST, .n_buckets = BUCKETS_FIRST, .n = 1 };
	t->nodes = xcalloc(t->cap, sizeof(*t->nodes));
	t->buckets = xreallocarray(NULL, t->n_buckets, sizeof(*t->buckets));
	memset(t->buckets, 0xff, t->n_buckets * sizeof(*t->buckets));
	t->nodes[0] = (struct un_node){
		.first_child = UN_NONE,
		.next_sibling = UN_NONE,
		.next_same = UN_NONE,
		.ino = root_ino,
		.name = keep_text(t, "", 0),
		.type = UN_FOLDER,
	};
}

void
un_tree_fini(struct un_tree *t)
{
	free(t->nodes);
	free(t->buckets);
	free(t->text);
	*t = (struct un_tree){ .n = 0 };
}

uint32_t
un_tree_find(const struct un_tree *t, uint32_t parent, const char *name, size_t len)
{
	uint32_t i = *bucket_of(t, parent, name, len);

	for (; i != UN_NONE; i = t->nodes[i].next_same) {
		const char *s = t->text + t->nodes[i].name;

		if (t->nodes[i].parent == parent && !strncmp(s, name, len) && !s[len])
			break;
	}
	return i;
}

uint32_t
un_tree_add(struct un_tree *t, const struct un_made *m)
{
	struct un_node *n;
	uint32_t i = t->n;

	if (i >= UN_NODES_MAX)
		return UN_NONE;
	if (i == t->cap) {
		t->cap *= 2;
		t->nodes = xreallocarray(t->nodes, t->cap, sizeof(*t->nodes));
	}
	n = &t->nodes[i];
	*n = (struct un_node){
		.parent = m->parent,
		.first_child = UN_NONE,
		.next_sibling = t->nodes[m->parent].first_child,
		.ino = m->ino,
		.type = (uint8_t)m->type,
	};
	n->name = keep_text(t, m->name, m->len);
	n->target = m->target ? keep_text(t, m->target, strlen(m->target)) : 0;
	t->nodes[m->parent].first_child = i;
	t->n++;
	if (t->n > t->n_buckets)
		spread(t);
	else
		enter(t, i);
	return i;
}

void
un_tree_remove(struct un_tree *t, uint32_t node)
{
	struct un_node *n = &t->nodes[node];
	const char *name = t->text + n->name;
	uint32_t *at = bucket_of(t, n->parent, name, strlen(name));

	while (*at != node)
		at = &t->nodes[*at].next_same;
	*at = n->next_same;
	at = &t->nodes[n->parent].first_child;
	while (*at != node)
		at = &t->nodes[*at].next_sibling;
	*at = n->next_sibling;
	n->is_gone = true;
}

bool
un_tree_is_empty(const struct un_tree *t, uint32_t folder)
{
	return t->nodes[folder].first_child == UN_NONE;
}

const char *
un_tree_name(const struct un_tree *t, uint32_t node)
{
	return t->text + t->nodes[node].name;
}

const char *
un_tree_target(const struct un_tree *t, uint32_t node)
{
	return t->text + t->nodes[node].target;
}
