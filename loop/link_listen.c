#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/listener.h>
#include <openssl/ssl.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/link_int.h"
#include "loop/timer.h"

#define LISTENER_MAGIC 0x4c53544eu
#define QUEUE_LENGTH   4096 /* of connections the kernel holds for us */
#define PAUSE_MS       500  /* after accept failed, usually for want of descriptors */

/*
 * So many begin their handshakes in so long, 400 a second: what a core signs beside its
 * other work, and never so many at once that a turn of the loop takes long.
 */
#define PACE_LINKS 10u
#define PACE_MS    25u
/* Eight seconds of them: who came later would have given up before his turn. */
#define PRESET_WAITING 3200u

/* A connection between its accept and the posts phase. */
struct arrival {
	struct arrival *next;
	int fd;
	char addr[LINK_ADDR_TEXT];
};

struct link_listener {
	uint32_t magic;
	struct loop *loop;
	SSL_CTX *ctx;
	struct link_opts opts;
	void (*on_link)(struct link *k, const char *peer, void *arg);
	void *arg;
	struct evconnlistener *ev;
	struct timer *pause, *pace;
	struct arrival *first, **last;
	unsigned waiting;  /* arrivals */
	unsigned begun;    /* since pace was set */
	bool is_late;      /* some did not get their turn at once */
	bool turning_away; /* and it was said */
	struct post post;
	uint16_t port;
	bool working, freed;
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static void
address_text(const struct sockaddr *sa, char out[LINK_ADDR_TEXT])
{
	const union address *a = (const union address *)sa;
	char ip[INET6_ADDRSTRLEN] = "?";

	if (sa->sa_family == AF_INET6) {
		inet_ntop(AF_INET6, &a->v6.sin6_addr, ip, sizeof(ip));
		snprintf(out, LINK_ADDR_TEXT, "[%s]:%u", ip, ntohs(a->v6.sin6_port));
		return;
	}
	inet_ntop(AF_INET, &a->v4.sin_addr, ip, sizeof(ip));
	snprintf(out, LINK_ADDR_TEXT, "%s:%u", ip, ntohs(a->v4.sin_port));
}

/* Without a word: nobody has shown yet who he is. */
static void
turn_away(struct link_listener *ls, int fd)
{
	close(fd);
	if (!ls->turning_away)
		log_warn("link",
		    "port %u: %u connections wait; more are turned away for now",
		    ls->port, ls->waiting);
	ls->turning_away = true;
}

static void
on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *sa, int len,
    void *arg)
{
	struct link_listener *ls = CAST_OBJ(link_listener, arg, LISTENER_MAGIC);
	struct arrival *a;

	if (ls->waiting >= ls->opts.max_waiting) {
		turn_away(ls, fd);
		return;
	}
	a = xcalloc(1, sizeof(*a));
	a->fd = fd;
	address_text(sa, a->addr);
	*ls->last = a;
	ls->last = &a->next;
	ls->waiting++;
	post_add(ls->loop, &ls->post);
}

static void
on_accept_error(struct evconnlistener *ev, void *arg)
{
	struct link_listener *ls = CAST_OBJ(link_listener, arg, LISTENER_MAGIC);

	log_warn("link", "accepting on port %u pauses: %s", ls->port, strerror(errno));
	/* The connection still waits: accepting again at once would spin. */
	evconnlistener_disable(ev);
	timer_after(ls->pause, PAUSE_MS);
}

static void
on_pause_over(void *arg)
{
	struct link_listener *ls = CAST_OBJ(link_listener, arg, LISTENER_MAGIC);

	evconnlistener_enable(ls->ev);
}

/* The connection that came first, or NULL. */
static struct arrival *
take_arrival(struct link_listener *ls)
{
	struct arrival *a = ls->first;

	if (!a)
		return NULL;
	ls->first = a->next;
	if (!ls->first) {
		ls->last = &ls->first;
		ls->turning_away = false;
	}
	ls->waiting--;
	return a;
}

static void
release(struct link_listener *ls)
{
	struct arrival *a;

	while ((a = take_arrival(ls))) {
		close(a->fd);
		free(a);
	}
	SSL_CTX_free(ls->ctx);
	ls->magic = 0;
	free(ls);
}

