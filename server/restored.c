#include <stdio.h>

#include "base/mem.h"
#include "server/inventory/caller.h"
#include "server/inventory/txn.h"
#include "server/server.h"

/* The lead went with the epoch: there is nothing to give up. */
static void
on_raised(void *arg, int rc, const struct err *e)
{
	server_end(arg, rc, e);
}

static void
on_loaded(struct server *s)
{
	struct txn *t = txn_new(s->inv);

	txn_audit(t, NULL, "database.restored", OBJ_ID_NONE, NULL, 0,
	    "epochs, generations and numbers raised; HA is off in every cluster");
	txn_sql(t, STMT_DATABASE_RESTORED, 0, NULL);
	txn_commit(t, on_raised, s);
}

int
database_restored(const struct server_args *args, struct err *e)
{
	struct server_conf conf;
	struct server server;
	int rc = server_conf_read(args, &conf, e);

	if (rc < 0)
		return rc;
	/* Somebody sits in front of it: only what they should act on. */
	free(conf.log_level);
	conf.log_level = xstrdup("warn");
	server_init(&server, args, &conf, SERVER_INVENTORY);
	rc = server_run(&server, on_loaded, e);
	if (rc == 0)
		puts(
		    "The database goes on from here.  HA is off in every cluster: look at "
		    "the guests,\nthen turn it on again.");
	return rc;
}
