#include <ctype.h>
#include <string.h>

#include "shell/parse_int.h"
#include "shell/val.h"

static struct node *parse_unary(struct parser *p);
static struct node *parse_typed(struct parser *p);

static bool
is_name_start(const struct parser *p, size_t pos)
{
	unsigned char c = pos < p->lex.n ? (unsigned char)p->lex.s[pos] : 0;

	return isalpha(c) || c == '_' || c >= 0x80;
}

/* Behind a type's name: "[]", or "[object]" and "[string,int]" of a generic one, which
 * may hold others. */
static size_t
type_arguments_end(const struct parser *p, size_t i)
{
	size_t depth = 0, start = i;

	for (; i < p->lex.n; i++) {
		unsigned char c = (unsigned char)p->lex.s[i];
		depth += c == '[';
		if (!depth ||
		    (c != '[' && c != ']' && !isalnum(c) && !strchr("._, ", c)))
			return start;
		if (c == ']' && --depth == 0)
			return i + 1;
	}
	return start;
}

/* Behind "[": a type's name and the closing bracket. */
const char *
parse_type(struct parser *p)
{
	size_t start = peek(p, LEX_EXPR)->start, i = start, end;
	const char *s = p->lex.s;

	while (i < p->lex.n &&
	       (isalnum((unsigned char)s[i]) || s[i] == '.' || s[i] == '_'))
		i++;
	end = i > start ? type_arguments_end(p, i) : i;
	if (end == start || end >= p->lex.n || s[end] != ']') {
		p->lex.incomplete = end >= p->lex.n;
		lex_fail(&p->lex, start, "a type's name and a closing ] are missing");
		return NULL;
	}
	char *type = arena_alloc(p->lex.arena, end - start + 1);
	memcpy(type, s + start, end - start);
	p->pos = end + 1;
	p->have = false;
	return type;
}

static void
parse_args(struct parser *p, struct kids *k)
{
	bool outer = p->no_lists;

	p->no_lists = true;
	skip_newlines(p);
	while (!p->lex.failed && !take_if(p, LEX_EXPR, TOK_RPAREN)) {
		kids_add(k, parse_expr(p));
		skip_newlines(p);
		if (!p->lex.failed && !take_if(p, LEX_EXPR, TOK_COMMA) &&
		    peek(p, LEX_EXPR)->type != TOK_RPAREN)
			want(p, LEX_EXPR, TOK_RPAREN, "a closing )");
		skip_newlines(p);
	}
	p->no_lists = outer;
}

static struct node *
parse_member_name(struct parser *p)
{
	const struct token *t = peek(p, LEX_EXPR);
	struct node *n;

	switch (t->type) {
	case TOK_WORD:
		n = node_new(p, NODE_STRING, t->start);
		n->text = take(p).text;
		return n;
	case TOK_VAR:
	case TOK_STRING:
	case TOK_QUOTE:
		return parse_primary(p, LEX_EXPR);
	default:
		p->lex.incomplete = t->type == TOK_END;
		lex_fail(&p->lex, t->start, "a property's name is missing");
		return NULL;
	}
}

static struct node *
parse_member(struct parser *p, struct node *object)
{
	struct token dot = take(p);
	struct node *n = node_new(p, NODE_MEMBER, dot.start), *name;
	struct kids k = { 0 };

	name = parse_member_name(p);
	kids_add(&k, object);
	kids_add(&k, name);
	n->op = dot.type == TOK_SAFE_DOT ? OP_SAFE : OP_NONE;
	/* Only what follows directly is looked at: behind a space the text may be one
	 * of arguments. */
	if (name && p->pos < p->lex.n && p->lex.s[p->pos] == '(') {
		peek(p, LEX_EXPR);
		take(p);
		n->kind = NODE_INVOKE;
		parse_args(p, &k);
	}
	return node_close(p, n, &k);
}

