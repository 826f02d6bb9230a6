/*
 * parse_attribute: what stands in brackets before a parameter or before param.
 */
#include <ctype.h>
#include <string.h>

#include "shell/parse_int.h"

static size_t
name_end(const struct parser *p, size_t i)
{
	while (i < p->lex.n && (isalnum((unsigned char)p->lex.s[i]) ||
				   p->lex.s[i] == '.' || p->lex.s[i] == '_'))
		i++;
	return i;
}

bool
at_attribute(struct parser *p)
{
	size_t start = peek(p, LEX_EXPR)->start, i = name_end(p, start);

	while (i < p->lex.n && (p->lex.s[i] == ' ' || p->lex.s[i] == '\t'))
		i++;
	return i > start && i < p->lex.n && p->lex.s[i] == '(';
}

static char *
take_name(struct parser *p, size_t start)
{
	size_t end = name_end(p, start);
	char *name = arena_alloc(p->lex.arena, end - start + 1);

	memcpy(name, p->lex.s + start, end - start);
	p->pos = end;
	p->have = false;
	return name;
}

/* "Mandatory", "Position = 0" or a value. */
static struct node *
parse_attribute_argument(struct parser *p)
{
	size_t start = peek(p, LEX_EXPR)->start;
	bool outer = p->no_lists;
	struct node *n, *value = NULL;

	if (!isalpha((unsigned char)p->lex.s[start])) {
		p->no_lists = true;
		n = parse_expr(p);
		p->no_lists = outer;
		return n;
	}
	n = node_new(p, NODE_ARGUMENT, start);
	n->text = take_name(p, start);
	skip_newlines(p);
	if (peek(p, LEX_EXPR)->type == TOK_ASSIGN) {
		take(p);
		skip_newlines(p);
		p->no_lists = true;
		value = parse_expr(p);
		p->no_lists = outer;
	}
	return value ? node_with(p, n, value, NULL) : n;
}

struct node *
parse_attribute(struct parser *p)
{
	size_t start = peek(p, LEX_EXPR)->start;
	struct node *n = node_new(p, NODE_ATTRIBUTE, start);
	struct kids k = { 0 };

	n->text = take_name(p, start);
	if (!enter(p)) {
		leave(p);
		return NULL;
	}
	want(p, LEX_EXPR, TOK_LPAREN, "an opening (");
	skip_newlines(p);
	while (!p->lex.failed && !take_if(p, LEX_EXPR, TOK_RPAREN)) {
		kids_add(&k, parse_attribute_argument(p));
		skip_newlines(p);
		if (!p->lex.failed && !take_if(p, LEX_EXPR, TOK_COMMA) &&
		    peek(p, LEX_EXPR)->type != TOK_RPAREN)
			want(p, LEX_EXPR, TOK_RPAREN, "a closing )");
		skip_newlines(p);
	}
	if (!p->lex.failed)
		want(p, LEX_EXPR, TOK_RBRACKET, "a closing ]");
	leave(p);
	return node_close(p, n, &k);
}

void
parse_body_attributes(struct parser *p, struct kids *k)
{
	while (!p->lex.failed && peek(p, LEX_ARG)->type != TOK_END) {
		size_t back = p->pos;
		bool is = peek(p, LEX_EXPR)->type == TOK_LBRACKET;
		if (is) {
			take(p);
			is = at_attribute(p);
		}
		if (!is) {
			p->pos = back;
			p->have = false;
			return;
		}
		kids_add(k, parse_attribute(p));
		skip_separators(p);
	}
}
