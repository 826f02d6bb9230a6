/*
 * tiny-service: what the tiny guest does for a living.
 *
 * Port 7 echoes.  Port 7000 speaks the line protocol of README.md: counters and
 * streams by which a test sees that the guest lives and how long it was away, and
 * orders that use its disk, processor and memory.  One thread a client; everything
 * shared is an atomic or stands under load_lock.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ECHO_PORT     7
#define LINE_PORT     7000
#define MAX_CLIENTS   64
#define MAX_LINE      256
#define MAX_CPUS      64
#define MIB           (1024ULL * 1024)
#define STACK_BYTES   (128 * 1024)
#define SPARE_MIB     24
#define LOAD_SLICE_MS 50
#define DIRT_SLICE_MS 20
#define PAGE_BYTES    4096

#define NEWS_PATH    "/dev/console"
#define FILL_PATH    "/state/fill"
#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define OWN_ID_PATH  "/run/boot-id" /* of a container, whose kernel is its host's */
#define SEED_PATH    "/tmp/seed"
#define MAX_SEED     16384

struct client {
	int fd;
	bool is_echo;
};

struct order {
	const char *name;
	int args;
	void (*run)(int fd, const uint64_t *args);
};

static atomic_uint_fast64_t counter;
static atomic_int clients;
static pthread_mutex_t load_lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t load_pids[MAX_CPUS];
static int load_count;
static pid_t dirt_pid;
static void *ballast;
static size_t ballast_bytes;

