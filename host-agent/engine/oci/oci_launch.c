#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_watch.h"

#define WORDS_MAX 96 /* of a command line */
#define TAIL_MAX  2048
#define RUNS_MS   2           /* between two looks whether it has become its program */
#define STAGE_FDS ((size_t)3) /* the first of a stage's descriptors */

/* A runtime in Go lives too shortly to collect what it has used. */
static const char *const launch_env[] = { "LANG=C.UTF-8",
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "GOGC=off",
	NULL };

/* A command line; what it allocates is freed with it. */
struct words {
	const char *v[WORDS_MAX + 1];
	char *own[9];
	size_t n, n_own;
};

static void
add(struct words *w, const char *s)
{
	if (w->n < WORDS_MAX)
		w->v[w->n++] = s;
}

static void
add_own(struct words *w, char *s_take)
{
	w->own[w->n_own++] = s_take;
	add(w, s_take);
}

static void
add_all(struct words *w, const char *const *list)
{
	for (; list && *list; list++)
		add(w, *list);
}

static void
words_fini(struct words *w)
{
	while (w->n_own)
		free(w->own[--w->n_own]);
}

/* What follows is brought to where its guard holds it, by the last one of fds. */
static size_t
enter(const struct oci_guest *c, struct words *w, int *fds, size_t n_fds)
{
	int init = oci_guard_init(c);

	if (init < 0)
		return n_fds;
	add(w, c->oci->guard);
	add(w, "enter");
	add(w, "--init");
	add_own(w, xasprintf("%zu", STAGE_FDS + n_fds));
	add(w, "--");
	fds[n_fds] = init;
	return n_fds + 1;
}

/* ---- what it said ---- */

static char *
log_path(const struct oci_guest *c)
{
	return xasprintf("%s/stderr.log", c->g.dir);
}

/* What a runtime means with 'time="…" level=error msg="…"'. */
static void
strip(char *line)
{
	char *from = strstr(line, "msg=\""), *to = line;

	if (!from)
		return;
	for (from += 5; *from && *from != '"'; from++) {
		if (*from == '\\' && from[1])
			from++;
		*to++ = *from;
	}
	*to = '\0';
}

static char *
last_line(char *text)
{
	size_t n = strlen(text);
	char *start;

	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		text[--n] = '\0';
	start = strrchr(text, '\n');
	start = start ? start + 1 : text;
	strip(start);
	return start;
}

char *
oci_last_words(const struct oci_guest *c)
{
	AUTO_FREE char *path = log_path(c);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[TAIL_MAX + 1];
	struct stat st;
	ssize_t n = 0;

	if (fd >= 0 && !fstat(fd, &st))
		n = pread(fd, buf, TAIL_MAX,
		    st.st_size > TAIL_MAX ? st.st_size - TAIL_MAX : 0);
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] == '\0')
			buf[i] = '?';
	buf[n > 0 ? n : 0] = '\0';
	return xstrdup(last_line(buf));
}

/* ---- programs ---- */

static void
on_child(struct child *child, const struct child_result *r, void *arg)
{
	struct oci_guest *c = arg;
	AUTO_FREE char *words = NULL;
	struct err e = ERR_INIT;

	c->child = NULL;
	free(c->child_out);
	c->child_out = xstrdup(r->out);
	if (child_err(r, c->oci->runtime, &e)) {
		words = oci_last_words(c);
		if (!r->timed_out && *words)
			err_set(&e, ERR_IO, "%s", words);
	}
	post_wake(c->g.engine->loop, c->child_wake, e.code, &e);
}

static int
start_program(struct oci_guest *c, struct words *w, const struct child_opts *like,
    struct wake wake, struct err *e)
{
	AUTO_FREE char *log = log_path(c);
	struct child_opts o = *like;
	int rc;

	if (c->child)
		return err_set(e, ERR_BUSY, "%s: another program runs for it", c->who);
	w->v[w->n] = NULL;
	o.argv = w->v;
	o.stderr_path = log;
	rc = child_start(c->g.engine->loop, &o, on_child, c, &c->child, e);
	words_fini(w);
	c->child_wake = rc ? WAKE_NONE : wake;
	return rc;
}

void
oci_child_drop(struct oci_guest *c)
{
	if (c->child)
		child_free(MOVE(c->child));
	c->child_wake = WAKE_NONE;
}

