/*
 * bench_fleet: many hosts' agents in one process, for bench_fleet.py to drive.
 *
 * Standard input, line by line: "host NAME TOKEN" for each, "go" to have them enrolled
 * and dial, "cut" to break every connection at once; its end ends the fleet.  Standard
 * output: "MS WHAT NAME", MS by CLOCK_BOOTTIME, of what becomes of them: "up" a
 * handshake is through, "ready" the leader has welcomed it, "leased" it has answered a
 * beat with a lease, "down" the leader's link broke, "start" a guest was ordered there,
 * "stop" and "fenced" a guest or the host was given up.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench/bench_fleet_member.h"
#include "host-agent/enroll/enroll.h"
#include "host-agent/link/uplink.h"
#include "loop/fd_watch.h"

#define ENROLLERS   4u /* processes: each enrolment waits for the server */
#define INPUT_BYTES 65536u

struct entry {
	char *name, *token, *dir;
};

struct fleet {
	const char *dir, *servers, *api, *fingerprint;
	struct loop *loop;
	struct fd_watch *input;
	char line[INPUT_BYTES];
	size_t n_line;
	struct entry *entries;
	size_t n;
	struct member **members; /* of the same index */
	struct map *blocks;
	int code; /* of the program */
};

static const char usage[] =
    "usage: bench_fleet --dir DIR --servers HOST:PORT,... --api HOST:PORT\n"
    "                   --ca-fingerprint HEX\n";

static int
fail(const struct err *e)
{
	fprintf(stderr, "bench_fleet: %s\n", e->msg);
	return 1;
}

/* ---- to join ---- */

static int
enroll_one(const struct fleet *f, const struct entry *one, struct err *e)
{
	struct member_files files;
	AUTO_FREE char *host = NULL;
	uint16_t port = 0;
	char uuid[40];

	member_files_fill(one->dir, &files);
	if (!access(files.cert, F_OK))
		return 0;
	if (uplink_parse_server(f->api, &host, &port, e))
		return e->code;
	const struct enroll_order o = {
		.host = host,
		.port = port,
		.token = one->token,
		.ca_fingerprint = f->fingerprint,
		.cert = files.cert,
		.key = files.key,
		.ca = files.ca,
		.uuid_file = files.uuid,
	};
	return enroll(&o, uuid, e);
}

/* Each ENROLLERS-th of them; the exit code of a process. */
static int
enroll_share(const struct fleet *f, unsigned which)
{
	struct err e = ERR_INIT;

	for (size_t i = which; i < f->n; i += ENROLLERS) {
		if (enroll_one(f, &f->entries[i], &e)) {
			err_wrap(&e, "%s", f->entries[i].name);
			return fail(&e);
		}
	}
	return 0;
}

static int
enroll_all(const struct fleet *f, struct err *e)
{
	pid_t pids[ENROLLERS];
	int rc = 0;

	for (unsigned i = 0; i < ENROLLERS; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return err_sys(e, ERR_IO, errno, "cannot fork");
		if (pids[i] == 0)
			_exit(enroll_share(f, i));
	}
	for (unsigned i = 0; i < ENROLLERS; i++) {
		int status = 0;
		if (waitpid(pids[i], &status, 0) < 0 || status)
			rc = err_set(e, ERR_IO, "not all hosts were enrolled");
	}
	return rc;
}

/* ---- commands ---- */

static int
go(struct fleet *f, struct err *e)
{
	if (f->members)
		return err_set(e, ERR_BAD_STATE, "they go already");
	if (enroll_all(f, e))
		return e->code;
	f->members = xcalloc(f->n + 1, sizeof(struct member *));
	for (size_t i = 0; i < f->n; i++) {
		const struct member_conf c = {
			.loop = f->loop,
			.name = f->entries[i].name,
			.dir = f->entries[i].dir,
			.servers = f->servers,
			.blocks = f->blocks,
		};
		if (member_new(&c, &f->members[i], e))
			return err_wrap(e, "%s", c.name);
	}
	for (size_t i = 0; i < f->n; i++)
		member_start(f->members[i]);
	return 0;
}

