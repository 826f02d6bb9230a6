/*
 * sess_screen: a machine's screen, as its process speaks it (VNC).
 */
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/session/sess_pipe.h"

struct screen_sess {
	struct sess s;
	int fd;
	struct sess_inlet in;
	struct sess_outlet out;
};

static void
drop(struct sess *s)
{
	struct screen_sess *x = (struct screen_sess *)s;

	sess_inlet_stop(&x->in);
	sess_outlet_stop(&x->out);
	if (x->fd >= 0)
		close(x->fd);
	sess_fini(s);
	free(x);
}

static void
pump(struct sess *s)
{
	struct screen_sess *x = (struct screen_sess *)s;

	if (!sess_outlet_pump(&x->out))
		return;
	sess_tell_fault(s, NULL);
	drop(s);
}

static void
credit(struct sess *s, enum sess_way way)
{
	if (way == SESS_OUT)
		pump(s);
}

/* Its last words are still to be read. */
static void
on_deaf(struct sess *s)
{
	sess_inlet_stop(&((struct screen_sess *)s)->in);
}

/* A viewer that says no more may still look. */
static void
input(struct sess *s, const void *p, size_t n, bool end)
{
	sess_inlet_take(&((struct screen_sess *)s)->in, p, n);
}

static const struct sess_ops screen_ops = {
	.credit = credit,
	.input = input,
	.drop = drop,
};

int
sess_screen_open(struct sess_set *ss, const Drover__SessionOpen *o, struct err *e)
{
	struct screen_sess *x = xcalloc(1, sizeof(*x));
	struct engine_guest *g = NULL;
	int rc;

	x->fd = -1;
	sess_init(&x->s, ss, &screen_ops, o);
	rc = sess_handle(&x->s, &g, e);
	if (!rc)
		rc = engine_screen_open(g, &x->fd, e);
	x->in = (struct sess_inlet){ .s = &x->s, .fd = x->fd, .deaf = on_deaf };
	x->out = (struct sess_outlet){
		.s = &x->s, .way = SESS_OUT, .fd = x->fd, .pumped = pump
	};
	if (rc) {
		drop(&x->s);
		return rc;
	}
	sess_inlet_watch(&x->in, ss->conf.loop);
	sess_outlet_watch(&x->out, ss->conf.loop);
	return 0;
}
