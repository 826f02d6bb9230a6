#include "server/export/push_link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/connect_int.h"
#include "loop/fd_watch.h"
#include "loop/loop.h"
#include "loop/timer.h"
#include "server/export/push_https.h"

#define LINK_MAGIC   0x706c6e6bu
#define WAITING_MAX  ((size_t)8 * 1024 * 1024)
#define RETRY_MIN_MS 1000u
#define RETRY_MAX_MS 60000u
#define ANSWER_MS    30000u
#define ANSWER_MAX   4096u
#define STATUS_AT    9u /* in "HTTP/1.1 204 No Content" */
#define HTTP_LATER   429

struct batch {
	struct list_node node;
	char *text;
	size_t n_bytes, n_samples;
};

enum link_state { LINK_IDLE, LINK_PAUSING, LINK_CONNECTING, LINK_OPEN };

struct push_link {
	uint32_t magic;
	struct loop *loop;
	struct push_address to;
	char *token;
	enum link_state state;
	struct push_https *https; /* NULL: without TLS */
	struct connecting *connecting;
	int fd;
	struct fd_watch *reads, *writes;
	struct timer *timer; /* to try again, or until an answer must be there */
	uint32_t retry_ms;
	bool failing; /* and that was said */
	struct list batches;
	size_t waiting;
	struct str head; /* of the request for the first batch */
	size_t at;       /* sent of head and first batch */
	struct str answer;
	uint64_t sent, dropped;
};

static void connect_now(struct push_link *p);

/* ---- what waits ---- */

static struct batch *
first(const struct push_link *p)
{
	return LIST_FIRST(struct batch, &p->batches, node);
}

static void
drop(struct push_link *p, struct batch *b, uint64_t *count)
{
	*count += b->n_samples;
	p->waiting -= b->n_bytes;
	list_remove(&b->node);
	free(b->text);
	free(b);
}

/* With it goes what was sent of it. */
static void
drop_first(struct push_link *p, uint64_t *count)
{
	struct batch *b = first(p);

	if (b)
		drop(p, b, count);
	p->at = 0;
	str_reset(&p->head);
	str_reset(&p->answer);
}

/* One that is half sent stays whole, and the newest stays. */
static void
make_room(struct push_link *p, const struct batch *newest)
{
	LIST_EACH_SAFE(struct batch, b, &p->batches, node) {
		if (p->waiting <= WAITING_MAX || b == newest)
			return;
		if (b != first(p) || !p->at)
			drop(p, b, &p->dropped);
	}
}

/* ---- the connection ---- */

static void
hang_up(struct push_link *p)
{
	connect_free(MOVE(p->connecting));
	fd_watch_free(MOVE(p->reads));
	fd_watch_free(MOVE(p->writes));
	if (p->fd >= 0)
		close(p->fd);
	p->fd = -1;
	p->at = 0;
	str_reset(&p->head);
	str_reset(&p->answer);
	p->state = LINK_IDLE;
	timer_stop(p->timer);
}

static void
fail(struct push_link *p, const char *why)
{
	hang_up(p);
	if (!p->failing)
		log_warn("export", "metrics do not reach %s:%u: %s", p->to.host,
		    p->to.port, why);
	p->failing = true;
	p->state = LINK_PAUSING;
	timer_after(p->timer, p->retry_ms);
	p->retry_ms = p->retry_ms * 2 < RETRY_MAX_MS ? p->retry_ms * 2 : RETRY_MAX_MS;
}

/* It was taken. */
static void
succeed(struct push_link *p)
{
	drop_first(p, &p->sent);
	p->retry_ms = RETRY_MIN_MS;
	if (p->failing)
		log_info("export", "metrics reach %s:%u again", p->to.host, p->to.port);
	p->failing = false;
}

static void
take_status(struct push_link *p, long status)
{
	long class = status / 100;

	if (class == 4 && status != HTTP_LATER) {
		/* It will never be taken: the next may. */
		log_warn("export", "%s:%u does not take metrics: HTTP status %ld",
		    p->to.host, p->to.port, status);
		drop_first(p, &p->dropped);

	} else if (class == 2) {
		succeed(p);
	} else {

		fail(p, "it cannot take them now");
		return;
	}
	hang_up(p);
	if (first(p))
		connect_now(p);
}

