/*
 * drover-criu-probe: finds a CRIU that works on this host.
 *
 *   drover-criu-probe [--cache FILE] [CRIU]
 *
 * Each one there is saves and restores a process that has a TCP connection, in
 * namespaces of its own, where everything ends with the probe.  The first that can is
 * told on stdout, one line a fact: "program PATH", "version 4.2.1", "mem_track yes|no",
 * "lazy_pages yes|no".  Exit status 1: none can; the reason is on stderr.
 *
 * FILE keeps the answer as long as kernel and programs stay the same.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"

#define INSTALLED   "/usr/lib/drover/criu/criu"
#define TRY_S       12
#define ALIVE       42 /* what the process says when its connection is still good */
#define VERSION_MAX 32
#define WORDS_MAX   16 /* of a command line */
#define TEXT_MAX    4096
#define SUBJECT     "--be-saved"

static bool
own_path(char path[TEXT_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, TEXT_MAX - 1);

	path[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* ---- the process that is saved ---- */

static volatile sig_atomic_t asked;

static void
on_ask(int signo)
{
	asked = 1;
}

static bool
bring_lo_up(void)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq r = { .ifr_flags = IFF_UP | IFF_RUNNING };

	strcpy(r.ifr_name, "lo");
	return fd >= 0 && !ioctl(fd, SIOCSIFFLAGS, &r);
}

static bool
connect_to_itself(int ends[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int door = socket(AF_INET, SOCK_STREAM, 0);

	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (door < 0 || ends[0] < 0 || bind(door, (struct sockaddr *)&a, n) ||
	    listen(door, 1) || getsockname(door, (struct sockaddr *)&a, &n) ||
	    connect(ends[0], (struct sockaddr *)&a, n))
		return false;
	ends[1] = accept(door, NULL, NULL);
	return ends[1] >= 0;
}

static int
subject(void)
{
	const int ready = STDOUT_FILENO;
	int ends[2], null;
	sigset_t none, term;
	char byte = 'x';

	/* Nothing gets lost between a look and the wait. */
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	null = open("/dev/null", O_RDWR);
	setsid();
	signal(SIGTERM, on_ask);
	if (!connect_to_itself(ends) || write(ready, &byte, 1) != 1)
		return 1;
	for (int fd = 0; fd < 3; fd++)
		dup2(null, fd);
	close(null);
	while (!asked)
		sigsuspend(&none);
	if (write(ends[0], "y", 1) != 1 || read(ends[1], &byte, 1) != 1 || byte != 'y')
		return 1;
	return ALIVE;
}

/* ---- CRIU ---- */

static int
run(const char *const *args)
{
	char *own[WORDS_MAX + 1] = { NULL };
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);

		for (size_t i = 0; i < WORDS_MAX && args[i]; i++)
			own[i] = xstrdup(args[i]);

		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		if (own[0])
			execv(own[0], own);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The last line of CRIU's log with an error that has a reason, or what else is known.
 */
static void
say_why(FILE *answer, const char *dir, const char *log, const char *what)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, log);
	FILE *f = fopen(path, "re");
	char line[512], why[512] = "";

	while (f && fgets(line, sizeof(line), f))
		if (!*why && strstr(line, "Error") && !strstr(line, "rlimit:"))
			memcpy(why, line, sizeof(why));
	if (f)
		fclose(f);
	why[strcspn(why, "\n")] = '\0';
	fprintf(answer, "it cannot %s a process with a TCP connection%s%s\n", what,
	    *why ? ": " : "", *why ? strstr(why, "Error") : "");
}

static bool
save(const char *criu, const char *dir, const char *pid, FILE *answer)
{
	const char *const args[] = { criu, "dump", "-t", pid, "-D", dir, "-o",
		"dump.log", "--tcp-established", "--network-lock", "skip", NULL };
	int rc = run(args);

	if (rc == 127)
		fprintf(answer, "it does not start\n");
	else if (rc)
		say_why(answer, dir, "dump.log", "save");
	return rc == 0;
}

static bool
restore(const char *criu, const char *dir, FILE *answer)
{
	const char *const args[] = { criu, "restore", "-d", "-D", dir, "-o",
		"restore.log", "--tcp-established", "--network-lock", "skip", NULL };
	int rc = run(args);

	if (rc)
		say_why(answer, dir, "restore.log", "restore");
	return rc == 0;
}

