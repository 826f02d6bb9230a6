#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/event/event_life.h"
#include "server/export/push.h"
#include "server/export/push_link.h"
#include "server/export/push_text.h"
#include "server/stats/stats.h"
#include "tests/lib/inv_world.h"

#define PATIENCE_MS 10000u
#define STEP_MS     20000u

/* A world, and a receiver that speaks when it is told to. */
struct bed {
	struct world *w;
	int listener, peer; /* -1: none */
	uint16_t port;
	struct str heard;
};

static int
setup(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(at);
	struct bed *b = xcalloc(1, sizeof(*b));
	void *w;

	world_setup(&w);
	b->w = w;
	b->peer = -1;
	b->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(b->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(b->listener, 4), 0);
	assert_int_equal(getsockname(b->listener, (struct sockaddr *)&at, &n), 0);
	b->port = ntohs(at.sin_port);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;
	void *w = b->w;

	close(b->listener);
	if (b->peer >= 0)
		close(b->peer);
	str_fini(&b->heard);
	world_teardown(&w);
	free(b);
	return 0;
}

static void
hear(struct bed *b)
{
	char room[65536];
	ssize_t n;

	if (b->peer < 0)
		b->peer =
		    accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (b->peer < 0)
		return;
	n = read(b->peer, room, sizeof(room));
	if (n > 0)
		str_addn(&b->heard, room, (size_t)n);
}

/* Until the receiver has heard it. */
static void
turn_until_heard(struct bed *b, const char *text)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (!strstr(str_cstr(&b->heard), text)) {
		if (clock_mono_ms(clock_system()) > end_ms)
			fail_msg("no \"%s\" in: %s", text, str_cstr(&b->heard));
		loop_turn(b->w->loop, 1);
		hear(b);
	}
}

static void
turn_until_sent(
    struct bed *b, const struct push_link *p, uint64_t sent, uint64_t dropped)
{
	uint64_t end_ms = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (push_link_sent(p) != sent || push_link_dropped(p) != dropped) {
		assert_true(clock_mono_ms(clock_system()) < end_ms);
		loop_turn(b->w->loop, 1);
		hear(b);
	}
}

static void
answer_and_close(struct bed *b, const char *text)
{
	assert_int_equal(write(b->peer, text, strlen(text)), (ssize_t)strlen(text));
	close(b->peer);
	b->peer = -1;
	str_reset(&b->heard);
}

static struct push_link *
link_to(struct bed *b, enum push_kind kind, const char *token)
{
	AUTO_FREE char *text = xasprintf(
	    kind == PUSH_INFLUX ? "http://127.0.0.1:%u/write?db=d" : "127.0.0.1:%u",
	    b->port);
	struct push_address a;

	assert_int_equal(push_address_parse(kind, text, &a, NULL), 0);
	return push_link_new(b->w->loop, &a, token, "");
}

static void
send_text(struct push_link *p, const char *text, size_t n_samples)
{
	push_link_send(p, xstrdup(text), strlen(text), n_samples);
}

static void
addresses_name_a_host_and_a_port(void **state)
{
	static const char *const bad[] = { "", "graphite", ":2003", "g:0", "g:70000",
		"g:x" };
	static const char *const bad_urls[] = { "influx:8086/write",
		"https://i/write", "http://i:8086", "http://i/write",
		"http://i:8086/a b" };
	struct push_address a;
	struct err e = ERR_INIT;

	assert_int_equal(
	    push_address_parse(PUSH_GRAPHITE, "g.example.com:2003", &a, &e), 0);
	assert_string_equal(a.host, "g.example.com");
	assert_int_equal(a.port, 2003);
	assert_int_equal(
	    push_address_parse(PUSH_INFLUX, "http://i:8086/write?db=d", &a, &e), 0);
	assert_string_equal(a.host, "i");
	assert_string_equal(a.path, "/write?db=d");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(push_address_parse(PUSH_GRAPHITE, bad[i], &a, &e) < 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad_urls); i++)
		assert_true(push_address_parse(PUSH_INFLUX, bad_urls[i], &a, &e) < 0);
}

static void
lines_are_as_their_readers_want_them(void **state)
{
	const struct push_sample samples[] = {
		{ metric_at(METRIC_CPU_USAGE), 12.5F },
		{ metric_at(METRIC_MEM_CONSUMED), 1048576 },
	};
	const struct push_object o = { "vms", "vm-42", "a b,c=d", 1767323040, samples,
		ARRAY_SIZE(samples) };
	const struct push_object none = { "vms", "vm-42", "x", 1767323040, samples, 0 };
	AUTO(str) struct str graphite = STR_INIT, influx = STR_INIT;

	push_text_graphite("lab", &o, &graphite);
	assert_string_equal(str_cstr(&graphite),
	    "lab.vms.vm-42.cpu.usage.average 12.5 1767323040\n"
	    "lab.vms.vm-42.mem.consumed.average 1048576 1767323040\n");
	push_text_influx(&none, &influx);
	push_text_influx(&o, &influx);
	assert_string_equal(str_cstr(&influx),
	    "drover,kind=vms,object=vm-42,name=a\\ b\\,c\\=d "
	    "cpu.usage.average=12.5,mem.consumed.average=1048576 "
	    "1767323040000000000\n");
}

