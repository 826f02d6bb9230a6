/*
 * ast: a parsed script as a tree.
 *
 * One node type for all; ast.def says what the kids of each kind are.  Nodes live in
 * the arena of their program.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum node_kind {

#define NODE(kind, name) NODE_##kind,
#include "shell/ast.def"
#undef NODE
};

enum op {

#define OP(name, text, rank)  OP_##name,
#define CMP(name, text, rank) OP_##name,
#include "shell/op.def"
#undef OP
#undef CMP
	OP_COUNT_
};

struct node {
	enum node_kind kind;
	enum op op;
	bool exact;         /* a -c form: case counts */
	uint32_t line, col; /* where it starts, from 1 */
	unsigned depth;     /* 1 + that of the deepest kid */
	const char *text, *type;
	bool real; /* NUMBER: which of the two */

	union {
		int64_t i;
		double d;
	};

	size_t n;
	struct node **kid;
};

const char *op_text(enum op op);
int op_rank(enum op op);
/* "-ieq" and the like, without regard to case; OP_NONE if it is none. */
enum op op_find(const char *s, size_t n, bool *ret_exact);

/* The tree as an expression in parentheses. */
void ast_dump(struct str *b, const struct node *n);
/* A script's tree as a script that makes the same tree. */
void ast_source(struct str *b, const struct node *body);
