#include "host-agent/guest/guest_transfer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/timer.h"

#define MEMORY_STREAM "memory"
/* How long the other side may take to close what is over. */
#define LINGER_MS 10000u

struct guest_transfer {
	struct channel *channel;
	size_t n; /* streams; the first is the memory's */
	char **names;
	int *channel_fds;                /* -1: the channel's */
	struct channel_stream **streams; /* NULL: not begun */
	int memory_fd;                   /* -1: the engine's */
	struct engine_disk_stream *disks;
	bool disks_taken;
	struct timer *timer; /* NULL: it does not end by itself */
};

static int
pair(int *ret_ours, int *ret_theirs, struct err *e)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return err_sys(e, ERR_IO, errno, "making a socket for a move");
	*ret_ours = fds[0];
	*ret_theirs = fds[1];
	return 0;
}

int
guest_transfer_new(struct channel *c, char *const *disks, size_t n_disks,
    struct guest_transfer **ret_t, struct err *e)
{
	struct guest_transfer *t = xcalloc(1, sizeof(*t));
	int rc;

	t->channel = c;
	t->n = n_disks + 1;
	t->names = xcalloc(t->n, sizeof(char *));
	t->streams = xcalloc(t->n, sizeof(struct channel_stream *));
	t->channel_fds = xcalloc(t->n, sizeof(*t->channel_fds));
	t->disks = xcalloc(t->n, sizeof(*t->disks));
	t->memory_fd = -1;
	for (size_t i = 0; i < t->n; i++)
		t->channel_fds[i] = t->disks[i].fd = -1;
	t->names[0] = xstrdup(MEMORY_STREAM);
	rc = pair(&t->memory_fd, &t->channel_fds[0], e);
	for (size_t i = 1; !rc && i < t->n; i++) {
		t->disks[i - 1].disk = t->names[i] = xstrdup(disks[i - 1]);
		rc = pair(&t->disks[i - 1].fd, &t->channel_fds[i], e);
	}
	if (rc)
		guest_transfer_free(t);
	else
		*ret_t = t;
	return rc;
}

static void
close_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void
guest_transfer_free(struct guest_transfer *t)
{
	if (!t)
		return;
	timer_free(t->timer);
	for (size_t i = 0; i < t->n; i++) {
		free(t->names[i]);
		channel_stream_free(t->streams[i]);
		close_open(t->channel_fds[i]);
		if (!t->disks_taken)
			close_open(t->disks[i].fd);
	}
	close_open(t->memory_fd);
	free(t->names);
	free(t->streams);
	free(t->channel_fds);
	free(t->disks);
	free(t);
}

size_t
guest_transfer_streams(const struct guest_transfer *t)
{
	return t->n;
}

int
guest_transfer_expect(struct guest_transfer *t, const uint8_t key[CHANNEL_KEY_BYTES],
    const char *peer_uuid, struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct channel_opening o = {
			.key = key,
			.name = t->names[i],
			.fd_take = MOVE_FD(t->channel_fds[i]),
		};
		int rc = channel_expect(t->channel, &o, peer_uuid, &t->streams[i], e);

		if (rc)
			return rc;
	}
	return 0;
}

int
guest_transfer_dial(struct guest_transfer *t, const struct channel_dest *to,
    const uint8_t key[CHANNEL_KEY_BYTES], const struct wake *ups, uint64_t cap,
    struct err *e)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct channel_opening o = {
			.key = key,
			.name = t->names[i],
			.fd_take = MOVE_FD(t->channel_fds[i]),
			.cap = cap,
			.ends = { ups[i], WAKE_NONE },
		};
		int rc = channel_dial(t->channel, &o, to, &t->streams[i], e);

		if (rc)
			return rc;
	}
	return 0;
}

void
guest_transfer_only_top(struct guest_transfer *t, const char *disk)
{
	for (size_t i = 0; i + 1 < t->n; i++)
		t->disks[i].top = t->disks[i].top || str_same(t->disks[i].disk, disk);
}

bool
guest_transfer_has_begun(const struct guest_transfer *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct channel_facts facts = { 0 };

		if (t->streams[i])
			facts = channel_stream_facts(t->streams[i]);
		if (facts.is_up || facts.in_bytes)
			return true;
	}
	return false;
}

static void
end_streams(void *arg)
{
	struct guest_transfer *t = arg;

	for (size_t i = 0; i < t->n; i++)
		channel_stream_free(MOVE(t->streams[i]));
}

void
guest_transfer_end_soon(struct guest_transfer *t, struct loop *l)
{
	t->timer = timer_new(l, end_streams, t);
	timer_after(t->timer, LINGER_MS);
}

int
guest_transfer_take_memory(struct guest_transfer *t)
{
	return MOVE_FD(t->memory_fd);
}

const struct engine_disk_stream *
guest_transfer_take_disks(struct guest_transfer *t)
{
	t->disks_taken = true;
	return t->disks;
}
