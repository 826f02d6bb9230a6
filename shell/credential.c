/*
 * credential: secrets of scripts (see cmd.h).
 *
 * A SecureString is a record with a number; what it stands for lies in the shell and is
 * never shown, whatever prints or converts the record.
 */
#include <string.h>

#include "base/mem.h"
#include "base/secret.h"
#include "shell/cmd.h"

#define SECURE     "SecureString"
#define CREDENTIAL "PSCredential"

struct val
secure_new(struct shell *sh, const char *text)
{
	struct val r = val_table(TABLE_RECORD, SECURE);

	sh->secrets =
	    xreallocarray(sh->secrets, sh->n_secrets + 1, sizeof(struct secret *));
	sh->secrets[sh->n_secrets++] = secret_from_str(text);
	table_set(r.table, "Name", val_text("System.Security.SecureString"));
	table_set(r.table, "Number", val_int((int64_t)sh->n_secrets));
	return r;
}

void
secure_free_all(struct shell *sh)
{
	for (size_t i = 0; i < sh->n_secrets; i++)
		secret_free(sh->secrets[i]);
	free(sh->secrets);
}

static bool
is_record(struct val v, const char *type)
{
	return v.type == VAL_TABLE && !strcmp(v.table->type, type);
}

char *
secure_text(const struct shell *sh, struct val v)
{
	const struct val *number;

	if (v.type != VAL_TABLE && v.type != VAL_LIST && v.type != VAL_NULL)
		return val_cstr(v);
	number = is_record(v, SECURE) ? table_get(v.table, "Number") : NULL;
	if (!number || number->type != VAL_INT || number->i < 1 ||
	    (uint64_t)number->i > sh->n_secrets)
		return NULL;
	return xstrdup(secret_cstr(sh->secrets[number->i - 1]));
}

static struct val
credential_of(const char *user, struct val secure)
{
	struct val r = val_table(TABLE_RECORD, CREDENTIAL);

	table_set(r.table, "UserName", val_text(user));
	table_set(r.table, "Password", val_ref(secure));
	return r;
}

bool
credential_split(struct val v, const char **ret_user, struct val *ret_password)
{
	const struct val *user, *password;

	if (!is_record(v, CREDENTIAL))
		return false;
	user = table_get(v.table, "UserName");
	password = table_get(v.table, "Password");
	*ret_user = user && user->type == VAL_TEXT ? user->text->s : "";
	*ret_password = password ? *password : VAL_NONE;
	return true;
}

int
credential_make(struct val args, struct val *ret_v, struct err *e)
{
	/* PSCredential('admin', $s) gives one argument, which is a list. */
	if (val_count(args) == 1 && val_at(args, 0).type == VAL_LIST)
		args = val_at(args, 0);
	if (val_count(args) != 2 || !is_record(val_at(args, 1), SECURE))
		return err_set(e, ERR_INVALID,
		    "a PSCredential is made of a user's name and a SecureString");
	AUTO_FREE char *user = val_cstr(val_at(args, 0));
	*ret_v = credential_of(user, val_at(args, 1));
	return 0;
}

static enum run
to_secure_process(struct stage *st, struct val v)
{
	const char *s = get_text(st, "String");

	if (!get_switch(st, "AsPlainText"))
		return stage_fail(st, ERR_UNSUPPORTED,
		    "only -AsPlainText can be made a SecureString here");
	return put(st, secure_new(st->sh, s ? s : ""));
}

const struct cmd_ops ops_to_secure = { 0, NULL, to_secure_process, NULL, NULL };

static enum run
get_credential_process(struct stage *st, struct val v)
{
	const char *user = get_text(st, "UserName"), *message = get_text(st, "Message");
	AUTO_FREE char *typed = NULL;

	if (!st->sh->screen.tty)
		return stage_fail(
		    st, ERR_UNSUPPORTED, "there is no terminal to ask on");
	if (message)
		fprintf(st->sh->screen.err, "%s\n", message);
	if (!user)
		user = typed = ask_line(st->sh, "User: ", ECHO_ON);
	if (!user)
		return RUN_OK;
	AUTO_FREE char *prompt = xasprintf("Password of %s: ", user);
	char *password = ask_line(st->sh, prompt, ECHO_OFF);
	if (!password)
		return RUN_OK;
	AUTO(val) struct val secure = secure_new(st->sh, password);
	secret_wipe(password, strlen(password));
	free(password);
	return put(st, credential_of(user, secure));
}

const struct cmd_ops ops_get_credential = { 0, NULL, get_credential_process, NULL,
	NULL };
