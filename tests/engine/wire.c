#include "tests/engine/wire.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define CHUNK    16384
#define HOLD_MAX 64

struct wire {
	struct wire_opts o;
	int from, to; /* our ends */
	pthread_t thread, back;
	uint64_t across;
	char held[HOLD_MAX];
	size_t n_held;
};

static bool
put(struct wire *w, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = send(w->to, p, n, MSG_NOSIGNAL);

		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
		w->across += (uint64_t)done;
	}
	return true;
}

/* All but the newest hold_back bytes go on. */
static bool
carry(struct wire *w, char *buf, size_t n)
{
	char all[HOLD_MAX + CHUNK];
	size_t total = w->n_held + n;
	size_t keep = total < w->o.hold_back ? total : (size_t)w->o.hold_back;

	memcpy(all, w->held, w->n_held);
	memcpy(all + w->n_held, buf, n);
	if (!put(w, all, total - keep))
		return false;
	memcpy(w->held, all + total - keep, keep);
	w->n_held = keep;
	return true;
}

/* A slow wire takes its time; nothing is waited for. */
static void
take_time(const struct wire *w, size_t n)
{
	uint64_t ns = w->o.bytes_per_s ? n * 1000000000ull / w->o.bytes_per_s : 0;
	struct timespec t = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	nanosleep(&t, NULL);
}

static void *
run(void *arg)
{
	struct wire *w = arg;
	char buf[CHUNK];
	ssize_t n;

	for (;;) {
		uint64_t left = w->o.cut_at - w->across;
		size_t room = left < sizeof(buf) ? (size_t)left : sizeof(buf);

		n = room ? recv(w->from, buf, room, 0) : 0;
		if (n <= 0 || !carry(w, buf, (size_t)n))
			break;
		take_time(w, (size_t)n);
	}
	shutdown(w->from, SHUT_RDWR);
	shutdown(w->to, SHUT_RDWR);
	return NULL;
}

/* What the far end answers. */
static void *
run_back(void *arg)
{
	struct wire *w = arg;
	char buf[CHUNK];
	ssize_t n;

	while ((n = recv(w->to, buf, sizeof(buf), 0)) > 0)
		if (send(w->from, buf, (size_t)n, MSG_NOSIGNAL) != n)
			break;
	shutdown(w->from, SHUT_WR);
	return NULL;
}

struct wire *
wire_new(const struct wire_opts *o, int *ret_from, int *ret_to)
{
	struct wire *w = xcalloc(1, sizeof(*w));
	int in[2], out[2];

	assert_true(o->hold_back <= HOLD_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, in), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out), 0);
	w->o = *o;
	w->from = in[1];
	w->to = out[1];
	*ret_from = in[0];
	*ret_to = out[0];
	assert_int_equal(pthread_create(&w->thread, NULL, run, w), 0);
	assert_int_equal(pthread_create(&w->back, NULL, run_back, w), 0);
	return w;
}

uint64_t
wire_free(struct wire *w)
{
	uint64_t across;

	pthread_join(w->thread, NULL);
	pthread_join(w->back, NULL);
	close(w->from);
	close(w->to);
	across = w->across;
	free(w);
	return across;
}
