/*
 * front_bed: a front on loopback with a core behind it, and a client as a browser would
 * be, for tests.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/ssl.h>

#include "base/str.h"
#include "server/front/front.h"

#define PATIENCE_MS  20000
#define FLOOD_FRAMES 400u
#define FLOOD_BYTES  65536u
#define PIECES       6u
#define PIECE_BYTES  40000u

/* The core's side answers /api/echo with the body and sends every WebSocket text back.
 */
struct fixture {
	struct loop *loop;
	struct certs *certs;
	struct front *front;
	char web[128];
	size_t drained;
	unsigned opened, closed;
	unsigned pieces, most; /* of an answer in pieces: sent, and to be sent */
	unsigned cut;          /* answers whose reader went away */
	struct client *left;   /* what a finished client left open */
};

/* A blocking client on its own thread, as a browser would be. */
struct client {
	struct fixture *f;
	void (*run)(struct client *c);
	SSL_CTX *ctx;
	SSL *ssl;
	int fd;
	struct str in;
	atomic_bool done;
};

void dial(struct client *c);
void hang_up(struct client *c);
void say(struct client *c, const void *p, size_t n);
void say_text(struct client *c, const char *s);
/* One more read; false at the end of the stream. */
bool hear_more(struct client *c);
/* A whole answer with Content-Length; what follows stays in c->in. */
char *hear_answer(struct client *c);
void expect(const char *answer, const char *part);
void ask(struct client *c, const char *request, const char *status, const char *part);
void play(struct fixture *f, void (*run)(struct client *c));
void turn_until(struct fixture *f, const unsigned *count, unsigned want);
void turn_until_closed(struct fixture *f, unsigned want);
int set_up(void **state);
int tear_down(void **state);

#define FRONT_TEST(t) cmocka_unit_test_setup_teardown(t, set_up, tear_down)
