#include <ctype.h>
#include <string.h>

#include "shell/parse_int.h"

static struct node *
parse_block(struct parser *p)
{
	skip_newlines(p);
	if (!want(p, LEX_ARG, TOK_LBRACE, "an opening {"))
		return NULL;
	return parse_list(p, TOK_RBRACE, "a closing }");
}

static struct node *
parse_cond(struct parser *p)
{
	struct node *n;

	skip_newlines(p);
	if (!want(p, LEX_ARG, TOK_LPAREN, "an opening ("))
		return NULL;
	skip_newlines(p);
	n = parse_pipeline(p);
	skip_newlines(p);
	want(p, LEX_ARG, TOK_RPAREN, "a closing )");
	return n;
}

/* The word, if it stands at hand or behind newlines; else nothing is taken. */
static bool
take_word_behind(struct parser *p, const char *word)
{
	size_t back = p->pos;

	skip_newlines(p);
	if (take_word(p, word))
		return true;
	p->pos = back;
	p->have = false;
	return false;
}

static struct node *
parse_if(struct parser *p, struct node *n)
{
	struct kids k = { 0 };

	do {
		kids_add(&k, parse_cond(p));
		kids_add(&k, parse_block(p));
	} while (!p->lex.failed && take_word_behind(p, "elseif"));
	if (!p->lex.failed && take_word_behind(p, "else"))
		kids_add(&k, parse_block(p));
	return node_close(p, n, &k);
}

static struct node *
parse_foreach(struct parser *p, struct node *n)
{
	struct kids k = { 0 };

	skip_newlines(p);
	if (!want(p, LEX_ARG, TOK_LPAREN, "an opening ("))
		return NULL;
	if (!want(p, LEX_ARG, TOK_VAR, "the variable of foreach"))
		return NULL;
	n->text = p->tok.text;
	if (!take_word(p, "in")) {
		lex_fail(&p->lex, p->pos, "foreach wants \"in\" behind its variable");
		return NULL;
	}
	skip_newlines(p);
	kids_add(&k, parse_pipeline(p));
	skip_newlines(p);
	if (want(p, LEX_ARG, TOK_RPAREN, "a closing )"))
		kids_add(&k, parse_block(p));
	return node_close(p, n, &k);
}

static struct node *
parse_for(struct parser *p, struct node *n)
{
	struct kids k = { 0 };

	skip_newlines(p);
	if (!want(p, LEX_ARG, TOK_LPAREN, "an opening ("))
		return NULL;
	for (int i = 0; i < 3 && !p->lex.failed; i++) {
		enum tok end = i < 2 ? TOK_SEMI : TOK_RPAREN;
		struct node *part = NULL;
		skip_newlines(p);
		if (peek(p, LEX_ARG)->type != end)
			part = parse_pipeline(p);
		kids_add(&k, part);
		skip_newlines(p);
		want(p, LEX_ARG, end, i < 2 ? "a ; of for" : "a closing )");
	}
	if (!p->lex.failed)
		kids_add(&k, parse_block(p));
	return node_close(p, n, &k);
}

static struct node *
parse_while(struct parser *p, struct node *n)
{
	struct node *cond = parse_cond(p);

	return cond ? node_with(p, n, cond, parse_block(p)) : NULL;
}

static struct node *
parse_do(struct parser *p, struct node *n)
{
	struct node *block = parse_block(p);

	if (!block)
		return NULL;
	if (take_word_behind(p, "until"))
		n->op = OP_NOT;
	else if (!take_word_behind(p, "while")) {
		p->lex.incomplete = peek(p, LEX_ARG)->type == TOK_END;
		lex_fail(&p->lex, p->pos, "do wants while or until behind its block");
		return NULL;
	}
	return node_with(p, n, block, parse_cond(p));
}

static void
parse_switch_option(struct parser *p, struct node *n)
{
	const char *name = take(p).text;

	if (!strcasecmp(name, "wildcard"))
		n->op = OP_LIKE;
	else if (!strcasecmp(name, "regex"))
		n->op = OP_MATCH;
	else if (!strcasecmp(name, "casesensitive"))
		n->exact = true;
	else if (strcasecmp(name, "exact") != 0)
		lex_fail(&p->lex, p->pos, "switch has no option -%s", name);
}