static bool
still_connected(pid_t pid)
{
	int status = 0;

	return !kill(pid, SIGTERM) && waitpid(pid, &status, 0) == pid &&
	       WIFEXITED(status) && WEXITSTATUS(status) == ALIVE;
}

static bool
has_feature(const char *criu, const char *feature)
{
	const char *const args[] = { criu, "check", "--feature", feature, NULL };

	return run(args) == 0;
}

static void
try_it(const char *criu, const char *dir, FILE *answer)
{
	char pid_text[16], self[TEXT_MAX], byte;
	int ready[2], status;
	pid_t pid;

	if (!own_path(self) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("proc", "/proc", "proc", 0, NULL) || !bring_lo_up() ||
	    pipe2(ready, O_CLOEXEC)) {
		fprintf(answer, "cannot make namespaces to try it in: %s\n",
		    strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0) {
		/* From the new namespace: CRIU does not know files of another. */
		dup2(ready[1], STDOUT_FILENO);
		execl(self, self, SUBJECT, (char *)NULL);
		_exit(127);
	}
	close(ready[1]);
	if (pid < 0 || read(ready[0], &byte, 1) != 1) {
		fprintf(answer, "cannot make a process to try it with\n");
		return;
	}
	close(ready[0]);
	snprintf(pid_text, sizeof(pid_text), "%d", (int)pid);
	if (!save(criu, dir, pid_text, answer))
		return;
	waitpid(pid, &status, 0);
	if (!restore(criu, dir, answer))
		return;
	if (!still_connected(pid)) {
		fprintf(answer, "it does not keep TCP connections\n");
		return;
	}
	fprintf(answer, "able\nmem_track %s\nlazy_pages %s\n",
	    has_feature(criu, "mem_dirty_track") ? "yes" : "no",
	    has_feature(criu, "uffd-noncoop") ? "yes" : "no");
}

/* ---- around it ---- */

/* The first process of a new namespace: with it everything ends. */
static void
in_namespaces(const char *criu, const char *dir, FILE *answer)
{
	pid_t pid;
	int status;

	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET)) {
		fprintf(answer, "cannot make namespaces to try it in: %s\n",
		    strerror(errno));
		return;
	}
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		try_it(criu, dir, answer);
		fflush(answer);
		_exit(0);
	}
	alarm(TRY_S);
	waitpid(pid, &status, 0);
}

static void
remove_folder(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *f;

	while (d && (f = readdir(d)))
		if (!str_same(f->d_name, ".") && !str_same(f->d_name, ".."))
			unlinkat(dirfd(d), f->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}

/* One that was killed has left its folder to the next. */
static char *
make_folder(const char *cache)
{
	char *dir =
	    cache ? xasprintf("%s.try", cache) : xstrdup("/tmp/drover-criu-XXXXXX");

	if (cache)
		remove_folder(dir);
	if (cache ? !mkdir(dir, 0700) : mkdtemp(dir) != NULL)
		return dir;
	free(dir);
	return NULL;
}

/* What came of it; a text of one line, or more where it is able. */
static char *
ask(const char *criu, const char *cache)
{
	AUTO_FREE char *dir = make_folder(cache);
	char text[TEXT_MAX] = "";
	size_t n;
	int ends[2], status;
	FILE *from, *to;
	pid_t pid;

	if (!dir || pipe2(ends, O_CLOEXEC))
		return xasprintf(
		    "cannot make a folder to try it in: %s", strerror(errno));
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[0]);
		to = fdopen(ends[1], "w");
		if (to)
			in_namespaces(criu, dir, to);
		_exit(to && !fflush(to) ? 0 : 1);
	}
	close(ends[1]);
	from = fdopen(ends[0], "r");
	n = from ? fread(text, 1, sizeof(text) - 1, from) : 0;
	text[n] = '\0';
	waitpid(pid, &status, 0);
	if (from)
		fclose(from);
	remove_folder(dir);
	if (WIFSIGNALED(status))
		snprintf(text, sizeof(text), "it was not done in %d s\n", TRY_S);
	return xstrdup(*text ? text : "it crashed\n");
}