static struct node *
parse_index(struct parser *p, struct node *object)
{
	struct node *n = node_new(p, NODE_INDEX, take(p).start), *key;
	bool outer = p->no_lists;

	p->no_lists = false;
	skip_newlines(p);
	key = parse_expr(p);
	skip_newlines(p);
	p->no_lists = outer;
	if (!want(p, LEX_EXPR, TOK_RBRACKET, "a closing ]"))
		return NULL;
	return node_with(p, n, object, key);
}

/* In argument mode only a name makes a dot an access: "$a.txt" has one, "$a." has not.
 */
static bool
dot_is_access(struct parser *p, enum lex_mode mode)
{
	unsigned char c =
	    p->tok.end < p->lex.n ? (unsigned char)p->lex.s[p->tok.end] : 0;

	if (mode == LEX_EXPR)
		return true;
	return is_name_start(p, p->tok.end) || c == '$' || c == '\'' || c == '"';
}

struct node *
parse_postfix(struct parser *p, struct node *n, enum lex_mode mode)
{
	while (n && !p->lex.failed) {
		/* Space ends it; looking further could trip over text of the other
		 * mode. */
		if (p->pos >= p->lex.n || !strchr(".[?+-", p->lex.s[p->pos]) ||
		    (mode == LEX_ARG && !strchr(".[?", p->lex.s[p->pos])))
			break;
		if (p->lex.s[p->pos] == '?' &&
		    (p->pos + 1 >= p->lex.n || p->lex.s[p->pos + 1] != '.'))
			break;
		if (p->lex.s[p->pos] == '-' &&
		    (p->pos + 1 >= p->lex.n || p->lex.s[p->pos + 1] != '-'))
			break;
		const struct token *t = peek(p, LEX_EXPR);
		if ((t->type == TOK_DOT || t->type == TOK_SAFE_DOT) &&
		    dot_is_access(p, mode)) {
			n = parse_member(p, n);
		} else if (t->type == TOK_LBRACKET) {
			n = parse_index(p, n);
		} else if (t->type == TOK_INCR) {
			struct node *step = node_new(p, NODE_POSTFIX, t->start);
			step->op = take(p).op;
			n = node_with(p, step, n, NULL);
		} else {
			break;
		}
	}
	return p->lex.failed ? NULL : n;
}

static struct node *
parse_number(struct parser *p, bool negative)
{
	struct token t = take(p);
	struct node *n = node_new(p, NODE_NUMBER, t.start);
	struct val v = val_int(0);
	AUTO_FREE char *s = xasprintf("%s%s", negative ? "-" : "", t.text);

	number_parse(s, strlen(s), &v);
	n->text = arena_strdup(p->lex.arena, s);
	n->real = v.type == VAL_REAL;
	if (n->real)
		n->d = v.d;
	else
		n->i = v.i;
	return n;
}

static struct node *
parse_hash(struct parser *p)
{
	struct node *n = node_new(p, NODE_HASH, take(p).start);
	struct kids k = { 0 };

	skip_separators(p);
	while (!p->lex.failed && !take_if(p, LEX_EXPR, TOK_RBRACE)) {
		struct node *key;
		const struct token *t = peek(p, LEX_EXPR);
		if (t->type == TOK_WORD) {
			key = node_new(p, NODE_STRING, t->start);
			key->text = take(p).text;
		} else {
			key = parse_primary(p, LEX_EXPR);
			key = parse_postfix(p, key, LEX_EXPR);
		}
		kids_add(&k, key);
		if (!want(p, LEX_EXPR, TOK_ASSIGN, "a = behind the key"))
			break;
		skip_newlines(p);
		kids_add(&k, parse_statement(p));
		enum tok next = peek(p, LEX_ARG)->type;
		if (next == TOK_NEWLINE || next == TOK_SEMI)
			skip_separators(p);
		else if (next != TOK_RBRACE)
			want(p, LEX_ARG, TOK_RBRACE, "a closing } or a separator");
	}
	return node_close(p, n, &k);
}

static struct node *
parse_paren(struct parser *p)
{
	struct node *n = node_new(p, NODE_PAREN, take(p).start), *inner;

	skip_newlines(p);
	inner = parse_statement(p);
	skip_newlines(p);
	if (!inner || !want(p, LEX_ARG, TOK_RPAREN, "a closing )"))
		return NULL;
	return node_with(p, n, inner, NULL);
}

