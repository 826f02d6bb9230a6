/*
 * The giving side: only what a file system calls data is read, and of that only what
 * is not zeros is sent.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "host-agent/copy/image_job.h"
#include "host-agent/copy/image_sum.h"
#include "host-agent/copy/image_wire.h"
#include "host-agent/storage/ds_path.h"
#include "host-agent/storage/img_copy.h"

int
image_give_look(struct image_job *j, struct err *e)
{
	struct stat st;
	int rc = img_place_check(j->path, e);

	if (!rc)
		rc = ds_path_open(
		    datastore_fd(j->ds), j->path, O_RDONLY, 0, &j->file_fd, e);
	if (!rc && fstat(j->file_fd, &st))
		rc = err_sys(e, ERR_IO, errno, "cannot look at it");
	if (!rc && (!S_ISREG(st.st_mode) || st.st_size == 0))
		rc = err_set(e, ERR_INVALID, "it is no image");
	if (rc)
		return rc;
	j->bytes = (uint64_t)st.st_size;
	return 0;
}

/* A stretch of data in whole blocks, but at the image's end. */
struct stretch {
	uint64_t at, end;
};

/* The next one from at on; ERR_NOT_FOUND: no more. */
static int
next_stretch(
    const struct image_job *j, uint64_t at, struct stretch *ret_s, struct err *e)
{
	off_t data = lseek(j->file_fd, (off_t)at, SEEK_DATA);
	off_t hole = data < 0 ? -1 : lseek(j->file_fd, data, SEEK_HOLE);
	struct stretch s;

	if (data < 0 && errno == ENXIO)
		return ERR_NOT_FOUND;
	if (data < 0 || hole < 0)
		return err_sys(e, ERR_IO, errno, "cannot find its data");
	s.at = (uint64_t)data - (uint64_t)data % IMAGE_BLOCK_BYTES;
	s.end = ((uint64_t)hole + IMAGE_BLOCK_BYTES - 1) / IMAGE_BLOCK_BYTES *
		IMAGE_BLOCK_BYTES;
	if (s.end > j->bytes)
		s.end = j->bytes;
	if (s.at >= s.end)
		return err_set(e, ERR_CORRUPT, "it grew while it was read");
	*ret_s = s;
	return 0;
}

/* What is not on disk yet may lie in other stretches once it is. */
static int
count_data(struct image_job *j, struct err *e)
{
	struct stretch s = { 0, 0 };
	uint64_t bytes = 0;
	int rc = 0;

	if (fdatasync(j->file_fd))
		return err_sys(e, ERR_IO, errno, "cannot write it to disk");
	while (!rc && s.end < j->bytes) {
		if (j->is_stopped)
			return err_set(e, ERR_CANCELLED, "given up");
		rc = next_stretch(j, s.end, &s, e);
		if (!rc)
			bytes += s.end - s.at;
	}
	if (rc && rc != ERR_NOT_FOUND)
		return rc;
	j->data_bytes = bytes;
	return 0;
}

static int
read_whole(
    const struct image_job *j, uint64_t at, uint8_t *buf, size_t n, struct err *e)
{
	for (size_t got = 0; got < n;) {
		ssize_t did = pread(j->file_fd, buf + got, n - got, (off_t)(at + got));

		if (did < 0 && errno == EINTR)
			continue;
		if (did < 0)
			return err_sys(
			    e, ERR_IO, errno, "cannot read it at %" PRIu64, at);
		if (did == 0)
			return err_set(e, ERR_CORRUPT, "it shrank while it was read");
		got += (size_t)did;
	}
	return 0;
}

static size_t
block_len(size_t i, size_t n)
{
	return n - i < IMAGE_BLOCK_BYTES ? n - i : IMAGE_BLOCK_BYTES;
}

