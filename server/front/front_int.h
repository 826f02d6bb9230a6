/*
 * front_int: what the files of front/ share; lws thread only, but for the two queues.
 */
#pragma once
#include <pthread.h>
#include <stdatomic.h>

#include <libwebsockets.h>

#include "base/list.h"
#include "base/map.h"
#include "loop/handoff.h"
#include "server/front/front.h"

#define MAX_HEADERS 8192 /* bytes of a request's head */

/* What a WebSocket may be for, by its subprotocol. */
#define WATCH_PROTOCOL   "drover.v1"
#define SESSION_PROTOCOL "drover.session.v1"

enum front_msg_kind {
	MSG_REQUEST,
	MSG_REPLY_DRAINED,
	MSG_REPLY_CLOSED,
	MSG_WS_OPEN,
	MSG_WS_TEXT,
	MSG_WS_BINARY,
	MSG_WS_DRAINED,
	MSG_WS_CLOSED
};

/* Front to core. */
struct front_msg {
	enum front_msg_kind kind;
	uint64_t ws; /* or the transaction */
	struct request *req;
	char *text;
	size_t n;
};

enum front_cmd_kind {
	CMD_REPLY,
	CMD_REPLY_MORE,
	CMD_REPLY_CUT,
	CMD_WS_SEND,
	CMD_WS_CLOSE,
	CMD_WS_FINISH
};

/* Core to front. */
struct front_cmd {
	struct list_node node;
	enum front_cmd_kind kind;
	uint64_t ws; /* or the transaction */
	struct response *resp;
	uint8_t *buf; /* LWS_PRE bytes of room, then the frame; or the piece */
	size_t n;
	bool binary;
	uint16_t code;
	char reason[64];
};

struct front {
	struct lws_context *lws;
	struct handoff *to_core;
	struct front_events ev;
	void *ev_arg;
	pthread_t thread;
	atomic_bool stop;
	uint16_t port;

	pthread_mutex_t cmd_lock; /* guards cmds: the queue out of the core */
	struct list cmds;

	struct map *conns; /* conn number → struct http_conn */
	struct map *socks; /* ws number → struct ws_sock */
	uint64_t last_number;
	struct map *files; /* path → struct front_file */
	bool pages_to_core;
};

/* What a document of ours may do, see front_http.c. */
enum front_page { FRONT_PAGE, FRONT_FRAMED };

struct front_file {
	uint8_t *data;
	size_t n;
	uint8_t *gz; /* the same, compressed; NULL if no .gz lay beside it */
	size_t gz_n;
	const char *type;
	char etag[72]; /* quoted */
	bool hashed;   /* name carries a digest: may be cached for ever */
	enum front_page page;
};

/* One HTTP connection, as lws allocates it. */
struct http_conn {
	struct lws *wsi;
	struct request *req; /* being received */
	struct response *resp;
	size_t sent;
	uint64_t number; /* of the transaction under way, 0: none */
	uint64_t want_body;
	bool head_only; /* HEAD: the answer goes without its body */
	bool last;      /* the connection ends with the answer: a body is left unread */
	bool head_sent;
	bool dispatched;
	bool skip_body; /* too large: read to its end, then refused */
	const struct front_file *file;
	const uint8_t *out; /* what is sent */
	size_t out_len;
	bool chunked;      /* HTTP/1.1: a piece tells its length */
	bool piece_wanted; /* the core knows that it may send the next */
	bool piece_last;   /* no other comes */
	bool cut;          /* what follows will never come */
};

struct ws_frame {
	struct list_node node;
	uint8_t *buf;
	size_t n;
	bool binary;
};

/* One WebSocket, as lws allocates it. */
struct ws_sock {
	struct lws *wsi;
	uint64_t number;
	struct request *handshake;
	struct list frames;
	size_t drained;  /* written, not yet told to the core */
	bool is_session; /* of a guest, not a watch */
	char *rx;
	size_t rx_len;
	bool closing;
	uint16_t close_code;
	char close_reason[64];
	bool live;
};

int front_http_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
    void *in, size_t len);
int front_ws_callback(struct lws *wsi, enum lws_callback_reasons reason, void *user,
    void *in, size_t len);

/* A request from the headers at hand, without body; see its fault. HEAD comes as GET.
 */
struct request *front_read_head(struct lws *wsi);
bool front_to_core(struct front *f, struct front_msg *m_take);
void front_http_reply(struct front *f, struct response *p_take);
void front_http_more(struct front *f, struct front_cmd *c);
void front_http_cut(struct front *f, const struct front_cmd *c);
void front_ws_frame(struct front *f, struct front_cmd *c);
void front_ws_end(struct front *f, const struct front_cmd *c);
void front_ws_drain(struct front *f, const struct front_cmd *c);

struct map *front_files_load(const char *root);
void front_files_free(struct map *files);
/* The page of a path: exact, or index.html for paths of the application; NULL if none.
 */
const struct front_file *front_file_find(const struct map *files, const char *path);
/* Headers that every answer carries, but its length. 0, or -1 when they do not fit. */
int front_add_headers(struct lws *wsi, int status, const char *type,
    enum front_page page, unsigned char **p, unsigned char *end);
int front_add_header(struct lws *wsi, const char *name, const char *value,
    unsigned char **p, unsigned char *end);
