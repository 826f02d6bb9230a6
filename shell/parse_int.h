/*
 * parse_int: what the files of the parser share.  Every parse_* returns a node, or NULL
 * after a failure that lex_fail has recorded.
 */
#pragma once
#include "shell/lex.h"
#include "shell/parse.h"

struct parser {
	struct lex lex;
	size_t pos; /* behind the last token taken */
	struct token tok;
	enum lex_mode mode;
	bool have; /* tok is the one at pos, scanned in mode */
	unsigned nesting;
	bool no_lists;      /* a comma separates arguments, it makes no list */
	const char *source; /* the arena's copy of the text */
};

/* Kids while they are being collected; on the heap until node_close. */
struct kids {
	struct node **v;
	size_t n, cap;
};

const struct token *peek(struct parser *p, enum lex_mode mode);
struct token take(struct parser *p); /* the one that was peeked last */
bool take_if(struct parser *p, enum lex_mode mode, enum tok type);
/* Take it or fail: what names it ("a closing )"). */
bool want(struct parser *p, enum lex_mode mode, enum tok type, const char *what);
/* Is the next word this one (a keyword, case ignored)?  Then it is taken. */
bool take_word(struct parser *p, const char *word);
void skip_newlines(struct parser *p);
void skip_separators(struct parser *p); /* newlines and semicolons */
bool enter(struct parser *p); /* one level deeper; false (failed) when too deep */
void leave(struct parser *p);

struct node *node_new(struct parser *p, enum node_kind kind, size_t pos);
void kids_add(struct kids *k, struct node *n);
/* Give the kids to n; NULL when the parser has failed. */
struct node *node_close(struct parser *p, struct node *n, struct kids *k);
struct node *node_with(
    struct parser *p, struct node *n, struct node *a, struct node *b);

/* parse.c */
struct node *parse_statement(struct parser *p);
/* Statements up to the closing token, which is taken. */
struct node *parse_list(struct parser *p, enum tok close, const char *what);
struct node *parse_pipeline(struct parser *p);
/* Behind the opening brace, to the closing one. */
struct node *parse_body(struct parser *p, enum tok close, const char *what);

/* parse_stmt.c */
/* The statement that the keyword at hand starts; *ret_is false if it is no keyword. */
struct node *parse_keyword(struct parser *p, bool *ret_is);
struct node *parse_params(struct parser *p);

/* parse_attribute.c */
/* Behind "[": is it an attribute rather than a type? */
bool at_attribute(struct parser *p);
struct node *parse_attribute(struct parser *p); /* with its closing bracket */
/* "[CmdletBinding()]" before param; nothing is taken where no param follows. */
void parse_body_attributes(struct parser *p, struct kids *k);

/* parse_expr.c */
struct node *parse_expr(struct parser *p);
struct node *parse_postfix(struct parser *p, struct node *n, enum lex_mode mode);
struct node *parse_primary(struct parser *p, enum lex_mode mode);
const char *parse_type(struct parser *p);

/* parse_cmd.c */
struct node *parse_command(struct parser *p);
struct node *parse_value(struct parser *p); /* one value in argument mode */

/* parse_text.c */
/* Behind an opening double quote, to the closing one. */
struct node *parse_quoted(struct parser *p, size_t start);
struct node *parse_here(struct parser *p, const struct token *t);
/* A bare word from pos on; first stands before it (a variable, a string) or is NULL. */
struct node *parse_word(struct parser *p, size_t start, struct node *first);
