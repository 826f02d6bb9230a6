/*
 * cmd_inside: cmdlets that run something inside a guest, carry its files and show its
 * console.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "shell/change.h"
#include "shell/inside.h"
#include "shell/rest.h"

#define MAX_SCRIPT_OUTPUT (64u << 20) /* of each stream */
#define DEFAULT_LOG_BYTES 65536

/* ---- Invoke-VMScript ---- */

struct script {
	struct str out, err;
	uint64_t begun_ms;
	bool cut;
};

static void
keep(void *arg, enum inside_way way, const void *p, size_t n)
{
	struct script *s = arg;
	struct str *to = way == INSIDE_OUT ? &s->out : &s->err;

	if (to->len + n > MAX_SCRIPT_OUTPUT)
		s->cut = true;
	else
		str_addn(to, p, n);
}

/* As PowerCLI: without the last end of line, which would only be in the way. */
static struct val
output_of(const struct str *b)
{
	size_t n = b->len;

	while (n && b->s[n - 1] == '\n')
		n--;
	return val_textn(str_cstr(b), n);
}

static enum run
put_result(struct stage *st, struct val vm, struct script *s, int exit_code)
{
	struct val r = val_table(TABLE_RECORD, "VMScriptResult");

	if (s->cut)
		warn(st->sh,
		    "what the script wrote is more than %u MB: the rest is lost",
		    MAX_SCRIPT_OUTPUT >> 20);
	table_set(r.table, "VM", val_ref(vm));
	table_set(r.table, "ExitCode", val_int(exit_code));
	table_set(r.table, "Duration",
	    val_span((int64_t)(clock_mono_ms(clock_system()) - s->begun_ms)));
	table_set(r.table, "ScriptOutput", output_of(&s->out));
	table_set(r.table, "ScriptError", output_of(&s->err));
	st->sh->exit_code = exit_code;
	return put(st, r);
}

static enum run
run_script(struct stage *st, struct val vm)
{
	const char *type = get_text(st, "ScriptType");
	const char *const args[] = { type && !strcasecmp(type, "Bash") ? "/bin/bash"
								       : "/bin/sh",
		"-c", get_text(st, "ScriptText"), NULL };
	AUTO(json) json *start = inside_start(args, false);
	struct script s = { STR_INIT, STR_INIT, clock_mono_ms(clock_system()), false };
	struct inside_end end = { 0 };
	struct err e = ERR_INIT;
	const struct inside in = {
		.vm = record_id(vm),
		.start = start,
		.in_fd = -1,
		.timeout_ms = (uint64_t)get_int(st, "TimeoutSeconds", 0) * 1000,
		.out = keep,
		.arg = &s,
	};
	enum run rc;

	if (inside_run(st->sh, &in, &end, &e))
		rc = stage_error(st, &e, vm);
	else
		rc = put_result(st, vm, &s, end.exit_code);
	str_fini(&s.out);
	str_fini(&s.err);
	return rc;
}

static enum run
invoke_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++) {
		AUTO_FREE char *name = val_cstr(val_at(refs, i));
		enum should should = stage_should(st, name, get_text(st, "ScriptText"));

		if (should == SHOULD_FAIL)
			rc = RUN_THROW;
		else if (should == SHOULD_DO)
			rc = run_script(st, val_at(refs, i));
	}
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_invoke_script = { 0, NULL, invoke_process, NULL, NULL };

/* ---- Get-VMLog ---- */

/* The last n lines of text. */
static const char *
last_lines(const char *text, size_t len, int64_t n)
{
	const char *p = text + len;

	if (p > text && p[-1] == '\n')
		p--;
	for (; p > text; p--)
		if (p[-1] == '\n' && --n <= 0)
			return p;
	return text;
}

static enum run
put_log(struct stage *st, struct val vm)
{
	AUTO_FREE char *path = xasprintf("/vms/%s/log?bytes=%d", record_id(vm),
	    has_arg(st, "Tail") ? 262144 : DEFAULT_LOG_BYTES);
	struct str text = STR_INIT;
	struct err e = ERR_INIT;
	const char *from;
	enum run rc;

	if (rest_download(st->sh, path, &text, &e) < 0)
		return stage_error(st, &e, vm);
	from = str_cstr(&text);
	if (has_arg(st, "Tail"))
		from = last_lines(from, text.len, get_int(st, "Tail", 1));
	size_t n = strlen(from);
	while (n && (from[n - 1] == '\n' || from[n - 1] == '\r'))
		n--;
	rc = n ? put(st, val_textn(from, n)) : RUN_OK;
	str_fini(&text);
	return rc;
}

static enum run
log_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = put_log(st, val_at(refs, i));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_get_log = { 0, NULL, log_process, NULL, NULL };

/* ---- Copy-VMGuestFile ---- */

/* The system's tar at one end of a pipe. */
struct tar_pipe {
	pid_t pid;
	int fd;
};

static int
tar_begin(const char *const *args, int theirs, struct tar_pipe *t, struct err *e)
{
	posix_spawn_file_actions_t acts;
	int ends[2], rc;

	union {
		const char *const *in;
		char *const *out;
	} u = { .in = args };

	if (pipe(ends))
		return err_sys(e, ERR_IO, errno, "no pipe");
	int ours = theirs == STDIN_FILENO;
	posix_spawn_file_actions_init(&acts);
	posix_spawn_file_actions_adddup2(&acts, ends[!ours], theirs);
	posix_spawn_file_actions_addclose(&acts, ends[0]);
	posix_spawn_file_actions_addclose(&acts, ends[1]);
	rc = posix_spawnp(&t->pid, "tar", &acts, NULL, u.out, environ);
	posix_spawn_file_actions_destroy(&acts);
	close(ends[!ours]);
	if (!rc) {
		t->fd = ends[ours];
		return 0;
	}
	close(ends[ours]);
	return err_sys(e, ERR_NOT_FOUND, rc, "the program tar");
}

