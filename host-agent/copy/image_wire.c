#include "host-agent/copy/image_wire.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"

/* How long the giver may take to hear the verdict. */
#define LINGER_MS 10000u

static int
wait_for(int fd, short events, short *ret_events, struct err *e)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n;

	do {
		n = poll(&p, 1, IMAGE_STALL_MS);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_sys(e, ERR_IO, errno, "cannot wait for the other host");
	if (n == 0)
		return err_set(
		    e, ERR_TIMEOUT, "no byte moved for %u s", IMAGE_STALL_MS / 1000);
	*ret_events = p.revents;
	return 0;
}

static int
lost(struct err *e)
{
	return err_set(e, ERR_LOST, "the connection to the other host ended");
}

static int
put(int fd, const uint8_t *p, size_t n, struct err *e)
{
	while (n) {
		ssize_t did = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		short events = 0;
		int rc;

		if (did > 0) {
			p += did;
			n -= (size_t)did;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return lost(e);
		rc = wait_for(fd, POLLIN | POLLOUT, &events, e);
		if (rc)
			return rc;
		if (events & POLLIN)
			return err_set(e, ERR_BUSY, "the other host has spoken");
	}
	return 0;
}

int
image_wire_put(int fd, const struct image_frame *f, const void *p, struct err *e)
{
	uint8_t head[IMAGE_HEAD_BYTES];
	int rc;

	image_frame_pack(f, head);
	rc = put(fd, head, sizeof(head), e);
	return rc ? rc : put(fd, p, f->n, e);
}

bool
image_wire_has_word(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

int
image_wire_get(int fd, void *p, size_t n, struct err *e)
{
	uint8_t *to = p;

	while (n) {
		ssize_t did = recv(fd, to, n, MSG_DONTWAIT);
		short events = 0;
		int rc;

		if (did > 0) {
			to += did;
			n -= (size_t)did;
			continue;
		}
		if (did == 0 || (errno != EAGAIN && errno != EINTR))
			return lost(e);
		rc = wait_for(fd, POLLIN, &events, e);
		if (rc)
			return rc;
	}
	return 0;
}

int
image_wire_next(int fd, struct image_frame *ret_f, struct err *e)
{
	uint8_t head[IMAGE_HEAD_BYTES];
	int rc = image_wire_get(fd, head, sizeof(head), e);

	return rc ? rc : image_frame_unpack(head, ret_f, e);
}

/* What is still under way to us is of no use. */
static void
drain(int fd)
{
	AUTO_FREE uint8_t *waste = xmalloc(IMAGE_PIECE_MAX);
	uint64_t end = clock_mono_ms(clock_system()) + LINGER_MS, now;

	while ((now = clock_mono_ms(clock_system())) < end) {
		struct pollfd p = { .fd = fd, .events = POLLIN };

		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return;
		if (p.revents && recv(fd, waste, IMAGE_PIECE_MAX, MSG_DONTWAIT) <= 0)
			return;
	}
}

void
image_wire_judge(int fd, const struct err *verdict)
{
	char text[IMAGE_WORD_MAX];
	const struct image_frame f = {
		.kind = IMAGE_VERDICT,
		.n = (uint32_t)image_verdict_pack(verdict, text),
	};

	if (image_wire_put(fd, &f, text, NULL) == 0 && shutdown(fd, SHUT_WR) == 0)
		drain(fd);
}

int
image_wire_verdict(int fd, struct err *e)
{
	char text[IMAGE_WORD_MAX];
	struct image_frame f;
	int rc = image_wire_next(fd, &f, e);

	if (!rc && f.kind != IMAGE_VERDICT)
		rc = err_set(
		    e, ERR_CORRUPT, "the other host sent a frame out of its turn");
	if (!rc)
		rc = image_wire_get(fd, text, f.n, e);
	return rc ? rc : image_verdict_unpack(text, f.n, e);
}
