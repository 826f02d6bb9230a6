/*
 * ast_source: a tree as a script that parses to the same tree again (see ast.h).
 *
 * What stood in parentheses has a node of its own, so nothing has to be put in any
 * here; texts are written in quotes, names as they are.
 */
#include <ctype.h>
#include <string.h>

#include "shell/ast.h"

struct writer {
	struct str *b;
	unsigned depth; /* of blocks, for indentation */
};

static void add_expr(struct writer *w, const struct node *n);
static void add_arg(struct writer *w, const struct node *n);
static void add_statement(struct writer *w, const struct node *n);

static void
add(const struct writer *w, const char *s)
{
	str_add(w->b, s);
}

static void
add_line(const struct writer *w)
{
	str_addc(w->b, '\n');
	for (unsigned i = 0; i < w->depth; i++)
		str_addc(w->b, '\t');
}

static void
add_quoted(const struct writer *w, const char *s)
{
	str_addc(w->b, '\'');
	for (; *s; s++)
		str_add(w->b, *s == '\'' ? "''" : (char[]){ *s, '\0' });
	str_addc(w->b, '\'');
}

/* With a backtick before each of the characters that would mean something. */
static void
add_escaped(const struct writer *w, const char *s, const char *special)
{
	static const char control[] = "\n\t\r", letters[] = "ntr";

	for (; *s; s++) {
		const char *c = strchr(control, *s);
		if (c || strchr(special, *s))
			str_addc(w->b, '`');
		str_addc(w->b, c ? letters[c - control] : *s);
	}
}

static void
add_var(const struct writer *w, const struct node *n, bool braces)
{
	bool plain = true;

	for (const char *s = n->text; *s; s++)
		plain = plain && (isalnum((unsigned char)*s) || *s == '_');
	if (!plain && !n->type && n->text[0] && !n->text[1] &&
	    strchr("_?^$", n->text[0]) && !braces)
		plain = true;
	braces = braces || !plain;
	str_addf(w->b, "$%s%s%s%s%s", braces ? "{" : "", n->type ? n->type : "",
	    n->type ? ":" : "", n->text, braces ? "}" : "");
}

static void add_body(struct writer *w, const struct node *body);

/* Statements on lines of their own, between braces or whatever closes them. */
static void
add_list(struct writer *w, const struct node *list, const char *open, const char *close)
{
	add(w, open);
	w->depth++;
	for (size_t i = 0; list && i < list->n; i++) {
		add_line(w);
		add_statement(w, list->kid[i]);
	}
	w->depth--;
	add_line(w);
	add(w, close);
}

/* ---- texts ---- */

static void
add_part(struct writer *w, const struct node *n, const char *special)
{
	if (n->kind == NODE_STRING)
		add_escaped(w, n->text, special);
	else if (n->kind == NODE_VAR)
		add_var(w, n, true);
	else
		add_expr(w, n);
}

/* Could these parts stand between double quotes and come out as they are? */
static bool
is_quotable(const struct node *n)
{
	for (size_t i = 0; i < n->n; i++) {
		enum node_kind k = n->kid[i]->kind;
		if (k != NODE_STRING && k != NODE_VAR && k != NODE_SUBEXPR)
			return false;
		if (i && k == NODE_STRING && n->kid[i - 1]->kind == NODE_STRING)
			return false;
	}
	return true;
}

static void
add_expand(struct writer *w, const struct node *n)
{
	if (is_quotable(n)) {
		str_addc(w->b, '"');
		for (size_t i = 0; i < n->n; i++)
			add_part(w, n->kid[i], "\"`$");
		str_addc(w->b, '"');
		return;
	}
	/* A bare word that begins with a value: $vm.Name-old */
	add_arg(w, n->kid[0]);
	for (size_t i = 1; i < n->n; i++)
		add_part(w, n->kid[i], " \t'\"`,;(){}|&<>@#$");
}

/* ---- expressions ---- */

static void
add_all(struct writer *w, const struct node *n, size_t from,
    void (*one)(struct writer *w, const struct node *n))
{
	for (size_t i = from; i < n->n; i++) {
		add(w, i > from ? ", " : "");
		one(w, n->kid[i]);
	}
}

static void
add_member_name(struct writer *w, const struct node *n)
{
	bool plain = n->kind == NODE_STRING && n->text[0] &&
		     (isalpha((unsigned char)n->text[0]) || n->text[0] == '_');

	for (const char *s = plain ? n->text : ""; *s; s++)
		plain = plain && (isalnum((unsigned char)*s) || *s == '_');
	if (plain)
		add(w, n->text);
	else
		add_expr(w, n);
}

