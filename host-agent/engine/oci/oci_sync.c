#include "host-agent/engine/oci/oci_sync.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/mem.h"

#define HASH_BYTES 16u /* of SHA-256: chunks are told apart, nothing is signed */
#define SUM_BYTES  32u
#define BLOCK      4096u /* of file systems */
#define HEAD_BYTES 13u
#define PART       4096u /* chunks whose hashes are kept together: 256 MiB of image */

enum frame { FRAME_BEGIN = 1, FRAME_PIECE, FRAME_MARK, FRAME_ZEROS, FRAME_END };

/* Zeros have the hash 0; a part without any others is NULL. */
struct part {
	uint8_t hash[PART][HASH_BYTES];
};

struct oci_sync {
	int fd;
	uint64_t bytes, chunks;
	struct part **parts;
	uint8_t buf[OCI_SYNC_CHUNK];
};

static const uint8_t no_hash[HASH_BYTES];

struct oci_sync *
oci_sync_new(int image_fd)
{
	struct oci_sync *s = xcalloc(1, sizeof(*s));

	s->fd = image_fd;
	return s;
}

void
oci_sync_free(struct oci_sync *s)
{
	if (!s)
		return;
	for (uint64_t i = 0; s->parts && i < (s->chunks + PART - 1) / PART; i++)
		free(s->parts[i]);
	free(s->parts);
	free(s);
}

/* ---- what is known of each chunk ---- */

static int
measure(struct oci_sync *s, struct err *e)
{
	struct stat st;

	if (fstat(s->fd, &st))
		return err_sys(e, ERR_IO, errno, "cannot look at the image");
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > OCI_SYNC_BYTES_MAX)
		return err_set(
		    e, ERR_UNSUPPORTED, "the image is no file that can travel");
	s->bytes = (uint64_t)st.st_size;
	s->chunks = (s->bytes + OCI_SYNC_CHUNK - 1) / OCI_SYNC_CHUNK;
	s->parts = xcalloc((s->chunks + PART - 1) / PART + 1, sizeof(void *));
	return 0;
}

static const uint8_t *
hash_of(const struct oci_sync *s, uint64_t chunk)
{
	const struct part *p = s->parts[chunk / PART];

	return p ? p->hash[chunk % PART] : no_hash;
}

static void
note_hash(struct oci_sync *s, uint64_t chunk, const uint8_t hash[HASH_BYTES])
{
	struct part **p = &s->parts[chunk / PART];

	if (!*p && memcmp(hash, no_hash, HASH_BYTES) == 0)
		return;
	if (!*p)
		*p = xcalloc(1, sizeof(**p));
	memcpy((*p)->hash[chunk % PART], hash, HASH_BYTES);
}

static size_t
chunk_len(const struct oci_sync *s, uint64_t chunk)
{
	uint64_t left = s->bytes - chunk * OCI_SYNC_CHUNK;

	return left < OCI_SYNC_CHUNK ? (size_t)left : OCI_SYNC_CHUNK;
}

static bool
is_zeros(const uint8_t *p, size_t n)
{
	return p[0] == 0 && memcmp(p, p + 1, n - 1) == 0;
}