static uint64_t
now_ms(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool
send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

__attribute__((format(printf, 2, 3))) static bool
reply(int fd, const char *format, ...)
{
	char line[MAX_LINE + 64];
	va_list ap;
	va_start(ap, format);
	int len = vsnprintf(line, sizeof(line) - 1, format, ap);
	va_end(ap);
	if (len < 0 || (size_t)len >= sizeof(line) - 1)
		return false;
	line[len] = '\n';
	return send_all(fd, line, (size_t)len + 1);
}

static void
reply_errno(int fd, const char *what)
{
	reply(fd, "error %s: %s", what, strerror(errno));
}

static void
run_hello(int fd, const uint64_t *args)
{
	char name[MAX_LINE / 2] = "";
	char boot_id[40] = "";
	gethostname(name, sizeof(name) - 1);
	FILE *file = fopen(OWN_ID_PATH, "re");
	if (file == NULL)
		file = fopen(BOOT_ID_PATH, "re");
	if (file == NULL || fscanf(file, "%39s", boot_id) != 1)
		snprintf(boot_id, sizeof(boot_id), "unknown");
	if (file != NULL)
		fclose(file);
	reply(fd, "%s %s", name, boot_id);
}

/* The lines that /etc/seed left, as one. */
static void
run_seed(int fd, const uint64_t *args)
{
	char text[MAX_SEED];
	size_t len = 0;
	FILE *file = fopen(SEED_PATH, "re");
	if (file == NULL) {
		reply(fd, "error no seed");
		return;
	}
	for (int c; len < sizeof(text) - 2 && (c = fgetc(file)) != EOF;) {
		if (c != '\n') {
			text[len++] = (char)c;
			continue;
		}
		text[len++] = ',';
		text[len++] = ' ';
	}
	fclose(file);
	if (len >= 2 && text[len - 1] == ' ')
		len -= 2;
	text[len] = '\n';
	send_all(fd, text, len + 1);
}

static void
run_count(int fd, const uint64_t *args)
{
	reply(fd, "%" PRIu64, (uint64_t)atomic_fetch_add(&counter, 1) + 1);
}

/* Wait until the deadline, throwing away what the client says; false if it left. */
static bool
rest_until(int fd, uint64_t deadline_ms)
{
	char scrap[64];
	for (;;) {
		uint64_t now = now_ms();
		if (now >= deadline_ms)
			return true;
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		int ready = poll(&poller, 1, (int)(deadline_ms - now));
		if (ready > 0 && recv(fd, scrap, sizeof(scrap), 0) <= 0)
			return false;
	}
}

static void
run_stream(int fd, const uint64_t *args)
{
	if (args[0] < 1 || args[0] > 60000) {
		reply(fd, "error stream: the step must be 1 to 60000 ms");
		return;
	}
	uint64_t next = now_ms();
	for (uint64_t line = 1;; line++) {
		if (!reply(fd, "%" PRIu64 " %" PRIu64, line, now_ms()))
			return;
		next += args[0];
		/* Lines lost to a pause stay lost: a burst would hide the outage. */
		if (next < now_ms())
			next = now_ms();
		if (!rest_until(fd, next))
			return;
	}
}

/* xorshift64*: no disk or link compresses it, and it costs less than getrandom(). */
static void
fill_noise(uint64_t *words, size_t count, uint64_t *seed)
{
	for (size_t i = 0; i < count; i++) {
		*seed ^= *seed >> 12;
		*seed ^= *seed << 25;
		*seed ^= *seed >> 27;
		words[i] = *seed * 2685821657736338717ULL;
	}
}

static bool
append_noise(int file, uint64_t *block, uint64_t mib)
{
	uint64_t seed = now_ms() * 2 + 1 + (uint64_t)atomic_fetch_add(&counter, 0);
	for (uint64_t i = 0; i < mib; i++) {
		fill_noise(block, MIB / sizeof(*block), &seed);
		ssize_t n = write(file, block, MIB);
		if (n >= 0 && (uint64_t)n < MIB)
			errno = ENOSPC;
		if (n < 0 || (uint64_t)n < MIB)
			return false;
	}
	return fsync(file) == 0;
}

static void
run_write(int fd, const uint64_t *args)
{
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_DIRECT | O_CLOEXEC;
	int file = open(FILL_PATH, flags, 0600);
	if (file < 0) {
		reply_errno(fd, "cannot open " FILL_PATH);
		return;
	}
	uint64_t *block = aligned_alloc(4096, MIB);
	if (block == NULL)
		reply(fd, "error write: out of memory");
	else if (append_noise(file, block, args[0]))
		reply(fd, "ok");
	else
		reply_errno(fd, "cannot write " FILL_PATH);
	free(block);
	close(file);
}

/* The body of a load process: busy for pct % of every slice until the end. */
static _Noreturn void
burn(uint64_t pct, uint64_t end_ms)
{
	uint64_t busy_ms = LOAD_SLICE_MS * pct / 100;
	/* A client's socket held open here would never look closed to the client. */
	close_range(3, UINT_MAX, 0);
	while (now_ms() < end_ms) {
		uint64_t slice_end = now_ms() + busy_ms;
		while (now_ms() < slice_end)
			continue;
		usleep((useconds_t)(LOAD_SLICE_MS - busy_ms) * 1000);
	}
	_exit(0);
}

static void
end_load(void)
{
	for (int i = 0; i < load_count; i++) {
		kill(load_pids[i], SIGKILL);
		waitpid(load_pids[i], NULL, 0);
	}
	load_count = 0;
}

static int
start_load(uint64_t pct, uint64_t end_ms)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	for (int i = 0; i < cpus && i < MAX_CPUS; i++) {
		pid_t pid = fork();
		if (pid < 0)
			return -1;
		if (pid == 0)
			burn(pct, end_ms);
		load_pids[load_count++] = pid;
	}
	return 0;
}

static void
run_load(int fd, const uint64_t *args)
{
	if (args[0] > 100 || args[1] > 86400) {
		reply(fd, "error load: at most 100 percent for 86400 seconds");
		return;
	}
	pthread_mutex_lock(&load_lock);
	end_load();
	int rc = 0;
	if (args[0] > 0 && args[1] > 0)
		rc = start_load(args[0], now_ms() + args[1] * 1000);
	if (rc < 0) {
		int why = errno;
		end_load();
		errno = why;
		reply_errno(fd, "cannot start the load");
	} else {
		reply(fd, "ok");
	}
	pthread_mutex_unlock(&load_lock);
}