static void
add_names(const struct oci_guest *c, struct words *w, char host_name[OCI_NAME_MAX])
{
	const Drover__GuestSpec *spec = c->spec;

	oci_host_name(spec, host_name);
	add(w, "--host-name");
	add(w, host_name);
	for (size_t i = 0; i < spec->n_dns; i++) {
		add(w, "--dns");
		add(w, spec->dns[i]);
	}
	if (spec->n_nics && *spec->nics[0]->address) {
		char *address = xstrdup(spec->nics[0]->address);

		address[strcspn(address, "/")] = '\0';
		add(w, "--address");
		add_own(w, address);
	}
}

/* The images, and behind them what runs instead of the runtime's file. */
static size_t
add_files(const struct oci_guest *c, const struct oci_launch *l, int *fds)
{
	size_t n = c->ground.n;
	int sealed = str_same(l->verb, "run")
			 ? oci_seal_take(&c->oci->seal, c->oci->runtime)
			 : -1;

	memcpy(fds, c->ground.fds, n * sizeof(*fds));
	if (sealed >= 0)
		fds[n++] = sealed;
	return n;
}

int
oci_launch(
    struct oci_guest *c, const struct oci_launch *l, struct wake wake, struct err *e)
{
	struct words w = { .n = 0 };
	int fds[ENGINE_LAYERS_MAX + 2];
	size_t n_files = add_files(c, l, fds);
	struct child_opts o = {
		.env = launch_env,
		.pass_fds = fds,
		.timeout_ms = l->timeout_ms ? l->timeout_ms : OCI_LAUNCH_MS,
	};
	char host_name[OCI_NAME_MAX];
	int rc = oci_ground_note(c, e);

	if (!rc && c->guarded && oci_guard_init(c) < 0)
		rc = err_set(e, ERR_LOST, "%s", oci_guard_why(c));
	if (rc)
		return rc;
	o.n_pass_fds = enter(c, &w, fds, n_files);
	add(&w, c->oci->stage);
	add(&w, "run");
	add(&w, "--dir");
	add(&w, c->g.dir);
	add(&w, "--id-base");
	add_own(&w, xasprintf("%" PRIu32, oci_id_base(c->oci, c->g.number)));
	add(&w, "--files");
	add_own(&w, xasprintf("%u", c->ground.n));
	if (n_files > c->ground.n) {
		add(&w, "--program");
		add_own(&w, xasprintf("%zu", STAGE_FDS + c->ground.n));
	}
	add_names(c, &w, host_name);
	add(&w, "--");
	add(&w, c->oci->runtime);
	add(&w, "--root");
	add(&w, c->oci->runtime_root);
	add_all(&w, l->global);
	add(&w, l->verb);
	add(&w, "-d");
	add(&w, "--bundle");
	add_own(&w, xasprintf("%s/bundle", c->g.dir));
	add(&w, "--pid-file");
	add_own(&w, xasprintf("%s/pid", c->g.dir));
	add_all(&w, l->args);
	add(&w, c->who);
	return start_program(c, &w, &o, wake, e);
}

int
oci_command(struct oci_guest *c, const char *const *args, uint32_t timeout_ms,
    struct wake wake, struct err *e)
{
	struct words w = { .n = 0 };
	int init;
	const struct child_opts o = { .timeout_ms = timeout_ms,
		.pass_fds = &init,
		.n_pass_fds = enter(c, &w, &init, 0) };

	add(&w, c->oci->runtime);
	add(&w, "--root");
	add(&w, c->oci->runtime_root);
	add_all(&w, args);
	return start_program(c, &w, &o, wake, e);
}

int
oci_program_run(
    struct oci_guest *c, const char *const *argv, struct wake wake, struct err *e)
{
	struct words w = { .n = 0 };
	const struct child_opts o = { .timeout_ms = OCI_RUNTIME_MS };

	add_all(&w, argv);
	return start_program(c, &w, &o, wake, e);
}

int
oci_stage_for(struct oci_guest *c, const char *const *args, uint32_t timeout_ms,
    struct wake wake, struct err *e)
{
	struct words w = { .n = 0 };
	const struct child_opts o = { .timeout_ms = timeout_ms };

	add(&w, c->oci->stage);
	add_all(&w, args);
	return start_program(c, &w, &o, wake, e);
}

