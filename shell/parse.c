#include <ctype.h>
#include <string.h>

#include "shell/parse_int.h"

const struct token *
peek(struct parser *p, enum lex_mode mode)
{
	if (!p->have || p->mode != mode) {
		p->tok = lex_scan(&p->lex, p->pos, mode);
		p->mode = mode;
		p->have = true;
	}
	return &p->tok;
}

struct token
take(struct parser *p)
{
	p->pos = p->tok.end;
	p->have = false;
	return p->tok;
}

bool
take_if(struct parser *p, enum lex_mode mode, enum tok type)
{
	if (peek(p, mode)->type != type)
		return false;
	take(p);
	return true;
}

bool
want(struct parser *p, enum lex_mode mode, enum tok type, const char *what)
{
	if (take_if(p, mode, type) && !p->lex.failed)
		return true;
	if (!p->lex.failed && peek(p, mode)->type == TOK_END)
		p->lex.incomplete = true;
	lex_fail(&p->lex, peek(p, mode)->start, "%s is missing", what);
	return false;
}

bool
take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);
	size_t start = peek(p, LEX_ARG)->start;

	if (p->tok.type != TOK_WORD || p->lex.n - start < len ||
	    strncasecmp(p->lex.s + start, word, len) != 0)
		return false;
	if (start + len < p->lex.n) {
		unsigned char c = (unsigned char)p->lex.s[start + len];
		if (isalnum(c) || c >= 0x80 || strchr("_-./\\:*?", c))
			return false;
	}
	p->pos = start + len;
	p->have = false;
	return true;
}

void
skip_newlines(struct parser *p)
{
	while (take_if(p, LEX_ARG, TOK_NEWLINE))
		;
}

void
skip_separators(struct parser *p)
{
	while (take_if(p, LEX_ARG, TOK_NEWLINE) || take_if(p, LEX_ARG, TOK_SEMI))
		;
}

bool
enter(struct parser *p)
{
	/* One level of nesting passes through four rules that count. */
	if (++p->nesting <= 4 * MAX_NESTING)
		return !p->lex.failed;
	lex_fail(&p->lex, p->pos, "nested more than %d deep", MAX_NESTING);
	return false;
}

void
leave(struct parser *p)
{
	p->nesting--;
}

struct node *
node_new(struct parser *p, enum node_kind kind, size_t pos)
{
	struct node *n = arena_alloc(p->lex.arena, sizeof(*n));

	n->kind = kind;
	n->depth = 1;
	lex_place(&p->lex, pos, &n->line, &n->col);
	return n;
}

void
kids_add(struct kids *k, struct node *n)
{
	if (k->n == k->cap) {
		k->cap = k->cap ? k->cap * 2 : 4;
		k->v = xreallocarray(k->v, k->cap, sizeof(struct node *));
	}
	k->v[k->n++] = n;
}

struct node *
node_close(struct parser *p, struct node *n, struct kids *k)
{
	n->n = k->n;
	n->kid = arena_array(p->lex.arena, k->n ? k->n : 1, sizeof(struct node *));
	for (size_t i = 0; i < k->n; i++) {
		n->kid[i] = k->v[i];
		if (k->v[i] && k->v[i]->depth >= n->depth)
			n->depth = k->v[i]->depth + 1;
	}
	free(k->v);
	*k = (struct kids){ 0 };
	if (n->depth > MAX_DEPTH)
		lex_fail(
		    &p->lex, p->pos, "an expression of more than %d steps", MAX_DEPTH);
	return p->lex.failed ? NULL : n;
}

struct node *
node_with(struct parser *p, struct node *n, struct node *a, struct node *b)
{
	struct kids k = { 0 };

	kids_add(&k, a);
	if (b)
		kids_add(&k, b);
	return node_close(p, n, &k);
}

/* Does the text at hand start an expression rather than a command? */
static bool
starts_expression(struct parser *p)
{
	const struct token *t = peek(p, LEX_ARG);
	const char *s = p->lex.s + t->start;
	char next = t->start + 1 < p->lex.n ? s[1] : '\0';

	switch (t->type) {
	case TOK_STRING:
	case TOK_QUOTE:
	case TOK_HERE:
	case TOK_VAR:
	case TOK_LPAREN:
	case TOK_LBRACE:
	case TOK_AT_PAREN:
	case TOK_AT_BRACE:
	case TOK_DOLLAR_PAREN:
	case TOK_COMMA:
	case TOK_PARAM:
		return true;
	case TOK_WORD:
		if (strchr("[!+0123456789", *s) || (*s == '-' && next != '\0'))
			return true;
		return *s == '.' && next >= '0' && next <= '9';
	case TOK_END:
	case TOK_NEWLINE:
	case TOK_SEMI:
	case TOK_NUMBER:
	case TOK_SPLAT:
	case TOK_RPAREN:
	case TOK_RBRACE:
	case TOK_LBRACKET:
	case TOK_RBRACKET:
	case TOK_PIPE:
	case TOK_ANDAND:
	case TOK_OROR:
	case TOK_AMP:
	case TOK_DOT:
	case TOK_SAFE_DOT:
	case TOK_QUESTION:
	case TOK_COLON:
	case TOK_COLONS:
	case TOK_ASSIGN:
	case TOK_OP:
	case TOK_INCR:
	case TOK_REDIRECT:
		return false;
	}
	return false;
}

