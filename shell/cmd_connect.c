/*
 * cmd_connect: logging in and out, and saved servers.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/secret.h"
#include "shell/cmd.h"
#include "shell/connect.h"
#include "shell/http.h"
#include "shell/rest.h"
#include "shell/sites.h"

#define SAVED_TOKEN_DAYS 365

/* Malloc'd; NULL: none was named. */
static char *
first_server(const struct stage *st)
{
	struct val named = get_arg(st, "Server");

	return named.type == VAL_LIST && val_count(named) ? val_cstr(val_at(named, 0))
							  : NULL;
}

/* The saved server of that name, else a new one at that address, with the others. */
static struct site *
wanted_site(struct stage *st, struct err *e)
{
	const struct val named = get_arg(st, "Server");
	AUTO_FREE char *server = first_server(st);
	const char *ca = get_text(st, "CACertificate");
	unsigned port = (unsigned)get_int(st, "Port", DEFAULT_PORT);
	AUTO_FREE char *address = NULL;
	struct site *s = NULL;
	struct err not_saved = ERR_INIT;
	bool bare = !has_arg(st, "Port") && !ca && !has_arg(st, "CAFingerprint");
	const char *user;
	struct val password;

	if (has_arg(st, "Credential") &&
	    !credential_split(get_arg(st, "Credential"), &user, &password)) {
		err_set(e, ERR_INVALID, "-Credential wants what Get-Credential gives");
		return NULL;
	}
	if (!server || (bare && servers_load(server, &s, &not_saved) == 0)) {
		if (!s && servers_load(server, &s, e) < 0)
			return NULL;
		return s;
	}
	if (server_parse(server, &address, &port, e) < 0)
		return NULL;
	s = site_new(address, address, port);
	s->ca_file = xstrdup(ca);
	for (size_t i = 1; i < val_count(named); i++) {
		AUTO_FREE char *other = val_cstr(val_at(named, i));
		if (site_add(s, other, e) < 0) {
			site_free(s);
			return NULL;
		}
	}
	return s;
}

/* The first time that a server with an authority of its own is met: somebody has to say
 * that it is the right one. */
static int
meet_ca(struct stage *st, struct site *s, const struct http_conf *conf, struct err *e)
{
	char print[CA_PRINT];
	int rc = http_ask_ca(conf, print, e);

	if (rc || !*print)
		return rc;
	if (!st->sh->screen.tty)
		return err_set(e, ERR_UNAUTHENTICATED,
		    "the authority of its certificate is not known here; if %s is "
		    "what the server's administrator has, give it as -CAFingerprint",
		    print);
	fprintf(st->sh->screen.err,
	    "The authority of %s's certificate is not known here.  Its SHA-256 is\n"
	    "    %s\n"
	    "and should be what the server's administrator has.\n",
	    s->name, print);
	AUTO_FREE char *answer = ask_line(st->sh, "Trust it? [y/N] ", ECHO_ON);
	if (!answer || (answer[0] != 'y' && answer[0] != 'Y'))
		return err_set(
		    e, ERR_UNAUTHENTICATED, "its certificate is not trusted");
	return http_fetch_ca(conf, print, &s->ca_pem, e);
}

static int
take_ca(struct stage *st, struct site *s, struct err *e)
{
	const char *print = get_text(st, "CAFingerprint");
	char port[8];

	if (s->ca_file || s->ca_pem)
		return 0;
	snprintf(port, sizeof(port), "%u", site_at(s)->port & 0xffffu);
	struct http_conf conf = { .host = site_at(s)->address, .port = port };
	return print ? http_fetch_ca(&conf, print, &s->ca_pem, e)
		     : meet_ca(st, s, &conf, e);
}

/* -Password, or what is typed. */
static char *
password_of(struct stage *st, const char *user, struct err *e)
{
	struct val given = get_arg(st, "Password");
	AUTO_FREE char *prompt = xasprintf("Password of %s: ", user);
	const char *credential_user;
	char *typed;

	(void)credential_split(get_arg(st, "Credential"), &credential_user, &given);
	if (given.type != VAL_NULL) {
		typed = secure_text(st->sh, given);
		if (!typed)
			err_set(
			    e, ERR_INVALID, "-Password wants a text or a SecureString");
		return typed;
	}
	typed = st->sh->screen.tty ? ask_line(st->sh, prompt, ECHO_OFF) : NULL;
	if (!typed)
		err_set(e, ERR_UNAUTHENTICATED,
		    "no -Password and no terminal to ask for one on");
	return typed;
}

static int
log_in(struct stage *st, struct site *s, struct err *e)
{
	const char *user = get_text(st, "User"), *token = get_text(st, "Token"),
		   *session = NULL;
	AUTO(json) json *body = json_new_object(), *answer = NULL;
	struct val unused;
	char *password;
	int rc;

	(void)credential_split(get_arg(st, "Credential"), &user, &unused);
	if (token) {
		secret_free(s->token);
		s->token = secret_from_str(token);
	}
	if (!user) {
		if (s->token)
			return 0;
		return err_set(
		    e, ERR_UNAUTHENTICATED, "-User, -Credential or -Token is missing");
	}
	free(s->user);
	s->user = xstrdup(user);
	password = password_of(st, user, e);
	if (!password)
		return e->code;
	json_set_str(body, "user", user);
	json_set_str(body, "password", password);
	secret_wipe(password, strlen(password));
	free(password);
	secret_free(s->token);
	s->token = NULL;
	rc = rest_login(st->sh, body, &answer, e);
	if (rc == 0)
		rc = json_read_str(answer, "token", JSON_REQUIRED, 4096, &session, e);
	if (rc < 0)
		return rc;
	s->token = secret_from_str(session);
	s->is_session = true;
	return 0;
}