static void
add_hash(struct writer *w, const struct node *n)
{
	add(w, "@{");
	w->depth++;
	for (size_t i = 0; i + 1 < n->n; i += 2) {
		add_line(w);
		add_expr(w, n->kid[i]);
		add(w, " = ");
		add_statement(w, n->kid[i + 1]);
	}
	w->depth--;
	add_line(w);
	add(w, "}");
}

/* "-ceq" of "-eq". */
static void
add_operator(const struct writer *w, const struct node *n)
{
	const char *text = op_text(n->op);

	if (n->exact && text[0] == '-')
		str_addf(w->b, " -c%s ", text + 1);
	else
		str_addf(w->b, " %s ", text);
}

static void
add_access(struct writer *w, const struct node *n)
{
	add_expr(w, n->kid[0]);
	if (n->kind == NODE_INDEX) {
		add(w, "[");
		add_expr(w, n->kid[1]);
		add(w, "]");
		return;
	}
	add(w, n->op == OP_SAFE ? "?." : ".");
	add_member_name(w, n->kid[1]);
	if (n->kind == NODE_INVOKE) {
		add(w, "(");
		add_all(w, n, 2, add_expr);
		add(w, ")");
	}
}

static void
add_static(struct writer *w, const struct node *n)
{
	str_addf(w->b, "[%s]::%s", n->type, n->text);
	if (n->op != OP_CALL)
		return;
	add(w, "(");
	add_all(w, n, 0, add_expr);
	add(w, ")");
}

static void
add_leaf(struct writer *w, const struct node *n)
{
	switch (n->kind) {
	case NODE_NUMBER:
		add(w, n->text);
		break;
	case NODE_STRING:
		add_quoted(w, n->text);
		break;
	case NODE_VAR:
		add_var(w, n, false);
		break;
	case NODE_TYPE:
		str_addf(w->b, "[%s]", n->type);
		break;
	default:
		add_statement(w, n);
	}
}

static void
add_unary(struct writer *w, const struct node *n)
{
	const char *step = n->op == OP_ADD ? "++" : "--";

	if (n->kind == NODE_POSTFIX) {
		add_expr(w, n->kid[0]);
		add(w, step);
		return;
	}
	str_addf(w->b, n->kind == NODE_PREFIX ? "%s" : "%s ",
	    n->kind == NODE_PREFIX ? step : op_text(n->op));
	add_expr(w, n->kid[0]);
}

static void
add_expr(struct writer *w, const struct node *n)
{
	switch (n->kind) {
	case NODE_EXPAND:
		add_expand(w, n);
		break;
	case NODE_ARRAY:
		add(w, n->op == OP_COMMA ? ", " : "");
		add_all(w, n, 0, add_expr);
		break;
	case NODE_ARRAYEXPR:
		add_list(w, n->kid[0], "@(", ")");
		break;
	case NODE_SUBEXPR:
		add_list(w, n->kid[0], "$(", ")");
		break;
	case NODE_PAREN:
		add(w, "(");
		add_statement(w, n->kid[0]);
		add(w, ")");
		break;
	case NODE_HASH:
		add_hash(w, n);
		break;
	case NODE_BLOCK:
		add(w, "{");
		add_body(w, n->kid[0]);
		add(w, "}");
		break;
	case NODE_BINARY:
		add_expr(w, n->kid[0]);
		add_operator(w, n);
		add_expr(w, n->kid[1]);
		break;
	case NODE_TERNARY:
		add_expr(w, n->kid[0]);
		add(w, " ? ");
		add_expr(w, n->kid[1]);
		add(w, " : ");
		add_expr(w, n->kid[2]);
		break;
	case NODE_UNARY:
	case NODE_PREFIX:
	case NODE_POSTFIX:
		add_unary(w, n);
		break;
	case NODE_CAST:
		str_addf(w->b, "[%s]", n->type);
		add_expr(w, n->kid[0]);
		break;
	case NODE_STATIC:
		add_static(w, n);
		break;
	case NODE_MEMBER:
	case NODE_INVOKE:
	case NODE_INDEX:
		add_access(w, n);
		break;
	default:
		add_leaf(w, n);
	}
}

/* ---- commands ---- */

static void
add_arg(struct writer *w, const struct node *n)
{
	if (n->kind == NODE_ARRAY)
		add_all(w, n, 0, add_arg);
	else
		add_expr(w, n);
}

