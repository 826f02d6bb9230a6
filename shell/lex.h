/*
 * lex: tokens of a script, one at a time, in the mode that the parser wants.
 *
 * In expression mode text is numbers, operators and names; in argument mode everything
 * that is not special is part of a bare word.  The parser scans again from the same
 * place when it learns that the other mode holds.  Strings in double quotes and bare
 * words are only announced (their start): the parser reads their parts.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "shell/ast.h"

#define MAX_SCRIPT (16u << 20)

enum lex_mode { LEX_EXPR, LEX_ARG };

enum tok {
	TOK_END,
	TOK_NEWLINE,
	TOK_SEMI,
	TOK_WORD, /* a name (expression mode) or the start of a bare word */
	TOK_NUMBER,
	TOK_STRING, /* literal; text is what it says */
	TOK_QUOTE,  /* an opening double quote */
	TOK_HERE,   /* an opening @" and its newline */
	TOK_VAR,    /* text: name, scope */
	TOK_SPLAT,  /* text: name */
	TOK_LPAREN,
	TOK_RPAREN,
	TOK_LBRACE,
	TOK_RBRACE,
	TOK_LBRACKET,
	TOK_RBRACKET,
	TOK_AT_PAREN,
	TOK_AT_BRACE,
	TOK_DOLLAR_PAREN,
	TOK_PIPE,
	TOK_ANDAND,
	TOK_OROR,
	TOK_AMP,
	TOK_COMMA,
	TOK_DOT,
	TOK_SAFE_DOT,
	TOK_QUESTION,
	TOK_COLON,
	TOK_COLONS,
	TOK_ASSIGN,  /* op: OP_NONE for "=" */
	TOK_OP,      /* op: an operator of expressions */
	TOK_INCR,    /* op: OP_ADD or OP_SUB */
	TOK_PARAM,   /* text: name; has_value: a colon follows directly */
	TOK_REDIRECT /* text: stream, op */
};

struct token {
	enum tok type;
	size_t start, end;
	bool spaced; /* space stood before it */
	bool exact, has_value;
	enum op op;
	const char *text, *scope;
};

struct lex {
	const char *s;
	size_t n;
	struct arena *arena;
	struct err err;
	bool incomplete; /* the error is that the text ends too early */
	bool failed;
	size_t placed;      /* where line and col below belong to */
	uint32_t line, col; /* 0: not yet known */
};

/* The token at pos.  After a failure (see lex->failed) it is TOK_END. */
struct token lex_scan(struct lex *l, size_t pos, enum lex_mode mode);
/* Record the first failure, with its line and column. */
void lex_fail(struct lex *l, size_t pos, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Read the variable whose $ is at pos; false if it is no variable. */
bool lex_var(struct lex *l, size_t pos, struct token *ret_t);
/* Does a bare word end before the character at pos? */
bool lex_word_ends(const struct lex *l, size_t pos);
/* The character that backtick and c stand for; 0 for none (a line's continuation). */
char lex_escape(char c);
/* Line and column of pos, from 1. */
void lex_place(struct lex *l, size_t pos, uint32_t *ret_line, uint32_t *ret_col);
