/* A container's images as another host, or a file, has them. */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/engine/oci/oci_pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
empty(int dir)
{
	DIR *d = fdopendir(openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *f;

	while (d && (f = readdir(d)))
		if (f->d_name[0] != '.')
			unlinkat(dir, f->d_name, 0);
	if (d)
		closedir(d);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[] = "/tmp/drover-fuzz-XXXXXX";
	AUTO_CLOSE int fd = memfd_create("stream", MFD_CLOEXEC);
	AUTO_CLOSE int dir = mkdtemp(path) ? open(path, O_RDONLY | O_DIRECTORY) : -1;
	struct oci_wire w = { .fd = fd };
	struct err e = ERR_INIT;

	if (fd < 0 || dir < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	lseek(fd, 0, SEEK_SET);
	(void)!oci_unpack(dir, &w, 1u << 20, &e);
	empty(dir);
	rmdir(path);
	return 0;
}
