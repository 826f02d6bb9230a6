#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/str.h"
#include "server/access/password.h"
#include "server/inventory/caller.h"
#include "server/inventory/inv_life.h"
#include "server/inventory/txn.h"
#include "server/server.h"

/* The account to be made, while the inventory loads. */
struct admin {
	struct server server;
	const char *user;
	char *hash;
};

/* The first line of the file. */
static int
read_password(const char *path, char *out, size_t size, struct err *e)
{
	FILE *f = path ? fopen(path, "re") : stdin;
	if (!f)
		return err_sys(e, ERR_IO, errno, "cannot open %s", path);
	const char *got = fgets(out, (int)size, f);
	if (path)
		fclose(f);
	if (!got)
		return err_set(e, ERR_INVALID, "no password in %s",
		    path ? path : "standard input");
	out[strcspn(out, "\r\n")] = '\0';
	return 0;
}

static int
check_new(const struct inv *inv, const char *user, struct err *e)
{
	INV_EACH(inv, KIND_USER, o)
	{
		const struct user *u = inv_user(inv, o->id);
		if (str_same(o->name, user))
			return err_set(e, ERR_EXISTS, "user %s exists already", user);
		if (u->role == ROLE_ADMINISTRATOR && u->enabled)
			return err_set(e, ERR_EXISTS,
			    "there is an administrator already: %s can make others",
			    o->name);
	}
	return 0;
}

static void
on_made(void *arg, int rc, const struct err *e)
{
	if (rc < 0)
		server_end(arg, rc, e);
	else
		server_stop(arg);
}

static int
make(struct admin *a, struct err *e)
{
	struct inv *inv = a->server.inv;
	struct user *u;
	int rc = check_new(inv, a->user, e);
	if (rc < 0)
		return rc;
	struct txn *t = txn_new(inv);
	rc = txn_add(t, KIND_USER, OBJ_ID_NONE, a->user, (void **)&u, e);
	if (rc < 0) {
		txn_free(t);
		return rc;
	}
	u->role = ROLE_ADMINISTRATOR;
	u->enabled = true;
	u->password_hash = MOVE(a->hash);
	txn_audit(t, NULL, "user.create", u->o.id, a->user, 0, "first administrator");
	txn_commit(t, on_made, &a->server);
	return 0;
}

static void
on_loaded(struct server *s)
{
	struct err e = ERR_INIT;
	int rc = make(LIST_ENTRY(s, struct admin, server), &e);
	if (rc < 0)
		server_end(s, rc, &e);
}

int
admin_create(
    const struct server_args *args, const char *user, const char *path, struct err *e)
{
	char password[PASSWORD_MAX + 3];
	struct server_conf conf;
	struct admin a = { .user = user };
	int rc = name_check(user, strlen(user), "user name", e);
	if (rc == 0)
		rc = read_password(path, password, sizeof(password), e);
	if (rc == 0)
		rc = password_hash(password, &a.hash, e);
	secret_wipe(password, sizeof(password));
	if (rc == 0)
		rc = server_conf_read(args, &conf, e);
	if (rc == 0) {
		/* Somebody sits in front of it: only what they should act on. */
		free(conf.log_level);
		conf.log_level = xstrdup("warn");
		server_init(&a.server, args, &conf, SERVER_INVENTORY);
		rc = server_run(&a.server, on_loaded, e);
	}
	if (a.hash)
		secret_wipe(a.hash, strlen(a.hash));
	free(a.hash);
	return rc;
}