static struct node *
parse_sub(struct parser *p, enum node_kind kind)
{
	struct node *n = node_new(p, kind, take(p).start);

	return node_with(p, n, parse_list(p, TOK_RPAREN, "a closing )"), NULL);
}

static struct node *
parse_plain(struct parser *p, enum lex_mode mode)
{
	const struct token *t = peek(p, mode);
	struct token took;
	struct node *n;

	switch (t->type) {
	case TOK_NUMBER:
		return parse_number(p, false);
	case TOK_STRING:
		n = node_new(p, NODE_STRING, t->start);
		n->text = take(p).text;
		return n;
	case TOK_QUOTE:
		took = take(p);
		return parse_quoted(p, took.start);
	case TOK_HERE:
		took = take(p);
		return parse_here(p, &took);
	case TOK_VAR:
		n = node_new(p, NODE_VAR, t->start);
		n->type = t->scope;
		n->text = take(p).text;
		return n;
	case TOK_LPAREN:
		return parse_paren(p);
	case TOK_DOLLAR_PAREN:
		return parse_sub(p, NODE_SUBEXPR);
	case TOK_AT_PAREN:
		return parse_sub(p, NODE_ARRAYEXPR);
	case TOK_AT_BRACE:
		return parse_hash(p);
	case TOK_LBRACE:
		n = node_new(p, NODE_BLOCK, take(p).start);
		return node_with(p, n, parse_body(p, TOK_RBRACE, "a closing }"), NULL);
	default:
		p->lex.incomplete = !p->lex.failed && t->type == TOK_END;
		lex_fail(&p->lex, t->start, "an expression is missing");
		return NULL;
	}
}

struct node *
parse_primary(struct parser *p, enum lex_mode mode)
{
	bool outer = p->no_lists;
	struct node *n;

	p->no_lists = false;
	n = parse_plain(p, mode);
	p->no_lists = outer;
	return n;
}

static bool
is_minus(const struct token *t)
{
	return t->type == TOK_OP && t->op == OP_SUB;
}

/* A minus directly before a digit is part of the number. */
static bool
is_negative_number(struct parser *p)
{
	return is_minus(&p->tok) && p->tok.end < p->lex.n &&
	       (isdigit((unsigned char)p->lex.s[p->tok.end]) ||
		   (p->lex.s[p->tok.end] == '.' && p->tok.end + 1 < p->lex.n &&
		       isdigit((unsigned char)p->lex.s[p->tok.end + 1])));
}

static struct node *
parse_element(struct parser *p)
{
	const struct token *t = peek(p, LEX_EXPR);

	if (is_negative_number(p)) {
		take(p);
		peek(p, LEX_EXPR);
		return parse_postfix(p, parse_number(p, true), LEX_EXPR);
	}
	if (t->type == TOK_LBRACKET)
		return parse_typed(p);
	if (t->type == TOK_OP || t->type == TOK_INCR)
		return parse_unary(p);
	return parse_postfix(p, parse_primary(p, LEX_EXPR), LEX_EXPR);
}

static struct node *
parse_comma_list(struct parser *p)
{
	struct node *first = parse_element(p), *n;
	struct kids k = { 0 };

	if (!first || p->no_lists || peek(p, LEX_EXPR)->type != TOK_COMMA)
		return first;
	n = node_new(p, NODE_ARRAY, p->tok.start);
	kids_add(&k, first);
	while (!p->lex.failed && take_if(p, LEX_EXPR, TOK_COMMA)) {
		skip_newlines(p);
		peek(p, LEX_EXPR);
		kids_add(&k, parse_element(p));
	}
	return node_close(p, n, &k);
}

