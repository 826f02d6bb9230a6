#include "host-agent/engine/qemu/console.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/event.h>

#include "base/assert.h"
#include "base/log.h"
#include "base/mem.h"
#include "host-agent/engine/engine_console.h"
#include "loop/timer.h"

#define CONSOLE_MAGIC 0x434f4e53u
#define FILE_MAX      (ENGINE_CONSOLE_MAX / 2)
#define READ_CHUNK    16384
#define READS_A_TURN  4

struct console {
	uint32_t magic;
	int fd, file;
	off_t at;
	char *path, *old_path;
	struct event *readable;
	struct timer *work;
	console_fn heard;
	void *arg;
};

static void
open_file(struct console *c)
{
	struct stat st;

	c->file =
	    open(c->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	c->at = c->file >= 0 && !fstat(c->file, &st) ? st.st_size : 0;
	if (c->file < 0)
		log_warn("engine", "cannot open %s: %s", c->path, strerror(errno));
}

static void
keep(struct console *c, const char *p, size_t n)
{
	if (c->file >= 0 && c->at + (off_t)n > (off_t)FILE_MAX) {
		close(c->file);
		if (rename(c->path, c->old_path))
			log_warn(
			    "engine", "cannot rename %s: %s", c->path, strerror(errno));
		open_file(c);
	}
	/* A full disk costs lines of a log, which is better than the guest. */
	if (c->file >= 0 && write(c->file, p, n) == (ssize_t)n)
		c->at += (off_t)n;
}

static void
drain(struct console *c, int reads)
{
	char buf[READ_CHUNK];
	ssize_t n = 0;

	while (reads-- > 0) {
		n = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n <= 0)
			break;
		keep(c, buf, (size_t)n);
		c->heard(c->arg, buf, (size_t)n);
	}
	if (n == 0)
		event_del(c->readable);
}

/* These writes go to the page cache; the serial line is slower than that. */
static void
on_work(void *arg)
{
	struct console *c = CAST_OBJ(console, arg, CONSOLE_MAGIC);

	event_add(c->readable, NULL);
	drain(c, READS_A_TURN);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct console *c = CAST_OBJ(console, arg, CONSOLE_MAGIC);

	event_del(c->readable);
	timer_after(c->work, 0);
}

struct console *
console_new(struct loop *l, int fd_take, const char *dir, console_fn heard, void *arg)
{
	struct console *c = xcalloc(1, sizeof(*c));

	c->magic = CONSOLE_MAGIC;
	c->fd = fd_take;
	c->heard = heard;
	c->arg = arg;
	c->path = xasprintf("%s/console.log", dir);
	c->old_path = xasprintf("%s/console.log.1", dir);
	c->work = timer_new(l, on_work, c);
	open_file(c);
	c->readable =
	    event_new(loop_base(l), fd_take, EV_READ | EV_PERSIST, on_readable, c);
	ASSERT(c->readable && !event_add(c->readable, NULL));
	return c;
}

void
console_free(struct console *c)
{
	if (!c)
		return;
	ASSERT(c->magic == CONSOLE_MAGIC);
	drain(c, ENGINE_CONSOLE_MAX / READ_CHUNK);
	event_free(c->readable);
	timer_free(c->work);
	close(c->fd);
	if (c->file >= 0)
		close(c->file);
	free(c->path);
	free(c->old_path);
	c->magic = 0;
	free(c);
}

int
console_write(struct console *c, const void *p, size_t n, struct err *e)
{
	ssize_t done = send(c->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (done < 0)
		return err_sys(e, errno == EAGAIN ? ERR_BUSY : ERR_IO, errno,
		    "cannot type on the console");
	if ((size_t)done < n)
		return err_set(e, ERR_BUSY,
		    "the console took %zd of %zu bytes: the guest reads no more", done,
		    n);
	return 0;
}

/* Read at most cap of the file's last bytes. */
static size_t
tail_of(const char *dir, const char *name, char *buf, size_t cap)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;
	ssize_t n;
	off_t from;

	if (fd < 0 || fstat(fd, &st))
		return 0;
	from = st.st_size > (off_t)cap ? st.st_size - (off_t)cap : 0;
	n = pread(fd, buf, cap, from);
	return n > 0 ? (size_t)n : 0;
}

size_t
console_tail(const char *dir, char *buf, size_t cap)
{
	AUTO_FREE char *newest = xmalloc(cap ? cap : 1);
	size_t n_new = tail_of(dir, "console.log", newest, cap);
	size_t n_old = tail_of(dir, "console.log.1", buf, cap - n_new);

	memcpy(buf + n_old, newest, n_new);
	return n_old + n_new;
}
