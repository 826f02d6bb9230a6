#include "shell/lex.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "shell/val.h"

static char
at(const struct lex *l, size_t pos)
{
	return pos < l->n ? l->s[pos] : '\0';
}

static bool
is_name(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

void
lex_place(struct lex *l, size_t pos, uint32_t *ret_line, uint32_t *ret_col)
{
	pos = pos < l->n ? pos : l->n;
	if (!l->line)
		l->line = l->col = 1;
	for (; l->placed < pos; l->placed++) {
		l->col++;
		if (l->s[l->placed] == '\n') {
			l->line++;
			l->col = 1;
		}
	}
	if (l->placed > pos) {
		while (l->placed > pos)
			l->line -= l->s[--l->placed] == '\n';
		const char *start = memrchr(l->s, '\n', pos);
		l->col = (uint32_t)(start ? l->s + pos - start : (ptrdiff_t)pos + 1);
	}
	*ret_line = l->line;
	*ret_col = l->col;
}

void
lex_fail(struct lex *l, size_t pos, const char *fmt, ...)
{
	char msg[200];
	uint32_t line, col;
	va_list ap;

	if (l->failed)
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	lex_place(l, pos, &line, &col);
	l->failed = true;
	err_set(&l->err, ERR_INVALID, "line %u, column %u: %s", line, col, msg);
}

char
lex_escape(char c)
{
	switch (c) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 'r':
		return '\r';
	case 'a':
		return '\a';
	case 'b':
		return '\b';
	case 'e':
		return '\033';
	case 'f':
		return '\f';
	case 'v':
		return '\v';
	case '0':
	case '\n':
		return '\0';
	default:
		return c;
	}
}

bool
lex_word_ends(const struct lex *l, size_t pos)
{
	static const char ends[] = " \t\r\n,;(){}|&";

	return pos >= l->n || memchr(ends, l->s[pos], sizeof(ends) - 1);
}

/* Behind spaces, comments and continued lines. */
static size_t
skip_blank(struct lex *l, size_t pos)
{
	for (;;) {
		char c = at(l, pos);

		if (c == ' ' || c == '\t' || c == '\r') {
			pos++;
		} else if (c == '`' && at(l, pos + 1) == '\n') {
			pos += 2;
		} else if (c == '`' && at(l, pos + 1) == '\r' &&
			   at(l, pos + 2) == '\n') {
			pos += 3;
		} else if (c == '#') {
			while (pos < l->n && l->s[pos] != '\n')
				pos++;
		} else if (c == '<' && at(l, pos + 1) == '#') {
			const char *end = memmem(l->s + pos, l->n - pos, "#>", 2);
			if (!end) {
				l->incomplete = true;
				lex_fail(l, pos, "the comment is not closed by #>");
				return l->n;
			}
			pos = (size_t)(end - l->s) + 2;
		} else {
			return pos;
		}
	}
}

static const char *
slice(struct lex *l, size_t start, size_t end)
{
	char *s = arena_alloc(l->arena, end - start + 1);

	memcpy(s, l->s + start, end - start);
	return s;
}

static void
scan_squote(struct lex *l, struct token *t)
{
	struct str b = STR_INIT;
	size_t i = t->start + 1;

	for (; i < l->n; i++) {
		if (l->s[i] == '\'' && at(l, i + 1) != '\'')
			break;
		i += l->s[i] == '\'';
		str_addc(&b, l->s[i]);
	}
	if (i >= l->n) {
		l->incomplete = true;
		lex_fail(l, t->start, "the string has no closing '");
	}
	t->type = TOK_STRING;
	t->text = arena_strdup(l->arena, str_cstr(&b));
	t->end = i < l->n ? i + 1 : l->n;
	str_fini(&b);
}