static int
hash_chunk(const uint8_t *p, size_t n, uint8_t ret_hash[HASH_BYTES], struct err *e)
{
	uint8_t full[SUM_BYTES];

	if (is_zeros(p, n)) {
		memset(ret_hash, 0, HASH_BYTES);
		return 0;
	}
	if (EVP_Digest(p, n, full, NULL, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
	memcpy(ret_hash, full, HASH_BYTES);
	return 0;
}

static int
sum_up(const struct oci_sync *s, uint8_t ret_sum[SUM_BYTES], struct err *e)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t number[8];
	bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1;

	oci_wire_put(number, s->bytes, sizeof(number));
	good = good && EVP_DigestUpdate(md, number, sizeof(number)) == 1;
	for (uint64_t c = 0; good && c < s->chunks; c++) {
		if (!s->parts[c / PART]) {
			c |= PART - 1;
			continue;
		}
		if (memcmp(hash_of(s, c), no_hash, HASH_BYTES) == 0)
			continue;
		oci_wire_put(number, c, sizeof(number));
		good = EVP_DigestUpdate(md, number, sizeof(number)) == 1 &&
		       EVP_DigestUpdate(md, hash_of(s, c), HASH_BYTES) == 1;
	}
	good = good && EVP_DigestFinal_ex(md, ret_sum, NULL) == 1;
	EVP_MD_CTX_free(md);
	return good ? 0 : err_set(e, ERR_INTERNAL, "SHA-256 cannot be computed");
}

/* ---- out ---- */

static int
say(const struct oci_wire *w, enum frame kind, uint64_t at, size_t n, struct err *e)
{
	uint8_t head[HEAD_BYTES];

	head[0] = kind;
	oci_wire_put(head + 1, at, 8);
	oci_wire_put(head + 9, n, 4);
	return oci_wire_write(w, head, sizeof(head), e);
}

static int
read_chunk(struct oci_sync *s, uint64_t chunk, struct err *e)
{
	size_t n = chunk_len(s, chunk), got = 0;

	while (got < n) {
		ssize_t r = pread(s->fd, s->buf + got, n - got,
		    (off_t)(chunk * OCI_SYNC_CHUNK + got));

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return err_sys(
			    e, ERR_IO, r < 0 ? errno : EIO, "cannot read the image");
		got += (size_t)r;
	}
	return 0;
}

/* Tell the other side of a chunk that is not as it knows it. */
static int
tell_chunk(struct oci_sync *s, const struct oci_wire *w, uint64_t chunk, struct err *e)
{
	uint64_t at = chunk * OCI_SYNC_CHUNK;
	size_t n = chunk_len(s, chunk);
	uint8_t hash[HASH_BYTES];
	int rc = read_chunk(s, chunk, e);

	if (!rc)
		rc = hash_chunk(s->buf, n, hash, e);
	if (rc || memcmp(hash, hash_of(s, chunk), HASH_BYTES) == 0)
		return rc;
	note_hash(s, chunk, hash);
	if (memcmp(hash, no_hash, HASH_BYTES) == 0)
		return say(w, FRAME_ZEROS, at, n, e);
	rc = say(w, FRAME_PIECE, at, n, e);
	return rc ? rc : oci_wire_write(w, s->buf, n, e);
}

static int
tell_zeros(struct oci_sync *s, const struct oci_wire *w, uint64_t from, uint64_t to,
    struct err *e)
{
	int rc = 0;

	for (uint64_t c = from; !rc && c < to; c++) {
		if (!s->parts[c / PART]) {
			c |= PART - 1;
			continue;
		}
		if (memcmp(hash_of(s, c), no_hash, HASH_BYTES) == 0)
			continue;
		note_hash(s, c, no_hash);
		rc = say(w, FRAME_ZEROS, c * OCI_SYNC_CHUNK, chunk_len(s, c), e);
	}
	return rc;
}

/* The chunks of the next stretch of data at or after *from; both s->chunks: none. */
static int
next_data(const struct oci_sync *s, uint64_t *from, uint64_t *to, struct err *e)
{
	off_t at = *from * OCI_SYNC_CHUNK < s->bytes
		       ? lseek(s->fd, (off_t)(*from * OCI_SYNC_CHUNK), SEEK_DATA)
		       : -1;
	off_t end;

	if (at < 0 && *from * OCI_SYNC_CHUNK < s->bytes && errno != ENXIO)
		return err_sys(e, ERR_IO, errno, "cannot look at the image");
	if (at < 0) {
		*from = *to = s->chunks;
		return 0;
	}
	end = lseek(s->fd, at, SEEK_HOLE);
	if (end < 0)
		return err_sys(e, ERR_IO, errno, "cannot look at the image");
	*from = (uint64_t)at / OCI_SYNC_CHUNK;
	*to = ((uint64_t)end + OCI_SYNC_CHUNK - 1) / OCI_SYNC_CHUNK;
	if (*to > s->chunks)
		*to = s->chunks;
	return 0;
}

static int
tell_all(struct oci_sync *s, const struct oci_wire *w, struct err *e)
{
	uint64_t done = 0, from, to = 0;
	int rc = 0;

	while (!rc && done < s->chunks) {
		from = done;
		rc = next_data(s, &from, &to, e);
		if (!rc)
			rc = tell_zeros(s, w, done, from, e);
		for (uint64_t c = from; !rc && c < to; c++)
			rc = tell_chunk(s, w, c, e);
		done = to;
	}
	return rc;
}

int
oci_sync_first(struct oci_sync *s, const struct oci_wire *w, struct err *e)
{
	int rc = measure(s, e);

	if (!rc)
		rc = say(w, FRAME_BEGIN, s->bytes, 0, e);
	if (!rc)
		rc = tell_all(s, w, e);
	return rc ? rc : say(w, FRAME_MARK, 0, 0, e);
}

int
oci_sync_second(struct oci_sync *s, const struct oci_wire *w, struct err *e)
{
	uint8_t sum[SUM_BYTES];
	int rc = tell_all(s, w, e);

	if (!rc)
		rc = sum_up(s, sum, e);
	if (!rc)
		rc = say(w, FRAME_END, 0, sizeof(sum), e);
	return rc ? rc : oci_wire_write(w, sum, sizeof(sum), e);
}

/* ---- in ---- */

struct heard {
	enum frame kind;
	uint64_t at;
	size_t n;
};

static int
hear(const struct oci_wire *w, struct heard *h, struct err *e)
{
	uint8_t head[HEAD_BYTES];
	int rc = oci_wire_read(w, head, sizeof(head), e);

	if (rc)
		return rc;
	*h = (struct heard){ head[0], oci_wire_get(head + 1, 8),
		(size_t)oci_wire_get(head + 9, 4) };
	if (head[0] < FRAME_BEGIN || head[0] > FRAME_END ||
	    (h->kind == FRAME_MARK && (h->at || h->n)) ||
	    (h->kind == FRAME_END && h->at))
		return err_set(e, ERR_CORRUPT, "the image's stream makes no sense");
	return 0;
}

static int
begin(struct oci_sync *s, const struct heard *h, struct err *e)
{
	int rc = measure(s, e);

	if (rc)
		return rc;
	if (h->kind != FRAME_BEGIN || h->n)
		return err_set(e, ERR_CORRUPT, "the image's stream has no beginning");
	if (h->at != s->bytes)
		return err_set(e, ERR_CORRUPT,
		    "the image that comes has %" PRIu64 " bytes, the one here %" PRIu64,
		    h->at, s->bytes);
	if (s->bytes && fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			    (off_t)s->bytes))
		return err_sys(e, ERR_IO, errno, "cannot empty the image");
	return 0;
}