static void
graphite_is_dialled_again_after_it_went(void **state)
{
	struct bed *b = *state;
	struct push_link *p = link_to(b, PUSH_GRAPHITE, "");

	send_text(p, "a 1 1\n", 1);
	turn_until_heard(b, "a 1 1\n");
	turn_until_sent(b, p, 1, 0);
	answer_and_close(b, "");
	/* It notices, and tries again when its pause is over. */
	for (unsigned i = 0; i < 100; i++)
		loop_turn(b->w->loop, 1);
	send_text(p, "b 2 2\n", 1);
	clock_advance(b->w->clock, 1000);
	turn_until_heard(b, "b 2 2\n");
	turn_until_sent(b, p, 2, 0);
	push_link_free(p);
}

static void
influx_gets_a_request_for_each_batch(void **state)
{
	struct bed *b = *state;
	struct push_link *p = link_to(b, PUSH_INFLUX, "secret");

	send_text(p, "one x=1 1\n", 3);
	send_text(p, "two x=1 1\n", 4);
	turn_until_heard(b, "one x=1 1\n");
	assert_non_null(strstr(b->heard.s, "POST /write?db=d HTTP/1.1\r\n"));
	assert_non_null(strstr(b->heard.s, "Content-Length: 10\r\n"));
	assert_non_null(strstr(b->heard.s, "Authorization: Token secret\r\n"));
	assert_int_equal(push_link_sent(p), 0);
	answer_and_close(b, "HTTP/1.1 204 No Content\r\n\r\n");
	turn_until_heard(b, "two x=1 1\n");
	assert_int_equal(push_link_sent(p), 3);
	/* What it cannot read it never will. */
	answer_and_close(b, "HTTP/1.1 400 Bad Request\r\n\r\n");
	turn_until_sent(b, p, 3, 4);
	/* What it cannot take now it may take later. */
	send_text(p, "three x=1 1\n", 5);
	turn_until_heard(b, "three x=1 1\n");
	answer_and_close(b, "HTTP/1.1 503 Service Unavailable\r\n\r\n");
	for (unsigned i = 0; i < 100; i++)
		loop_turn(b->w->loop, 1);
	clock_advance(b->w->clock, 2000);
	turn_until_heard(b, "three x=1 1\n");
	answer_and_close(b, "HTTP/1.1 200 OK\r\n\r\n");
	turn_until_sent(b, p, 8, 4);
	push_link_free(p);
}

static void
what_waits_too_long_goes_and_is_counted(void **state)
{
	struct bed *b = *state;
	struct push_link *p = link_to(b, PUSH_GRAPHITE, "");
	size_t mb = 1024 * 1024;

	close(b->listener); /* nobody answers there */
	for (unsigned i = 0; i < 20; i++)
		push_link_send(p, xcalloc(1, mb), mb, 10);
	assert_int_equal(push_link_sent(p), 0);
	assert_in_range(push_link_dropped(p), 120, 130);
	b->listener = -1;
	push_link_free(p);
}

static void
each_step_is_told_once(void **state)
{
	struct bed *b = *state;
	struct events *events = events_new(b->w->inv);
	char dir[] = "/tmp/test-push-XXXXXX";
	AUTO_FREE char *address = xasprintf("127.0.0.1:%u", b->port);
	obj_id dc = world_add(b->w, KIND_DATACENTER, OBJ_ID_NONE, "dc1");
	obj_id vm = world_add(b->w, KIND_VM, dc, "web");
	struct stats *stats;
	struct push *p;
	struct push_count counts[2];
	struct err e = ERR_INIT;

	assert_non_null(mkdtemp(dir));
	const struct stats_opts so = { .inv = b->w->inv,
		.dir = dir,
		.daemon = "",
		.interval_ms = STEP_MS,
		.write_s = 300 };
	assert_int_equal(stats_new(&so, &stats, &e), 0);
	const struct push_opts po = { .inv = b->w->inv,
		.stats = stats,
		.graphite = address,
		.graphite_prefix = "drover",
		.influx = "",
		.influx_token_file = "",
		.influx_ca = "" };
	assert_int_equal(push_new(&po, &p, &e), 0);
	for (unsigned i = 1; i <= 2; i++) {
		clock_advance(b->w->clock, STEP_MS);
		uint64_t slot = clock_wall_ms(b->w->clock) / STEP_MS;
		AUTO_FREE char *line =
		    xasprintf("drover.vms.vm-1.cpu.usage.average %u %llu\n", i,
			(unsigned long long)slot * (STEP_MS / 1000));

		stats_put(stats, vm, slot, METRIC_CPU_USAGE, (float)i);
		turn_until_heard(b, line);
	}
	turn_until_heard(b, "");
	assert_int_equal(push_counts(p, counts), 1);
	assert_string_equal(counts[0].target, "graphite");
	push_free(p);
	stats_free(stats);
	events_free(events);
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", dir);
	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
}

#define PUSH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_name_a_host_and_a_port),
		cmocka_unit_test(lines_are_as_their_readers_want_them),
		PUSH_TEST(graphite_is_dialled_again_after_it_went),
		PUSH_TEST(influx_gets_a_request_for_each_batch),
		PUSH_TEST(what_waits_too_long_goes_and_is_counted),
		PUSH_TEST(each_step_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