static bool
has_hung_up(const struct arrival *a)
{
	struct pollfd p = { .fd = a->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

static void
welcome(struct link_listener *ls, const struct arrival *a)
{
	struct err e = ERR_INIT;
	struct link *k;

	/* Its first words may be there all the same, and would be signed for. */
	if (ls->is_late && has_hung_up(a)) {
		close(a->fd);
		return;
	}
	if (!ls->begun++)
		timer_after(ls->pace, PACE_MS);
	k = link_accept_tls(ls->loop, a->fd, ls->ctx, &ls->opts, a->addr, &e);
	if (k)
		ls->on_link(k, a->addr, ls->arg);
	else
		log_warn("link", "%s", e.msg);
}

static void
work(void *arg)
{
	struct link_listener *ls = CAST_OBJ(link_listener, arg, LISTENER_MAGIC);
	struct arrival *a;

	ls->working = true;
	while (!ls->freed && ls->begun < PACE_LINKS && (a = take_arrival(ls))) {
		welcome(ls, a);
		free(a);
	}
	ls->is_late = ls->first != NULL;
	ls->working = false;
	if (ls->freed)
		release(ls);
}

static void
on_pace(void *arg)
{
	struct link_listener *ls = CAST_OBJ(link_listener, arg, LISTENER_MAGIC);

	ls->begun = 0;
	if (ls->first)
		post_add(ls->loop, &ls->post);
}

static int
parse_address(const char *text, uint16_t port, union address *ret, socklen_t *ret_len,
    struct err *e)
{
	*ret = (union address){ 0 };
	if (inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1) {
		ret->v4.sin_family = AF_INET;
		ret->v4.sin_port = htons(port);
		*ret_len = sizeof(ret->v4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1) {
		ret->v6.sin6_family = AF_INET6;
		ret->v6.sin6_port = htons(port);
		*ret_len = sizeof(ret->v6);
		return 0;
	}
	return err_set(
	    e, ERR_INVALID, "listen address \"%.64s\" is no IP address", text);
}

static uint16_t
bound_port(struct evconnlistener *ev)
{
	union address a = { 0 };
	socklen_t len = sizeof(a);

	ASSERT(!getsockname(evconnlistener_get_fd(ev), &a.any, &len));
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

int
link_listen(struct loop *l, const char *addr, uint16_t port, struct ssl_ctx_st *ctx,
    const struct link_opts *o,
    void (*on_link)(struct link *k, const char *peer, void *arg), void *arg,
    struct link_listener **ret, struct err *e)
{
	struct link_listener *ls;
	struct evconnlistener *ev;
	union address a;
	socklen_t len = 0;
	int rc;

	rc = parse_address(addr, port, &a, &len, e);
	if (rc)
		return rc;
	ev = evconnlistener_new_bind(l->base, on_accept, NULL,
	    LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
	    QUEUE_LENGTH, &a.any, (int)len);
	if (!ev)
		return err_sys(e, errno == EADDRINUSE ? ERR_BUSY : ERR_IO, errno,
		    "cannot listen on %s port %u", addr, port);
	ls = xcalloc(1, sizeof(*ls));
	ls->magic = LISTENER_MAGIC;
	ls->loop = l;
	SSL_CTX_up_ref(ctx);
	ls->ctx = ctx;
	if (o)
		ls->opts = *o;
	if (!ls->opts.max_waiting)
		ls->opts.max_waiting = PRESET_WAITING;
	ls->on_link = on_link;
	ls->arg = arg;
	ls->ev = ev;
	ls->port = bound_port(ev);
	ls->pause = timer_new(l, on_pause_over, ls);
	ls->pace = timer_new(l, on_pace, ls);
	ls->last = &ls->first;
	ls->post = (struct post){ .fn = work, .arg = ls, .name = "link listener" };
	evconnlistener_set_cb(ev, on_accept, ls);
	evconnlistener_set_error_cb(ev, on_accept_error);
	*ret = ls;
	return 0;
}

uint16_t
link_listener_port(const struct link_listener *ls)
{
	return ls->port;
}

void
link_listener_free(struct link_listener *ls)
{
	if (!ls)
		return;
	ASSERT(ls->magic == LISTENER_MAGIC && !ls->freed);
	post_remove(ls->loop, &ls->post);
	evconnlistener_free(ls->ev);
	timer_free(ls->pause);
	timer_free(ls->pace);
	if (ls->working)
		ls->freed = true;
	else
		release(ls);
}