int
oci_stage(struct oci_guest *c, const char *const *args, struct wake wake, struct err *e)
{
	return oci_stage_for(c, args, OCI_RUNTIME_MS, wake, e);
}

/* ---- what has come of it ---- */

static int
read_pid(const struct oci_guest *c, pid_t *ret_pid, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/pid", c->g.dir);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char buf[32];
	uint64_t pid;
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	int rc;

	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot read %s", path);
	buf[n] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	rc = parse_u64(buf, 2, INT32_MAX, "pid", &pid, e);
	if (!rc && oci_guard_init(c) >= 0)
		return guard_client_outer_pid(c->guard, (pid_t)pid, ret_pid, e);
	if (!rc)
		*ret_pid = (pid_t)pid;
	return rc;
}

/* "loops 7 3 4" */
static void
read_loops(const char *said, struct oci_run *r)
{
	uint64_t n;

	r->n_loops = 0;
	if (!str_starts(said, "loops"))
		return;
	for (const char *s = said + 5; *s == ' ' && r->n_loops < ENGINE_LAYERS_MAX;) {
		char word[16];
		size_t len = strcspn(++s, " \n");

		snprintf(word, sizeof(word), "%.*s", (int)len, s);
		if (parse_u64(word, 0, 1u << 20, "loop", &n, NULL))
			return;
		r->loops[r->n_loops++] = (unsigned)n;
		s += len;
	}
}

int
oci_launched(struct oci_guest *c, enum oci_phase phase, struct err *e)
{
	int rc = read_pid(c, &c->run.pid, e);

	if (!rc)
		rc = pid_start_ticks(c->run.pid, &c->run.ticks, e);
	if (rc)
		return rc;
	read_loops(c->child_out ? c->child_out : "", &c->run);
	c->run.phase = phase;
	c->run.paused = false;
	rc = oci_run_save(c, e);
	return rc ? rc : oci_watch(c, e);
}

enum flow_rc
oci_launch_step(struct flow *f, void *arg)
{
	static const struct oci_launch run = { .verb = "run" };
	struct oci_guest *c = arg;

	if (oci_is_gone(c) || oci_launch(c, &run, flow_wake(f), flow_err(f)))
		return FLOW_FAIL;
	return FLOW_WAIT;
}

/* One that has ended already says why in its log. */
static enum flow_rc
died_early(const struct oci_guest *c, struct flow *f)
{
	AUTO_FREE char *words = oci_last_words(c);

	err_set(flow_err(f), ERR_IO, "its first process ended at once%s%s",
	    *words ? ": " : "", words);
	return FLOW_FAIL;
}

enum flow_rc
oci_launched_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	if (rc || oci_is_gone(c))
		return FLOW_FAIL;
	rc = oci_launched(c, OCI_STARTING, flow_err(f));
	if (rc == ERR_NOT_FOUND)
		return died_early(c, f);
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

/* Until it runs its first process holds the log that it would say its failure in, at
 * its own place or where drover-init keeps it. */
static bool
is_itself(const struct oci_guest *c)
{
	static const int fds[] = { STDERR_FILENO, 12 };
	AUTO_FREE char *log = log_path(c);
	struct stat ours, st;
	char path[64];

	/* A dead one has no program: its end is about to be told. */
	oci_program(c, path, sizeof(path));
	if (!*path)
		return false;
	if (stat(log, &ours))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)c->run.pid, fds[i]);
		if (!stat(path, &st) && st.st_dev == ours.st_dev &&
		    st.st_ino == ours.st_ino)
			return false;
	}
	return true;
}

enum flow_rc
oci_runs_step(struct flow *f, void *arg)
{
	struct oci_guest *c = arg;

	if (oci_is_gone(c))
		return FLOW_FAIL;
	if (c->ended)
		return died_early(c, f);
	if (is_itself(c))
		return FLOW_NEXT;
	flow_set_timeout(f, RUNS_MS);
	c->exit_wake = flow_wake(f);
	return FLOW_WAIT;
}

enum flow_rc
oci_runs_finish(struct flow *f, void *arg, int rc)
{
	struct oci_guest *c = arg;

	return oci_is_gone(c) || rc == ERR_CANCELLED ? FLOW_FAIL : FLOW_AGAIN;
}
