/*
 * sess_log: what a guest shows: the newest bytes of its console, or its screen.
 */
#include "base/mem.h"
#include "host-agent/engine/engine_picture.h"
#include "host-agent/session/sess_int.h"

struct log_sess {
	struct sess s;
	char *text;
	size_t n, at;
	bool waits; /* for its picture */
};

static void
free_session(struct log_sess *g)
{
	sess_fini(&g->s);
	free(g->text);
	free(g);
}

static void
drop(struct sess *s)
{
	struct log_sess *g = (struct log_sess *)s;
	struct engine_guest *handle = NULL;
	struct err ignored = ERR_INIT;

	if (g->waits && !sess_handle(s, &handle, &ignored))
		engine_picture_forget(handle, g);
	free_session(g);
}

static void
credit(struct sess *s, enum sess_way way)
{
	struct log_sess *g = (struct log_sess *)s;

	while (way == SESS_OUT && g->at < g->n && s->may_send[way]) {
		size_t n = g->n - g->at;

		if (n > s->may_send[way])
			n = (size_t)s->may_send[way];
		if (n > MAX_SESSION_FRAME)
			n = MAX_SESSION_FRAME;
		if (!sess_send(s, way, g->text + g->at, n, g->at + n == g->n))
			return;
		g->at += n;
	}
	if (g->at < g->n || g->waits)
		return;
	sess_tell_fault(s, NULL);
	free_session(g);
}

/* Nothing was granted: none can come. */
static void
input(struct sess *s, const void *p, size_t n, bool end)
{
}

static const struct sess_ops log_ops = { .credit = credit,
	.input = input,
	.drop = drop };

int
sess_log_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	struct log_sess *g = xcalloc(1, sizeof(*g));
	struct engine_guest *handle = NULL;
	size_t cap = o->log->bytes;
	int rc;

	if (!cap || cap > ENGINE_CONSOLE_MAX)
		cap = ENGINE_CONSOLE_MAX;
	sess_init(&g->s, ss, &log_ops, o);
	rc = sess_handle(&g->s, &handle, e);
	if (rc) {
		free_session(g);
		return rc;
	}
	g->text = xmalloc(cap);
	g->n = engine_console_tail(handle, g->text, cap);
	if (!g->n)
		(void)sess_send(&g->s, SESS_OUT, NULL, 0, true);
	credit(&g->s, SESS_OUT);
	return 0;
}

static void
on_picture(void *arg, int rc, const struct err *e, const void *png, size_t n)
{
	struct log_sess *g = arg;

	g->waits = false;
	if (rc) {
		sess_tell_fault(&g->s, e);
		free_session(g);
		return;
	}
	g->text = xmemdup(png, n);
	g->n = n;
	credit(&g->s, SESS_OUT);
}

int
sess_picture_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	struct log_sess *g = xcalloc(1, sizeof(*g));
	struct engine_guest *handle = NULL;
	int rc;

	sess_init(&g->s, ss, &log_ops, o);
	rc = sess_handle(&g->s, &handle, e);
	if (!rc)
		rc = engine_picture(handle, on_picture, g, e);
	if (rc)
		free_session(g);
	else
		g->waits = true;
	return rc;
}
