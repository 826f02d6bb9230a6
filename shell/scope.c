#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "shell/connect.h"
#include "shell/shell.h"
#include "shell/sites.h"

void
scope_push(struct shell *sh, struct scope *s)
{
	s->up = sh->scope;
	sh->scope = s;
}

void
scope_pop(struct shell *sh)
{
	struct scope *s = sh->scope;

	sh->scope = s->up;
	if (s->vars)
		val_free((struct val){ .type = VAL_TABLE, .table = s->vars });
	s->vars = NULL;
}

struct val *
var_find(const struct shell *sh, const char *name)
{
	for (const struct scope *s = sh->scope; s; s = s->up) {
		struct val *v = s->vars ? table_get(s->vars, name) : NULL;
		if (v)
			return v;
	}
	return NULL;
}

static struct val
version_table(void)
{
	struct val t = val_table(TABLE_HASH, "Hashtable");

	table_set(t.table, "PSVersion", val_text("7.4"));
	table_set(t.table, "PSEdition", val_text("Drover"));
	table_set(t.table, "DroverVersion", val_text(DROVER_VERSION));
	return t;
}

static struct val
var_pwd(void)
{
	AUTO_FREE char *cwd = getcwd(NULL, 0);

	return val_text(cwd ? cwd : "");
}

static struct val
script_root(const struct shell *sh)
{
	const char *slash = sh->script ? strrchr(sh->script, '/') : NULL;

	if (!sh->script)
		return val_text("");
	return slash ? val_textn(sh->script, (size_t)(slash - sh->script))
		     : val_text(".");
}

/* The connection, or the one that would be made. */
static struct val
default_server(const struct shell *sh)
{
	struct err e = ERR_INIT;
	struct site *s = NULL;
	struct val r;

	if (sh->n_sites)
		return site_record(sites_default(sh));
	if (servers_load(NULL, &s, &e) < 0)
		return VAL_NONE;
	r = site_record(s);
	site_free(s);
	return r;
}

static struct val
all_servers(const struct shell *sh)
{
	struct val list = val_list();

	for (unsigned i = 0; i < sh->n_sites; i++)
		list_push(list.list, site_record(sh->sites[i]));
	return list;
}

/* Variables that the shell itself knows. */
static bool
var_builtin(const struct shell *sh, const char *name, struct val *ret_v)
{
	if (!strcmp(name, "_") || !strcasecmp(name, "PSItem"))
		*ret_v = val_ref(sh->it);
	else if (!strcmp(name, "?"))
		*ret_v = val_bool(sh->ok);
	else if (!strcasecmp(name, "true") || !strcasecmp(name, "false"))
		*ret_v = val_bool(name[0] == 't' || name[0] == 'T');
	else if (!strcasecmp(name, "null"))
		*ret_v = VAL_NONE;
	else if (!strcasecmp(name, "input"))
		*ret_v = val_ref(sh->input);
	else if (!strcasecmp(name, "Error"))
		*ret_v = val_ref(sh->errors);
	else if (!strcasecmp(name, "Matches"))
		*ret_v = val_ref(sh->matches);
	else if (!strcasecmp(name, "PSVersionTable"))
		*ret_v = version_table();
	else if (!strcasecmp(name, "PWD"))
		*ret_v = var_pwd();
	else if (!strcasecmp(name, "HOME"))
		*ret_v = val_text(getenv("HOME"));
	else if (!strcasecmp(name, "PSScriptRoot"))
		*ret_v = script_root(sh);
	else if (!strcasecmp(name, "LASTEXITCODE"))
		*ret_v = val_int(sh->exit_code);
	else if (!strcasecmp(name, "DefaultVIServer"))
		*ret_v = default_server(sh);
	else if (!strcasecmp(name, "DefaultVIServers"))
		*ret_v = all_servers(sh);
	else
		return false;
	return true;
}

struct val
var_get(const struct shell *sh, const char *name)
{
	struct val v = VAL_NONE;
	const struct val *slot;

	if (var_builtin(sh, name, &v))
		return v;
	slot = var_find(sh, name);
	return slot ? val_ref(*slot) : VAL_NONE;
}

bool
var_is_set(const struct shell *sh, const char *name)
{
	struct val v = VAL_NONE;

	if (var_builtin(sh, name, &v)) {
		val_free(v);
		return true;
	}
	return var_find(sh, name) != NULL;
}

static void
set_in(struct scope *s, const char *name, struct val v_take)
{
	if (!s->vars)
		s->vars = val_table(TABLE_HASH, "Hashtable").table;
	table_set(s->vars, name, v_take);
}

void
var_set(struct shell *sh, const char *name, struct val v_take)
{
	set_in(sh->scope, name, v_take);
}

int
var_set_in(struct shell *sh, const char *scope, const char *name, struct val v_take,
    struct err *e)
{
	struct val old = VAL_NONE;

	if (scope && !strcasecmp(scope, "env")) {
		AUTO_FREE char *s = val_cstr(v_take);
		val_free(v_take);
		if (setenv(name, s, 1) < 0)
			return err_set(e, ERR_INVALID,
			    "\"%s\" cannot be an environment variable", name);
		return 0;
	}
	if (!strcmp(name, "_")) {
		val_set(&sh->it, v_take);
		return 0;
	}
	/* "$null = …" drops what it is given. */
	if (!strcasecmp(name, "null")) {
		val_free(v_take);
		return 0;
	}
	if (var_builtin(sh, name, &old)) {
		val_free(old);
		val_free(v_take);
		return err_set(e, ERR_DENIED, "$%s cannot be changed", name);
	}
	bool global = scope && strcasecmp(scope, "local") != 0 &&
		      strcasecmp(scope, "private") != 0;
	set_in(global ? &sh->global : sh->scope, name, v_take);
	return 0;
}

struct val
var_get_in(const struct shell *sh, const char *scope, const char *name)
{
	const struct scope *s = sh->scope;
	const struct val *v;

	if (!scope)
		return var_get(sh, name);
	if (!strcasecmp(scope, "env"))
		return val_text(getenv(name));
	if (!strcasecmp(scope, "global") || !strcasecmp(scope, "script"))
		s = &sh->global;
	v = s->vars ? table_get(s->vars, name) : NULL;
	return v ? val_ref(*v) : VAL_NONE;
}
