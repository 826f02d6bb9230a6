#include "server/front/front.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <libwebsockets.h>

#include "base/log.h"
#include "server/front/front_int.h"

static const struct lws_protocols protocols[] = {
	{ "http", front_http_callback, sizeof(struct http_conn), 0, 0, NULL, 0 },
	{ WATCH_PROTOCOL, front_ws_callback, sizeof(struct ws_sock), 4096, 0, NULL, 0 },
	{ SESSION_PROTOCOL, front_ws_callback, sizeof(struct ws_sock), 4096, 0, NULL,
	    0 },
	{ NULL, NULL, 0, 0, 0, NULL, 0 },
};

static void
msg_drop(void *p)
{
	struct front_msg *m = p;

	request_free(m->req);
	free(m->text);
	free(m);
}

static void
on_core(void *p, void *arg)
{
	struct front_msg *m = p;
	struct front *f = arg;

	switch (m->kind) {
	case MSG_REQUEST:
		f->ev.on_request(MOVE(m->req), f->ev_arg);
		break;
	case MSG_REPLY_DRAINED:
		f->ev.on_reply_drained(m->ws, f->ev_arg);
		break;
	case MSG_REPLY_CLOSED:
		f->ev.on_reply_closed(m->ws, f->ev_arg);
		break;
	case MSG_WS_OPEN:
		f->ev.on_ws_open(m->ws, MOVE(m->req), f->ev_arg);
		break;
	case MSG_WS_TEXT:
		f->ev.on_ws_text(m->ws, m->text, m->n, f->ev_arg);
		break;
	case MSG_WS_BINARY:
		f->ev.on_ws_binary(m->ws, (const uint8_t *)m->text, m->n, f->ev_arg);
		break;
	case MSG_WS_DRAINED:
		f->ev.on_ws_drained(m->ws, m->n, f->ev_arg);
		break;
	case MSG_WS_CLOSED:
		f->ev.on_ws_closed(m->ws, f->ev_arg);
		break;
	}
	msg_drop(m);
}

bool
front_to_core(struct front *f, struct front_msg *m_take)
{
	bool full = handoff_waiting(f->to_core) >= FRONT_MAX_WAITING;

	/* The end of a socket must not be lost: the room beyond is for those. */
	bool is_end = m_take->kind == MSG_WS_CLOSED || m_take->kind == MSG_REPLY_CLOSED;

	if ((!full || is_end) && handoff_send(f->to_core, m_take))
		return true;
	msg_drop(m_take);
	return false;
}

static void
cmd_free(struct front_cmd *c)
{
	response_free(c->resp);
	free(c->buf);
	free(c);
}

/* On the lws thread: carry out what the core has queued. */
static void
drain_cmds(struct front *f)
{
	for (;;) {
		pthread_mutex_lock(&f->cmd_lock);
		struct front_cmd *c = LIST_FIRST(struct front_cmd, &f->cmds, node);
		if (c)
			list_remove(&c->node);
		pthread_mutex_unlock(&f->cmd_lock);
		if (!c)
			return;
		switch (c->kind) {
		case CMD_REPLY:
			front_http_reply(f, MOVE(c->resp));
			break;
		case CMD_REPLY_MORE:
			front_http_more(f, c);
			break;
		case CMD_REPLY_CUT:
			front_http_cut(f, c);
			break;
		case CMD_WS_SEND:
			front_ws_frame(f, c);
			break;
		case CMD_WS_CLOSE:
			front_ws_end(f, c);
			break;
		case CMD_WS_FINISH:
			front_ws_drain(f, c);
			break;
		}
		cmd_free(c);
	}
}

static void *
run(void *arg)
{
	struct front *f = arg;
	sigset_t all;

	sigfillset(&all); /* signals are the core's */
	pthread_sigmask(SIG_BLOCK, &all, NULL);
	while (!atomic_load(&f->stop)) {
		if (lws_service(f->lws, 0) < 0)
			break;
		drain_cmds(f);
	}
	return NULL;
}

static void
queue_cmd(struct front *f, struct front_cmd *c)
{
	pthread_mutex_lock(&f->cmd_lock);
	list_add_tail(&f->cmds, &c->node);
	pthread_mutex_unlock(&f->cmd_lock);
	lws_cancel_service(f->lws);
}

void
front_reply(struct front *f, struct response *p_take)
{
	struct front_cmd *c = xcalloc(1, sizeof(*c));

	c->kind = CMD_REPLY;
	c->resp = p_take;
	queue_cmd(f, c);
}

void
front_reply_more(struct front *f, uint64_t conn, uint8_t *p_take, size_t n)
{
	struct front_cmd *c = xcalloc(1, sizeof(*c));

	c->kind = CMD_REPLY_MORE;
	c->ws = conn;
	c->buf = p_take;
	c->n = n;
	queue_cmd(f, c);
}

void
front_reply_cut(struct front *f, uint64_t conn)
{
	struct front_cmd *c = xcalloc(1, sizeof(*c));

	c->kind = CMD_REPLY_CUT;
	c->ws = conn;
	queue_cmd(f, c);
}

