/* A container's image as another host sends it. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("stream", MFD_CLOEXEC);
	AUTO_CLOSE int image = memfd_create("image", MFD_CLOEXEC);
	struct oci_wire w = { .fd = fd };
	struct oci_sync *in = oci_sync_new(image);
	struct err e = ERR_INIT;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size ||
	    ftruncate(image, 2 * OCI_SYNC_CHUNK + 10))
		abort();
	lseek(fd, 0, SEEK_SET);
	(void)!oci_sync_take(in, &w, &e);
	oci_sync_free(in);
	return 0;
}
