#include "tests/lib/pg_server.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <libpq-fe.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"

#define INITDB          "/usr/lib/postgresql/15/bin/initdb"
#define POSTGRES        "/usr/lib/postgresql/15/bin/postgres"
#define READY_WITHIN_MS 20000u

struct pg_server {
	char *folder, *data, *conninfo;
	pid_t pid;
	PGconn *held;
};

/* PostgreSQL refuses to run as root. */
static void
become_postgres(void)
{
	const struct passwd *pw = getpwnam("postgres");
	if (geteuid() != 0 || !pw)
		return;
	if (setgroups(0, NULL) < 0 || setgid(pw->pw_gid) < 0 || setuid(pw->pw_uid) < 0)
		_exit(126);
}

static pid_t
start(const char *const *argv)
{
	pid_t pid = fork();
	ASSERT(pid >= 0);
	if (pid > 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	setpgid(0, 0);
	become_postgres();
	prctl(PR_SET_PDEATHSIG, SIGQUIT);
	int null = open("/dev/null", O_RDWR);
	dup2(null, 0);
	dup2(null, 1);
	dup2(null, 2);

	/* execv does not write there, whatever its type says. */
	union {
		const char *const *ours;
		char *const *theirs;
	} args = { argv };

	execv(argv[0], args.theirs);
	_exit(127);
}

static int
run(const char *const *argv)
{
	int status;
	pid_t pid = start(argv);
	while (waitpid(pid, &status, 0) < 0)
		ASSERT(errno == EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static void
wait_ready(const struct pg_server *s)
{
	uint64_t until = clock_mono_ms(clock_system()) + READY_WITHIN_MS;
	while (PQping(s->conninfo) != PQPING_OK)
		ASSERT(clock_mono_ms(clock_system()) < until);
}

void
pg_server_start(struct pg_server *s)
{
	s->pid = start((const char *const[]){ POSTGRES, "-D", s->data, "-k", s->folder,
	    "-h", "", "-c", "fsync=off", "-c", "max_connections=20", NULL });
	wait_ready(s);
}

void
pg_server_stop(struct pg_server *s, enum pg_stop how)
{
	if (s->pid == 0)
		return;
	kill(s->pid, how == PG_STOP_FAST ? SIGINT : SIGQUIT);
	while (waitpid(s->pid, NULL, 0) < 0)
		ASSERT(errno == EINTR);
	s->pid = 0;
}

/* Never 0 or 1: those would be ourselves and everybody. */
static void
kill_one(long pid, int signo)
{
	if (pid > 1)
		kill((pid_t)pid, signo);
}

/* Its backends are in sessions of their own: their pids have to be asked for. */
static void
signal_all(const struct pg_server *s, int signo)
{
	char *path = xasprintf("/proc/%d/task/%d/children", s->pid, s->pid);
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	free(path);
	ASSERT(f);
	while (getdelim(&line, &cap, ' ', f) > 0)
		kill_one(strtol(line, NULL, 10), signo);
	free(line);
	fclose(f);
}

void
pg_server_freeze(struct pg_server *s)
{
	kill(s->pid, SIGSTOP);
	signal_all(s, SIGSTOP);
}

void
pg_server_thaw(struct pg_server *s)
{
	signal_all(s, SIGCONT);
	kill(s->pid, SIGCONT);
}

static void
give_to_postgres(const char *path)
{
	const struct passwd *pw = getpwnam("postgres");
	if (geteuid() == 0 && pw)
		ASSERT(chown(path, pw->pw_uid, pw->pw_gid) == 0);
}

struct pg_server *
pg_server_new(void)
{
	char folder[] = "/tmp/drover-pg-XXXXXX";
	if (access(INITDB, X_OK) < 0)
		return NULL;
	ASSERT(mkdtemp(folder));
	give_to_postgres(folder);
	struct pg_server *s = xcalloc(1, sizeof(*s));
	s->folder = xstrdup(folder);
	s->data = xasprintf("%s/data", folder);
	s->conninfo = xasprintf("host=%s user=postgres dbname=postgres", folder);
	ASSERT(run((const char *const[]){ INITDB, "-D", s->data, "-U", "postgres", "-A",
		   "trust", "-E", "UTF8", "--locale=C", "--no-sync", NULL }) == 0);
	pg_server_start(s);
	return s;
}

void
pg_server_free(struct pg_server *s)
{
	if (!s)
		return;
	pg_server_let_go(s);
	pg_server_stop(s, PG_STOP_IMMEDIATE);
	run((const char *const[]){ "/bin/rm", "-rf", s->folder, NULL });
	/* The folder in /tmp itself goes only with its maker's rights. */
	rmdir(s->folder);
	free(s->folder);
	free(s->data);
	free(s->conninfo);
	free(s);
}

const char *
pg_server_conninfo(const struct pg_server *s)
{
	return s->conninfo;
}

const char *
pg_server_ask(const struct pg_server *s, const char *sql, char buf[256])
{
	PGconn *conn = PQconnectdb(s->conninfo);
	PGresult *res = PQexec(conn, sql);
	ExecStatusType status = PQresultStatus(res);
	buf[0] = '\0';
	if (status == PGRES_TUPLES_OK && PQntuples(res) > 0)
		snprintf(buf, 256, "%s", PQgetvalue(res, 0, 0));
	else if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
		snprintf(buf, 256, "error: %s", PQerrorMessage(conn));
	PQclear(res);
	PQfinish(conn);
	return buf;
}

void
pg_server_hold(struct pg_server *s, const char *name, const char *sql)
{
	AUTO_FREE char *info = xasprintf("%s application_name=%s", s->conninfo, name);
	AUTO_FREE char *all = xasprintf("BEGIN; %s", sql);
	s->held = PQconnectdb(info);
	PGresult *res = PQexec(s->held, all);
	ASSERT(PQresultStatus(res) == PGRES_TUPLES_OK);
	PQclear(res);
}

void
pg_server_let_go(struct pg_server *s)
{
	PQfinish(s->held);
	s->held = NULL;
}
