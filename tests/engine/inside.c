#include "tests/engine/inside.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

static void
on_end(struct child *c, const struct child_result *r, void *arg)
{
	struct inside *in = arg;

	in->ended = true;
	in->status = r->status;
}

bool
inside_ended(void *in)
{
	return ((struct inside *)in)->ended;
}

struct child *
inside_begin(struct suite_guest *sg, const struct engine_exec *like, struct inside *in)
{
	struct err e = ERR_INIT;
	struct child *c = NULL;

	*in = (struct inside){ .ended = false };
	if (engine_exec(sg->g, like, on_end, in, &c, &e))
		fail_msg("exec: %s", e.msg);
	return c;
}

void
inside_exec(struct suite_guest *sg, const struct engine_exec *like, struct inside *in)
{
	AUTO_FREE char *path = xasprintf("%s/said", sg->suite->dir);
	AUTO_CLOSE int out =
	    open(path, O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	AUTO_CLOSE int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct engine_exec x = *like;
	ssize_t n;

	x.fds[0] = null;
	x.fds[1] = x.fds[2] = out;
	inside_begin(sg, &x, in);
	suite_await(sg->suite, inside_ended, in);
	n = pread(out, in->out, sizeof(in->out) - 1, 0);
	in->out[n > 0 ? n : 0] = '\0';
}

void
inside_ask(struct suite_guest *sg, const char *script, struct inside *in)
{
	const char *const args[] = { "/bin/sh", "-c", script, NULL };
	const struct engine_exec x = { .args = args, .cwd = "" };

	inside_exec(sg, &x, in);
}

void
inside_expect(struct suite_guest *sg, const char *script, const char *says)
{
	struct inside in;

	inside_ask(sg, script, &in);
	if (!str_same(in.out, says))
		fail_msg("%s: \"%s\", not \"%s\"", script, in.out, says);
}

void
inside_must(struct suite_guest *sg, const char *script)
{
	struct inside in;

	inside_ask(sg, script, &in);
	if (in.status)
		fail_msg("%s: status %#x: %s", script, (unsigned)in.status, in.out);
}
