#include "host-agent/engine/oci/oci_carry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/engine/oci/oci_pack.h"
#include "host-agent/engine/oci/oci_sync.h"
#include "loop/worker.h"

struct lane {
	struct oci_carry *carry;
	int stream_fd, image_fd;
	int whole_fd;          /* readable: image_fd is whole */
	struct oci_sync *sync; /* of a disk that goes */
	enum oci_load load;
	uint64_t max_bytes;
	struct err e;
};

struct oci_carry {
	struct loop *loop;
	struct workers *workers;
	atomic_bool is_stopped;
	_Atomic uint64_t bytes;
	struct lane lanes[OCI_CARRY_LANES];
	unsigned n_lanes, n_under_way;
	struct err e; /* of the first that failed: it stays */
	struct wake wake;
	bool is_awaited, ends;
};

struct oci_carry *
oci_carry_new(struct loop *l, unsigned n_lanes)
{
	struct oci_carry *c = xcalloc(1, sizeof(*c));

	ASSERT(n_lanes > 0 && n_lanes <= OCI_CARRY_LANES);
	c->loop = l;
	c->n_lanes = n_lanes;
	c->workers = workers_new(l, n_lanes, n_lanes);
	for (unsigned i = 0; i < n_lanes; i++)
		c->lanes[i] = (struct lane){
			.carry = c, .stream_fd = -1, .image_fd = -1, .whole_fd = -1
		};
	return c;
}

void
oci_carry_free(struct oci_carry *c)
{
	if (!c)
		return;
	c->ends = true;
	oci_carry_stop(c);
	workers_free(c->workers);
	for (unsigned i = 0; i < c->n_lanes; i++) {
		struct lane *l = &c->lanes[i];

		oci_sync_free(l->sync);
		if (l->stream_fd >= 0)
			close(l->stream_fd);
		if (l->image_fd >= 0)
			close(l->image_fd);
		if (l->whole_fd >= 0)
			close(l->whole_fd);
	}
	free(c);
}

int
oci_carry_lane(
    struct oci_carry *c, unsigned lane, int stream_fd, int image_fd, struct err *e)
{
	struct lane *l = &c->lanes[lane];

	ASSERT(lane < c->n_lanes && l->stream_fd < 0 && l->image_fd < 0);
	l->stream_fd = fcntl(stream_fd, F_DUPFD_CLOEXEC, 3);
	l->image_fd = fcntl(image_fd, F_DUPFD_CLOEXEC, 3);
	if (l->stream_fd < 0 || l->image_fd < 0)
		return err_set(e, ERR_INVALID, "there is no %s for its %s",
		    l->stream_fd < 0 ? "stream" : "image", lane ? "disk" : "memory");
	l->whole_fd = eventfd(0, EFD_CLOEXEC);
	if (l->whole_fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot make an eventfd");
	return 0;
}

static int
carry(void *job)
{
	struct lane *l = job;
	struct oci_wire w = { l->stream_fd, &l->carry->is_stopped, &l->carry->bytes };
	struct oci_sync *in;
	int rc = 0;

	switch (l->load) {
	case OCI_LOAD_PACK:
		return oci_pack(l->image_fd, -1, &w, &l->e);
	case OCI_LOAD_FOLLOW:
		return oci_pack(l->image_fd, l->whole_fd, &w, &l->e);
	case OCI_LOAD_SEAL:
		return oci_pack_seal(&w, &l->e);
	case OCI_LOAD_UNPACK:
		return oci_unpack(l->image_fd, &w, l->max_bytes, &l->e);
	case OCI_LOAD_FIRST:
		l->sync = oci_sync_new(l->image_fd);
		return oci_sync_first(l->sync, &w, &l->e);
	case OCI_LOAD_SECOND:
		return oci_sync_second(l->sync, &w, &l->e);
	case OCI_LOAD_TAKE:
		in = oci_sync_new(l->image_fd);
		rc = oci_sync_take(in, &w, &l->e);
		oci_sync_free(in);
		break;
	}
	return rc;
}

static void
tell(struct oci_carry *c)
{
	if (!c->is_awaited || c->n_under_way || c->ends)
		return;
	c->is_awaited = false;
	post_wake(c->loop, c->wake, c->e.code, &c->e);
}

static void
carried(void *job, int rc)
{
	struct lane *l = job;
	struct oci_carry *c = l->carry;

	c->n_under_way--;
	if (rc && !c->e.code) {
		c->e = l->e;
		c->e.code = rc;
		oci_carry_stop(c);
	}
	tell(c);
}

void
oci_carry_begin(
    struct oci_carry *c, unsigned lane, enum oci_load load, uint64_t max_bytes)
{
	struct lane *l = &c->lanes[lane];

	l->load = load;
	l->max_bytes = max_bytes;
	err_clear(&l->e);
	c->n_under_way++;
	/* There is a thread for each lane. */
	ASSERT(!worker_run(c->workers, carry, carried, l, NULL));
}

void
oci_carry_whole(struct oci_carry *c, unsigned lane)
{
	/* It counts up to more than anybody says it. */
	ASSERT(!eventfd_write(c->lanes[lane].whole_fd, 1));
}

void
oci_carry_await(struct oci_carry *c, struct wake w)
{
	c->wake = w;
	c->is_awaited = true;
	tell(c);
}

void
oci_carry_stop(struct oci_carry *c)
{
	c->is_stopped = true;
	/* It wakes the threads; of a file, which never waits, it is refused. */
	for (unsigned i = 0; i < c->n_lanes; i++)
		if (c->lanes[i].stream_fd >= 0)
			shutdown(c->lanes[i].stream_fd, SHUT_RDWR);
}

uint64_t
oci_carry_bytes(const struct oci_carry *c)
{
	return c->bytes;
}
