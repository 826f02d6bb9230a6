#include "host-agent/engine/oci/oci_wire.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define LOOK_MS \
	1000 /* a socket that was shut down says so at once; a file never waits */

static int
await(const struct oci_wire *w, short events, struct err *e)
{
	struct pollfd p = { .fd = w->fd, .events = events };

	if (poll(&p, 1, LOOK_MS) < 0 && errno != EINTR)
		return err_sys(e, ERR_IO, errno, "cannot wait for the stream");
	return 0;
}

static int
check(const struct oci_wire *w, struct err *e)
{
	if (w->is_stopped && *w->is_stopped)
		return err_set(e, ERR_CANCELLED, "the stream was given up");
	return 0;
}

/* What a read or a write that did nothing means; 0: once more. */
static int
stuck(const struct oci_wire *w, short events, struct err *e)
{
	int sys = errno, rc = check(w, e);

	if (rc)
		return rc;
	if (sys == EINTR)
		return 0;
	if (sys == EAGAIN)
		return await(w, events, e);
	if (sys == EPIPE || sys == ECONNRESET)
		return err_sys(e, ERR_LOST, sys, "the stream broke");
	return err_sys(e, sys == ENOSPC || sys == EDQUOT ? ERR_NO_CAPACITY : ERR_IO,
	    sys, "the stream");
}

int
oci_wire_write(const struct oci_wire *w, const void *p, size_t n, struct err *e)
{
	const uint8_t *from = p;

	while (n > 0) {
		ssize_t r = write(w->fd, from, n);

		if (r < 0) {
			int rc = stuck(w, POLLOUT, e);

			if (rc)
				return rc;
			continue;
		}
		from += r;
		n -= (size_t)r;
		if (w->bytes)
			*w->bytes += (uint64_t)r;
	}
	return check(w, e);
}

int
oci_wire_read(const struct oci_wire *w, void *p, size_t n, struct err *e)
{
	uint8_t *to = p;

	while (n > 0) {
		ssize_t r = read(w->fd, to, n);

		if (r == 0) {
			int rc = check(w, e);

			return rc ? rc
				  : err_set(e, ERR_LOST, "the stream was cut short");
		}
		if (r < 0) {
			int rc = stuck(w, POLLIN, e);

			if (rc)
				return rc;
			continue;
		}
		to += r;
		n -= (size_t)r;
		if (w->bytes)
			*w->bytes += (uint64_t)r;
	}
	return 0;
}

void
oci_wire_put(uint8_t *to, uint64_t v, size_t n)
{
	while (n-- > 0) {
		to[n] = (uint8_t)v;
		v >>= 8;
	}
}

uint64_t
oci_wire_get(const uint8_t *from, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | from[i];
	return v;
}