static struct node *
parse_static(struct parser *p, struct node *n)
{
	struct kids k = { 0 };
	const struct token *t = peek(p, LEX_EXPR);

	if (t->type != TOK_WORD) {
		p->lex.incomplete = t->type == TOK_END;
		lex_fail(&p->lex, t->start, "a member's name is missing behind ::");
		return NULL;
	}
	n->kind = NODE_STATIC;
	n->text = take(p).text;
	if (peek(p, LEX_EXPR)->type == TOK_LPAREN && !p->tok.spaced) {
		take(p);
		n->op = OP_CALL;
		parse_args(p, &k);
	}
	return parse_postfix(p, node_close(p, n, &k), LEX_EXPR);
}

/* [type]operand, [type]::member or a type alone (right of -is). */
static struct node *
parse_typed(struct parser *p)
{
	struct node *n = node_new(p, NODE_CAST, take(p).start);

	n->type = parse_type(p);
	if (!n->type)
		return NULL;
	switch (peek(p, LEX_EXPR)->type) {
	case TOK_COLONS:
		take(p);
		return parse_static(p, n);
	case TOK_NUMBER:
	case TOK_STRING:
	case TOK_QUOTE:
	case TOK_HERE:
	case TOK_VAR:
	case TOK_LPAREN:
	case TOK_DOLLAR_PAREN:
	case TOK_AT_PAREN:
	case TOK_AT_BRACE:
	case TOK_LBRACE:
	case TOK_LBRACKET:
		return node_with(p, n, parse_element(p), NULL);
	default:
		if (is_negative_number(p))
			return node_with(p, n, parse_element(p), NULL);
		n->kind = NODE_TYPE;
		return n;
	}
}

static bool
is_unary(const struct token *t)
{
	if (t->type == TOK_INCR || t->type == TOK_COMMA)
		return true;
	if (t->type != TOK_OP)
		return false;
	switch (t->op) {
	case OP_NOT:
	case OP_BNOT:
	case OP_ADD:
	case OP_SUB:
	case OP_JOIN:
	case OP_SPLIT:
		return true;
	default:
		return false;
	}
}

static struct node *
parse_unary(struct parser *p)
{
	const struct token *t = peek(p, LEX_EXPR);
	struct node *n = NULL;

	if (!enter(p)) {
		leave(p);
		return NULL;
	}
	if (is_unary(t) && !is_negative_number(p)) {
		struct token op = take(p);
		n = node_new(
		    p, op.type == TOK_INCR ? NODE_PREFIX : NODE_UNARY, op.start);
		n->op = op.op;
		if (op.type == TOK_COMMA) {
			n->kind = NODE_ARRAY;
			n->op = OP_COMMA;
		}
		skip_newlines(p);
		n = node_with(p, n, parse_unary(p), NULL);
	} else {
		n = parse_comma_list(p);
	}
	leave(p);
	return n;
}

static struct node *
parse_ranked(struct parser *p, int rank)
{
	struct node *left = parse_unary(p);

	while (left) {
		const struct token *t = peek(p, LEX_EXPR);
		int r = t->type == TOK_OP ? op_rank(t->op) : 0;
		if (!r || r < rank)
			break;
		struct token op = take(p);
		struct node *n = node_new(p, NODE_BINARY, op.start);
		n->op = op.op;
		n->exact = op.exact;
		skip_newlines(p);
		left = node_with(p, n, left, parse_ranked(p, r + 1));
	}
	return left;
}

/* Behind the condition: "? then : else". */
static struct node *
parse_ternary(struct parser *p, struct node *condition)
{
	struct node *n = node_new(p, NODE_TERNARY, take(p).start);
	struct kids k = { 0 };

	kids_add(&k, condition);
	skip_newlines(p);
	kids_add(&k, parse_expr(p));
	skip_newlines(p);
	if (!p->lex.failed && want(p, LEX_EXPR, TOK_COLON, "the : of ? :")) {
		skip_newlines(p);
		kids_add(&k, parse_expr(p));
	}
	return node_close(p, n, &k);
}

struct node *
parse_expr(struct parser *p)
{
	struct node *n;

	if (!enter(p)) {
		leave(p);
		return NULL;
	}
	n = parse_ranked(p, 1);
	if (n && peek(p, LEX_EXPR)->type == TOK_QUESTION)
		n = parse_ternary(p, n);
	leave(p);
	return p->lex.failed ? NULL : n;
}