static uint64_t
available_mib(void)
{
	char line[128];
	uint64_t kib = 0;
	FILE *file = fopen("/proc/meminfo", "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "MemAvailable: %" SCNu64, &kib) == 1)
			break;
	fclose(file);
	return kib / 1024;
}

/* The body of a dirt process: rewrite its own memory page by page, so much a second. */
static _Noreturn void
make_dirt(uint64_t mib, uint64_t mib_per_s)
{
	uint64_t pages = mib * MIB / PAGE_BYTES;
	uint64_t step = mib_per_s * MIB / PAGE_BYTES * DIRT_SLICE_MS / 1000 + 1;
	uint64_t seed = now_ms() * 2 + 1, page = 0, slice_end = now_ms();
	uint64_t *words;

	close_range(3, UINT_MAX, 0);
	words = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED)
		_exit(1);
	fill_noise(words, mib * MIB / sizeof(*words), &seed);
	for (;;) {
		for (uint64_t i = 0; i < step; i++, page = (page + 1) % pages)
			words[page * (PAGE_BYTES / sizeof(*words))] += seed;
		slice_end += DIRT_SLICE_MS;
		uint64_t now = now_ms();
		if (now < slice_end)
			usleep((useconds_t)(slice_end - now) * 1000);
		else
			slice_end = now;
	}
}

static void
run_dirty(int fd, const uint64_t *args)
{
	uint64_t free_mib = available_mib();

	pthread_mutex_lock(&load_lock);
	if (dirt_pid > 0) {
		kill(dirt_pid, SIGKILL);
		waitpid(dirt_pid, NULL, 0);
		dirt_pid = 0;
	}
	if (args[0] > 0 && (args[0] + SPARE_MIB > free_mib || args[1] > 100000)) {
		reply(fd, "error dirty: %" PRIu64 " MiB available, %d kept back",
		    free_mib, SPARE_MIB);
	} else if (args[0] > 0 && (dirt_pid = fork()) < 0) {
		dirt_pid = 0;
		reply_errno(fd, "cannot start the process");
	} else {
		if (args[0] > 0 && dirt_pid == 0)
			make_dirt(args[0], args[1]);
		reply(fd, "ok");
	}
	pthread_mutex_unlock(&load_lock);
}

static void
drop_ballast(void)
{
	if (ballast != NULL)
		munmap(ballast, ballast_bytes);
	ballast = NULL;
	ballast_bytes = 0;
}

static void
take_ballast(int fd, uint64_t mib)
{
	uint64_t free_mib = available_mib();
	if (mib + SPARE_MIB > free_mib || mib > SIZE_MAX / MIB) {
		reply(fd, "error mem: %" PRIu64 " MiB available, %d kept back",
		    free_mib, SPARE_MIB);
		return;
	}
	size_t bytes = (size_t)(mib * MIB);
	uint64_t *words = mmap(
	    NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (words == MAP_FAILED) {
		reply_errno(fd, "cannot take memory");
		return;
	}
	/* Noise, so that neither page sharing nor compression gives it back. */
	uint64_t seed = now_ms() * 2 + 1;
	fill_noise(words, bytes / sizeof(*words), &seed);
	ballast = words;
	ballast_bytes = bytes;
	reply(fd, "ok");
}

static void
run_mem(int fd, const uint64_t *args)
{
	pthread_mutex_lock(&load_lock);
	drop_ballast();
	if (args[0] == 0)
		reply(fd, "ok");
	else if (args[0] > UINT32_MAX)
		reply(fd, "error mem: %" PRIu64 " MiB is absurd", args[0]);
	else
		take_ballast(fd, args[0]);
	pthread_mutex_unlock(&load_lock);
}

static void
run_sync(int fd, const uint64_t *args)
{
	sync();
	reply(fd, "ok");
}

static void
run_poweroff(int fd, const uint64_t *args)
{
	reply(fd, "ok");
	if (fork() == 0) {
		execl("/sbin/tiny-stop", "tiny-stop", (char *)NULL);
		_exit(127);
	}
}

static const struct order orders[] = {
	{ "hello", 0, run_hello },
	{ "count", 0, run_count },
	{ "stream", 1, run_stream },
	{ "write", 1, run_write },
	{ "load", 2, run_load },
	{ "mem", 1, run_mem },
	{ "dirty", 2, run_dirty },
	{ "seed", 0, run_seed },
	{ "sync", 0, run_sync },
	{ "poweroff", 0, run_poweroff },
};

/* Read exactly count decimal numbers out of text; false if it holds anything else. */
static bool
parse_args(const char *text, int count, uint64_t *args)
{
	for (int i = 0; i < count; i++) {
		char *end;
		text += strspn(text, " ");
		if (*text < '0' || *text > '9')
			return false;
		errno = 0;
		args[i] = strtoull(text, &end, 10);
		if (errno != 0 || (*end != ' ' && *end != '\0'))
			return false;
		text = end;
	}
	return text[strspn(text, " ")] == '\0';
}

static void
run_line(int fd, char *line)
{
	uint64_t args[2] = { 0 };
	size_t name_len = strcspn(line, " ");
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		const struct order *order = &orders[i];
		if (strlen(order->name) != name_len ||
		    memcmp(order->name, line, name_len) != 0)
			continue;
		if (parse_args(line + name_len, order->args, args))
			order->run(fd, args);
		else
			reply(
			    fd, "error %s takes %d numbers", order->name, order->args);
		return;
	}
	reply(fd, "error unknown command \"%.*s\"", (int)name_len, line);
}