/* "2>&1": behind the > stands the output itself. */
static bool
merges(struct parser *p, const struct token *t)
{
	if (p->pos >= p->lex.n || p->lex.s[p->pos] != '&')
		return false;
	if (p->pos + 1 < p->lex.n && p->lex.s[p->pos + 1] == '1' &&
	    strcmp(t->text, "1") != 0 && t->op == OP_WRITE)
		p->pos += 2;
	else
		lex_fail(&p->lex, p->pos,
		    "a stream can go into a file, to $null, or with >&1 into the output");
	p->have = false;
	return true;
}

static void
parse_redirects(struct parser *p, struct kids *k)
{
	while (peek(p, LEX_ARG)->type == TOK_REDIRECT) {
		struct token t = take(p);
		struct node *r = node_new(p, NODE_REDIRECT, t.start);

		r->text = t.text;
		r->op = t.op;
		if (!merges(p, &t))
			kids_add(k, node_with(p, r, parse_value(p), NULL));
		else
			kids_add(k, r);
	}
}

static struct node *
parse_assignment(struct parser *p, struct node *target)
{
	struct token t = take(p);
	struct node *n = node_new(p, NODE_ASSIGN, t.start);
	struct kids k = { 0 };

	n->op = t.op;
	if (target->kind == NODE_ARRAY)
		for (size_t i = 0; i < target->n; i++)
			kids_add(&k, target->kid[i]);
	else
		kids_add(&k, target);
	for (size_t i = 0; i < k.n; i++) {
		const struct node *to = k.v[i];
		if (to->kind == NODE_CAST)
			to = to->kid[0];
		if (to->kind != NODE_VAR && to->kind != NODE_MEMBER &&
		    to->kind != NODE_INDEX)
			lex_fail(&p->lex, t.start,
			    "only variables, properties and "
			    "elements can be assigned to");
	}
	skip_newlines(p);
	kids_add(&k, parse_statement(p));
	return node_close(p, n, &k);
}

/* One stage; the first may be an expression, which may turn out to be an assignment. */
static struct node *
parse_stage(struct parser *p, bool first)
{
	if (!starts_expression(p))
		return parse_command(p);
	if (!first) {
		lex_fail(&p->lex, peek(p, LEX_ARG)->start,
		    "an expression may only stand at the start of a pipeline");
		return NULL;
	}
	struct node *n = parse_expr(p);
	if (n && peek(p, LEX_EXPR)->type == TOK_ASSIGN)
		return parse_assignment(p, n);
	return n;
}

/* A | on the next line continues the pipeline. */
static bool
take_pipe(struct parser *p)
{
	size_t back = p->pos;

	if (take_if(p, LEX_ARG, TOK_PIPE))
		return true;
	skip_newlines(p);
	if (take_if(p, LEX_ARG, TOK_PIPE))
		return true;
	p->pos = back;
	p->have = false;
	return false;
}

static struct node *
parse_pipe(struct parser *p)
{
	struct node *n = node_new(p, NODE_PIPE, peek(p, LEX_ARG)->start);
	struct node *first = parse_stage(p, true);
	struct kids k = { 0 };

	if (!first)
		return NULL;
	kids_add(&k, first);
	parse_redirects(p, &k);
	while (!p->lex.failed && take_pipe(p)) {
		skip_newlines(p);
		kids_add(&k, parse_stage(p, false));
		parse_redirects(p, &k);
	}
	if (k.n == 1) {
		free(k.v);
		return p->lex.failed ? NULL : first;
	}
	return node_close(p, n, &k);
}

struct node *
parse_pipeline(struct parser *p)
{
	struct node *left;

	if (!enter(p))
		return NULL;
	left = parse_pipe(p);
	while (left) {
		enum tok type = peek(p, LEX_ARG)->type;
		if (type != TOK_ANDAND && type != TOK_OROR)
			break;
		struct node *n = node_new(p, NODE_CHAIN, take(p).start);
		n->op = type == TOK_ANDAND ? OP_ANDAND : OP_OROR;
		skip_newlines(p);
		left = node_with(p, n, left, parse_pipe(p));
	}
	leave(p);
	return left;
}

struct node *
parse_statement(struct parser *p)
{
	bool is_keyword = false;
	struct node *n;

	if (!enter(p))
		return NULL;
	n = parse_keyword(p, &is_keyword);
	if (!is_keyword && !p->lex.failed)
		n = parse_pipeline(p);
	leave(p);
	return n;
}

