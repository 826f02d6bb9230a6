#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "loop/link.h"
#include "tests/lib/make_certs.h"

/* Many who connect at once; time stands still but where it is turned. */
#define MANY 35

struct crowd {
	struct certs *certs;
	struct ssl_ctx_st *ctx;
	struct clock *clock;
	struct loop *loop;
	struct link_listener *listener;
	struct link *links[MANY];
	size_t n_links;
	int fds[MANY];
};

static void
on_one_of_many(struct link *k, const char *peer, void *arg)
{
	static const struct link_events none = { NULL, NULL, NULL };
	struct crowd *c = arg;

	assert_true(c->n_links < MANY);
	link_set_events(k, &none, NULL);
	c->links[c->n_links++] = k;
}

static void
crowd_come(struct crowd *c, uint32_t max_waiting)
{
	const struct cert_wish server = { .san = "URI:drover:server,IP:127.0.0.1" };
	struct sockaddr_in to = { .sin_family = AF_INET };
	const struct link_opts o = { .max_waiting = max_waiting };

	*c = (struct crowd){ .certs = certs_new("test CA"),
		.clock = clock_virtual_new(1000, 0) };
	const struct tls_files f = certs_make(c->certs, "server", &server);
	assert_int_equal(tls_server_ctx(&f, &c->ctx, NULL), 0);
	c->loop = loop_new(c->clock);
	assert_int_equal(link_listen(c->loop, "127.0.0.1", 0, c->ctx, &o,
			     on_one_of_many, c, &c->listener, NULL),
	    0);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	to.sin_port = htons(link_listener_port(c->listener));
	for (int i = 0; i < MANY; i++) {
		c->fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(
		    connect(c->fds[i], (struct sockaddr *)&to, sizeof(to)), 0);
	}
}

static void
crowd_go(struct crowd *c)
{
	link_listener_free(c->listener);
	for (size_t i = 0; i < c->n_links; i++)
		link_free(c->links[i]);
	for (int i = 0; i < MANY; i++) {
		if (c->fds[i] >= 0)
			close(c->fds[i]);
	}
	tls_ctx_free(c->ctx);
	certs_free(c->certs);
	loop_free(c->loop);
	clock_free(c->clock);
}

/* As many turns as there is something to do. */
static void
settle(struct crowd *c, uint64_t ms)
{
	clock_advance(c->clock, ms);
	for (int i = 0; i < 3 * MANY; i++)
		loop_turn(c->loop, 0);
}

static void
many_begin_by_and_by(void **state)
{
	struct crowd c;

	crowd_come(&c, 0);
	settle(&c, 0);
	assert_int_equal(c.n_links, 10);
	/* These give up: their turns are others'. */
	close(c.fds[20]);
	close(c.fds[21]);
	c.fds[20] = c.fds[21] = -1;
	settle(&c, 24);
	assert_int_equal(c.n_links, 10);
	settle(&c, 1);
	assert_int_equal(c.n_links, 20);
	settle(&c, 25);
	assert_int_equal(c.n_links, 30);
	settle(&c, 25);
	assert_int_equal(c.n_links, MANY - 2);
	crowd_go(&c);
}

static void
who_comes_after_too_many_is_turned_away(void **state)
{
	struct crowd c;
	char byte;

	crowd_come(&c, 5);
	settle(&c, 0);
	settle(&c, 25);
	assert_int_equal(c.n_links, 5);
	for (int i = 5; i < MANY; i++)
		assert_int_equal(recv(c.fds[i], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(c.fds[4], &byte, 1, MSG_DONTWAIT), -1);
	crowd_go(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_begin_by_and_by),
		cmocka_unit_test(who_comes_after_too_many_is_turned_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