/* Ask who we are: a token that is no good is seen now and not later. */
static int
check_token(struct stage *st, struct site *s, struct err *e)
{
	AUTO(json) json *me = NULL;
	const char *user = NULL;

	if (rest_get(st->sh, "/sessions/current", &me, e) < 0 ||
	    json_read_str(me, "user", JSON_OPTIONAL, 80, &user, e) < 0)
		return e->code;
	if (user) {
		free(s->user);
		s->user = xstrdup(user);
	}
	return 0;
}

static int
save(struct stage *st, struct site *s, struct err *e)
{
	AUTO(json) json *body = json_new_object(), *answer = NULL;
	const char *token = NULL;
	char host[65] = "";

	gethostname(host, sizeof(host) - 1);
	AUTO_FREE char *name = xasprintf("drover on %s", host);
	json_set_str(body, "name", name);
	json_set_u64(body, "days", SAVED_TOKEN_DAYS);
	if (rest_change(st->sh, "POST", "/tokens", body, &answer, e) < 0 ||
	    json_read_str(answer, "token", JSON_REQUIRED, 4096, &token, e) < 0)
		return e->code;
	return servers_save(s, token, e);
}

static enum run
connect_process(struct stage *st, struct val v)
{
	struct err e = ERR_INIT;
	struct site *s = wanted_site(st, &e);
	int rc = s ? take_ca(st, s, &e) : e.code;

	if (s && rc == 0)
		rc = site_prepare(s, &e);
	if (s && rc == 0) {
		st->sh->site = s;
		rc = log_in(st, s, &e);
		if (rc == 0)
			rc = check_token(st, s, &e);
		if (rc == 0 && get_switch(st, "SaveCredentials"))
			rc = save(st, s, &e);
		if (rc == 0)
			rc = sites_add(st->sh, s, &e);
	}
	if (rc < 0) {
		st->sh->site = sites_default(st->sh);
		AUTO_FREE char *name = s ? xstrdup(s->name) : first_server(st);
		site_free(s);
		st->sh->login_failed = true;
		if (name)
			err_wrap(&e, "%s", name);
		/* What follows was meant for this server and must not reach another. */
		return throw_record(st->sh, fault_record(st->node, &e, VAL_NONE), true);
	}
	st->sh->login_failed = false;
	return put(st, site_record(s));
}

const struct cmd_ops ops_connect = { 0, NULL, connect_process, NULL, NULL };

static void
disconnect(struct shell *sh, struct site *s)
{
	AUTO(json) json *answer = NULL;
	struct err e = ERR_INIT;

	sh->site = s;
	/* A saved token stays good; a login's is given back. */
	if (s->is_session &&
	    rest_change(sh, "DELETE", "/sessions/current", NULL, &answer, &e) < 0)
		warn(sh, "%s: %s", s->name, e.msg);
	sites_drop(sh, s);
}

static enum run
disconnect_process(struct stage *st, struct val v)
{
	struct val which = get_arg(st, "Server");
	struct site *sites[MAX_SITES] = { sites_default(st->sh) };
	unsigned n = 1;
	struct err e = ERR_INIT;

	if (!st->sh->n_sites)
		return stage_fail(st, ERR_BAD_STATE, "no server is connected");
	if (which.type != VAL_NULL && sites_match(st->sh, which, sites, &n, &e) < 0)
		return stage_error(st, &e, which);
	for (unsigned i = 0; i < n; i++)
		disconnect(st->sh, sites[i]);
	st->sh->site = sites_default(st->sh);
	return RUN_OK;
}

const struct cmd_ops ops_disconnect = { 0, NULL, disconnect_process, NULL, NULL };

static enum run
get_server_process(struct stage *st, struct val v)
{
	struct err e = ERR_INIT;
	struct val list = VAL_NONE;
	enum run rc;

	if (!get_switch(st, "Saved"))
		list = var_get(st->sh, "DefaultVIServers");
	else if (servers_list(&list, &e) < 0)
		return stage_error(st, &e, VAL_NONE);
	rc = put_each(st->out, list);
	val_free(list);
	return rc;
}

const struct cmd_ops ops_get_server = { 0, NULL, get_server_process, NULL, NULL };

static enum run
remove_server_process(struct stage *st, struct val v)
{
	const char *name = get_text(st, "Name");
	struct err e = ERR_INIT;

	switch (stage_should(st, name, NULL)) {
	case SHOULD_SKIP:
		return RUN_OK;
	case SHOULD_FAIL:
		return RUN_THROW;
	case SHOULD_DO:
		break;
	}
	if (servers_forget(name, &e) < 0)
		return stage_error(st, &e, get_arg(st, "Name"));
	return RUN_OK;
}

const struct cmd_ops ops_remove_server = { 0, NULL, remove_server_process, NULL, NULL };
