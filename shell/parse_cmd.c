#include <string.h>

#include "shell/parse_int.h"

/* Does a bare word go on right behind the token that was taken last? */
static bool
word_follows(const struct parser *p)
{
	return !lex_word_ends(&p->lex, p->pos);
}

static struct node *
parse_start(struct parser *p)
{
	const struct token *t = peek(p, LEX_ARG);
	struct node *n;

	switch (t->type) {
	case TOK_WORD:
		return parse_word(p, t->start, NULL);
	case TOK_STRING:
	case TOK_QUOTE:
	case TOK_VAR:
	case TOK_DOLLAR_PAREN:
		n = parse_postfix(p, parse_primary(p, LEX_ARG), LEX_ARG);
		if (n && word_follows(p))
			return parse_word(p, p->pos, n);
		return n;
	case TOK_HERE:
	case TOK_LPAREN:
	case TOK_LBRACE:
	case TOK_AT_PAREN:
	case TOK_AT_BRACE:
		return parse_postfix(p, parse_primary(p, LEX_ARG), LEX_ARG);
	case TOK_PARAM:
		return parse_word(p, t->start, NULL);
	default:
		if (!p->lex.failed)
			p->lex.incomplete = t->type == TOK_END;
		lex_fail(&p->lex, t->start, "a value is missing");
		return NULL;
	}
}

struct node *
parse_value(struct parser *p)
{
	struct node *n = NULL;

	if (enter(p))
		n = parse_start(p);
	leave(p);
	return n;
}

static struct node *
parse_values(struct parser *p)
{
	struct node *first = parse_value(p), *n;
	struct kids k = { 0 };

	if (!first || peek(p, LEX_ARG)->type != TOK_COMMA)
		return first;
	n = node_new(p, NODE_ARRAY, p->tok.start);
	kids_add(&k, first);
	while (!p->lex.failed && take_if(p, LEX_ARG, TOK_COMMA)) {
		skip_newlines(p);
		kids_add(&k, parse_value(p));
	}
	return node_close(p, n, &k);
}

static struct node *
parse_argument(struct parser *p)
{
	const struct token *t = peek(p, LEX_ARG);
	struct node *n;

	if (t->type == TOK_SPLAT) {
		n = node_new(p, NODE_SPLAT, t->start);
		n->text = take(p).text;
		return n;
	}
	if (t->type != TOK_PARAM)
		return parse_values(p);
	struct token param = take(p);
	n = node_new(p, NODE_ARGUMENT, param.start);
	n->text = param.text;
	return param.has_value ? node_with(p, n, parse_values(p), NULL) : n;
}

/* Does the token end the command? */
static bool
ends_command(enum tok type)
{
	switch (type) {
	case TOK_END:
	case TOK_NEWLINE:
	case TOK_SEMI:
	case TOK_PIPE:
	case TOK_ANDAND:
	case TOK_OROR:
	case TOK_RPAREN:
	case TOK_RBRACE:
	case TOK_REDIRECT:
		return true;
	default:
		return false;
	}
}

static bool
is_dot_source(const struct parser *p)
{
	size_t i = p->tok.start;

	return p->tok.type == TOK_WORD && p->lex.s[i] == '.' &&
	       (i + 1 >= p->lex.n || strchr(" \t{$", p->lex.s[i + 1]));
}

struct node *
parse_command(struct parser *p)
{
	const struct token *t = peek(p, LEX_ARG);
	struct node *n = node_new(p, NODE_COMMAND, t->start), *name;
	struct kids k = { 0 };

	if (t->type == TOK_AMP || is_dot_source(p)) {
		n->op = t->type == TOK_AMP ? OP_CALL : OP_DOT;
		take(p);
		name = parse_value(p);
	} else if (t->type == TOK_WORD) {
		name = parse_word(p, t->start, NULL);
	} else {
		if (!p->lex.failed)
			p->lex.incomplete = t->type == TOK_END;
		lex_fail(&p->lex, t->start, "a command is missing");
		return NULL;
	}
	kids_add(&k, name);
	while (!p->lex.failed && !ends_command(peek(p, LEX_ARG)->type)) {
		if (p->tok.type == TOK_AMP)
			lex_fail(&p->lex, p->tok.start,
			    "background jobs are not supported; use -RunAsync");
		else
			kids_add(&k, parse_argument(p));
	}
	return node_close(p, n, &k);
}
