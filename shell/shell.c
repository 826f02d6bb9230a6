#include "shell/shell.h"

#include <string.h>

#include "base/arena.h"
#include "base/map.h"
#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/parse.h"
#include "shell/print.h"
#include "shell/sites.h"

/* What scripts find set before they set it. */
static void
set_preferences(struct shell *sh)
{
	static const char *const presets[][2] = {
		{ "ErrorActionPreference", "Continue" },
		{ "WarningPreference", "Continue" },
		{ "VerbosePreference", "SilentlyContinue" },
		{ "DebugPreference", "SilentlyContinue" },
		{ "InformationPreference", "SilentlyContinue" },
		{ "ConfirmPreference", "High" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(presets); i++)
		var_set(sh, presets[i][0], val_text(presets[i][1]));
	var_set(sh, "WhatIfPreference", val_bool(false));
}

struct shell *
shell_new(void)
{
	struct shell *sh = xcalloc(1, sizeof(*sh));

	sh->scope = &sh->global;
	sh->ok = true;
	sh->errors = val_list();
	sh->history = val_list();
	sh->functions = map_new_str();
	sh->screen = (struct screen){ .out = stdout, .err = stderr, .width = 120 };
	set_preferences(sh);
	return sh;
}

void
shell_free(struct shell *sh)
{
	if (!sh)
		return;
	if (sh->global.vars)
		val_free((struct val){ .type = VAL_TABLE, .table = sh->global.vars });
	val_free(sh->it);
	val_free(sh->input);
	val_free(sh->thrown);
	val_free(sh->errors);
	val_free(sh->history);
	val_free(sh->matches);
	secure_free_all(sh);
	MAP_EACH(sh->functions, it)
		free(it.value);
	map_free(sh->functions);
	for (size_t i = 0; i < sh->n_programs; i++)
		arena_free(sh->programs[i]);
	free(sh->programs);
	sites_free_all(sh);
	free(sh);
}

struct arena *
shell_program(struct shell *sh)
{
	sh->programs =
	    xreallocarray(sh->programs, sh->n_programs + 1, sizeof(struct arena *));
	sh->programs[sh->n_programs] = arena_new();
	return sh->programs[sh->n_programs++];
}

/* begin, process and end of a script follow each other. */
static enum run
run_body(struct shell *sh, const struct node *body)
{
	struct printer p;
	enum run rc = RUN_OK;

	printer_init(&p, sh, sh->screen.out, sh->screen.format);
	for (int i = 1; i < 4 && rc == RUN_OK; i++)
		rc = exec_list(sh, body->kid[i], &p.sink);
	printer_end(&p);
	return rc;
}

enum run
shell_run_with(
    struct shell *sh, const char *text, size_t n, char *const *words, size_t n_words)
{
	struct err e = ERR_INIT;
	struct node *body = NULL;
	const char *outer = sh->source;
	enum run rc;

	if (parse_script(text, n, shell_program(sh), &body, &e) != PARSE_OK) {
		fprintf(sh->screen.err, "drover: %s\n", e.msg);
		sh->ok = false;
		return RUN_THROW;
	}
	sh->source = body->text;
	sh->steps = sh->calls = sh->tries = 0;
	rc = words ? script_take_words(sh, body, words, n_words) : RUN_OK;
	if (rc == RUN_OK)
		rc = run_body(sh, body);
	if (rc == RUN_THROW) {
		(void)fault_settle(sh);
		/* Functions of this text may be called later: the text stays. */
	}
	sh->source = outer;
	return rc;
}

enum run
shell_run(struct shell *sh, const char *text, size_t n)
{
	return shell_run_with(sh, text, n, NULL, 0);
}