static void
read_version(const char *criu, char version[VERSION_MAX])
{
	AUTO_FREE char *command = NULL;
	char line[128];
	FILE *f;

	snprintf(version, VERSION_MAX, "?");
	if (strchr(criu, '\''))
		return;
	command = xasprintf("'%s' --version 2>/dev/null", criu);
	f = popen(command, "re"); /* NOLINT(cert-env33-c): our own words */
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Version: %31s", version) == 1)
			break;
	if (f)
		pclose(f);
}

/* ---- which ones ---- */

static char *
in_path(void)
{
	const char *p = getenv("PATH");

	for (size_t n; p && *p; p += n + (p[n] == ':')) {
		AUTO_FREE char *file = NULL;

		n = strcspn(p, ":");
		file = xasprintf("%.*s/criu", (int)n, p);
		if (*p == '/' && !access(file, X_OK))
			return MOVE(file);
	}
	return NULL;
}

static char *
beside_us(void)
{
	char self[TEXT_MAX];

	if (!own_path(self))
		return NULL;
	*strrchr(self, '/') = '\0';
	return xasprintf("%s/../criu/criu", self);
}

static void
add_key(struct str *key, const char *program)
{
	struct stat st = { 0 };

	if (!stat(program, &st))
		str_addf(key, " %s %lld %lld", program, (long long)st.st_mtime,
		    (long long)st.st_size);
}

/* 0: the answer was written before, and is printed again. */
static int
repeat(const char *cache, const char *key)
{
	FILE *f = fopen(cache, "re");
	char line[TEXT_MAX];
	bool is_same = f && fgets(line, sizeof(line), f);
	int rc = -1;

	if (is_same) {
		line[strcspn(line, "\n")] = '\0';
		is_same = str_same(line, key);
	}
	while (is_same && fgets(line, sizeof(line), f)) {
		rc = 0;
		fputs(line, stdout);
	}
	if (f)
		fclose(f);
	return rc;
}

static void
keep(const char *cache, const char *key, const char *answer)
{
	AUTO_FREE char *fresh = xasprintf("%s.new", cache);
	FILE *f = fopen(fresh, "we");
	bool good = f && fprintf(f, "%s\n%s", key, answer) > 0;

	if (f && (fclose(f) || !good || rename(fresh, cache)))
		unlink(fresh);
}

static int
find(char *const *programs, size_t n, const char *cache, struct str *answer)
{
	char version[VERSION_MAX] = "";
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *text = NULL;

		if (!programs[i] || access(programs[i], X_OK))
			continue;
		any = true;
		read_version(programs[i], version);
		text = ask(programs[i], cache);
		if (str_starts(text, "able\n")) {
			str_addf(answer, "program %s\nversion %s\n%s", programs[i],
			    version, text + strlen("able\n"));
			return 0;
		}
		fprintf(stderr, "CRIU %s (%s): %s", version, programs[i], text);
	}
	if (!any)
		fprintf(stderr, "there is no CRIU on this host\n");
	return 1;
}

int
main(int argc, char **argv)
{
	const char *cache = NULL;
	char *programs[3] = { NULL };
	AUTO(str) struct str key = STR_INIT, answer = STR_INIT;
	struct utsname u;
	int rc;

	if (argc == 2 && str_same(argv[1], SUBJECT))
		return subject();
	if (argc > 2 && str_same(argv[1], "--cache")) {
		cache = argv[2];
		argv += 2;
		argc -= 2;
	}
	programs[0] = argc > 1 ? xstrdup(argv[1]) : in_path();
	if (argc <= 1) {
		programs[1] = xstrdup(INSTALLED);
		programs[2] = beside_us();
	}
	uname(&u);
	str_addf(&key, "%s %s", u.release, u.version);
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (programs[i])
			add_key(&key, programs[i]);
	rc = cache && !repeat(cache, str_cstr(&key)) ? -1 : 0;
	if (!rc) {
		rc = find(programs, ARRAY_SIZE(programs), cache, &answer);
		fputs(str_cstr(&answer), stdout);
		if (!rc && cache)
			keep(cache, str_cstr(&key), str_cstr(&answer));
	}
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		free(programs[i]);
	return rc > 0;
}
