#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/img_foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The first byte picks the format, the rest is the image. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct err e = ERR_INIT;
	struct span file;
	uint64_t bytes = 0;
	int fd;

	if (!n)
		return 0;
	fd = memfd_create("image", MFD_CLOEXEC);
	ASSERT(fd >= 0 && write(fd, data + 1, n - 1) == (ssize_t)n - 1);
	ASSERT(span_whole(fd, &file, &e) == 0);
	if (img_foreign_check(&file, (enum img_foreign)(data[0] % 3), &bytes, &e))
		ASSERT(e.code && utf8_valid(e.msg, strlen(e.msg)));
	else
		ASSERT(bytes > 0 && bytes <= 64ull << 40);
	close(fd);
	return 0;
}
