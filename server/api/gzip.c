#include "server/api/gzip.h"

#include <zlib.h>

#include "base/assert.h"
#include "base/mem.h"

#define GZIP_WINDOW (15 + 16) /* zlib's word for gzip's frame */
#define MEMORY      8
#define ROOM        16384u

struct gzip {
	z_stream z;
};

struct gzip *
gzip_new(void)
{
	struct gzip *z = xcalloc(1, sizeof(*z));

	/* Text of numbers is a tenth at the fastest level, too. */
	ASSERT(deflateInit2(&z->z, Z_BEST_SPEED, Z_DEFLATED, GZIP_WINDOW, MEMORY,
		   Z_DEFAULT_STRATEGY) == Z_OK);
	return z;
}

void
gzip_free(struct gzip *z)
{
	if (!z)
		return;
	deflateEnd(&z->z);
	free(z);
}

void
gzip_add(struct gzip *z, const void *p, size_t n, enum gzip_rest rest, struct str *out)
{
	uint8_t room[ROOM];
	AUTO_FREE uint8_t *in = xmemdup(p, n); /* zlib's pointers are not const */

	z->z.next_in = in;
	z->z.avail_in = (uInt)n;
	do {
		z->z.next_out = room;
		z->z.avail_out = sizeof(room);
		int rc = deflate(&z->z, rest == GZIP_LAST ? Z_FINISH : Z_NO_FLUSH);
		ASSERT(rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR);
		str_addn(out, room, sizeof(room) - z->z.avail_out);
	} while (!z->z.avail_out);
}
