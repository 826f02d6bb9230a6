#include "host-agent/storage/span.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/mem.h"
#include "base/str.h"

#define CHUNK 1048576u

int
span_whole(int fd, struct span *ret_s, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st))
		return err_sys(e, ERR_IO, errno, "cannot look at the file");
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_INVALID, "it is no plain file");
	*ret_s = (struct span){ .fd = fd, .bytes = (uint64_t)st.st_size };
	return 0;
}

int
span_read(const struct span *s, uint64_t at, void *buf, size_t n, struct err *e)
{
	uint8_t *p = buf;

	if (at > s->bytes || n > s->bytes - at)
		return err_set(e, ERR_CORRUPT,
		    "it is cut off: %zu bytes at %" PRIu64 " are behind its end", n,
		    at);
	while (n) {
		ssize_t got = pread(s->fd, p, n, (off_t)(s->at + at));

		if (got < 0)
			return err_sys(e, ERR_IO, errno, "cannot read it");
		if (got == 0)
			return err_set(e, ERR_CORRUPT, "it became shorter meanwhile");
		p += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

int
span_digest(
    const struct span *s, const char *algorithm, char out[SPAN_HEX_MAX], struct err *e)
{
	const EVP_MD *kind = EVP_get_digestbyname(algorithm);
	AUTO_FREE uint8_t *buf = xmalloc(CHUNK);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool good = md && kind && EVP_DigestInit_ex(md, kind, NULL) == 1;
	int rc = 0;

	for (uint64_t at = 0; good && !rc && at < s->bytes; at += CHUNK) {
		uint64_t left = s->bytes - at;
		size_t n = left < CHUNK ? (size_t)left : CHUNK;

		rc = span_read(s, at, buf, n, e);
		good = rc || EVP_DigestUpdate(md, buf, n) == 1;
	}
	good = good && (rc || EVP_DigestFinal_ex(md, sum, &len) == 1);
	EVP_MD_CTX_free(md);
	if (rc)
		return rc;
	if (!good)
		return err_set(e, ERR_UNSUPPORTED, "cannot compute %.20s", algorithm);
	hex_encode(sum, len, out);
	return 0;
}

uint16_t
span_le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t
span_le32(const uint8_t *p)
{
	return span_le16(p) | (uint32_t)span_le16(p + 2) << 16;
}

uint64_t
span_le64(const uint8_t *p)
{
	return span_le32(p) | (uint64_t)span_le32(p + 4) << 32;
}

uint64_t
span_be64(const uint8_t *p)
{
	uint64_t v = 0;

	for (int i = 0; i < 8; i++)
		v = v << 8 | p[i];
	return v;
}