static void
on_https(void *arg, long status, const char *why)
{
	struct push_link *p = CAST_OBJ(push_link, arg, LINK_MAGIC);

	if (status)
		take_status(p, status);
	else
		fail(p, why);
}

/* One connection for each request: nothing of an answer but its status matters. */
static void
read_status(struct push_link *p)
{
	const char *status = str_cstr(&p->answer);

	if (!memchr(status, '\n', p->answer.len)) {
		if (p->answer.len > ANSWER_MAX)
			fail(p, "it does not speak HTTP");
		return;
	}
	if (!str_starts(status, "HTTP/1.") || p->answer.len < STATUS_AT + 3) {
		fail(p, "it does not speak HTTP");
		return;
	}
	take_status(p, strtol(status + STATUS_AT, NULL, 10));
}

static void
on_readable(void *arg)
{
	struct push_link *p = CAST_OBJ(push_link, arg, LINK_MAGIC);
	char room[1024];
	ssize_t n = recv(p->fd, room, sizeof(room), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		fd_watch_once(p->reads);
		return;
	}
	if (n <= 0) {
		fail(p, n ? strerror(errno) : "it closed the connection");
		return;
	}
	fd_watch_once(p->reads);
	if (p->to.kind == PUSH_GRAPHITE)
		return; /* it has nothing to say */
	str_addn(&p->answer, room, (size_t)n);
	read_status(p);
}

static void
fill_head(struct push_link *p, const struct batch *b)
{
	if (p->to.kind == PUSH_GRAPHITE || p->head.len)
		return;
	str_addf(&p->head,
	    "POST %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n"
	    "Content-Type: text/plain; charset=utf-8\r\nContent-Length: %zu\r\n",
	    p->to.path, p->to.host, p->to.port, b->n_bytes);
	if (*p->token)
		str_addf(&p->head, "Authorization: Token %s\r\n", p->token);
	str_add(&p->head, "\r\n");
}

/* Of head and batch, what is not sent; 0: everything is, <0: not now. */
static ssize_t
send_part(struct push_link *p, const struct batch *b)
{
	bool in_head = p->at < p->head.len;
	const char *from =
	    in_head ? p->head.s + p->at : b->text + (p->at - p->head.len);
	size_t n = in_head ? p->head.len - p->at : b->n_bytes - (p->at - p->head.len);

	return n ? send(p->fd, from, n, MSG_NOSIGNAL | MSG_DONTWAIT) : 0;
}

static void
write_some(void *arg)
{
	struct push_link *p = CAST_OBJ(push_link, arg, LINK_MAGIC);
	struct batch *b;

	while (p->state == LINK_OPEN && (b = first(p)) != NULL) {
		fill_head(p, b);
		ssize_t n = send_part(p, b);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			fd_watch_once(p->writes);
			return;
		}
		if (n < 0) {
			fail(p, strerror(errno));
			return;
		}
		p->at += (size_t)n;
		if (n)
			continue;
		if (p->to.kind == PUSH_INFLUX) {
			timer_after(p->timer, ANSWER_MS);
			return;
		}
		succeed(p);
	}
}

static void
on_connected(int fd, const struct err *why, void *arg)
{
	struct push_link *p = CAST_OBJ(push_link, arg, LINK_MAGIC);

	connect_free(MOVE(p->connecting));
	if (fd < 0) {
		fail(p, why->msg);
		return;
	}
	p->fd = fd;
	p->state = LINK_OPEN;
	p->reads = fd_watch_new(p->loop, fd, FD_READ, on_readable, p);
	p->writes = fd_watch_new(p->loop, fd, FD_WRITE, write_some, p);
	fd_watch_once(p->reads);
	write_some(p);
}

static void
connect_now(struct push_link *p)
{
	const struct batch *b = first(p);
	struct err e = ERR_INIT;

	p->state = LINK_CONNECTING;
	if (!p->https) {
		p->connecting =
		    connect_start(p->loop, p->to.host, p->to.port, on_connected, p);
		return;
	}
	/* It counts as half sent: the worker reads it. */
	p->at = b->n_bytes;
	if (push_https_send(p->https, b->text, b->n_bytes, on_https, p, &e))
		fail(p, e.msg);
}

