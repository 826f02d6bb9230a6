#include "host-agent/link/uplink.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/link/uplink_int.h"
#include "host-agent/record/saver.h"
#include "loop/timer.h"
#include "proto/msg.h"

int
uplink_send(struct uplink *u, Drover__Envelope *m, struct err *e)
{
	if (!u->ready)
		return err_set(e, ERR_LOST, "no link to the server");
	return line_send(u->ready, m, e);
}

/* The epoch of the welcome was met: whoever was obeyed before leads no more. */
void
uplink_welcomed(struct line *l, const Drover__Welcome *w)
{
	struct uplink *u = l->u;

	if (u->ready && u->ready != l)
		line_drop(u->ready, "another server leads");
	u->ready = l;
	u->ev->welcome(u->arg, w);
}

void
uplink_lost(struct line *l)
{
	struct uplink *u = l->u;

	if (u->ready != l)
		return;
	u->ready = NULL;
	u->ev->down(u->arg);
	/* Another way to the same leader, if there is one. */
	for (size_t i = 0; i < u->n_lines; i++) {
		struct line *other = u->lines[i];
		if (other->state == UPLINK_STANDBY && other->leads)
			line_greet(other);
	}
	timer_after(u->sweep, 0);
}

void
uplink_hint(struct uplink *u, const char *leader)
{
	AUTO_FREE char *host = NULL;
	uint16_t port = 0;

	if (uplink_parse_server(leader, &host, &port, NULL) ||
	    uplink_list_add(u, leader, LINE_LISTED, NULL))
		return;
	for (size_t i = 0; i < u->n_lines; i++) {
		struct line *l = u->lines[i];
		if (l->port == port && str_same(l->host, host))
			line_hurry(l);
	}
}

int
uplink_parse_server(const char *s, char **ret_host, uint16_t *ret_port, struct err *e)
{
	const char *colon = strrchr(s, ':');
	const char *from = s, *to = colon;
	uint64_t port;

	if (!colon || colon == s)
		return err_set(e, ERR_INVALID, "server \"%s\": wants HOST:PORT", s);
	if (*s == '[') {
		from++;
		to--;
		if (to <= from || *to != ']')
			return err_set(
			    e, ERR_INVALID, "server \"%s\": wants [ADDRESS]:PORT", s);
	} else if (memchr(s, ':', (size_t)(colon - s))) {
		return err_set(e, ERR_INVALID,
		    "server \"%s\": an IPv6 address goes into brackets", s);
	}
	if (parse_u64(colon + 1, 1, 65535, "port of the server", &port, e))
		return ERR_INVALID;
	*ret_host = xstrndup(from, (size_t)(to - from));
	*ret_port = (uint16_t)port;
	return 0;
}

static int
parse_servers(struct uplink *u, const char *list, struct err *e)
{
	AUTO_FREE char *copy = xstrdup(list ? list : "");
	char *save = copy;

	for (char *s; (s = strsep(&save, ",")) != NULL;) {
		s += strspn(s, " ");
		if (*s && uplink_list_add(u, s, LINE_CONFIGURED, e))
			return ERR_INVALID;
	}
	if (!u->n_lines)
		return err_set(e, ERR_INVALID, "no server is configured");
	return 0;
}

int
uplink_new(
    struct loop *l, const struct uplink_conf *c, struct uplink **ret_u, struct err *e)
{
	struct uplink *u = xcalloc(1, sizeof(*u));
	int rc;

	u->loop = l;
	u->conf = *c;
	u->conf.servers = NULL;
	u->conf.list_path = NULL;
	u->epoch = c->epoch;
	u->ev = c->ev;
	u->arg = c->arg;
	rng_seed(&u->rng, c->seed);
	u->sweep = timer_new(l, uplink_list_sweep, u);
	if (c->list_path)
		u->kept = saver_new(l, c->savers, c->list_path);
	rc = parse_servers(u, c->servers, e);
	if (rc) {
		uplink_free(u);
		return rc;
	}
	if (c->list_path)
		uplink_list_open(u, c->list_path);
	*ret_u = u;
	return 0;
}

void
uplink_start(struct uplink *u)
{
	u->started = true;
	for (size_t i = 0; i < u->n_lines; i++)
		line_start(u->lines[i]);
}

void
uplink_redial(struct uplink *u)
{
	for (size_t i = 0; i < u->n_lines; i++) {
		struct line *l = u->lines[i];
		if (l->state == UPLINK_WAITING || l->state == UPLINK_READY)
			continue;
		line_drop(l, "it is dialled with the new certificate");
		line_hurry(l);
	}
}

void
uplink_free(struct uplink *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->n_lines; i++)
		line_free(u->lines[i]);
	timer_free(u->sweep);
	saver_free(u->kept);
	free(u);
}

enum uplink_state
uplink_state(const struct uplink *u)
{
	enum uplink_state best = UPLINK_WAITING;

	for (size_t i = 0; i < u->n_lines; i++) {
		if (u->lines[i]->state > best)
			best = u->lines[i]->state;
	}
	return best;
}

void
uplink_own_host(const struct uplink *u, char out[LINK_HOST_TEXT])
{
	*out = '\0';
	for (size_t i = 0; i < u->n_lines && !*out; i++) {
		const struct line *l = u->ready ? u->ready : u->lines[i];
		if (l->link)
			link_own_host(l->link, out);
	}
}
