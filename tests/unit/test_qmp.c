#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/qemu/qmp.h"
#include "loop/flow.h"

#define GREETING "{\"QMP\": {\"version\": {}}}\n"

/* The other end is the test itself. */
struct world {
	struct loop *loop;
	struct flows *flows;
	struct qmp *qmp;
	int peer;
	char last_event[64];
	unsigned n_gone;
	int rc;
	bool ended;
	char result[256], msg[240];
	int pass_fd;
};

static void
on_event(void *arg, const char *name, const json *data)
{
	struct world *w = arg;

	snprintf(w->last_event, sizeof(w->last_event), "%s", name);
}

static void
on_gone(void *arg, const struct err *e)
{
	((struct world *)arg)->n_gone++;
}

static int
set_up(void **state)
{
	static const struct qmp_hooks hooks = { on_event, on_gone };
	struct world *w = xcalloc(1, sizeof(*w));
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	w->loop = loop_new(clock_system());
	w->flows = flows_new(w->loop);
	w->qmp = qmp_new(w->loop, fds[0], "vm-1", &hooks, w);
	w->peer = fds[1];
	w->pass_fd = -1;
	*state = w;
	return 0;
}

static int
tear_down(void **state)
{
	struct world *w = *state;

	qmp_free(w->qmp);
	flows_free(w->flows);
	loop_free(w->loop);
	if (w->peer >= 0)
		close(w->peer);
	free(w);
	return 0;
}

static enum flow_rc
call_start(struct flow *f, void *arg)
{
	struct world *w = arg;

	qmp_call_fd(w->qmp, "query-status", NULL, w->pass_fd, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
call_finish(struct flow *f, void *arg, int rc)
{
	struct world *w = arg;
	AUTO_FREE char *text = rc ? NULL : json_text(qmp_result(w->qmp));

	snprintf(w->result, sizeof(w->result), "%s", text ? text : "");
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

static void
on_ended(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct world *w = owner;

	w->ended = true;
	w->rc = rc;
	snprintf(w->msg, sizeof(w->msg), "%s", rc ? e->msg : "");
}

static void
begin_call(struct world *w)
{
	static const struct flow_step steps[] = {
		{ "call", call_start, call_finish, NULL, 10000 },
		{ NULL, NULL, NULL, NULL, 0 },
	};
	static const struct flow_hooks hooks = { .ended = on_ended };

	w->ended = false;
	flow_start(flow_new(w->flows, "call", steps, w, &hooks, w));
}

static void
turn(struct world *w)
{
	for (int i = 0; i < 20; i++)
		loop_turn(w->loop, 0);
}

static void
say(struct world *w, const char *text)
{
	assert_int_equal(write(w->peer, text, strlen(text)), strlen(text));
	turn(w);
}

static void
hear(struct world *w, char *buf, size_t n)
{
	ssize_t got = recv(w->peer, buf, n - 1, MSG_DONTWAIT);

	buf[got > 0 ? got : 0] = '\0';
}

static void
calls_wait_for_the_greeting(void **state)
{
	struct world *w = *state;
	char buf[256];

	begin_call(w);
	turn(w);
	hear(w, buf, sizeof(buf));
	assert_string_equal(buf, "");
	say(w, GREETING);
	hear(w, buf, sizeof(buf));
	assert_string_equal(buf, "{\"execute\":\"query-status\",\"id\":1}\n");
	/* Cut anywhere, with an event between. */
	say(w, "{\"event\": \"ST");
	say(w, "OP\"}\n{\"return\": {\"a\":1}, ");
	assert_string_equal(w->last_event, "STOP");
	assert_false(w->ended);
	say(w, "\"id\": 1}\n");
	assert_true(w->ended);
	assert_int_equal(w->rc, 0);
	assert_string_equal(w->result, "{\"a\":1}");
}

static void
answers_to_nobody_are_dropped(void **state)
{
	struct world *w = *state;

	say(w, GREETING);
	begin_call(w);
	turn(w);
	say(w, "{\"return\": {}, \"id\": 99}\n{\"return\": {}}\n");
	assert_false(w->ended);
	say(w, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"what?\"}, "
	       "\"id\": 1}\n");
	assert_true(w->ended);
	assert_int_equal(w->rc, ERR_UNSUPPORTED);
	assert_string_equal(w->msg, "vm-1: QEMU refuses query-status: what?");
}

static void
a_lost_socket_fails_calls(void **state)
{
	struct world *w = *state;

	say(w, GREETING);
	begin_call(w);
	turn(w);
	close(w->peer);
	w->peer = -1;
	turn(w);
	assert_true(w->ended);
	assert_int_equal(w->rc, ERR_LOST);
	assert_int_equal(w->n_gone, 1);
	begin_call(w);
	turn(w);
	assert_int_equal(w->rc, ERR_LOST);
	assert_int_equal(w->n_gone, 1);
}

static void
garbage_ends_the_connection(void **state)
{
	struct world *w = *state;

	say(w, GREETING);
	begin_call(w);
	turn(w);
	say(w, "I am a guest that broke out\n");
	assert_int_equal(w->rc, ERR_LOST);
	assert_true(qmp_is_lost(w->qmp));
	assert_int_equal(w->n_gone, 1);
}

static void
descriptors_travel_with_their_call(void **state)
{
	struct world *w = *state;
	char buf[256];

	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr msg = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.room,
		.msg_controllen = sizeof(control.room) };
	int fd;

	w->pass_fd = STDERR_FILENO;
	say(w, GREETING);
	begin_call(w);
	turn(w);
	assert_true(recvmsg(w->peer, &msg, MSG_DONTWAIT) > 0);
	assert_true(msg.msg_controllen >= CMSG_LEN(sizeof(fd)));
	assert_int_equal(control.head.cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	close(fd);
}

#define WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

static void
on_answer(void *arg, int rc, const json *value)
{
	struct world *w = arg;
	AUTO_FREE char *text = value ? json_text(value) : NULL;

	w->ended = true;
	w->rc = rc;
	snprintf(w->msg, sizeof(w->msg), "%s", text ? text : "");
}

static void
who_asks_does_not_disturb_who_waits(void **state)
{
	struct world *w = *state;

	say(w, GREETING);
	begin_call(w);
	qmp_ask(w->qmp, "query-balloon", NULL, on_answer, w);
	turn(w);
	/* Both answers at once, the other one last. */
	say(w, "{\"return\": {\"status\": \"running\"}, \"id\": 2}\n"
	       "{\"return\": {\"actual\": 5}, \"id\": 1}\n");
	assert_string_equal(w->result, "{\"status\":\"running\"}");
	qmp_ask(w->qmp, "query-balloon", NULL, on_answer, w);
	w->ended = false;
	say(w, "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, "
	       "\"id\": 3}\n");
	assert_true(w->ended);
	assert_int_equal(w->rc, ERR_IO);
	/* Nobody is told of what is lost. */
	qmp_ask(w->qmp, "query-balloon", NULL, on_answer, w);
	w->ended = false;
	close(w->peer);
	w->peer = -1;
	turn(w);
	qmp_ask(w->qmp, "query-balloon", NULL, on_answer, w);
	turn(w);
	assert_false(w->ended);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		WORLD(calls_wait_for_the_greeting),
		WORLD(answers_to_nobody_are_dropped),
		WORLD(a_lost_socket_fails_calls),
		WORLD(garbage_ends_the_connection),
		WORLD(descriptors_travel_with_their_call),
		WORLD(who_asks_does_not_disturb_who_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