static void
on_time(void *arg)
{
	struct push_link *p = CAST_OBJ(push_link, arg, LINK_MAGIC);

	if (p->state == LINK_OPEN) {
		fail(p, "it does not answer");
		return;
	}
	p->state = LINK_IDLE;
	if (first(p))
		connect_now(p);
}

/* ---- what others see ---- */

void
push_link_send(struct push_link *p, char *text_take, size_t n_bytes, size_t n_samples)
{
	struct batch *b = xcalloc(1, sizeof(*b));
	bool was_empty = !first(p);

	b->text = text_take;
	b->n_bytes = n_bytes;
	b->n_samples = n_samples;
	list_add_tail(&p->batches, &b->node);
	p->waiting += n_bytes;
	make_room(p, b);
	if (p->state == LINK_IDLE)
		connect_now(p);
	else if (p->state == LINK_OPEN && was_empty)
		write_some(p);
}

uint64_t
push_link_sent(const struct push_link *p)
{
	return p->sent;
}

uint64_t
push_link_dropped(const struct push_link *p)
{
	return p->dropped;
}

static struct push_https *
https_to(struct loop *l, const struct push_address *a, const char *token,
    const char *ca_file)
{
	AUTO_FREE char *url = xasprintf("https://%s:%u%s", a->host, a->port, a->path);
	const struct push_https_opts o = { url, token, ca_file };

	return push_https_new(l, &o);
}

struct push_link *
push_link_new(struct loop *l, const struct push_address *a, const char *token,
    const char *ca_file)
{
	struct push_link *p = xcalloc(1, sizeof(*p));

	p->magic = LINK_MAGIC;
	p->loop = l;
	p->to = *a;
	p->token = xstrdup(token);
	p->https = a->tls ? https_to(l, a, token, ca_file) : NULL;
	p->fd = -1;
	p->retry_ms = RETRY_MIN_MS;
	p->timer = timer_new(l, on_time, p);
	list_init(&p->batches);
	return p;
}

void
push_link_free(struct push_link *p)
{
	if (!p)
		return;
	push_https_free(p->https);
	hang_up(p);
	while (first(p))
		drop_first(p, &p->dropped);
	str_fini(&p->head);
	str_fini(&p->answer);
	timer_free(p->timer);
	free(p->token);
	p->magic = 0;
	free(p);
}

/* ---- addresses ---- */

static int
read_host(const char *text, size_t n, struct push_address *ret, struct err *e)
{
	const char *colon = memrchr(text, ':', n);
	AUTO_FREE char *port = NULL;
	uint64_t number;

	if (!colon || colon == text || (size_t)(colon - text) >= sizeof(ret->host))
		return err_set(e, ERR_INVALID,
		    "\"%.200s\" names no host and port, such as "
		    "metrics.example.com:2003",
		    text);
	port = xstrndup(colon + 1, n - (size_t)(colon + 1 - text));
	int rc = parse_u64(port, 1, UINT16_MAX, "port", &number, e);
	if (rc)
		return rc;
	memcpy(ret->host, text, (size_t)(colon - text));
	ret->host[colon - text] = 0;
	ret->port = (uint16_t)number;
	return 0;
}

int
push_address_parse(
    enum push_kind kind, const char *text, struct push_address *ret, struct err *e)
{
	static const char plain[] = "http://", safe[] = "https://";
	struct push_address a = { .kind = kind, .tls = str_starts(text, safe) };
	const char *path;
	int rc;

	if (kind == PUSH_GRAPHITE) {
		rc = read_host(text, strlen(text), &a, e);
	} else {
		if (!a.tls && !str_starts(text, plain))
			return err_set(e, ERR_INVALID,
			    "\"%.200s\" does not begin with http:// or https://", text);
		text += strlen(a.tls ? safe : plain);
		path = text + strcspn(text, "/");
		if (!*path || strpbrk(path, " \r\n") || strlen(path) >= sizeof(a.path))
			return err_set(e, ERR_INVALID,
			    "\"%.200s\" has no path such as "
			    "/api/v2/write?org=o&bucket=b",
			    text);
		rc = read_host(text, (size_t)(path - text), &a, e);
		snprintf(a.path, sizeof(a.path), "%s", path);
	}
	if (!rc)
		*ret = a;
	return rc;
}