static int
add_host(struct fleet *f, const char *words, struct err *e)
{
	const char *space = strchr(words, ' ');

	if (!space || f->members)
		return err_set(
		    e, ERR_INVALID, "\"host %.80s\": wants a name and a token", words);
	f->entries = xreallocarray(f->entries, f->n + 1, sizeof(*f->entries));
	struct entry *one = &f->entries[f->n++];
	one->name = xstrndup(words, (size_t)(space - words));
	one->token = xstrdup(space + 1);
	one->dir = xasprintf("%s/%s", f->dir, one->name);
	return 0;
}

static int
obey(struct fleet *f, const char *line, struct err *e)
{
	if (str_starts(line, "host "))
		return add_host(f, line + strlen("host "), e);
	if (str_same(line, "go"))
		return go(f, e);
	if (!str_same(line, "cut") || !f->members)
		return err_set(e, ERR_INVALID, "\"%.80s\" is no command now", line);
	for (size_t i = 0; i < f->n; i++)
		member_cut(f->members[i]);
	return 0;
}

static void
end(struct fleet *f, const struct err *e)
{
	if (e->code)
		f->code = fail(e);
	loop_stop(f->loop);
}

static void
on_input(void *arg)
{
	struct fleet *f = arg;
	struct err e = ERR_INIT;
	char *newline;
	ssize_t n =
	    read(STDIN_FILENO, f->line + f->n_line, sizeof(f->line) - 1 - f->n_line);

	if (n <= 0) {
		end(f, &e);
		return;
	}
	f->n_line += (size_t)n;
	f->line[f->n_line] = '\0';
	while ((newline = strchr(f->line, '\n'))) {
		*newline = '\0';
		if (obey(f, f->line, &e)) {
			end(f, &e);
			return;
		}
		f->n_line -= (size_t)(newline + 1 - f->line);
		memmove(f->line, newline + 1, f->n_line + 1);
	}
	fd_watch_once(f->input);
}

/* ---- the program ---- */

static bool
parse_args(int argc, char **argv, struct fleet *f)
{
	static const struct option options[] = {
		{ "dir", required_argument, NULL, 'd' },
		{ "servers", required_argument, NULL, 's' },
		{ "api", required_argument, NULL, 'a' },
		{ "ca-fingerprint", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		switch (c) {
		case 'd':
			f->dir = optarg;
			break;
		case 's':
			f->servers = optarg;
			break;
		case 'a':
			f->api = optarg;
			break;
		case 'f':
			f->fingerprint = optarg;
			break;
		default:
			return false;
		}
	}
	return optind == argc && f->dir && f->servers && f->api && f->fingerprint;
}

/* A descriptor for each host and server. */
static void
raise_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l))
		return;
	l.rlim_cur = l.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &l))
		fprintf(stderr, "bench_fleet: descriptors: %s\n", strerror(errno));
}

static void
fleet_fini(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->members)
			member_free(f->members[i]);
		free(f->entries[i].name);
		free(f->entries[i].token);
		free(f->entries[i].dir);
	}
	free(f->members);
	free(f->entries);
	fd_watch_free(f->input);
	map_free(f->blocks);
	loop_free(f->loop);
}

int
main(int argc, char **argv)
{
	struct fleet f = { 0 };

	if (!parse_args(argc, argv, &f)) {
		fputs(usage, stderr);
		return 2;
	}
	raise_limit();
	setvbuf(stdout, NULL, _IOLBF, 0);
	log_set_level(LOG_LEVEL_WARN);
	f.loop = loop_new(clock_system());
	f.blocks = map_new_u64();
	f.input = fd_watch_new(f.loop, STDIN_FILENO, FD_READ, on_input, &f);
	fd_watch_once(f.input);
	loop_run(f.loop);
	fleet_fini(&f);
	return f.code;
}