/* Run every whole line in buf; return how many bytes are left of an unfinished one. */
static size_t
run_lines(int fd, char *buf, size_t len)
{
	char *line = buf;
	char *end;
	while ((end = memchr(line, '\n', len)) != NULL) {
		*end = '\0';
		if (end > line && end[-1] == '\r')
			end[-1] = '\0';
		run_line(fd, line);
		len -= (size_t)(end + 1 - line);
		line = end + 1;
	}
	memmove(buf, line, len);
	return len;
}

static void
serve_lines(int fd)
{
	char buf[MAX_LINE];
	size_t len = 0;
	for (;;) {
		ssize_t n = recv(fd, buf + len, sizeof(buf) - len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		len = run_lines(fd, buf, len + (size_t)n);
		if (len == sizeof(buf)) {
			reply(fd, "error line longer than %d bytes", MAX_LINE);
			return;
		}
	}
}

static void
serve_echo(int fd)
{
	char buf[2048];
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof(buf), 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0 || !send_all(fd, buf, (size_t)n))
			return;
	}
}

static void *
serve(void *arg)
{
	struct client client = *(struct client *)arg;
	free(arg);
	if (client.is_echo)
		serve_echo(client.fd);
	else
		serve_lines(client.fd);
	close(client.fd);
	atomic_fetch_sub(&clients, 1);
	return NULL;
}

static bool
start_client(const struct client *client, const pthread_attr_t *attr)
{
	struct client *own = malloc(sizeof(*own));
	pthread_t thread;
	if (own == NULL)
		return false;
	*own = *client;
	if (pthread_create(&thread, attr, serve, own) != 0) {
		free(own);
		return false;
	}
	return true;
}

static void
accept_client(int listener, bool is_echo, const pthread_attr_t *attr)
{
	struct client client = { .fd = -1, .is_echo = is_echo };
	client.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (client.fd < 0)
		return;
	if (atomic_fetch_add(&clients, 1) >= MAX_CLIENTS ||
	    !start_client(&client, attr)) {
		atomic_fetch_sub(&clients, 1);
		close(client.fd);
	}
}

static int
listen_on(uint16_t port)
{
	int one = 1;
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_ANY),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    listen(fd, 32) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void
say_ready(void)
{
	char name[MAX_LINE] = "";
	gethostname(name, sizeof(name) - 1);
	FILE *console = fopen(NEWS_PATH, "we");
	if (console == NULL)
		return;
	fprintf(console, "drover-tiny: %s ready\n", name);
	fclose(console);
}

int
main(void)
{
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK_BYTES);

	struct pollfd pollers[2] = {
		{ .fd = listen_on(ECHO_PORT), .events = POLLIN },
		{ .fd = listen_on(LINE_PORT), .events = POLLIN },
	};
	if (pollers[0].fd < 0 || pollers[1].fd < 0) {
		fprintf(stderr, "tiny-service: cannot listen: %s\n", strerror(errno));
		return 1;
	}
	say_ready();
	for (;;) {
		if (poll(pollers, 2, -1) < 0)
			continue;
		if (pollers[0].revents != 0)
			accept_client(pollers[0].fd, true, &attr);
		if (pollers[1].revents != 0)
			accept_client(pollers[1].fd, false, &attr);
	}
}
