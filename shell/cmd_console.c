/*
 * cmd_console: cmdlets that bring the user in front of a guest.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/json_peek.h"
#include "shell/change.h"
#include "shell/connect.h"
#include "shell/inside.h"
#include "shell/rest.h"

#define OPENER "xdg-open"

/* ---- Enter-VM ---- */

static void
show(void *arg, enum inside_way way, const void *p, size_t n)
{
	const char *from = p;

	for (ssize_t done; n; from += done, n -= (size_t)done) {
		done =
		    write(way == INSIDE_ERR ? STDERR_FILENO : STDOUT_FILENO, from, n);
		if (done < 0 && errno != EINTR && errno != EAGAIN)
			return;
		if (done < 0)
			done = 0;
	}
}

static json *
start_program(const char *command)
{
	const char *const args[] = { "/bin/sh", "-c", command, NULL };
	const char *term = getenv("TERM");
	json *j, *env = json_new_array();
	struct winsize w;

	if (command) {
		j = inside_start(args, true);
	} else {
		j = json_new_object();
		json_set_str(j, "type", "start");
	}
	AUTO_FREE char *line = xasprintf("TERM=%s", term && *term ? term : "vt100");
	json_add_str(env, line);
	json_set_json(j, "env", env);
	if (!ioctl(STDIN_FILENO, TIOCGWINSZ, &w) && w.ws_row && w.ws_col) {
		json_set_u64(j, "rows", w.ws_row);
		json_set_u64(j, "columns", w.ws_col);
	}
	return j;
}

/* A shell of a container's; the serial line of a machine, which has no other way in. */
static int
start_here(struct stage *st, const char *id, json **ret_start, struct err *e)
{
	const char *command = get_text(st, "Command");
	AUTO_FREE char *path = xasprintf("/vms/%s", id);
	AUTO(json) json *vm = NULL;
	int rc = rest_get(st->sh, path, &vm, e);

	if (rc)
		return rc;
	if (command || !str_same(json_peek_str(vm, "guest_type"), "machine")) {
		*ret_start = start_program(command);
		return 0;
	}
	*ret_start = json_new_object();
	json_set_str(*ret_start, "type", "start");
	json_set_str(*ret_start, "what", "serial");
	return 0;
}

static int
enter(struct stage *st, const char *id, struct err *e)
{
	AUTO(json) json *start = NULL;
	struct inside_end end = { 0 };
	int rc = start_here(st, id, &start, e);
	const struct inside in = {
		.vm = id,
		.start = start,
		.in_fd = STDIN_FILENO,
		.tty = true,
		.out = show,
	};

	fflush(st->sh->screen.out);
	if (!rc)
		rc = inside_run(st->sh, &in, &end, e);
	if (!rc)
		st->sh->exit_code = end.exit_code;
	return rc;
}

static enum run
enter_process(struct stage *st, struct val v)
{
	struct val keep_vm = VAL_NONE;
	const char *id = NULL;
	struct err e = ERR_INIT;
	enum run rc;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "Enter-VM wants a terminal; Invoke-VMScript does without one");
	rc = resolve_one(st, "VM", KIND_BIT(VM), &id, &keep_vm);
	if (rc == RUN_OK && id && enter(st, id, &e))
		rc = throw_err(st->sh, st->node, &e);
	val_free(keep_vm);
	return rc;
}

const struct cmd_ops ops_enter_vm = { 0, NULL, enter_process, NULL, NULL };

/* ---- Open-VMConsoleWindow ---- */

static int
open_page(const char *url, struct err *e)
{
	static char program[] = OPENER;
	AUTO_FREE char *word = xstrdup(url);
	char *args[] = { program, word, NULL };
	int status = 0, rc;
	pid_t pid;

	rc = posix_spawnp(&pid, OPENER, NULL, NULL, args, environ);
	if (rc)
		return err_sys(e, ERR_NOT_FOUND, rc,
		    "%s cannot be opened here, -UrlOnly tells it: the program %s", url,
		    OPENER);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return 0;
	return err_set(
	    e, ERR_IO, "%s could not open %s, -UrlOnly tells it", OPENER, url);
}

static enum run
put_console(struct stage *st, struct val vm)
{
	struct site *s = NULL;
	struct err e = ERR_INIT;

	if (site_need(st->sh, &s, &e))
		return stage_error(st, &e, vm);
	AUTO_FREE char *url =
	    xasprintf("https://%s/#/%s/console", s->label->s, record_id(vm));
	if (get_switch(st, "UrlOnly"))
		return put(st, val_text(url));
	return open_page(url, &e) ? stage_error(st, &e, vm) : RUN_OK;
}

static enum run
open_process(struct stage *st, struct val v)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, "VM"), KIND_BIT(VM), &refs);

	for (size_t i = 0; rc == RUN_OK && i < val_count(refs); i++)
		rc = put_console(st, val_at(refs, i));
	val_free(refs);
	return rc;
}

const struct cmd_ops ops_open_console = { 0, NULL, open_process, NULL, NULL };