static void
add_command(struct writer *w, const struct node *n)
{
	if (n->op != OP_NONE) {
		add(w, n->op == OP_CALL ? "& " : ". ");
		add_arg(w, n->kid[0]);
	} else if (n->kid[0]->kind == NODE_STRING) {
		add_escaped(w, n->kid[0]->text, " \t'\"`,;(){}|&<>@#$");
	} else {
		for (size_t i = 0; i < n->kid[0]->n; i++)
			add_part(w, n->kid[0]->kid[i], " \t'\"`,;(){}|&<>@#$");
	}
	for (size_t i = 1; i < n->n; i++) {
		const struct node *a = n->kid[i];
		add(w, " ");
		if (a->kind == NODE_SPLAT) {
			str_addf(w->b, "@%s", a->text);
		} else if (a->kind == NODE_ARGUMENT) {
			str_addf(w->b, "-%s%s", a->text, a->n ? ":" : "");
			if (a->n)
				add_arg(w, a->kid[0]);
		} else {
			add_arg(w, a);
		}
	}
}

static void
add_redirect(struct writer *w, const struct node *n)
{
	bool merges = !n->n || !n->kid[0];

	str_addf(w->b, "%s%s%s", strcmp(n->text, "1") ? n->text : "", op_text(n->op),
	    merges ? "&1" : "");
	if (!merges)
		add_arg(w, n->kid[0]);
}

static void
add_pipe(struct writer *w, const struct node *n)
{
	for (size_t i = 0; i < n->n; i++) {
		bool redirects = n->kid[i]->kind == NODE_REDIRECT;
		add(w, !i ? "" : redirects ? " " : " | ");
		if (redirects)
			add_redirect(w, n->kid[i]);
		else
			add_statement(w, n->kid[i]);
	}
}

/* ---- statements ---- */

static void
add_assign(struct writer *w, const struct node *n)
{
	for (size_t i = 0; i + 1 < n->n; i++) {
		add(w, i ? ", " : "");
		add_expr(w, n->kid[i]);
	}
	str_addf(w->b, " %s= ", n->op == OP_NONE ? "" : op_text(n->op));
	add_statement(w, n->kid[n->n - 1]);
}

static void
add_cond(struct writer *w, const char *word, const struct node *cond)
{
	str_addf(w->b, "%s (", word);
	add_statement(w, cond);
	add(w, ") ");
}

static void
add_if(struct writer *w, const struct node *n)
{
	for (size_t i = 0; i + 1 < n->n; i += 2) {
		add_cond(w, i ? " elseif" : "if", n->kid[i]);
		add_list(w, n->kid[i + 1], "{", "}");
	}
	if (n->n % 2)
		add_list(w, n->kid[n->n - 1], " else {", "}");
}

static void
add_for(struct writer *w, const struct node *n)
{
	add(w, "for (");
	for (size_t i = 0; i < 3; i++) {
		if (n->kid[i])
			add_statement(w, n->kid[i]);
		add(w, i < 2 ? "; " : ") ");
	}
	add_list(w, n->kid[3], "{", "}");
}

static void
add_switch(struct writer *w, const struct node *n)
{
	str_addf(w->b, "switch%s%s",
	    n->op == OP_LIKE    ? " -Wildcard"
	    : n->op == OP_MATCH ? " -Regex"
				: "",
	    n->exact ? " -CaseSensitive" : "");
	add_cond(w, "", n->kid[0]);
	add(w, "{");
	w->depth++;
	for (size_t i = 1; i + 1 < n->n; i += 2) {
		add_line(w);
		if (n->kid[i])
			add_arg(w, n->kid[i]);
		else
			add(w, "default");
		add_list(w, n->kid[i + 1], " {", "}");
	}
	w->depth--;
	add_line(w);
	add(w, "}");
}

static void
add_try(struct writer *w, const struct node *n)
{
	add_list(w, n->kid[0], "try {", "}");
	for (size_t i = 2; i < n->n; i++) {
		add(w, " catch ");
		if (n->kid[i]->type)
			str_addf(w->b, "[%s] ", n->kid[i]->type);
		add_list(w, n->kid[i]->kid[0], "{", "}");
	}
	if (n->kid[1])
		add_list(w, n->kid[1], " finally {", "}");
}

static void
add_leaving(struct writer *w, const struct node *n, const char *word)
{
	add(w, word);
	if (!n->n || !n->kid[0])
		return;
	add(w, " ");
	add_statement(w, n->kid[0]);
}

static bool
is_loop(const struct node *n)
{
	return n->kind == NODE_FOREACH || n->kind == NODE_FOR ||
	       n->kind == NODE_WHILE || n->kind == NODE_DO || n->kind == NODE_SWITCH;
}