/* @' or @": the text starts on the next line and ends with '@ or "@ first in a line. */
static void
scan_here(struct lex *l, struct token *t)
{
	char quote = l->s[t->start + 1];
	const char close[] = { '\n', quote, '@', '\0' };
	size_t body = t->start + 2;

	while (at(l, body) == ' ' || at(l, body) == '\t' || at(l, body) == '\r')
		body++;
	if (at(l, body) != '\n') {
		l->incomplete = body >= l->n;
		lex_fail(
		    l, t->start, "nothing may follow the opening of a here-string");
		t->end = l->n;
		return;
	}
	const char *end = memmem(l->s + body, l->n - body, close, 3);
	if (!end) {
		l->incomplete = true;
		lex_fail(l, t->start, "the here-string has no closing %c@", quote);
		t->end = l->n;
		return;
	}
	size_t stop = (size_t)(end - l->s);
	t->type = quote == '"' ? TOK_HERE : TOK_STRING;
	t->text = slice(l, body + 1, stop > body ? stop : body + 1);
	t->end = stop + 3;
}

static const char *
find_scope(const struct lex *l, size_t start, size_t end)
{
	static const char *const scopes[] = { "global", "script", "local", "env",
		"private" };

	for (size_t i = 0; i < ARRAY_SIZE(scopes); i++)
		if (strlen(scopes[i]) == end - start &&
		    !strncasecmp(scopes[i], l->s + start, end - start))
			return scopes[i];
	return NULL;
}

bool
lex_var(struct lex *l, size_t pos, struct token *ret_t)
{
	size_t i = pos + 1, start = i;
	char c = at(l, i);

	*ret_t = (struct token){ .type = TOK_VAR, .start = pos };
	if (c == '{') {
		const char *end = memchr(l->s + i, '}', l->n - i);
		size_t stop = end ? (size_t)(end - l->s) : l->n;
		size_t colon = i + 1;
		while (colon < stop && l->s[colon] != ':')
			colon++;
		ret_t->scope = colon < stop ? find_scope(l, i + 1, colon) : NULL;
		ret_t->text = slice(l, ret_t->scope ? colon + 1 : i + 1, stop);
		ret_t->end = end ? stop + 1 : l->n;
		if (!end) {
			l->incomplete = true;
			lex_fail(l, pos, "${ has no closing }");
		}
		return true;
	}
	if (c && strchr("?^$", c)) {
		ret_t->text = slice(l, i, i + 1);
		ret_t->end = i + 1;
		return true;
	}
	while (is_name(at(l, i)))
		i++;
	if (i == start)
		return false;
	if (at(l, i) == ':' && is_name(at(l, i + 1))) {
		ret_t->scope = find_scope(l, start, i);
		if (ret_t->scope)
			for (start = ++i; is_name(at(l, i)); i++)
				;
	}
	ret_t->text = slice(l, start, i);
	ret_t->end = i;
	return true;
}

static void
scan_dollar(struct lex *l, enum lex_mode mode, struct token *t)
{
	bool spaced = t->spaced;

	if (at(l, t->start + 1) == '(') {
		t->type = TOK_DOLLAR_PAREN;
		t->end = t->start + 2;
	} else if (lex_var(l, t->start, t)) {
		t->spaced = spaced;
	} else if (mode == LEX_ARG) {
		t->type = TOK_WORD;
		t->end = t->start + 1;
		t->spaced = spaced;
	} else {
		lex_fail(l, t->start, "a variable's name is missing after $");
	}
}

static void
scan_at(struct lex *l, enum lex_mode mode, struct token *t)
{
	char c = at(l, t->start + 1);
	size_t i = t->start + 1;

	t->end = t->start + 2;
	if (c == '(') {
		t->type = TOK_AT_PAREN;
	} else if (c == '{') {
		t->type = TOK_AT_BRACE;
	} else if (c == '\'' || c == '"') {
		scan_here(l, t);
	} else if (mode == LEX_ARG && is_name(c)) {
		while (is_name(at(l, i)))
			i++;
		t->type = TOK_SPLAT;
		t->text = slice(l, t->start + 1, i);
		t->end = i;
	} else {
		lex_fail(l, t->start, "unexpected @");
	}
}

