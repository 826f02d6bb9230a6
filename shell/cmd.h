/*
 * cmd: cmdlets.  cmd.def is the table; binding, completion and help read it.
 *
 * A cmdlet in a pipeline is a stage: begin once, process for every object that comes in
 * (once, with null, at the head of a pipeline), end once, fini always.
 */
#pragma once
#include "base/id.h"
#include "shell/eval.h"

enum param_type {
	P_ANY,
	P_TEXT,
	P_TEXTS, /* a list of texts, always */
	P_INT,
	P_REAL,
	P_SWITCH,
	P_BLOCK,
	P_TABLE,
	P_TIME,
	P_OBJECTS, /* records, references or names (wildcards) of inventory objects */
	P_REST     /* what is given by position, as a list */
};

#define P_NEEDED 1u /* must be given */
#define P_PIPE   2u /* bound to the object that comes in */
#define P_FIELD  4u /* bound to its property of the same name, if it has one */

struct param {
	const char *name, *alias;
	enum param_type type;
	int pos; /* from 0; -1: by name only */
	unsigned flags;
	enum obj_kind kind; /* P_OBJECTS: of which names are completed */
	const char *words;  /* P_TEXT: "a|b" */
	const char *help;
};

enum impact { READS, CHANGES, ENDS }; /* ENDS asks first */

struct stage;

struct cmd_ops {
	size_t state_size; /* zeroed before begin */
	enum run (*begin)(struct stage *st);
	enum run (*process)(struct stage *st, struct val v);
	enum run (*end)(struct stage *st);
	void (*fini)(struct stage *st);
};

#define ONLY_CONTAINERS 0x100 /* beside KIND_VM, of a Get- */

struct cmd {
	const char *name;
	const struct cmd_ops *ops;
	int arg; /* what distinguishes cmdlets of the same ops */
	enum impact impact;
	const char *out; /* type of what comes out, or NULL */
	const char *help;
	const struct param *params; /* ended by a NULL name */
};

const struct cmd *cmd_find(const char *name); /* case ignored; also by alias */
const struct cmd *cmd_at(size_t i);      /* in order of the table; NULL behind it */
const char *cmd_alias(const char *name); /* the cmdlet's name, NULL if it is none */
const char *cmd_alias_of(const char *name, size_t i); /* its i-th alias, or NULL */
/* Its i-th line to learn from, and what that does; false behind the last. */
bool cmd_example(
    const struct cmd *c, size_t i, const char **ret_line, const char **ret_what);
/* Does it speak to a server? */
bool cmd_is_servers(const struct cmd *c);
extern const struct param common_params[];

enum {
	COMMON_ACTION,
	COMMON_ERROR_VAR,
	COMMON_OUT_VAR,
	COMMON_WARNING,
	COMMON_VERBOSE,
	COMMON_DEBUG,
	COMMON_WHATIF,
	COMMON_CONFIRM,
	COMMON_SERVER, /* of cmdlets that speak to a server */
	COMMON_COUNT
};

struct stage {
	struct sink in;
	struct shell *sh;
	struct sink *out;
	const struct cmd *cmd;
	const struct node *node;
	struct val *args; /* in the order of cmd->params */
	bool *given;
	struct val common[COMMON_COUNT];
	bool common_given[COMMON_COUNT];
	bool has_input;
	bool yes_to_all, no_to_all;
	struct val kept;   /* of -OutVariable */
	struct val errors; /* of -ErrorVariable */
	struct streams streams;
	unsigned merged; /* streams that go with the output, by number */
	struct sink tee, *tee_out;
	bool is_servers; /* it speaks to a server */
	struct fan *fan; /* its visits to several (sites.h); NULL: one server */
	void *state;
};

/* An argument as it was written: a name, a value, or both ("-x:1"). */
struct arg {
	const char *name;
	struct val v;
	bool attached;
	const struct node *node;
};

struct arg_list {
	struct arg *v;
	size_t n, cap;
};

/* bind.c */
/* Evaluate a command's arguments; splatted ones are spread. */
enum run args_eval(
    struct shell *sh, const struct node *command, struct arg_list *ret_args);