static int
tar_end(struct tar_pipe *t, struct err *e)
{
	int status = 0;

	close(t->fd);
	while (waitpid(t->pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_set(e, ERR_IO, "tar could not do its part here: it ended with %d",
	    WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/* As much as there is, at most n. */
static size_t
read_full(int fd, char *buf, size_t n)
{
	size_t have = 0;
	ssize_t got;

	while (have < n) {
		got = read(fd, buf + have, n - have);
		if (got < 0 && errno == EINTR && !shell_interrupted())
			continue;
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	return have;
}

static int
send_pieces(struct shell *sh, struct guest_piece *p, int fd, struct err *e)
{
	AUTO_FREE char *buf = xmalloc(MAX_PIECE);
	int rc = 0;

	while (!rc && !p->last) {
		p->n = read_full(fd, buf, MAX_PIECE);
		p->data = buf;
		p->last = p->n < MAX_PIECE;
		rc = rest_guest_put(sh, p, e);
		p->offset += p->n;
	}
	return rc;
}

static int
copy_in(
    struct shell *sh, const char *vm, const char *from, const char *to, struct err *e)
{
	AUTO_FREE char *path = xstrdup(from);
	size_t n = strlen(path);
	struct tar_pipe t = { .fd = -1 };
	struct guest_piece p = { .vm = vm, .path = to };
	int rc;

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	if (access(path, R_OK))
		return err_sys(
		    e, errno == ENOENT ? ERR_NOT_FOUND : ERR_DENIED, errno, "%s", from);
	char *slash = strrchr(path, '/');
	const char *name = slash && slash[1] ? slash + 1 : path;
	AUTO_FREE char *dir =
	    slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	const char *const args[] = { "tar", "-C", dir, "--owner=0", "--group=0",
		"--numeric-owner", "-cf", "-", "--", name, NULL };
	rc = tar_begin(args, STDOUT_FILENO, &t, e);
	if (rc)
		return rc;
	struct err ended = ERR_INIT;
	rc = send_pieces(sh, &p, t.fd, e);
	return tar_end(&t, &ended) && !rc ? err_set(e, ended.code, "%s", ended.msg)
					  : rc;
}

static int
write_full(int fd, const char *p, size_t n, struct err *e)
{
	for (ssize_t done; n; p += done, n -= (size_t)done) {
		done = write(fd, p, n);
		if (done < 0 && errno != EINTR)
			return err_sys(e, ERR_IO, errno, "tar takes no more");
		if (done < 0)
			done = 0;
	}
	return 0;
}

static int
copy_out(
    struct shell *sh, const char *vm, const char *from, const char *to, struct err *e)
{
	/* For root it would keep set-user-id bits, on files that become root's. */
	const char *const args[] = { "tar", "-C", to, "--no-same-owner",
		"--no-same-permissions", "-xf", "-", NULL };
	struct stat st;
	struct guest_piece p = { .vm = vm, .path = from };
	struct err ended = ERR_INIT;
	struct tar_pipe t = { .fd = -1 };
	int rc;

	if (stat(to, &st) || !S_ISDIR(st.st_mode))
		return err_set(e, ERR_NOT_FOUND, "there is no folder %s here", to);
	do {
		struct str body = STR_INIT;

		/* What is refused at once leaves tar nothing to complain of. */
		rc = rest_guest_get(sh, &p, &body, e);
		if (!rc && t.fd < 0)
			rc = tar_begin(args, STDIN_FILENO, &t, e);
		if (!rc)
			rc = write_full(t.fd, str_cstr(&body), body.len, e);
		p.offset += body.len;
		str_fini(&body);
	} while (!rc && p.transfer);
	if (t.fd < 0)
		return rc;
	return tar_end(&t, &ended) && !rc ? err_set(e, ended.code, "%s", ended.msg)
					  : rc;
}

static enum run
copy_process(struct stage *st, struct val v)
{
	const char *from = get_text(st, "Source"), *to = get_text(st, "Destination");
	bool in = get_switch(st, "LocalToGuest"), out = get_switch(st, "GuestToLocal");
	struct val keep_vm = VAL_NONE;
	const char *id = NULL;
	struct err e = ERR_INIT;
	enum should should;
	enum run rc;

	if (in == out)
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Copy-VMGuestFile wants either -LocalToGuest or -GuestToLocal");
	rc = resolve_one(st, "VM", KIND_BIT(VM), &id, &keep_vm);
	should = rc == RUN_OK && id ? stage_should(st, from, to) : SHOULD_SKIP;
	if (should == SHOULD_FAIL)
		rc = RUN_THROW;
	if (should == SHOULD_DO && (in ? copy_in(st->sh, id, from, to, &e)
				       : copy_out(st->sh, id, from, to, &e)))
		rc = throw_err(st->sh, st->node, &e);
	val_free(keep_vm);
	return rc;
}

const struct cmd_ops ops_copy_guest_file = { 0, NULL, copy_process, NULL, NULL };
