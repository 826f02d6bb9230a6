/*
 * drover-agent: runs a host's guests.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/agent.h"
#include "host-agent/enroll/enroll.h"
#include "host-agent/freeze.h"
#include "host-agent/link/uplink.h"
#include "host-agent/probe.h"

#define MAX_SETS 64u

static const char usage[] =
    "usage: drover-agent [--config FILE] [--set KEY=VALUE]...      run this host's agent\n"
    "       drover-agent [--config FILE] --check                  check the settings\n"
    "       drover-agent [--config FILE] --probe [--json]         what can this host do?\n"
    "       drover-agent [--config FILE] --freeze                 before it is exchanged\n"
    "       drover-agent enroll --server HOST:PORT --token TOKEN --ca-fingerprint HEX\n"
    "                           [--config FILE | --dir DIR] [--force]\n"
    "       drover-agent --print-config[=markdown] a settings file to start from, or a\n"
    "                                              table of the settings\n"
    "       drover-agent --version | --help\n"
    "\n"
    "The settings file is " AGENT_CONF_PATH
    " if none is given.  enroll makes a key on\n"
    "this host and gets it a certificate; it writes them where the settings say, or as\n"
    "host.key, host.crt, ca.crt and host.uuid into DIR.\n";

enum mode { MODE_RUN, MODE_CHECK, MODE_PROBE, MODE_FREEZE };

struct args {
	enum mode mode;
	enum probe_form form;
	const char *config;
	const char *sets[MAX_SETS];
	size_t n_sets;
};

struct enroll_args {
	const char *server, *token, *fingerprint, *config, *dir;
	bool force;
};

static int
fail(const struct err *e)
{
	fprintf(stderr, "drover-agent: %s\n", e->msg);
	return err_exit(e->code);
}

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

	if (!conf_print(agent_conf_keys, form, &out))
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
		{ "probe", no_argument, NULL, 'p' },
		{ "json", no_argument, NULL, 'j' },
		{ "freeze", no_argument, NULL, 'z' },
		{ "print-config", optional_argument, NULL, 'd' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'c':
			a->config = optarg;
			break;
		case 's':
			if (a->n_sets == MAX_SETS)
				return usage_error();
			a->sets[a->n_sets++] = optarg;
			break;
		case 'k':
			a->mode = MODE_CHECK;
			break;
		case 'p':
			a->mode = MODE_PROBE;
			break;
		case 'z':
			a->mode = MODE_FREEZE;
			break;
		case 'j':
			a->form = PROBE_JSON;
			break;
		case 'd':
			return print_config(optarg);
		case 'v':
			puts("drover-agent " DROVER_VERSION);
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

/* Before a host has settings it can be probed with the defaults. */
static int
probe(const struct args *a, struct err *e)
{
	const char *path = a->config ? a->config : AGENT_CONF_PATH;
	struct agent_conf c = { 0 };
	int rc = 0;

	conf_defaults(agent_conf_keys, &c);
	if (a->config || !access(path, R_OK)) {
		agent_conf_free(&c);
		rc = conf_load(agent_conf_keys, path, &c, e);
		if (rc)
			return rc;
	}
	for (size_t i = 0; !rc && i < a->n_sets; i++)
		rc = conf_set(agent_conf_keys, a->sets[i], &c, e);
	if (!rc)
		rc = probe_run(&c, a->form, e);
	agent_conf_free(&c);
	return rc;
}

static int
run(const struct args *a, struct err *e)
{
	const struct agent_start s = {
		.conf_path = a->config ? a->config : AGENT_CONF_PATH,
		.sets = a->sets,
		.n_sets = a->n_sets,
	};
	struct agent_conf c = { 0 };
	int rc = agent_conf_read(&s, &c, e);

	if (rc)
		return rc;
	if (a->mode == MODE_RUN)
		return agent_run(&s, &c, e);
	if (a->mode == MODE_FREEZE) {
		rc = freeze_run(&c, e);
		agent_conf_free(&c);
		return rc;
	}
	agent_conf_free(&c);
	puts("the settings are in order");
	return 0;
}