static void
send_frame(struct front *f, uint64_t ws, const void *p, size_t n, bool binary)
{
	struct front_cmd *c = xcalloc(1, sizeof(*c));

	c->kind = CMD_WS_SEND;
	c->ws = ws;
	c->buf = xmalloc(LWS_PRE + n);
	memcpy(c->buf + LWS_PRE, p, n);
	c->n = n;
	c->binary = binary;
	queue_cmd(f, c);
}

void
front_ws_send(struct front *f, uint64_t ws, char *text_take, size_t n)
{
	send_frame(f, ws, text_take, n, false);
	free(text_take);
}

void
front_ws_send_binary(struct front *f, uint64_t ws, uint8_t *p_take, size_t n)
{
	send_frame(f, ws, p_take, n, true);
	free(p_take);
}

void
front_ws_finish(struct front *f, uint64_t ws)
{
	struct front_cmd *c = xcalloc(1, sizeof(*c));

	c->kind = CMD_WS_FINISH;
	c->ws = ws;
	queue_cmd(f, c);
}

void
front_ws_close(struct front *f, uint64_t ws, uint16_t code, const char *reason)
{
	struct front_cmd *c = xcalloc(1, sizeof(*c));

	c->kind = CMD_WS_CLOSE;
	c->ws = ws;
	c->code = code;
	snprintf(c->reason, sizeof(c->reason), "%s", reason);
	queue_cmd(f, c);
}

static void
on_lws_log(int level, const char *line)
{
	size_t n = strcspn(line, "\n");

	log_write(level & LLL_ERR ? LOG_LEVEL_WARN : LOG_LEVEL_DEBUG, "front", "%.*s",
	    (int)n, line);
}

static int
open_context(struct front *f, const struct front_conf *conf, struct err *e)
{
	struct lws_context_creation_info info = {
		.iface = conf->address && *conf->address ? conf->address : NULL,
		.port = conf->port,
		.protocols = protocols,
		.ssl_cert_filepath = conf->cert_path,
		.ssl_private_key_filepath = conf->key_path,
		.alpn = "http/1.1",
		.server_string = "drover",
		.user = f,
		.gid = (gid_t)-1,
		.uid = (uid_t)-1,
		/* The security headers are front_add_headers', stricter than lws's. */
		.options = LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT |
			   LWS_SERVER_OPTION_DISABLE_IPV6 |
			   LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND,
		.ssl_options_set = SSL_OP_NO_TLSv1 | SSL_OP_NO_TLSv1_1,
		.max_http_header_data = MAX_HEADERS,
		.max_http_header_pool = 2048,
		.timeout_secs = 20,
		.keepalive_timeout = 65,
		.pt_serv_buf_size = 16384,
		.fd_limit_per_thread = FRONT_MAX_CONNS,
	};

	lws_set_log_level(LLL_ERR | LLL_WARN, on_lws_log);
	f->lws = lws_create_context(&info);
	if (!f->lws)
		return err_set(e, ERR_IO,
		    "cannot serve HTTPS on %s port %u with certificate %s",
		    info.iface ? info.iface : "*", conf->port, conf->cert_path);
	f->port = (uint16_t)lws_get_vhost_listen_port(
	    lws_get_vhost_by_name(f->lws, "default"));
	return 0;
}

int
front_start(struct loop *core, const struct front_conf *conf,
    const struct front_events *ev, void *arg, struct front **ret, struct err *e)
{
	struct front *f = xcalloc(1, sizeof(*f));

	f->ev = *ev;
	f->ev_arg = arg;
	list_init(&f->cmds);
	pthread_mutex_init(&f->cmd_lock, NULL);
	f->conns = map_new_u64();
	f->socks = map_new_u64();
	f->files = front_files_load(conf->web_root);
	f->pages_to_core = conf->pages_to_core;
	f->to_core = handoff_new(
	    core, FRONT_MAX_WAITING + FRONT_MAX_CONNS, on_core, msg_drop, f);
	if (open_context(f, conf, e) < 0) {
		front_free(f);
		return e ? e->code : ERR_IO;
	}
	int rc = pthread_create(&f->thread, NULL, run, f);
	if (rc) {
		lws_context_destroy(MOVE(f->lws));
		front_free(f);
		return err_sys(e, ERR_INTERNAL, rc, "cannot start the front's thread");
	}
	log_info("front", "serving HTTPS on %s:%u",
	    conf->address && *conf->address ? conf->address : "*", f->port);
	*ret = f;
	return 0;
}

uint16_t
front_port(const struct front *f)
{
	return f->port;
}

void
front_free(struct front *f)
{
	if (!f)
		return;
	if (f->lws) {
		atomic_store(&f->stop, true);
		lws_cancel_service(f->lws);
		pthread_join(f->thread, NULL);
		lws_context_destroy(f->lws);
	}
	LIST_EACH_SAFE(struct front_cmd, c, &f->cmds, node) {
		list_remove(&c->node);
		cmd_free(c);
	}
	handoff_free(f->to_core);
	map_free(f->conns);
	map_free(f->socks);
	front_files_free(f->files);
	pthread_mutex_destroy(&f->cmd_lock);
	free(f);
}
