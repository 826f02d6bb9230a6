#include "host-agent/engine/oci/oci_seal.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "base/mem.h"

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

void
oci_seal_fini(struct oci_seal *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->of = (struct stat){ .st_ino = 0 };
}

static bool
is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* A script would be read again by its interpreter, by a path that is not there. */
static bool
is_binary(int fd)
{
	static const char elf[] = { 0x7f, 'E', 'L', 'F' };
	char head[sizeof(elf)];

	return pread(fd, head, sizeof(head), 0) == (ssize_t)sizeof(head) &&
	       memcmp(head, elf, sizeof(elf)) == 0;
}

static bool
copy_all(int from, int to, off_t size)
{
	while (size > 0) {
		ssize_t n = sendfile(to, from, NULL, (size_t)size);

		if (n <= 0)
			return false;
		size -= n;
	}
	return true;
}

/* Opened anew for reading: what may be written to is not run. */
static int
make_copy(int from, off_t size)
{
	AUTO_CLOSE int to = memfd_create("runtime", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char path[32];
	struct stat st;

	if (to < 0 || !copy_all(from, to, size) || fcntl(to, F_ADD_SEALS, SEALS) ||
	    fstat(to, &st) || !(st.st_mode & S_IXUSR))
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", to);
	return open(path, O_RDONLY | O_CLOEXEC);
}

int
oci_seal_take(struct oci_seal *s, const char *path)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		oci_seal_fini(s);
		return -1;
	}
	if (is_same(&st, &s->of))
		return s->fd;
	oci_seal_fini(s);
	s->of = st;
	if (is_binary(fd))
		s->fd = make_copy(fd, st.st_size);
	return s->fd;
}
