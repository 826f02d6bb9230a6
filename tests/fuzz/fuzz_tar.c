#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The input is an archive: what is found in it has a fit name and lies within it. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct tar_list list;
	struct err e = ERR_INIT;
	struct span file;
	int fd = memfd_create("tar", MFD_CLOEXEC);

	ASSERT(fd >= 0 && write(fd, data, n) == (ssize_t)n);
	ASSERT(span_whole(fd, &file, &e) == 0);
	if (tar_read(&file, &list, &e)) {
		ASSERT(e.code && utf8_valid(e.msg, strlen(e.msg)));
	} else {
		ASSERT(list.n > 0 && list.n <= TAR_MEMBERS_MAX);
		for (size_t i = 0; i < list.n; i++) {
			const struct tar_member *m = &list.members[i];

			ASSERT(tar_find(&list, m->name) == m && !strchr(m->name, '/'));
			ASSERT(m->data.at <= n && m->data.bytes <= n - m->data.at);
		}
	}
	close(fd);
	return 0;
}
