#include "host-agent/storage/unpack/un_stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define CHUNK      262144u
#define TAR_BLOCK  512u
#define SHA256_LEN 32

/* ---- checksums ---- */

static EVP_MD_CTX *
sum_new(void)
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();

	if (md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1)
		return md;
	EVP_MD_CTX_free(md);
	return NULL;
}

static void
sum_end(EVP_MD_CTX *md, char ret_digest[UN_DIGEST_LEN + 1])
{
	uint8_t sum[SHA256_LEN] = { 0 };
	char hex[2 * SHA256_LEN + 1];

	(void)EVP_DigestFinal_ex(md, sum, NULL);
	hex_encode(sum, sizeof(sum), hex);
	snprintf(ret_digest, UN_DIGEST_LEN + 1, "sha256:%s", hex);
}

void
un_digest(const void *p, size_t n, char ret_digest[UN_DIGEST_LEN + 1])
{
	EVP_MD_CTX *md = sum_new();

	ret_digest[0] = '\0';
	if (md && EVP_DigestUpdate(md, p, n) == 1)
		sum_end(md, ret_digest);
	EVP_MD_CTX_free(md);
}

/* ---- the file, and what it unpacks to ---- */

static la_ssize_t
on_packed(struct archive *a, void *arg, const void **ret_p)
{
	struct un_stream *s = arg;
	size_t want = s->left.bytes < CHUNK ? (size_t)s->left.bytes : CHUNK;
	ssize_t n = pread(s->left.fd, s->buf, want, (off_t)s->left.at);

	if (n < 0 || (n == 0 && want)) {
		err_sys(&s->err, n < 0 ? ERR_IO : ERR_INVALID, n < 0 ? errno : 0,
		    "cannot read the archive: the file has become shorter");
		archive_set_error(a, EIO, "cannot read it");
		return -1;
	}
	s->left.at += (uint64_t)n;
	s->left.bytes -= (uint64_t)n;
	if (n)
		(void)EVP_DigestUpdate(s->packed, s->buf, (size_t)n);
	*ret_p = s->buf;
	return n;
}

static void
count_zeros(struct un_stream *s, const uint8_t *p, size_t n)
{
	size_t at = n;

	while (at && !p[at - 1] && n - at < TAR_BLOCK)
		at--;
	s->zeros = at ? n - at : s->zeros + n;
}

static la_ssize_t
on_plain(struct archive *a, void *arg, const void **ret_p)
{
	struct un_stream *s = arg;
	la_int64_t at;
	size_t n = 0;
	int rc = archive_read_data_block(s->filter, ret_p, &n, &at);

	if (rc == ARCHIVE_EOF)
		return 0;
	if (rc < ARCHIVE_WARN) {
		if (!s->err.code)
			err_set(&s->err, ERR_INVALID, "the archive is damaged: %s",
			    archive_error_string(s->filter));
		archive_set_error(a, EIO, "cannot unpack it");
		return -1;
	}
	s->bytes += n;
	if (s->bytes > s->max_bytes) {
		err_set(&s->err, ERR_TOO_LARGE,
		    "the archive unpacks to over %llu bytes, which is more than its "
		    "size allows or its datastore has room for",
		    (unsigned long long)s->max_bytes);
		archive_set_error(a, EFBIG, "it is too large");
		return -1;
	}
	(void)EVP_DigestUpdate(s->plain, *ret_p, n);
	count_zeros(s, *ret_p, n);
	return (la_ssize_t)n;
}

/* The callback that failed has said more. */
static int
failed(struct un_stream *s, struct archive *a, struct err *e)
{
	const char *why = archive_error_string(a);

	if (s->err.code)
		return err_set(e, s->err.code, "%s", s->err.msg);
	return err_set(e, ERR_INVALID, "the file is no tar archive, or is cut off: %s",
	    why ? why : "nothing is known of it");
}

static int
open_filter(struct un_stream *s, struct err *e)
{
	struct archive_entry *all;

	archive_read_support_filter_gzip(s->filter);
	archive_read_support_filter_xz(s->filter);
	archive_read_support_filter_zstd(s->filter);
	archive_read_support_filter_bzip2(s->filter);
	archive_read_support_format_raw(s->filter);
	archive_read_support_format_empty(s->filter);
	if (archive_read_open(s->filter, s, NULL, on_packed, NULL) < ARCHIVE_WARN ||
	    archive_read_next_header(s->filter, &all) < ARCHIVE_WARN)
		return failed(s, s->filter, e);
	return 0;
}

int
un_stream_open(
    struct un_stream *s, const struct un_span *of, uint64_t max_bytes, struct err *e)
{
	int rc;

	*s = (struct un_stream){ .left = *of, .max_bytes = max_bytes };
	s->buf = xmalloc(CHUNK);
	s->packed = sum_new();
	s->plain = sum_new();
	s->filter = archive_read_new();
	s->tar = archive_read_new();
	if (!s->packed || !s->plain || !s->filter || !s->tar) {
		un_stream_close(s);
		return err_set(e, ERR_INTERNAL, "cannot make a checksum");
	}
	rc = open_filter(s, e);
	archive_read_support_format_tar(s->tar);
	if (!rc && archive_read_open(s->tar, s, NULL, on_plain, NULL) < ARCHIVE_WARN)
		rc = failed(s, s->tar, e);
	if (rc)
		un_stream_close(s);
	return rc;
}

void
un_stream_close(struct un_stream *s)
{
	archive_read_free(s->tar);
	archive_read_free(s->filter);
	EVP_MD_CTX_free(s->packed);
	EVP_MD_CTX_free(s->plain);
	free(s->buf);
	*s = (struct un_stream){ .bytes = 0 };
}

int
un_stream_next(struct un_stream *s, struct archive_entry **ret_entry, struct err *e)
{
	int rc = archive_read_next_header(s->tar, ret_entry);

	if (rc == ARCHIVE_EOF && !s->err.code)
		return ERR_NOT_FOUND;
	return rc < ARCHIVE_WARN || s->err.code ? failed(s, s->tar, e) : 0;
}

int
un_stream_read(struct un_stream *s, struct un_piece *ret_piece, struct err *e)
{
	struct un_piece piece = { NULL, 0, 0 };
	la_int64_t at = 0;
	int rc = archive_read_data_block(s->tar, &piece.p, &piece.n, &at);

	if (rc != ARCHIVE_EOF && rc < ARCHIVE_WARN)
		return failed(s, s->tar, e);
	piece.at = (uint64_t)at;
	if (rc == ARCHIVE_EOF)
		piece.n = 0;
	*ret_piece = piece;
	return 0;
}

/* The reader of archives stops at their mark; checksums are of everything. */
int
un_stream_end(struct un_stream *s, struct un_sums *ret_sums, struct err *e)
{
	const void *p;
	la_ssize_t n;

	while ((n = on_plain(s->tar, s, &p)) > 0)
		;
	while (n == 0 && (n = on_packed(s->filter, s, &p)) > 0)
		n = 0;
	if (n < 0)
		return failed(s, s->tar, e);
	sum_end(s->packed, ret_sums->packed);
	sum_end(s->plain, ret_sums->plain);
	ret_sums->is_whole = s->zeros >= TAR_BLOCK;
	return 0;
}
