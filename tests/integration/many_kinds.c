/*
 * The first process of a container that has one of each: a file with a place in it, a
 * deleted one, a pipe, a socket pair, a unix socket with a name, timers, memory shared
 * with a child, threads.  It goes round all of them and writes after each round how
 * many it has made, or what is not as it was, into /state/rounds.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define THREADS  4
#define ROUND_NS 20000000
#define BEAT_NS  3000000 /* shorter than it ever stands still */
#define SOCKET   "/state/socket"

struct kinds {
	int pipe[2], pair[2], named[2], file, deleted, timer, beats[2];
	_Atomic uint64_t *shared; /* [0]: asked of the child, [1]: its answer */
};

static _Atomic uint64_t turns[THREADS];

static _Noreturn void
end(const char *what)
{
	FILE *f = fopen("/state/rounds", "w");

	if (f)
		fprintf(f, "%s: %s\n", what, strerror(errno));
	_exit(1);
}

static void *
turn(void *arg)
{
	_Atomic uint64_t *mine = arg;

	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = ROUND_NS / 10 }, NULL);
		++*mine;
	}
	return NULL;
}

static void
answer(_Atomic uint64_t *shared)
{
	for (;;) {
		nanosleep(&(struct timespec){ .tv_nsec = ROUND_NS / 20 }, NULL);
		shared[1] = shared[0];
	}
}

static void
connect_named(int ret_ends[2])
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = SOCKET };
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);

	unlink(SOCKET);
	ret_ends[0] = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&at, sizeof(at)) || listen(listener, 1) ||
	    connect(ret_ends[0], (struct sockaddr *)&at, sizeof(at)))
		end("a unix socket");
	ret_ends[1] = accept(listener, NULL, NULL);
}

static int
set_timer(int fd)
{
	const struct itimerspec once = { .it_value = { .tv_nsec = ROUND_NS } };

	return timerfd_settime(fd, 0, &once, NULL);
}

/* One that counts from now on, one with its times on the wall. */
static int
start_beats(int ret_fds[2])
{
	struct itimerspec beat = { { .tv_nsec = BEAT_NS }, { .tv_nsec = BEAT_NS } };

	ret_fds[0] = timerfd_create(CLOCK_MONOTONIC, 0);
	ret_fds[1] = timerfd_create(CLOCK_REALTIME, 0);
	if (timerfd_settime(ret_fds[0], 0, &beat, NULL) ||
	    clock_gettime(CLOCK_REALTIME, &beat.it_value))
		return -1;
	return timerfd_settime(ret_fds[1], TFD_TIMER_ABSTIME, &beat, NULL);
}

static void
make(struct kinds *k)
{
	pthread_t t;

	k->shared =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	k->file = open("/state/file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	k->deleted = open("/state/deleted", O_RDWR | O_CREAT | O_TRUNC, 0600);
	k->timer = timerfd_create(CLOCK_MONOTONIC, 0);
	if (k->shared == MAP_FAILED || k->file < 0 || unlink("/state/deleted") ||
	    pipe(k->pipe) || socketpair(AF_UNIX, SOCK_DGRAM, 0, k->pair) ||
	    set_timer(k->timer) || start_beats(k->beats))
		end("making");
	connect_named(k->named);
	if (fork() == 0)
		answer(k->shared);
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&t, NULL, turn, &turns[i]))
			end("a thread");
}

/* What was written a round ago comes out now, so that something is always within. */
static void
pass(const char *what, int in, int out, uint64_t round)
{
	uint64_t got = 0;

	if (write(in, &round, sizeof(round)) != sizeof(round))
		end(what);
	if (round == 0)
		return;
	if (read(out, &got, sizeof(got)) != sizeof(got) || got != round - 1)
		end(what);
}

static void
keep(const char *what, int fd, uint64_t round)
{
	uint64_t got = 0;

	if (lseek(fd, 0, SEEK_CUR) != (off_t)(round * sizeof(round)) ||
	    write(fd, &round, sizeof(round)) != sizeof(round) ||
	    pread(fd, &got, sizeof(got), (off_t)(round / 2 * sizeof(got))) !=
		sizeof(got) ||
	    got != round / 2)
		end(what);
}

static void
go_round(struct kinds *k, uint64_t round)
{
	uint64_t expired, before[THREADS];

	for (int i = 0; i < THREADS; i++)
		before[i] = turns[i];
	if (read(k->timer, &expired, sizeof(expired)) != sizeof(expired) || !expired ||
	    set_timer(k->timer))
		end("the timer");
	for (int i = 0; i < 2; i++)
		if (read(k->beats[i], &expired, sizeof(expired)) != sizeof(expired))
			end("a timer that repeats");
	pass("the pipe", k->pipe[1], k->pipe[0], round);
	pass("the socket pair", k->pair[1], k->pair[0], round);
	pass("the unix socket", k->named[0], k->named[1], round);
	keep("the file", k->file, round);
	keep("the deleted file", k->deleted, round);
	k->shared[0] = round;
	while (k->shared[1] != round)
		nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	for (int i = 0; i < THREADS; i++)
		while (turns[i] == before[i])
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

int
main(void)
{
	struct kinds k;
	FILE *f;

	make(&k);
	for (uint64_t round = 0;; round++) {
		go_round(&k, round);
		f = fopen("/state/rounds.new", "w");
		if (!f || fprintf(f, "%llu\n", (unsigned long long)round) < 0 ||
		    fclose(f) || rename("/state/rounds.new", "/state/rounds"))
			end("telling");
	}
}
