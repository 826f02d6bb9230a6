/*
 * shell: one interpreter: its variables, functions, errors, terminal and server.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>

#include "shell/ast.h"
#include "shell/val.h"

struct arena;
struct map;
struct secret;
struct site;

#define MAX_CALLS  200
#define MAX_STEPS  3000 /* nested evaluations */
#define MAX_ERRORS 256
#define MAX_SITES  16u /* servers at once */

/* How a piece of script ended. */
enum run {
	RUN_OK,
	RUN_BREAK,
	RUN_CONTINUE,
	RUN_RETURN,
	RUN_THROW, /* shell->thrown says what */
	RUN_EXIT,  /* shell->exit_code */
	RUN_STOP   /* shell->stopper wants no more input */
};

/* Where objects go.  v is borrowed. */
struct sink {
	enum run (*put)(struct sink *s, struct val v);
};

/* What a name stands for that "function" has defined. */
struct function {
	const struct node *node;
};

struct scope {
	struct scope *up;
	struct table *vars; /* NULL while there are none */
};

/* Messages beside the output, by PowerShell's numbers; 1 is the output. */
enum stream {
	STREAM_ERROR = 2,
	STREAM_WARNING,
	STREAM_VERBOSE,
	STREAM_DEBUG,
	STREAM_INFO,
	STREAMS_
};

/* Where they go; NULL: the screen. */
struct streams {
	struct sink *to[STREAMS_];
	struct items *errors; /* of a call's -ErrorVariable, as well; or NULL */
};

enum output { OUT_AUTO, OUT_TABLE, OUT_LIST, OUT_JSON, OUT_CSV };

struct screen {
	FILE *out, *err;
	int width;
	bool tty; /* progress lines and questions are possible */
	bool colour;
	bool utf8;
	enum output format;
};

struct shell {
	struct scope global, *scope;
	const char *label; /* of the loop that a break or continue is for; or NULL */
	struct val it;     /* $_ */
	struct val input;  /* $input */
	bool ok;           /* $? */
	bool strict;       /* Set-StrictMode: what is not there is an error */
	struct val thrown; /* an error record */
	bool fatal;        /* it ends the script, not only its statement */
	bool login_failed; /* no server could be asked: exit code 3 */
	unsigned tries;    /* try blocks that we are in */
	unsigned calls, steps;
	int exit_code;
	const void *stopper;     /* the stage that had enough */
	struct val errors;       /* newest first */
	struct val history;      /* statements typed, oldest first */
	struct val matches;      /* $Matches */
	struct secret **secrets; /* of SecureStrings, by their number from 1 */
	size_t n_secrets;
	struct map *functions; /* folded name → struct function, owned */
	struct arena **programs;
	size_t n_programs;
	const char *source; /* of what runs now, for errors */
	const char *script; /* its file, or NULL */
	struct screen screen;
	const struct streams *streams; /* of what runs now; NULL: all to the screen */
	struct site
	    *site; /* whom calls go to: the default one, or whom a cmdlet visits */
	struct site *sites[MAX_SITES]; /* the connections, the default one last */
	unsigned n_sites;
	struct site **gone; /* given up; freed with the shell */
	size_t n_gone;
};

struct shell *shell_new(void);
void shell_free(struct shell *sh);
/* Parse and run; what comes out goes to the screen.  Errors have been printed. */
enum run shell_run(struct shell *sh, const char *text, size_t n);
/* The same for a script with the words behind it on the command line: -Name and values
 * for its param, or $args. */
enum run shell_run_with(
    struct shell *sh, const char *text, size_t n, char *const *words, size_t n_words);
/* The arena for one program's tree; lives as long as the shell. */
struct arena *shell_program(struct shell *sh);

/* From a signal handler: end what runs at the next chance. */
void shell_interrupt(void);
bool shell_interrupted(void);
void shell_clear_interrupt(void);

/* scope.c */
void scope_push(struct shell *sh, struct scope *s);
void scope_pop(struct shell *sh);
struct val var_get(const struct shell *sh, const char *name);   /* owned */
bool var_is_set(const struct shell *sh, const char *name);      /* null or not */
struct val *var_find(const struct shell *sh, const char *name); /* NULL: not set */
void var_set(struct shell *sh, const char *name, struct val v_take);
/* In "global", "script", "local", "env"; NULL: the innermost. */
int var_set_in(struct shell *sh, const char *scope, const char *name, struct val v_take,
    struct err *e) WARN_UNUSED;
struct val var_get_in(const struct shell *sh, const char *scope, const char *name);

/* fault.c */
/* An error record about target (borrowed). */
struct val fault_record(const struct node *at, const struct err *e, struct val target);
/* End the statement. */
enum run throw_err(struct shell *sh, const struct node *at, const struct err *e);
enum run throw_new(struct shell *sh, const struct node *at, int code, const char *fmt,
    ...) __attribute__((format(printf, 4, 5)));
enum run throw_record(struct shell *sh, struct val record_take, bool fatal);
/* Say what was thrown, remember it, go on. */
enum run fault_settle(struct shell *sh);
/* The error that ended nothing: printed, remembered, or thrown if the action is Stop.
 */
enum run fault_report(struct shell *sh, struct val record_take, const char *action);
/* By its words: not for screens, logs and the history. */
bool may_tell_secret(const char *text);

/* stream.c */
/* To where the stream goes, wanted or not. */
enum run stream_say(struct shell *sh, enum stream s, const char *text);
bool stream_wanted(const struct shell *sh, enum stream s); /* by its preference */
bool is_message(struct val v); /* as they come out of a merged stream */
