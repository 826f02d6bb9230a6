/*
 * parse_text: text with variables in it: strings in double quotes, here-strings, bare
 * words.
 */
#include <ctype.h>
#include <string.h>

#include "shell/parse_int.h"
#include "shell/val.h"

/* Literal text and parts that are expanded, in order. */
struct parts {
	struct parser *p;
	struct kids kids;
	struct str text;
	size_t start;
	bool quoted; /* some of it stood in quotes, so it is no number */
};

static void
flush(struct parts *q)
{
	struct node *n;

	if (!q->text.len)
		return;
	n = node_new(q->p, NODE_STRING, q->start);
	n->text = arena_strdup(q->p->lex.arena, str_cstr(&q->text));
	str_reset(&q->text);
	kids_add(&q->kids, n);
}

/* $name, ${name} or $(…) at pos; returns the position behind it. */
static size_t
add_dollar(struct parts *q, size_t pos)
{
	struct parser *p = q->p;
	struct token t;
	struct node *n;

	if (pos + 1 < p->lex.n && p->lex.s[pos + 1] == '(') {
		flush(q);
		p->pos = pos;
		p->have = false;
		peek(p, LEX_ARG);
		kids_add(&q->kids, parse_primary(p, LEX_ARG));
		return p->pos;
	}
	/* "$ " and "$" before a quote are just a dollar. */
	if (!lex_var(&p->lex, pos, &t) ||
	    (t.text[0] == '^' || (t.text[0] == '$' && !t.text[1]))) {
		str_addc(&q->text, '$');
		return pos + 1;
	}
	flush(q);
	n = node_new(p, NODE_VAR, pos);
	n->text = t.text;
	n->type = t.scope;
	kids_add(&q->kids, n);
	return t.end;
}

static size_t
add_escape(struct parts *q, size_t pos)
{
	struct lex *l = &q->p->lex;

	if (pos + 1 >= l->n) {
		str_addc(&q->text, '`');
		return pos + 1;
	}
	char c = lex_escape(l->s[pos + 1]);
	if (c)
		str_addc(&q->text, c);
	return pos + 2;
}

/* One string: what the parts make together. */
static struct node *
close_parts(struct parts *q)
{
	struct parser *p = q->p;
	struct node *n;

	if (!q->kids.n) {
		n = node_new(p, NODE_STRING, q->start);
		n->text = arena_strdup(p->lex.arena, str_cstr(&q->text));
		str_fini(&q->text);
		return p->lex.failed ? NULL : n;
	}
	flush(q);
	str_fini(&q->text);
	if (q->kids.n == 1 && q->kids.v[0] && q->kids.v[0]->kind == NODE_STRING) {
		n = q->kids.v[0];
		free(q->kids.v);
		return p->lex.failed ? NULL : n;
	}
	return node_close(p, node_new(p, NODE_EXPAND, q->start), &q->kids);
}

/* The inside of double quotes from pos; returns the position behind the closing one. */
static size_t
add_quoted(struct parts *q, size_t pos)
{
	struct parser *p = q->p;
	const struct lex *l = &p->lex;
	size_t open = pos;

	while (pos < l->n && !l->failed) {
		char c = l->s[pos];
		if (c == '"' && (pos + 1 >= l->n || l->s[pos + 1] != '"'))
			return pos + 1;
		if (c == '"') {
			str_addc(&q->text, '"');
			pos += 2;
		} else if (c == '$') {
			pos = add_dollar(q, pos);
		} else if (c == '`') {
			pos = add_escape(q, pos);
		} else {
			str_addc(&q->text, c);
			pos++;
		}
	}
	if (!l->failed)
		p->lex.incomplete = true;
	lex_fail(&p->lex, open ? open - 1 : 0, "the string has no closing \"");
	return pos;
}

struct node *
parse_quoted(struct parser *p, size_t start)
{
	struct parts q = { .p = p, .start = start };
	size_t end = add_quoted(&q, p->pos);

	p->pos = end;
	p->have = false;
	return close_parts(&q);
}

struct node *
parse_here(struct parser *p, const struct token *t)
{
	struct parts q = { .p = p, .start = t->start };
	size_t stop = t->end - 3, pos = t->start;

	while (pos < p->lex.n && p->lex.s[pos] != '\n')
		pos++;
	pos++;
	while (pos < stop && !p->lex.failed) {
		char c = p->lex.s[pos];
		if (c == '$')
			pos = add_dollar(&q, pos);
		else if (c == '`')
			pos = add_escape(&q, pos);
		else {
			str_addc(&q.text, c);
			pos++;
		}
	}
	p->pos = t->end;
	p->have = false;
	return close_parts(&q);
}

static size_t
add_squoted(struct parts *q, size_t pos)
{
	struct token t = lex_scan(&q->p->lex, pos, LEX_ARG);

	str_add(&q->text, t.text ? t.text : "");
	return q->p->lex.failed ? q->p->lex.n : t.end;
}

/* A bare word that is a number is one. */
static struct node *
number_node(struct parser *p, struct node *n)
{
	struct val v = VAL_NONE;
	char c = n->text[0] == '-' || n->text[0] == '+' ? n->text[1] : n->text[0];

	if (!(isdigit((unsigned char)c) || c == '.') ||
	    !number_parse(n->text, strlen(n->text), &v))
		return n;
	n->kind = NODE_NUMBER;
	n->real = v.type == VAL_REAL;
	if (n->real)
		n->d = v.d;
	else
		n->i = v.i;
	return n;
}

struct node *
parse_word(struct parser *p, size_t start, struct node *first)
{
	struct parts q = { .p = p, .start = start, .quoted = first != NULL };
	size_t pos = start;
	struct node *n;

	if (first)
		kids_add(&q.kids, first);
	while (!lex_word_ends(&p->lex, pos) && !p->lex.failed) {
		char c = p->lex.s[pos];
		if (c == '$') {
			pos = add_dollar(&q, pos);
			q.quoted = true;
		} else if (c == '`') {
			pos = add_escape(&q, pos);
		} else if (c == '"' || c == '\'') {
			pos = c == '"' ? add_quoted(&q, pos + 1) : add_squoted(&q, pos);
			q.quoted = true;
		} else {
			str_addc(&q.text, c);
			pos++;
		}
	}
	p->pos = pos;
	p->have = false;
	n = close_parts(&q);
	if (n && n->kind == NODE_STRING && !q.quoted)
		return number_node(p, n);
	return n;
}
