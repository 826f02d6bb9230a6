#include "shell/ast.h"

#include <string.h>

#include "base/mem.h"

static const char *const node_names[] = {
#define NODE(kind, name) name,
#include "shell/ast.def"
#undef NODE
};

static const struct {
	const char *text;
	int rank;
	bool has_forms;
} ops[] = {

#define OP(name, text, rank)  { text, rank, false },
#define CMP(name, text, rank) { text, rank, true },
#include "shell/op.def"
#undef OP
#undef CMP
};

const char *
op_text(enum op op)
{
	return ops[op].text;
}

int
op_rank(enum op op)
{
	return ops[op].rank;
}

enum op
op_find(const char *s, size_t n, bool *ret_exact)
{
	for (int i = OP_NONE + 1; i < OP_COUNT_; i++) {
		const char *t = ops[i].text;
		size_t len = strlen(t);

		*ret_exact = false;
		if (n == len && !strncasecmp(s, t, n))
			return (enum op)i;
		if (!ops[i].has_forms || n != len + 1 || s[0] != '-' ||
		    strncasecmp(s + 2, t + 1, len - 1) != 0)
			continue;
		*ret_exact = s[1] == 'c' || s[1] == 'C';
		if (*ret_exact || s[1] == 'i' || s[1] == 'I')
			return (enum op)i;
	}
	*ret_exact = false;
	return OP_NONE;
}

static void
dump_text(struct str *b, const char *s)
{
	str_add(b, " \"");
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			str_addc(b, '\\');
		if (*s == '\n')
			str_add(b, "\\n");
		else
			str_addc(b, *s);
	}
	str_addc(b, '"');
}

void
ast_dump(struct str *b, const struct node *n)
{
	if (!n) {
		str_addc(b, '_');
		return;
	}
	str_addf(b, "(%s", node_names[n->kind]);
	if (n->op != OP_NONE)
		str_addf(b, " %s%s", n->exact ? "c:" : "", op_text(n->op));
	if (n->type)
		str_addf(b, " [%s]", n->type);
	if (n->text && n->kind != NODE_BODY)
		dump_text(b, n->text);
	for (size_t i = 0; i < n->n; i++) {
		str_addc(b, ' ');
		ast_dump(b, n->kid[i]);
	}
	str_addc(b, ')');
}