static struct node *
parse_switch(struct parser *p, struct node *n)
{
	struct kids k = { 0 };

	n->op = OP_EQ;
	while (!p->lex.failed && peek(p, LEX_ARG)->type == TOK_PARAM)
		parse_switch_option(p, n);
	kids_add(&k, parse_cond(p));
	skip_newlines(p);
	want(p, LEX_ARG, TOK_LBRACE, "an opening {");
	skip_separators(p);
	while (!p->lex.failed && !take_if(p, LEX_ARG, TOK_RBRACE)) {
		if (peek(p, LEX_ARG)->type == TOK_END) {
			want(p, LEX_ARG, TOK_RBRACE, "a closing }");
			break;
		}
		kids_add(&k, take_word(p, "default") ? NULL : parse_value(p));
		kids_add(&k, parse_block(p));
		skip_separators(p);
	}
	return node_close(p, n, &k);
}

static struct node *
parse_param(struct parser *p)
{
	struct node *n;
	const char *type = NULL;
	struct kids k = { 0 };

	kids_add(&k, NULL);
	skip_newlines(p);
	while (!p->lex.failed && peek(p, LEX_EXPR)->type == TOK_LBRACKET) {
		take(p);
		if (at_attribute(p))
			kids_add(&k, parse_attribute(p));
		else
			type = parse_type(p);
		skip_newlines(p);
	}
	if (!p->lex.failed)
		want(p, LEX_ARG, TOK_VAR, "a parameter's name");
	n = node_new(p, NODE_PARAM, p->tok.start);
	n->type = type;
	n->text = p->tok.text;
	skip_newlines(p);
	if (!p->lex.failed && peek(p, LEX_EXPR)->type == TOK_ASSIGN) {
		bool outer = p->no_lists;
		take(p);
		skip_newlines(p);
		p->no_lists = true;
		k.v[0] = parse_expr(p);
		p->no_lists = outer;
	}
	return node_close(p, n, &k);
}

struct node *
parse_params(struct parser *p)
{
	struct node *n = node_new(p, NODE_PARAMS, p->pos);
	struct kids k = { 0 };

	skip_newlines(p);
	want(p, LEX_ARG, TOK_LPAREN, "an opening (");
	skip_newlines(p);
	while (!p->lex.failed && !take_if(p, LEX_ARG, TOK_RPAREN)) {
		kids_add(&k, parse_param(p));
		skip_newlines(p);
		if (!p->lex.failed && !take_if(p, LEX_ARG, TOK_COMMA) &&
		    peek(p, LEX_ARG)->type != TOK_RPAREN)
			want(p, LEX_ARG, TOK_RPAREN, "a closing )");
	}
	return node_close(p, n, &k);
}

static struct node *
parse_function(struct parser *p, struct node *n)
{
	struct node *params = NULL, *body;
	size_t start = peek(p, LEX_ARG)->start, end = start;

	while (!lex_word_ends(&p->lex, end))
		end++;
	if (end == start) {
		want(p, LEX_ARG, TOK_WORD, "the function's name");
		return NULL;
	}
	char *name = arena_alloc(p->lex.arena, end - start + 1);
	memcpy(name, p->lex.s + start, end - start);
	n->text = name;
	p->pos = end;
	p->have = false;
	if (peek(p, LEX_ARG)->type == TOK_LPAREN)
		params = parse_params(p);
	skip_newlines(p);
	if (p->lex.failed || !want(p, LEX_ARG, TOK_LBRACE, "an opening {"))
		return NULL;
	body = parse_body(p, TOK_RBRACE, "a closing }");
	if (body && params)
		body->kid[0] = params;
	return body ? node_with(p, n, body, NULL) : NULL;
}

static struct node *
parse_catch(struct parser *p)
{
	struct node *n = node_new(p, NODE_CATCH, p->pos);

	skip_newlines(p);
	while (!p->lex.failed && peek(p, LEX_EXPR)->type == TOK_LBRACKET) {
		take(p);
		n->type = parse_type(p);
		skip_newlines(p);
		take_if(p, LEX_ARG, TOK_COMMA);
	}
	return node_with(p, n, parse_block(p), NULL);
}

static struct node *
parse_try(struct parser *p, struct node *n)
{
	struct kids k = { 0 };
	struct node *catches[16], *last = NULL;
	size_t count = 0;

	kids_add(&k, parse_block(p));
	while (!p->lex.failed && count < ARRAY_SIZE(catches) &&
	       take_word_behind(p, "catch"))
		catches[count++] = parse_catch(p);
	if (!p->lex.failed && take_word_behind(p, "finally"))
		last = parse_block(p);
	if (!p->lex.failed && !count && !last) {
		p->lex.incomplete = peek(p, LEX_ARG)->type == TOK_END;
		lex_fail(
		    &p->lex, p->pos, "try wants catch or finally behind its block");
	}
	kids_add(&k, last);
	for (size_t i = 0; i < count; i++)
		kids_add(&k, catches[i]);
	return node_close(p, n, &k);
}

