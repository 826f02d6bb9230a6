/*
 * eval: a tree is walked; expressions give a value, statements put objects into a sink.
 */
#pragma once
#include "shell/shell.h"

/* *ret_v is written on RUN_OK only. */
enum run eval(struct shell *sh, const struct node *n, struct val *ret_v);
enum run exec(struct shell *sh, const struct node *n, struct sink *out);
enum run exec_list(struct shell *sh, const struct node *list, struct sink *out);
/* What a statement puts out, as one value: none, the one, or a list. */
enum run capture(struct shell *sh, const struct node *n, struct val *ret_v);
/* Elements of a list one by one; anything else as it is, null not at all. */
enum run put_each(struct sink *out, struct val v);

/* A sink that collects. */
struct catcher {
	struct sink sink;
	struct val list;
};

void catcher_init(struct catcher *c);
/* What was collected, as capture gives it; the catcher is empty after. */
struct val catcher_take(struct catcher *c);
struct sink *sink_null(void);

/* pipe.c */
enum run exec_pipe(struct shell *sh, const struct node *n, struct sink *out);
/* A command as the only stage, or a chain; here for all that is one. */
bool is_command(const struct node *n);

/* func.c */
/* Run a block's statements with $_ as it is, in the scope at hand. */
enum run run_block(struct shell *sh, struct val block, struct sink *out);
/* The same, collecting. */
enum run call_block(struct shell *sh, struct val block, struct val *ret_v);
/* The same with it as $_. */
enum run call_block_on(
    struct shell *sh, struct val block, struct val it, struct val *ret_v);
/* Run a block in a scope of its own, with arguments (borrowed, positional). */
enum run invoke_block(struct shell *sh, struct val block, const struct val *args,
    size_t n, struct sink *out);

/* assign.c */
enum run eval_assign(struct shell *sh, const struct node *n);
enum run eval_step(struct shell *sh, const struct node *n, struct val *ret_v);

/* operate.c: pure */
int op_binary(enum op op, bool exact, struct val a, struct val b, struct val *ret_v,
    struct err *e);
int op_unary(enum op op, struct val v, struct val *ret_v, struct err *e);
/* pattern.c: pure; ret_matches takes what a match found, NULL: not wanted */
int text_match(struct val s, struct val pattern, bool exact, bool *ret_hit,
    struct val *ret_matches, struct err *e);
/* The first places, at most that many, as records with Value, Index, Length, Groups. */
int text_matches(struct val s, struct val pattern, bool exact, size_t most,
    struct val *ret_list, struct err *e);
struct val match_none(void); /* the record that no place gives */
struct val pattern_escape(const char *s);
int text_replace(
    struct val s, struct val how, bool exact, struct val *ret_v, struct err *e);
int text_split(
    struct val s, struct val how, bool exact, struct val *ret_v, struct err *e);
/* text_op.c: pure */
int text_format(struct val pattern, struct val args, struct val *ret_v, struct err *e);
/* {0:N2}, {0:D4}, {0:X}, dates by date_format: one value by one format. */
int text_format_one(struct str *b, struct val v, const char *format, struct err *e);

/* member.c */
/* A property, enumerated over the elements of a list; null if there is none. */
struct val member_get(struct val object, const char *name);
bool member_is(struct val object, const char *name); /* is there one, null or not? */
int method_call(struct val object, const char *name, struct val args, struct val *ret_v,
    struct err *e);
/* collection.c: ERR_NOT_FOUND, with nothing said, if it has no such method */
int list_method(struct items *l, const char *name, struct val args, struct val *ret_v,
    struct err *e);
/* static.c: "[type]::name" */
int static_call(const char *type, const char *name, struct val args, bool is_call,
    struct val *ret_v, struct err *e);
int index_get(struct val object, struct val key, struct val *ret_v, struct err *e);
