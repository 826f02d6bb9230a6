#include <string.h>

#include "base/arena.h"
#include "base/assert.h"
#include "shell/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	AUTO(arena) struct arena *a = arena_new();
	struct node *root = NULL;
	struct str once = STR_INIT, twice = STR_INIT;
	enum parse_result rc = parse_script((const char *)data, n, a, &root, &e);

	if (rc != PARSE_OK) {
		ASSERT(e.code && utf8_valid(e.msg, strlen(e.msg)));
		return 0;
	}
	/* The same text gives the same tree, and no tree is deeper than it may be. */
	ast_dump(&once, root);
	ASSERT(root->depth <= MAX_DEPTH + 1);
	ASSERT(parse_script((const char *)data, n, a, &root, &e) == PARSE_OK);
	ast_dump(&twice, root);
	ASSERT(once.len == twice.len && !memcmp(once.s, twice.s, once.len));
	str_fini(&once);
	str_fini(&twice);
	return 0;
}
