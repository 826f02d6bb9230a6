/*
 * un_stream: a tar archive in a stretch of a file, packed or not, read once from its
 * beginning to its end, with the checksums of what it is and what it unpacks to.
 */
#pragma once
#include <archive.h>
#include <archive_entry.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "base/err.h"

#define UN_DIGEST_LEN 71 /* "sha256:" and 64 digits */

struct un_span {
	int fd;
	uint64_t at, bytes;
};

struct un_stream {
	struct un_span left; /* what has not been read yet */
	uint64_t max_bytes;  /* it may unpack to */
	uint64_t bytes;      /* it has unpacked to */
	struct archive *filter, *tar;
	EVP_MD_CTX *packed, *plain;
	uint8_t *buf;
	const void *block; /* of the filter's, to be handed on */
	uint64_t zeros;    /* how many the last bytes of the archive are */
	struct err err;    /* what a callback has seen */
};

int un_stream_open(struct un_stream *s, const struct un_span *of, uint64_t max_bytes,
    struct err *e) WARN_UNUSED;
void un_stream_close(struct un_stream *s);
/* ERR_NOT_FOUND, without a message: there is no more. */
int un_stream_next(
    struct un_stream *s, struct archive_entry **ret_entry, struct err *e) WARN_UNUSED;

/* A piece of the entry's content; ret_n 0: that was all. */
struct un_piece {
	const void *p;
	size_t n;
	uint64_t at;
};

int un_stream_read(
    struct un_stream *s, struct un_piece *ret_piece, struct err *e) WARN_UNUSED;

struct un_sums {
	char packed[UN_DIGEST_LEN + 1], plain[UN_DIGEST_LEN + 1];
	bool is_whole; /* it ends as archives do */
};

/* Read what is left behind the last entry. */
int un_stream_end(
    struct un_stream *s, struct un_sums *ret_sums, struct err *e) WARN_UNUSED;
/* "sha256:…" of n bytes. */
void un_digest(const void *p, size_t n, char ret_digest[UN_DIGEST_LEN + 1]);