/* -1: go on; else the exit code. */
static int
parse_enroll(int argc, char **argv, struct enroll_args *a)
{
	static const struct option options[] = {
		{ "server", required_argument, NULL, 's' },
		{ "token", required_argument, NULL, 't' },
		{ "ca-fingerprint", required_argument, NULL, 'f' },
		{ "config", required_argument, NULL, 'c' },
		{ "dir", required_argument, NULL, 'd' },
		{ "force", no_argument, NULL, 'o' },
		{ NULL, 0, NULL, 0 },
	};

	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 's':
			a->server = optarg;
			break;
		case 't':
			a->token = optarg;
			break;
		case 'f':
			a->fingerprint = optarg;
			break;
		case 'c':
			a->config = optarg;
			break;
		case 'd':
			a->dir = optarg;
			break;
		case 'o':
			a->force = true;
			break;
		default:
			return usage_error();
		}
	}
	if (optind < argc || !a->server || !a->token || !a->fingerprint ||
	    (a->config && a->dir))
		return usage_error();
	return -1;
}

/* Where the files go: c's paths become dir's if one is given. */
static int
enroll_paths(const struct enroll_args *a, struct agent_conf *c, struct err *e)
{
	const char *path = a->config ? a->config : AGENT_CONF_PATH;

	if (!a->dir && (a->config || !access(path, R_OK)))
		return conf_load(agent_conf_keys, path, c, e);
	conf_defaults(agent_conf_keys, c);
	if (!a->dir)
		return 0;
	free(c->tls_cert);
	free(c->tls_key);
	free(c->tls_ca);
	c->tls_cert = xasprintf("%s/host.crt", a->dir);
	c->tls_key = xasprintf("%s/host.key", a->dir);
	c->tls_ca = xasprintf("%s/ca.crt", a->dir);
	return 0;
}

static char *
uuid_path(const char *cert)
{
	const char *slash = strrchr(cert, '/');

	return xasprintf("%.*shost.uuid", slash ? (int)(slash - cert) + 1 : 0, cert);
}

static int
enroll_with(const struct enroll_args *a, const struct agent_conf *c, struct err *e)
{
	AUTO_FREE char *uuid_file = uuid_path(c->tls_cert);
	AUTO_FREE char *host = NULL;
	struct enroll_order o = {
		.token = a->token,
		.ca_fingerprint = a->fingerprint,
		.cert = c->tls_cert,
		.key = c->tls_key,
		.ca = c->tls_ca,
		.uuid_file = uuid_file,
	};
	char uuid[40];
	int rc;

	if (!a->force && !access(c->tls_cert, F_OK))
		return err_set(e, ERR_EXISTS,
		    "this host is enrolled: %s is there (--force enrols it anew)",
		    c->tls_cert);
	rc = uplink_parse_server(a->server, &host, &o.port, e);
	if (rc)
		return rc;
	o.host = host;
	rc = enroll(&o, uuid, e);
	if (!rc)
		printf(
		    "enrolled as host %s; the certificate is %s\n", uuid, c->tls_cert);
	return rc;
}

static int
main_enroll(int argc, char **argv)
{
	struct enroll_args a = { 0 };
	struct agent_conf c = { 0 };
	struct err e = ERR_INIT;
	int rc = parse_enroll(argc, argv, &a);

	if (rc >= 0)
		return rc;
	rc = enroll_paths(&a, &c, &e);
	if (rc)
		return fail(&e);
	rc = enroll_with(&a, &c, &e);
	agent_conf_free(&c);
	return rc ? fail(&e) : 0;
}

int
main(int argc, char **argv)
{
	struct args a = { 0 };
	struct err e = ERR_INIT;
	int rc;

	/* Four threads that allocate little: an arena each would be most of our memory.
	 */
	mallopt(M_ARENA_MAX, 1);
	if (argc > 1 && !strcmp(argv[1], "enroll"))
		return main_enroll(argc - 1, argv + 1);
	rc = parse_args(argc, argv, &a);
	if (rc >= 0)
		return rc;
	rc = a.mode == MODE_PROBE ? probe(&a, &e) : run(&a, &e);
	return rc ? fail(&e) : 0;
}
