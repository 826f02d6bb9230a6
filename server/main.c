/*
 * droverd: the central server.
 */
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/str.h"
#include "server/event/event.h"
#include "server/notify.h"
#include "server/server.h"
#include "server/stats/rrd_draw.h"

#define MAX_SETS 64u

static const char usage[] =
    "usage: droverd [--config FILE] [--set KEY=VALUE]...       run the server\n"
    "       droverd [--config FILE] [--set KEY=VALUE]... --check\n"
    "                                                          check the settings\n"
    "       droverd [--config FILE] [--set KEY=VALUE]... --init-admin USER\n"
    "               [--password-file FILE]       make the first administrator; the\n"
    "                                            password is a line on standard input\n"
    "                                            if no file is given\n"
    "       droverd [--config FILE] [--set KEY=VALUE]... --restored\n"
    "                                            after a backup of the database was\n"
    "                                            restored, before any server starts\n"
    "       droverd --print-config[=markdown]                  a settings file to start from,\n"
    "                                                          or a table of the settings\n"
    "       droverd --version | --help\n"
    "\n"
    "The settings file is " SERVER_CONF_PATH " if there is one and none is given.\n";

enum mode { MODE_RUN, MODE_CHECK, MODE_ADMIN, MODE_RESTORED };

struct args {
	enum mode mode;
	struct server_args server;
	const char *sets[MAX_SETS];
	const char *admin, *password_file;
};

static int
usage_error(void)
{
	fputs(usage, stderr);
	return 2;
}

static int
print_config(const char *form)
{
	AUTO(str) struct str out = STR_INIT;

	if (!conf_print(server_conf_keys, form, &out))
		return usage_error();
	fputs(str_cstr(&out), stdout);
	return 0;
}

/* -1: go on; else the exit code. */
static int
parse_args(int argc, char **argv, struct args *a)
{
	static const struct option options[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "set", required_argument, NULL, 's' },
		{ "check", no_argument, NULL, 'k' },
		{ "init-admin", required_argument, NULL, 'a' },
		{ "password-file", required_argument, NULL, 'w' },
		{ "restored", no_argument, NULL, 'r' },
		{ "print-config", optional_argument, NULL, 'p' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			a->server.config = optarg;
			break;
		case 's':
			if (a->server.n_sets == MAX_SETS)
				return usage_error();
			a->sets[a->server.n_sets++] = optarg;
			break;
		case 'k':
			a->mode = MODE_CHECK;
			break;
		case 'a':
			a->mode = MODE_ADMIN;
			a->admin = optarg;
			break;
		case 'w':
			a->password_file = optarg;
			break;
		case 'r':
			a->mode = MODE_RESTORED;
			break;
		case 'p':
			return print_config(optarg);
		case 'v':
			puts("droverd " DROVER_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			return usage_error();
		}
	}
	return optind < argc ? usage_error() : -1;
}

static void
on_ready(struct server *s)
{
	log_notice("server", "droverd %s is ready", DROVER_VERSION);
	event_post(s->inv, EV_SERVER_STARTED, OBJ_ID_NONE, NULL,
	    "Server %s started with epoch %llu", DROVER_VERSION,
	    (unsigned long long)leader_epoch(s->leader));
	notify("READY=1");
}

static int
run(const struct args *a, struct err *e)
{
	struct server_conf conf;
	struct server server;
	int rc = server_conf_read(&a->server, &conf, e);
	if (rc < 0)
		return rc;
	rc = server_conf_check(&conf, e);
	if (rc < 0 || a->mode == MODE_CHECK) {
		server_conf_free(&conf);
		if (rc == 0)
			puts("the settings are in order");
		return rc;
	}
	if (geteuid() == 0)
		log_warn("server", "running as root, which nothing here needs");
	server_init(&server, &a->server, &conf, SERVER_WHOLE);
	rc = server_run(&server, on_ready, e);
	if (rc < 0)
		log_err("server", "stopped: %s", e->msg);
	else
		log_notice("server", "stopped");
	return rc;
}

static int
carry_out(const struct args *a, struct err *e)
{
	switch (a->mode) {
	case MODE_ADMIN:
		return admin_create(&a->server, a->admin, a->password_file, e);
	case MODE_RESTORED:
		return database_restored(&a->server, e);
	case MODE_RUN:
	case MODE_CHECK:
		break;
	}
	return run(a, e);
}

int
main(int argc, char **argv)
{
	/* The server's own child: it knows nothing of settings. */
	if (argc > 1 && str_same(argv[1], RRD_DRAW))
		rrd_draw_main(argc, argv);
	struct args a = { .mode = MODE_RUN };
	struct err e = ERR_INIT;
	int code = parse_args(argc, argv, &a);
	if (code >= 0)
		return code;
	a.server.sets = a.sets;
	if (!a.server.config && access(SERVER_CONF_PATH, R_OK) == 0)
		a.server.config = SERVER_CONF_PATH;
	int rc;
	/* Who is not the leader any more begins anew, as one that follows. */
	do {
		err_clear(&e);
		rc = carry_out(&a, &e);
	} while (rc == ERR_STALE && a.mode == MODE_RUN);
	if (rc == 0)
		return 0;
	fprintf(stderr, "droverd: %s\n", e.msg);
	return err_exit(rc);
}