static int
write_run(struct oci_sync *s, uint64_t at, const uint8_t *p, size_t n, struct err *e)
{
	while (n > 0) {
		ssize_t r = pwrite(s->fd, p, n, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0) {
			bool full = errno == ENOSPC || errno == EDQUOT;

			return err_sys(e, full ? ERR_NO_CAPACITY : ERR_IO, errno,
			    "cannot write the image");
		}
		p += r;
		at += (uint64_t)r;
		n -= (size_t)r;
	}
	return 0;
}

static int
make_hole(struct oci_sync *s, uint64_t chunk, struct err *e)
{
	if (memcmp(hash_of(s, chunk), no_hash, HASH_BYTES) == 0)
		return 0;
	if (fallocate(s->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		(off_t)(chunk * OCI_SYNC_CHUNK), (off_t)chunk_len(s, chunk)))
		return err_sys(e, ERR_IO, errno, "cannot write the image");
	return 0;
}

/* Blocks of zeros within it stay holes, too. */
static int
write_chunk(struct oci_sync *s, uint64_t chunk, struct err *e)
{
	size_t n = chunk_len(s, chunk);
	int rc = make_hole(s, chunk, e);

	for (size_t i = 0; !rc && i < n; i += BLOCK) {
		size_t len = n - i < BLOCK ? n - i : BLOCK;

		if (is_zeros(s->buf + i, len))
			continue;
		rc = write_run(s, chunk * OCI_SYNC_CHUNK + i, s->buf + i, len, e);
	}
	return rc;
}

static int
take_chunk(
    struct oci_sync *s, const struct oci_wire *w, const struct heard *h, struct err *e)
{
	uint64_t chunk = h->at / OCI_SYNC_CHUNK;
	uint8_t hash[HASH_BYTES] = { 0 };
	int rc;

	if (h->at % OCI_SYNC_CHUNK || chunk >= s->chunks || h->n != chunk_len(s, chunk))
		return err_set(e, ERR_CORRUPT,
		    "the image's stream has a piece at %" PRIu64 " of %" PRIu64, h->at,
		    s->bytes);
	if (h->kind == FRAME_ZEROS) {
		rc = make_hole(s, chunk, e);
		note_hash(s, chunk, no_hash);
		return rc;
	}
	rc = oci_wire_read(w, s->buf, h->n, e);
	if (!rc)
		rc = hash_chunk(s->buf, h->n, hash, e);
	if (!rc)
		rc = write_chunk(s, chunk, e);
	if (!rc)
		note_hash(s, chunk, hash);
	return rc;
}

static int
make_safe(const struct oci_sync *s, struct err *e)
{
	if (fdatasync(s->fd))
		return err_sys(e, ERR_IO, errno, "cannot write the image to its disk");
	return 0;
}

static int
end(const struct oci_sync *s, const struct oci_wire *w, const struct heard *h,
    struct err *e)
{
	uint8_t mine[SUM_BYTES], theirs[SUM_BYTES];
	int rc;

	if (h->n != sizeof(theirs))
		return err_set(e, ERR_CORRUPT, "the image's stream makes no sense");
	rc = oci_wire_read(w, theirs, sizeof(theirs), e);
	if (!rc)
		rc = sum_up(s, mine, e);
	if (!rc && memcmp(mine, theirs, sizeof(mine)) != 0)
		rc = err_set(e, ERR_CORRUPT, "the image is not what was sent");
	return rc ? rc : make_safe(s, e);
}

int
oci_sync_take(struct oci_sync *s, const struct oci_wire *w, struct err *e)
{
	struct heard h;
	bool is_marked = false;
	int rc = hear(w, &h, e);

	if (!rc)
		rc = begin(s, &h, e);
	while (!rc) {
		rc = hear(w, &h, e);
		if (rc)
			break;
		if (h.kind == FRAME_END && is_marked)
			return end(s, w, &h, e);
		if (h.kind == FRAME_MARK && !is_marked) {
			is_marked = true;
			rc = make_safe(s, e);
		} else if (h.kind == FRAME_PIECE || h.kind == FRAME_ZEROS) {
			rc = take_chunk(s, w, &h, e);
		} else {
			rc = err_set(
			    e, ERR_CORRUPT, "the image's stream makes no sense");
		}
	}
	return rc;
}