/* return, throw and exit: with a pipeline unless the statement ends at once. */
static struct node *
parse_leaving(struct parser *p, struct node *n)
{
	struct kids k = { 0 };
	struct node *value = NULL;

	switch (peek(p, LEX_ARG)->type) {
	case TOK_END:
	case TOK_NEWLINE:
	case TOK_SEMI:
	case TOK_RBRACE:
	case TOK_RPAREN:
		break;
	default:
		value = parse_pipeline(p);
	}
	kids_add(&k, value);
	return node_close(p, n, &k);
}

/* A label's name at i, NULL if none stands there; *ret_end behind it. */
static const char *
label_at(struct parser *p, size_t i, size_t *ret_end)
{
	size_t end = i;
	const char *s = p->lex.s;

	while (end < p->lex.n && (isalnum((unsigned char)s[end]) || s[end] == '_'))
		end++;
	if (end == i)
		return NULL;
	char *label = arena_alloc(p->lex.arena, end - i + 1);
	memcpy(label, s + i, end - i);
	*ret_end = end;
	return label;
}

/* break and continue: with the label of the loop that is meant, or without. */
static struct node *
parse_jump(struct parser *p, struct node *n)
{
	size_t end;

	if (peek(p, LEX_ARG)->type != TOK_WORD)
		return n;
	n->text = label_at(p, p->tok.start, &end);
	if (n->text) {
		p->pos = end;
		p->have = false;
	}
	return n;
}

/* ":outer" before a loop. */
static const char *
take_label(struct parser *p)
{
	const char *label;
	size_t start = peek(p, LEX_ARG)->start, end;

	if (p->tok.type != TOK_WORD || p->lex.s[start] != ':')
		return NULL;
	label = label_at(p, start + 1, &end);
	if (label) {
		p->pos = end;
		p->have = false;
		skip_newlines(p);
	}
	return label;
}

static bool
takes_label(enum node_kind kind)
{
	return kind == NODE_FOREACH || kind == NODE_FOR || kind == NODE_WHILE ||
	       kind == NODE_DO || kind == NODE_SWITCH;
}

static const struct {
	const char *word;
	enum node_kind kind;
	struct node *(*parse)(struct parser *p, struct node *n);
} keywords[] = {
	{ "if", NODE_IF, parse_if },
	{ "foreach", NODE_FOREACH, parse_foreach },
	{ "for", NODE_FOR, parse_for },
	{ "while", NODE_WHILE, parse_while },
	{ "do", NODE_DO, parse_do },
	{ "switch", NODE_SWITCH, parse_switch },
	{ "function", NODE_FUNCTION, parse_function },
	{ "filter", NODE_FUNCTION, parse_function },
	{ "try", NODE_TRY, parse_try },
	{ "return", NODE_RETURN, parse_leaving },
	{ "throw", NODE_THROW, parse_leaving },
	{ "exit", NODE_EXIT, parse_leaving },
	{ "break", NODE_BREAK, parse_jump },
	{ "continue", NODE_CONTINUE, parse_jump },
};

static const char *const refused[] = { "class", "enum", "trap", "using", "data",
	"param", "begin", "process", "end", "else", "elseif", "catch", "finally",
	"until", "in" };

struct node *
parse_keyword(struct parser *p, bool *ret_is)
{
	size_t start = peek(p, LEX_ARG)->start;
	const char *label = take_label(p);

	*ret_is = false;
	for (size_t i = 0; i < ARRAY_SIZE(keywords); i++) {
		if ((label && !takes_label(keywords[i].kind)) ||
		    !take_word(p, keywords[i].word))
			continue;
		struct node *n = node_new(p, keywords[i].kind, start);
		n->type = label;
		if (!strcmp(keywords[i].word, "filter"))
			n->op = OP_CALL;
		*ret_is = true;
		return keywords[i].parse(p, n);
	}
	if (label) {
		lex_fail(&p->lex, start, "a label stands before a loop");
		return NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		if (take_word(p, refused[i])) {
			*ret_is = true;
			lex_fail(&p->lex, start, "\"%s\" cannot start a statement here",
			    refused[i]);
			return NULL;
		}
	}
	return NULL;
}