static void
scan_number(struct lex *l, struct token *t)
{
	size_t i = t->start;
	struct val v = VAL_NONE;
	bool hex = at(l, i) == '0' && (at(l, i + 1) == 'x' || at(l, i + 1) == 'X');

	i += hex ? 2 : 0;
	while (
	    hex ? isxdigit((unsigned char)at(l, i)) : isdigit((unsigned char)at(l, i)))
		i++;
	if (!hex && at(l, i) == '.' && isdigit((unsigned char)at(l, i + 1)))
		for (i++; isdigit((unsigned char)at(l, i)); i++)
			;
	if (!hex && (at(l, i) == 'e' || at(l, i) == 'E')) {
		size_t e = i + 1;
		e += at(l, e) == '+' || at(l, e) == '-';
		if (isdigit((unsigned char)at(l, e)))
			for (i = e; isdigit((unsigned char)at(l, i)); i++)
				;
	}
	while (is_name(at(l, i)))
		i++;
	t->type = TOK_NUMBER;
	t->text = slice(l, t->start, i);
	t->end = i;
	const char *digits = *t->text == '.' ? "0" : "";
	AUTO_FREE char *s = xasprintf("%s%s", digits, t->text);
	if (!number_parse(s, strlen(s), &v))
		lex_fail(l, t->start, "\"%.40s\" is no number", t->text);
	else if (*digits)
		t->text = arena_strdup(l->arena, s);
}

/* -name as a parameter, with its colon. */
static void
scan_param(struct lex *l, struct token *t)
{
	size_t i = t->start + 1;

	while (is_name(at(l, i)) || at(l, i) == '-')
		i++;
	t->type = TOK_PARAM;
	t->text = slice(l, t->start + 1, i);
	t->has_value = at(l, i) == ':';
	t->end = i + t->has_value;
}

static void
scan_dash(struct lex *l, struct token *t)
{
	size_t i = t->start + 1;

	if (isalpha((unsigned char)at(l, i))) {
		while (isalpha((unsigned char)at(l, i)))
			i++;
		t->op = op_find(l->s + t->start, i - t->start, &t->exact);
		if (t->op == OP_NONE)
			lex_fail(l, t->start, "there is no operator %.*s",
			    (int)(i - t->start > 40 ? 40 : i - t->start),
			    l->s + t->start);
		t->type = TOK_OP;
		t->end = i;
		return;
	}
	t->op = OP_SUB;
	t->end = i;
	if (at(l, i) == '-' || at(l, i) == '=') {
		t->type = at(l, i) == '-' ? TOK_INCR : TOK_ASSIGN;
		t->end++;
	} else {
		t->type = TOK_OP;
	}
}

/* [1-6*]>[>][&1] at the token's start? */
static bool
scan_redirect(struct lex *l, struct token *t)
{
	size_t i = t->start;

	if (at(l, i) != '>' && at(l, i + 1) != '>')
		return false;
	t->text = "1";
	if (at(l, i) != '>') {
		if (!strchr("123456*", at(l, i)))
			return false;
		t->text = slice(l, i, i + 1);
		i++;
	}
	t->type = TOK_REDIRECT;
	t->op = at(l, i + 1) == '>' ? OP_APPEND : OP_WRITE;
	t->end = i + (t->op == OP_APPEND ? 2 : 1);
	return true;
}