/* The runs of blocks in buf that are not zeros. */
static int
send_runs(
    const struct image_job *j, uint64_t at, const uint8_t *buf, size_t n, struct err *e)
{
	struct image_frame f = { .kind = IMAGE_PIECE };
	int rc = 0;

	for (size_t i = 0, begin = 0; i < n && !rc; i += IMAGE_BLOCK_BYTES) {
		size_t len = block_len(i, n);
		bool zeros = image_is_zeros(buf + i, len);

		f.at = at + begin;
		f.n = (uint32_t)(i - begin + (zeros ? 0 : len));
		if (f.n && (zeros || i + len == n))
			rc = image_wire_put(j->wire_fd, &f, buf + begin, e);
		if (zeros)
			begin = i + len;
	}
	return rc;
}

static int
send_piece(struct image_job *j, struct image_sum *sum, const struct stretch *s,
    uint8_t *buf, struct err *e)
{
	size_t n = s->end - s->at < IMAGE_PIECE_MAX ? (size_t)(s->end - s->at)
						    : IMAGE_PIECE_MAX;
	int rc;

	if (j->is_stopped)
		return err_set(e, ERR_CANCELLED, "given up");
	if (image_wire_has_word(j->wire_fd))
		return err_set(e, ERR_BUSY, "the other host has spoken");
	rc = read_whole(j, s->at, buf, n, e);
	if (rc)
		return rc;
	image_sum_add(sum, s->at, buf, n);
	rc = send_runs(j, s->at, buf, n, e);
	j->done_bytes += n;
	return rc;
}

static int
send_data(struct image_job *j, struct image_sum *sum, struct err *e)
{
	AUTO_FREE uint8_t *buf = xmalloc(IMAGE_PIECE_MAX);
	struct stretch s = { 0, 0 };
	int rc = 0;

	while (!rc && s.end < j->bytes) {
		rc = next_stretch(j, s.end, &s, e);
		for (; !rc && s.at < s.end; s.at += IMAGE_PIECE_MAX)
			rc = send_piece(j, sum, &s, buf, e);
	}
	return rc == ERR_NOT_FOUND ? 0 : rc;
}

static int
send_all(struct image_job *j, uint8_t got[IMAGE_SUM_BYTES], struct err *e)
{
	AUTO(image_sum) struct image_sum *sum = image_sum_new();
	struct image_frame begin = { .kind = IMAGE_BEGIN, .bytes = j->bytes };
	const struct image_frame end = { .kind = IMAGE_END, .n = IMAGE_SUM_BYTES };
	int rc = count_data(j, e);

	if (!rc) {
		begin.data = j->data_bytes;
		rc = image_wire_put(j->wire_fd, &begin, NULL, e);
	}
	if (!rc)
		rc = send_data(j, sum, e);
	if (!rc)
		rc = image_sum_end(sum, j->bytes, got, e);
	return rc ? rc : image_wire_put(j->wire_fd, &end, got, e);
}

/* Why the other host has ended it is told by its verdict, if that comes yet. */
static int
hear_out(const struct image_job *j, int rc, struct err *e)
{
	struct err said = ERR_INIT;

	if (rc != ERR_BUSY && rc != ERR_LOST)
		return rc;
	if (image_wire_verdict(j->wire_fd, &said) && said.code != ERR_LOST)
		return (*e = said).code;
	return rc == ERR_LOST ? rc
			      : err_set(e, ERR_LOST, "the other host has ended it");
}

int
image_give(struct image_job *j, struct err *e)
{
	uint64_t begun_ms = clock_mono_ms(clock_system());
	uint8_t sum[IMAGE_SUM_BYTES];
	int rc = send_all(j, sum, e);

	if (rc)
		rc = hear_out(j, rc, e);
	if (rc)
		return err_wrap(e, "cannot send \"%.80s\"", j->path);
	rc = image_wire_verdict(j->wire_fd, e);
	hex_encode(sum, sizeof(sum), j->sum);
	j->total_ms = clock_mono_ms(clock_system()) - begun_ms;
	return rc;
}
