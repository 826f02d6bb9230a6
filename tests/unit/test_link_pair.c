#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "loop/frame.h"
#include "loop/link.h"

#define UUID "3f2504e0-4f89-41d3-9a0c-0305e82c3301"

struct end {
	struct link *link;
	bool up, down, echo, free_on_frame;
	struct err why;
	unsigned frames;
	bool in_order; /* frames begin with their number, as send_numbered writes it */
};

struct world {
	struct clock *clock; /* virtual: nothing here waits for the outside */
	struct loop *loop;
	struct end server, client;
};

static void
drop(struct end *end)
{
	link_free(end->link);
	end->link = NULL;
}

static void
on_up(struct link *k, void *arg)
{
	((struct end *)arg)->up = true;
}

static void
on_frame(struct link *k, const uint8_t *p, size_t n, void *arg)
{
	struct end *end = arg;

	end->in_order = end->in_order && n >= sizeof(end->frames) &&
			memcmp(p, &end->frames, sizeof(end->frames)) == 0;
	end->frames++;
	if (end->echo)
		assert_int_equal(link_send(k, p, n, NULL), 0);
	if (end->free_on_frame)
		drop(end);
}

static void
on_down(struct link *k, const struct err *why, void *arg)
{
	struct end *end = arg;

	assert_false(end->down);
	end->down = true;
	end->why = *why;
}

static const struct link_events events = { on_up, on_frame, on_down };

static int
setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	w->clock = clock_virtual_new(1, 0);
	w->loop = loop_new(w->clock);
	w->server.in_order = w->client.in_order = true;
	*state = w;
	return 0;
}

static int
teardown(void **state)
{
	struct world *w = *state;

	link_free(w->client.link);
	link_free(w->server.link);
	loop_free(w->loop);
	clock_free(w->clock);
	free(w);
	return 0;
}

/* Frames of n bytes that begin with 0, 1, 2 … */
static void
send_numbered(struct end *end, unsigned count, size_t n)
{
	uint8_t *p = xcalloc(1, n);

	for (unsigned i = 0; i < count; i++) {
		memcpy(p, &i, sizeof(i));
		assert_int_equal(link_send(end->link, p, n, NULL), 0);
	}
	free(p);
}

static void
make_pair(struct world *w)
{
	struct tls_identity server = { .role = TLS_ROLE_SERVER };
	struct tls_identity host = { .role = TLS_ROLE_HOST, .uuid = UUID };

	link_pair(w->loop, &server, &host, &w->server.link, &w->client.link);
	link_set_events(w->server.link, &events, &w->server);
	link_set_events(w->client.link, &events, &w->client);
	assert_false(w->server.up || w->client.up);
	loop_turn(w->loop, 0);
	assert_true(w->server.up && w->client.up);
}

static void
settle(struct world *w)
{
	while (loop_turn(w->loop, 0))
		;
}

static void
a_pair_carries_frames(void **state)
{
	struct world *w = *state;

	make_pair(w);
	assert_int_equal(link_peer(w->server.link)->role, TLS_ROLE_HOST);
	assert_string_equal(link_peer(w->server.link)->uuid, UUID);
	assert_int_equal(link_peer(w->client.link)->role, TLS_ROLE_SERVER);
	w->server.echo = true;
	send_numbered(&w->client, 50, 1000);
	assert_int_equal(w->server.frames, 0);
	assert_int_equal(link_backlog(w->client.link), 50 * 1000);
	settle(w);
	assert_int_equal(w->client.frames, 50);
	assert_true(w->client.in_order);
	assert_int_equal(link_backlog(w->client.link), 0);
}

static void
a_pair_closes_in_order(void **state)
{
	struct world *w = *state;

	make_pair(w);
	send_numbered(&w->client, 5, 1000);
	link_close(w->client.link);
	settle(w);
	assert_int_equal(w->server.frames, 5);
	assert_true(w->server.down && w->client.down);
	assert_int_equal(w->server.why.code, ERR_LOST);
	assert_int_equal(w->client.why.code, ERR_CANCELLED);
}

static void
a_pair_sees_its_other_end_go(void **state)
{
	struct world *w = *state;

	make_pair(w);
	drop(&w->client);
	/* The news has not come yet: as on a real link, this goes nowhere. */
	assert_int_equal(link_send(w->server.link, "x", 1, NULL), 0);
	assert_false(w->server.down);
	settle(w);
	assert_true(w->server.down);
	assert_int_equal(w->server.why.code, ERR_LOST);
	assert_int_equal(link_send(w->server.link, "x", 1, NULL), ERR_LOST);
}

static void
a_pair_has_a_backlog_limit(void **state)
{
	struct world *w = *state;
	const size_t frame = (size_t)MAX_FRAME;
	uint8_t *p = xcalloc(1, frame);

	make_pair(w);
	for (int i = 0; i < 3; i++)
		assert_int_equal(link_send(w->client.link, p, frame, NULL), 0);
	assert_int_equal(link_send(w->client.link, p, frame, NULL), ERR_BUSY);
	settle(w);
	assert_int_equal(w->server.frames, 3);
	free(p);
}

static void
a_pair_may_be_freed_in_its_callbacks(void **state)
{
	struct world *w = *state;

	w->server.free_on_frame = true;
	make_pair(w);
	send_numbered(&w->client, 3, 100);
	settle(w);
	assert_int_equal(w->server.frames, 1);
	assert_true(w->client.down);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_pair_carries_frames),
		CASE(a_pair_closes_in_order),
		CASE(a_pair_sees_its_other_end_go),
		CASE(a_pair_has_a_backlog_limit),
		CASE(a_pair_may_be_freed_in_its_callbacks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
