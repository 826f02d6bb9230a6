/*
 * un_tree: the names of the files that an archive has brought so far.
 *
 * Node 0 is the root.  A node is known by its number; numbers stay good.  No I/O.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UN_NODES_MAX 4000000u
#define UN_NONE      UINT32_MAX

enum un_type { UN_FOLDER, UN_FILE, UN_LINK, UN_FIFO, UN_WHITEOUT };

struct un_node {
	uint32_t parent, first_child, next_sibling;
	uint32_t next_same; /* in its bucket */
	uint32_t ino;
	uint32_t name, target; /* in the tree's text; target of a link alone */
	uint8_t type;          /* enum un_type */
	bool is_gone;
};

struct un_tree {
	struct un_node *nodes;
	uint32_t n, cap;
	uint32_t *buckets;
	uint32_t n_buckets; /* a power of two */
	char *text;
	size_t text_len, text_cap;
};

void un_tree_init(struct un_tree *t, uint32_t root_ino);
void un_tree_fini(struct un_tree *t);
/* UN_NONE where there is none. */
uint32_t un_tree_find(
    const struct un_tree *t, uint32_t parent, const char *name, size_t len);

struct un_made {
	uint32_t parent, ino;
	const char *name;
	size_t len;
	enum un_type type;
	const char *target; /* of a link */
};

/* UN_NONE: there are UN_NODES_MAX already. */
uint32_t un_tree_add(struct un_tree *t, const struct un_made *m);
void un_tree_remove(struct un_tree *t, uint32_t node);
bool un_tree_is_empty(const struct un_tree *t, uint32_t folder);
const char *un_tree_name(const struct un_tree *t, uint32_t node);
const char *un_tree_target(const struct un_tree *t, uint32_t node);