void args_free(struct arg_list *l);
/* Give them to the stage's parameters. */
enum run args_bind(struct stage *st, const struct arg_list *l);
/* Is all there that is needed, now that it is known whether input comes? */
enum run args_check(struct stage *st);
/* Parameters that take what comes from v. */
int args_bind_input(struct stage *st, struct val v, struct err *e) WARN_UNUSED;
/* One of common_params, l->v[*at] on; *at is the last that was used. */
int bind_common(struct stage *st, const struct arg_list *l, size_t *at, size_t which,
    struct err *e) WARN_UNUSED;
/* The only parameter that name stands for: 0, or an error (ERR_NOT_FOUND, ERR_INVALID).
 */
int param_find(
    const struct param *params, const char *name, size_t *ret_i, struct err *e);

/* stage.c: for the cmdlets */
bool has_arg(const struct stage *st, const char *name);
struct val get_arg(
    const struct stage *st, const char *name); /* borrowed; null: not given */
const char *get_text(const struct stage *st, const char *name); /* NULL: not given */
int64_t get_int(const struct stage *st, const char *name, int64_t preset);
bool get_switch(const struct stage *st, const char *name);
enum run put(struct stage *st, struct val v_take); /* to the next stage */
/* An error about target (borrowed) that does not end the pipeline, unless wanted so. */
enum run stage_error(struct stage *st, const struct err *e, struct val target);
enum run stage_fail(struct stage *st, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* No more input is wanted. */
enum run stage_stop(struct stage *st);
/* A name was looked for here: has no server one, now that all were asked? */
bool stage_lacks(struct stage *st, const char *name, bool is_here);

enum should { SHOULD_DO, SHOULD_SKIP, SHOULD_FAIL };
/* -WhatIf, -Confirm; detail may be NULL. SHOULD_FAIL: thrown. */
enum should stage_should(struct stage *st, const char *target, const char *detail);
/* The same where a parameter makes the cmdlet another's impact. */
enum should stage_should_as(
    struct stage *st, enum impact impact, const char *target, const char *detail);

/* cmd_out.c: a file with that text, or more at its end */
enum run write_file(
    struct stage *st, const char *path, bool append, const struct str *text);

/* stream.c */
void warn(struct shell *sh, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* func.c: the stage of a function or a script block */
extern const struct cmd_ops ops_function;
const struct node *function_find(const struct shell *sh, const char *name);
void function_define(struct shell *sh, const struct node *n);
enum run function_start(struct stage *st, const struct node *function,
    const struct node *body, const struct arg_list *args, bool own_scope);

/* Arguments to a body's parameters, into the scope at hand; the rest becomes $args. */
enum run bind_words(
    struct shell *sh, const struct node *body, const struct arg_list *l);
/* The call is one of a file. */
void function_stands_in(struct stage *st, const char *script);

/* attribute.c: of a function's parameter */
const struct node *attribute_find(const struct node *param, const char *name);

/* What [Parameter()] says of one. */
struct facts {
	bool mandatory, by_value,
	    by_name;      /* takes what the pipe brings, or its property */
	int64_t position; /* -1: none */
};

/* Of each, once a call; caller frees. */
enum run parameters_read(
    struct shell *sh, const struct node *params, struct facts **ret_facts);
bool parameter_has_alias(const struct node *param, const char *name);
/* By its [Validate…]. */
enum run parameter_check(struct shell *sh, const struct node *param, struct val v);

/* credential.c */
struct val secure_new(struct shell *sh, const char *text); /* a SecureString */
void secure_free_all(struct shell *sh);
/* What a SecureString or a plain value stands for; caller wipes and frees.  NULL: it is
 * neither. */
char *secure_text(const struct shell *sh, struct val v);
/* The parts of a PSCredential, borrowed; false: it is none. */
bool credential_split(struct val v, const char **ret_user, struct val *ret_password);
/* Of (user, SecureString). */
int credential_make(struct val args, struct val *ret_v, struct err *e) WARN_UNUSED;

/* script.c */
bool script_is(const char *name); /* does a command of that name mean a file? */
/* Words of a command line to the parameters of a script's body, in the scope at hand.
 */
enum run script_take_words(
    struct shell *sh, const struct node *body, char *const *words, size_t n);
/* Its tree lives as long as the shell. */
int script_load(struct shell *sh, const char *path, const struct node **ret_body,
    struct err *e) WARN_UNUSED;

/* cmd_out.c: a line from the terminal without its end; NULL at the end of input. */
enum echo { ECHO_ON, ECHO_OFF };

char *ask_line(struct shell *sh, const char *prompt, enum echo how);