/* May the next statement start here without a separator? */
static bool
ends_in_block(const struct node *n)
{
	switch (n->kind) {
	case NODE_IF:
	case NODE_FOREACH:
	case NODE_FOR:
	case NODE_WHILE:
	case NODE_SWITCH:
	case NODE_FUNCTION:
	case NODE_TRY:
		return true;
	default:
		return false;
	}
}

static void
parse_statements(struct parser *p, struct kids *k, enum tok close, const char *what)
{
	skip_separators(p);
	while (!p->lex.failed && !take_if(p, LEX_ARG, close)) {
		struct node *n;
		if (peek(p, LEX_ARG)->type == TOK_END) {
			want(p, LEX_ARG, close, what);
			return;
		}
		n = parse_statement(p);
		if (!n)
			return;
		kids_add(k, n);
		enum tok next = peek(p, LEX_ARG)->type;
		if (next == TOK_NEWLINE || next == TOK_SEMI)
			skip_separators(p);
		else if (next != close && next != TOK_END && !ends_in_block(n))
			lex_fail(&p->lex, p->tok.start, "unexpected \"%.1s\"",
			    p->lex.s + p->tok.start);
	}
}

struct node *
parse_list(struct parser *p, enum tok close, const char *what)
{
	struct node *n = node_new(p, NODE_LIST, p->pos);
	struct kids k = { 0 };

	if (enter(p))
		parse_statements(p, &k, close, what);
	leave(p);
	return node_close(p, n, &k);
}

/* begin, process and end blocks; false if there are none. */
static bool
parse_phases(struct parser *p, struct node *phases[3])
{
	static const char *const names[] = { "begin", "process", "end" };
	bool any = false;

	for (int i = 0; i < 3 && !p->lex.failed; i++) {
		size_t back = p->pos;
		if (!take_word(p, names[i]))
			continue;
		skip_newlines(p);
		if (!take_if(p, LEX_ARG, TOK_LBRACE)) {
			p->pos = back;
			p->have = false;
			continue;
		}
		phases[i] = parse_list(p, TOK_RBRACE, "a closing }");
		any = true;
		skip_separators(p);
		i = -1;
	}
	return any;
}

struct node *
parse_body(struct parser *p, enum tok close, const char *what)
{
	struct node *n = node_new(p, NODE_BODY, p->pos), *phases[3] = { NULL };
	struct node *params = NULL;
	struct kids k = { 0 }, attributes = { 0 };

	if (!enter(p)) {
		leave(p);
		return NULL;
	}
	skip_separators(p);
	parse_body_attributes(p, &attributes);
	if (take_word(p, "param")) {
		params = parse_params(p);
		skip_separators(p);
	}
	if (parse_phases(p, phases))
		want(p, LEX_ARG, close, what);
	else if (!p->lex.failed)
		phases[2] = parse_list(p, close, what);
	n->text = p->source;
	kids_add(&k, params);
	for (int i = 0; i < 3; i++)
		kids_add(&k, phases[i]);
	for (size_t i = 0; i < attributes.n; i++)
		kids_add(&k, attributes.v[i]);
	free(attributes.v);
	leave(p);
	return node_close(p, n, &k);
}

static int
check_text(const char *s, size_t n, struct err *e)
{
	if (n > MAX_SCRIPT)
		return err_set(e, ERR_TOO_LARGE, "the script has more than 16 MiB");
	if (!utf8_valid(s, n) || memchr(s, '\0', n))
		return err_set(e, ERR_INVALID, "the script is not valid UTF-8 text");
	return 0;
}

enum parse_result
parse_script(
    const char *s, size_t n, struct arena *arena, struct node **ret_root, struct err *e)
{
	struct parser p = { .lex = {
				.s = s, .n = n, .arena = arena, .err = ERR_INIT } };
	struct node *root;

	if (check_text(s, n, e) < 0)
		return PARSE_BAD;
	char *copy = arena_alloc(arena, n + 1);
	memcpy(copy, s, n);
	p.source = p.lex.s = copy;
	if (n >= 3 && !memcmp(s, "\xef\xbb\xbf", 3))
		p.pos = 3; /* what editors of other systems put before UTF-8 */
	if (n >= 2 && s[0] == '#' && s[1] == '!')
		p.pos = (size_t)((const char *)memchr(s, '\n', n)
				     ? (const char *)memchr(s, '\n', n) - s
				     : (ptrdiff_t)n);
	root = parse_body(&p, TOK_END, "the end");
	if (root && !p.lex.failed) {
		*ret_root = root;
		return PARSE_OK;
	}
	*e = p.lex.err;
	return p.lex.incomplete ? PARSE_INCOMPLETE : PARSE_BAD;
}
