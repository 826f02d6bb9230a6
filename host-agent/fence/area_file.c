#include "host-agent/fence/area_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/mem.h"

#define MODE 0600

/* What O_DIRECT asks of memory: no device has larger blocks than ours. */
static uint8_t *
blocks_new(uint32_t n)
{
	uint8_t *p = aligned_alloc(LEASE_BLOCK_BYTES, (size_t)n * LEASE_BLOCK_BYTES);

	ASSERT(p);
	memset(p, 0, (size_t)n * LEASE_BLOCK_BYTES);
	return p;
}

static int
open_file(const char *path, int flags, bool *ret_direct)
{
	int all = flags | O_RDWR | O_DSYNC | O_CLOEXEC | O_NOFOLLOW;
	int fd = open(path, all | O_DIRECT, MODE);

	*ret_direct = fd >= 0;
	return fd < 0 && errno == EINVAL ? open(path, all, MODE) : fd;
}

/* ---- making ---- */

static void
fill(const struct lease_area *a, uint8_t *blocks)
{
	lease_head_encode(a, blocks);
	for (uint32_t n = 1; n <= a->slots; n++) {
		uint8_t *at = blocks + (size_t)n * LEASE_BLOCK_BYTES;
		struct lease_claim claim = { .phase = CLAIM_NONE, .host_id = n };
		struct lease_beat beat = { .host_id = n };

		if (a->guest)
			lease_claim_encode(a, &claim, at);
		else
			lease_beat_encode(a, &beat, at);
	}
}

static int
write_all(int fd, const struct lease_area *a)
{
	uint32_t n = a->slots + 1;
	size_t len = (size_t)n * LEASE_BLOCK_BYTES;
	AUTO_FREE uint8_t *blocks = blocks_new(n);
	ssize_t done;

	fill(a, blocks);
	done = pwrite(fd, blocks, len, 0);
	if (done >= 0 && (size_t)done != len)
		errno = ENOSPC;
	return done < 0 || (size_t)done != len ? -1 : fsync(fd);
}

/* A name is a promise on storage only when its folder was written. */
static int
sync_folder(const char *path)
{
	AUTO_FREE char *dir = xstrdup(path);
	AUTO_CLOSE int fd = -1;
	char *slash = strrchr(dir, '/');

	ASSERT(slash);
	slash[slash == dir ? 1 : 0] = '\0';
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -1 : fsync(fd);
}

/* Under another name first, so that nobody ever sees half of it; and it replaces
 * nothing, for somebody else may have made it meanwhile and be in it. */
int
area_file_make(const char *path, const struct lease_area *a, struct err *e)
{
	AUTO_FREE char *draft = xasprintf("%s.%d.new", path, (int)getpid());
	AUTO_CLOSE int fd = -1;
	bool direct;
	int sys = 0;

	ASSERT(a->slots >= 1 && a->slots <= LEASE_MAX_SLOTS);
	if (!access(path, F_OK))
		return 0;
	unlink(draft);
	fd = open_file(draft, O_CREAT | O_EXCL, &direct);
	if (fd < 0)
		return err_sys(e, ERR_IO, errno, "cannot make %s", draft);
	if (write_all(fd, a) || (link(draft, path) && errno != EEXIST) ||
	    unlink(draft) || sync_folder(path)) {
		sys = errno;
		unlink(draft);
		return err_sys(
		    e, sys == ENOSPC ? ERR_NO_CAPACITY : ERR_IO, sys, "%s", path);
	}
	return 0;
}

/* ---- reading ---- */

static int
read_all(struct area_file *f, const char *path, uint32_t n, struct err *e)
{
	ssize_t got = pread(f->fd, f->blocks, (size_t)n * LEASE_BLOCK_BYTES, 0);

	if (got < 0)
		return err_sys(e, ERR_IO, errno, "cannot read %s", path);
	f->n_read = (uint32_t)(got / LEASE_BLOCK_BYTES);
	if (f->n_read == 0)
		return err_set(e, ERR_CORRUPT, "%s has no head", path);
	return 0;
}

/* How many blocks there can be by its size, and are wanted; the head says how many there
 * are. */
static int
count_blocks(int fd, const char *path, uint32_t slots, uint32_t *ret_n, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "cannot look at %s", path);
	if (!S_ISREG(st.st_mode) || st.st_size < LEASE_BLOCK_BYTES)
		return err_set(e, ERR_CORRUPT, "%s is no file of lease blocks", path);
	*ret_n = slots + 1;
	if (st.st_size / LEASE_BLOCK_BYTES < *ret_n)
		*ret_n = (uint32_t)(st.st_size / LEASE_BLOCK_BYTES);
	return 0;
}

static int
load(struct area_file *f, const char *path, const struct lease_area *a, struct err *e)
{
	uint32_t n = 0;
	int rc = count_blocks(f->fd, path, a->slots, &n, e);

	if (rc)
		return rc;
	f->blocks = blocks_new(n);
	rc = read_all(f, path, n, e);
	if (rc)
		return rc;
	rc = lease_head_decode(a, f->blocks, &f->slots, e);
	if (rc)
		err_wrap(e, "%s", path);
	return rc;
}

int
area_file_open(const char *path, const struct lease_area *a, struct area_file *ret_f,
    struct err *e)
{
	struct area_file f = { .fd = -1 };
	int rc;

	f.fd = open_file(path, 0, &f.is_direct);
	if (f.fd < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open %s", path);
	rc = load(&f, path, a, e);
	if (rc) {
		area_file_close(&f);
		return rc;
	}
	*ret_f = f;
	return 0;
}

void
area_file_close(struct area_file *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	free(MOVE(f->blocks));
	f->n_read = 0;
}

const uint8_t *
area_file_block(const struct area_file *f, uint32_t n)
{
	return n >= 1 && n <= f->slots && n < f->n_read
		   ? f->blocks + (size_t)n * LEASE_BLOCK_BYTES
		   : NULL;
}

int
area_file_write(struct area_file *f, uint32_t n, const uint8_t *block,
    uint64_t *ret_sent_us, struct err *e)
{
	/* The head's place: it was read, nobody needs it any more, and it is aligned.
	 */
	uint8_t *aligned = f->blocks;
	uint64_t sent_us;
	ssize_t done;

	if (n < 1 || n > f->slots)
		return err_set(
		    e, ERR_INVALID, "there are %u slots and no %u", f->slots, n);
	memcpy(aligned, block, LEASE_BLOCK_BYTES);
	sent_us = clock_mono_us(clock_system());
	done = pwrite(f->fd, aligned, LEASE_BLOCK_BYTES, (off_t)n * LEASE_BLOCK_BYTES);
	if (done < 0)
		return err_sys(e, ERR_IO, errno, "cannot write block %u", n);
	if (done != LEASE_BLOCK_BYTES)
		return err_set(e, ERR_IO, "block %u was written in part", n);
	*ret_sent_us = sent_us;
	return 0;
}
