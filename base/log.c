#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#define MSG_MAX 2048
#define OUT_MAX (4 * MSG_MAX + 128) /* every byte of a message may become \xNN */

static const char *const level_names[] = { "err", "warn", "notice", "info", "debug" };

/*
 * The one log of the process.  No malloc and no ASSERT in here: a failed ASSERT and a
 * dying allocator log too.
 */
static atomic_int max_level = LOG_LEVEL_NOTICE;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;
static int out_fd = STDERR_FILENO;

void
log_set_level(enum log_level l)
{
	atomic_store(&max_level, (int)l);
}

int
log_level_parse(const char *s, enum log_level *ret_l, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
		if (str_same(s, level_names[i])) {
			*ret_l = (enum log_level)i;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
	    "log level \"%.40s\" is none of err, warn, notice, info, debug", s);
}

int
log_to_file(const char *path, struct err *e)
{
	int fd = STDERR_FILENO;
	if (path) {
		fd = open(
		    path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (fd < 0)
			return err_sys(e, ERR_IO, errno, "log file %s", path);
	}
	pthread_mutex_lock(&out_lock);
	int old = out_fd;
	out_fd = fd;
	pthread_mutex_unlock(&out_lock);
	if (old != STDERR_FILENO)
		close(old);
	return 0;
}

bool
log_on(enum log_level l)
{
	return (int)l <= atomic_load(&max_level);
}

/* One character of the message at s, as it stands in the line; returns what it took of
 * s. */
static size_t
escape(const char *s, size_t n, char *to, size_t *ret_len)
{
	unsigned char c = (unsigned char)*s;
	size_t seq = utf8_seq(s, n);
	if (c == '"' || c == '\\') {
		to[0] = '\\';
		to[1] = *s;
		*ret_len = 2;
		return 1;
	}
	if (c == '\n') {
		memcpy(to, "\\n", 2);
		*ret_len = 2;
		return 1;
	}
	if (seq == 0 || c < 0x20 || c == 0x7f) {
		memcpy(to, "\\x", 2);
		char hex[3];
		hex_encode(s, 1, hex);
		memcpy(to + 2, hex, 2);
		*ret_len = 4;
		return 1;
	}
	memcpy(to, s, seq);
	*ret_len = seq;
	return seq;
}

static size_t
format_line(char *line, enum log_level l, const char *mod, const char *msg)
{
	char ts[32];
	clock_text(clock_wall_ms(clock_system()), ts);
	int head = snprintf(
	    line, 128, "ts=%s lvl=%s mod=%.32s msg=\"", ts, level_names[l], mod);
	size_t at = (size_t)head, n = strlen(msg);
	for (size_t i = 0; i < n;) {
		size_t len;
		i += escape(msg + i, n - i, line + at, &len);
		at += len;
	}
	memcpy(line + at, "\"\n", 2);
	return at + 2;
}

/* Nobody could be told that writing the log failed: what does not go out is lost. */
static void
write_line(const char *line, size_t n)
{
	pthread_mutex_lock(&out_lock);
	while (n > 0) {
		ssize_t put = write(out_fd, line, n);
		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			break;
		line += put;
		n -= (size_t)put;
	}
	pthread_mutex_unlock(&out_lock);
}

void
log_write(enum log_level l, const char *mod, const char *fmt, ...)
{
	if (!log_on(l))
		return;
	int saved = errno;
	char msg[MSG_MAX], line[OUT_MAX];
	va_list ap;
	va_start(ap, fmt);
	if (vsnprintf(msg, sizeof(msg), fmt, ap) < 0)
		msg[0] = '\0';
	va_end(ap);
	write_line(line, format_line(line, l, mod, msg));
	errno = saved;
}