static void
add_jump(struct writer *w, const char *word, const char *label)
{
	add(w, word);
	if (label)
		str_addf(w->b, " %s", label);
}

static void
add_statement(struct writer *w, const struct node *n)
{
	if (is_loop(n) && n->type)
		str_addf(w->b, ":%s ", n->type);
	switch (n->kind) {
	case NODE_IF:
		add_if(w, n);
		break;
	case NODE_FOREACH:
		str_addf(w->b, "foreach ($%s in ", n->text);
		add_statement(w, n->kid[0]);
		add(w, ") ");
		add_list(w, n->kid[1], "{", "}");
		break;
	case NODE_FOR:
		add_for(w, n);
		break;
	case NODE_WHILE:
		add_cond(w, "while", n->kid[0]);
		add_list(w, n->kid[1], "{", "}");
		break;
	case NODE_DO:
		add_list(w, n->kid[0], "do {", "} ");
		add_cond(w, n->op == OP_NOT ? "until" : "while", n->kid[1]);
		break;
	case NODE_SWITCH:
		add_switch(w, n);
		break;
	case NODE_FUNCTION:
		str_addf(
		    w->b, "%s %s {", n->op == OP_CALL ? "filter" : "function", n->text);
		add_body(w, n->kid[0]);
		add(w, "}");
		break;
	case NODE_TRY:
		add_try(w, n);
		break;
	case NODE_RETURN:
		add_leaving(w, n, "return");
		break;
	case NODE_THROW:
		add_leaving(w, n, "throw");
		break;
	case NODE_EXIT:
		add_leaving(w, n, "exit");
		break;
	case NODE_BREAK:
		add_jump(w, "break", n->text);
		break;
	case NODE_CONTINUE:
		add_jump(w, "continue", n->text);
		break;
	case NODE_CHAIN:
		add_statement(w, n->kid[0]);
		str_addf(w->b, " %s ", op_text(n->op));
		add_statement(w, n->kid[1]);
		break;
	case NODE_PIPE:
		add_pipe(w, n);
		break;
	case NODE_COMMAND:
		add_command(w, n);
		break;
	case NODE_ASSIGN:
		add_assign(w, n);
		break;
	default:
		add_expr(w, n);
	}
}

static void
add_attribute(struct writer *w, const struct node *n)
{
	str_addf(w->b, "[%s(", n->text);
	for (size_t i = 0; i < n->n; i++) {
		const struct node *a = n->kid[i];
		add(w, i ? ", " : "");
		if (a->kind != NODE_ARGUMENT) {
			add_expr(w, a);
			continue;
		}
		str_addf(w->b, "%s%s", a->text, a->n ? " = " : "");
		if (a->n)
			add_expr(w, a->kid[0]);
	}
	add(w, ")]");
}

static void
add_params(struct writer *w, const struct node *params)
{
	add(w, "param(");
	w->depth++;
	for (size_t i = 0; i < params->n; i++) {
		const struct node *p = params->kid[i];
		add_line(w);
		for (size_t k = 1; k < p->n; k++) {
			add_attribute(w, p->kid[k]);
			add(w, " ");
		}
		if (p->type)
			str_addf(w->b, "[%s] ", p->type);
		str_addf(w->b, "$%s", p->text);
		if (p->kid[0]) {
			add(w, " = ");
			add_expr(w, p->kid[0]);
		}
		add(w, i + 1 < params->n ? "," : "");
	}
	w->depth--;
	add_line(w);
	add(w, ")");
}

/* The inside of a function, a block or a script, each statement on a new line. */
static void
add_inside(struct writer *w, const struct node *body)
{
	static const char *const phases[] = { "begin {", "process {", "end {" };
	bool in_phases = body->kid[1] || body->kid[2];

	for (size_t i = 4; i < body->n; i++) {
		add_line(w);
		add_attribute(w, body->kid[i]);
	}
	if (body->kid[0]) {
		add_line(w);
		add_params(w, body->kid[0]);
	}
	for (size_t i = 0; i < 3 && in_phases; i++) {
		if (!body->kid[i + 1])
			continue;
		add_line(w);
		add_list(w, body->kid[i + 1], phases[i], "}");
	}
	for (size_t i = 0; !in_phases && body->kid[3] && i < body->kid[3]->n; i++) {
		add_line(w);
		add_statement(w, body->kid[3]->kid[i]);
	}
}

static void
add_body(struct writer *w, const struct node *body)
{
	w->depth++;
	add_inside(w, body);
	w->depth--;
	add_line(w);
}

void
ast_source(struct str *b, const struct node *body)
{
	struct writer w = { .b = b };

	add_inside(&w, body);
}
