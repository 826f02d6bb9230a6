/*
 * parse: text to tree, by the grammar of docs/shell.md.
 */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "shell/ast.h"

#define MAX_NESTING 200  /* of parentheses, blocks and the like */
#define MAX_DEPTH   1000 /* of a tree: the longest chain of operators counts */

enum parse_result { PARSE_OK, PARSE_INCOMPLETE, PARSE_BAD };

/*
 * Parse n bytes (not kept) into a NODE_BODY in arena.  PARSE_INCOMPLETE: what is there
 * is fine, but more must follow (an open brace, quote, a trailing pipe); e says what.
 */
enum parse_result parse_script(const char *s, size_t n, struct arena *arena,
    struct node **ret_root, struct err *e);