static const struct {
	const char *s;
	enum tok type;
	enum op op;
	bool in_args;
} marks[] = {
	{ "\n", TOK_NEWLINE, OP_NONE, true },
	{ ";", TOK_SEMI, OP_NONE, true },
	{ "(", TOK_LPAREN, OP_NONE, true },
	{ ")", TOK_RPAREN, OP_NONE, true },
	{ "{", TOK_LBRACE, OP_NONE, true },
	{ "}", TOK_RBRACE, OP_NONE, true },
	{ "||", TOK_OROR, OP_NONE, true },
	{ "|", TOK_PIPE, OP_NONE, true },
	{ "&&", TOK_ANDAND, OP_NONE, true },
	{ "&", TOK_AMP, OP_NONE, true },
	{ ",", TOK_COMMA, OP_NONE, true },
	{ "\"", TOK_QUOTE, OP_NONE, true },
	{ "[", TOK_LBRACKET, OP_NONE, false },
	{ "]", TOK_RBRACKET, OP_NONE, false },
	{ "..", TOK_OP, OP_RANGE, false },
	{ ".", TOK_DOT, OP_NONE, false },
	{ "?.", TOK_SAFE_DOT, OP_NONE, false },
	{ "?" "?=", TOK_ASSIGN, OP_COALESCE, false },
	{ "??", TOK_OP, OP_COALESCE, false },
	{ "?", TOK_QUESTION, OP_NONE, false },
	{ "::", TOK_COLONS, OP_NONE, false },
	{ ":", TOK_COLON, OP_NONE, false },
	{ "++", TOK_INCR, OP_ADD, false },
	{ "+=", TOK_ASSIGN, OP_ADD, false },
	{ "+", TOK_OP, OP_ADD, false },
	{ "*=", TOK_ASSIGN, OP_MUL, false },
	{ "*", TOK_OP, OP_MUL, false },
	{ "/=", TOK_ASSIGN, OP_DIV, false },
	{ "/", TOK_OP, OP_DIV, false },
	{ "%=", TOK_ASSIGN, OP_MOD, false },
	{ "%", TOK_OP, OP_MOD, false },
	{ "=", TOK_ASSIGN, OP_NONE, false },
	{ "!", TOK_OP, OP_NOT, false },
};

static bool
scan_mark(struct lex *l, enum lex_mode mode, struct token *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(marks); i++) {
		size_t len = strlen(marks[i].s);

		if ((mode == LEX_ARG && !marks[i].in_args) || l->n - t->start < len ||
		    memcmp(l->s + t->start, marks[i].s, len) != 0)
			continue;
		t->type = marks[i].type;
		t->op = marks[i].op;
		t->end = t->start + len;
		return true;
	}
	return false;
}

static void
scan_word(struct lex *l, enum lex_mode mode, struct token *t)
{
	size_t i = t->start;

	t->type = TOK_WORD;
	if (mode == LEX_ARG) {
		t->end = i + 1;
		return;
	}
	while (is_name(at(l, i)))
		i++;
	t->end = i;
	t->text = slice(l, t->start, i);
	if (i == t->start)
		lex_fail(l, i, "unexpected \"%c\"",
		    isprint((unsigned char)at(l, i)) ? at(l, i) : '?');
}

struct token
lex_scan(struct lex *l, size_t pos, enum lex_mode mode)
{
	struct token t = { .type = TOK_END };
	char c, next;

	t.start = skip_blank(l, pos);
	t.spaced = t.start > pos;
	t.end = t.start;
	if (t.start >= l->n || l->failed)
		return t;
	c = l->s[t.start];
	next = at(l, t.start + 1);
	if (c == '\'')
		scan_squote(l, &t);
	else if (c == '$')
		scan_dollar(l, mode, &t);
	else if (c == '@')
		scan_at(l, mode, &t);
	else if (scan_redirect(l, &t))
		;
	else if (mode == LEX_EXPR && (isdigit((unsigned char)c) ||
					 (c == '.' && isdigit((unsigned char)next))))
		scan_number(l, &t);
	else if (mode == LEX_ARG && c == '-' &&
		 (isalpha((unsigned char)next) || next == '_'))
		scan_param(l, &t);
	else if (mode == LEX_EXPR && c == '-')
		scan_dash(l, &t);
	else if (!scan_mark(l, mode, &t))
		scan_word(l, mode, &t);
	if (l->failed)
		t.type = TOK_END;
	return t;
}
