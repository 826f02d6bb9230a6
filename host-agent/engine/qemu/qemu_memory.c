#include "host-agent/engine/qemu/qemu_memory.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host-agent/engine/engine_snapshot.h"

/*
 * A memory image: a page that says of what machine it is, then QEMU's migration stream.
 * The mark is written last, so that an image that was cut short is not taken for one.
 */
#define HEAD_BYTES 4096
#define MARK       "DROVER MEMORY 1\n"
#define MARK_NONE  "DROVER PARTIAL1\n"
#define MARK_BYTES (sizeof(MARK) - 1)

_Static_assert(sizeof(MARK) == sizeof(MARK_NONE), "one mark replaces the other");

int
qemu_memory_begin(int fd, const struct qemu_shape *s, struct err *e)
{
	AUTO(json) json *o = qemu_shape_json(s);
	AUTO_FREE char *text = json_text(o);
	char head[HEAD_BYTES] = MARK_NONE;
	size_t n = strlen(text);

	if (MARK_BYTES + n >= sizeof(head))
		return err_set(
		    e, ERR_INTERNAL, "the machine's shape takes %zu bytes", n);
	memcpy(head + MARK_BYTES, text, n);
	if (pwrite(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    lseek(fd, HEAD_BYTES, SEEK_SET) < 0)
		return err_sys(e, ERR_IO, errno, "cannot write the memory image");
	return 0;
}

int
qemu_memory_seal(int fd, struct err *e)
{
	if (pwrite(fd, MARK, MARK_BYTES, 0) != (ssize_t)MARK_BYTES)
		return err_sys(e, ERR_IO, errno, "cannot write the memory image");
	return 0;
}

int
qemu_memory_read(int fd, struct qemu_shape *ret_s, struct err *e)
{
	char head[HEAD_BYTES + 1] = "";
	AUTO(json) json *o = NULL;
	int rc;

	if (pread(fd, head, HEAD_BYTES, 0) != HEAD_BYTES)
		return err_set(e, ERR_CORRUPT, "the memory image is truncated");
	if (memcmp(head, MARK_NONE, MARK_BYTES) == 0)
		return err_set(
		    e, ERR_CORRUPT, "the memory image was not written to its end");
	if (memcmp(head, MARK, MARK_BYTES) != 0)
		return err_set(e, ERR_CORRUPT, "this is no memory image");
	rc = json_parse(
	    head + MARK_BYTES, strlen(head + MARK_BYTES), "memory image", &o, e);
	if (!rc)
		rc = qemu_shape_parse(o, ret_s, e);
	if (rc)
		return err_wrap(e, "the memory image cannot be read");
	if (lseek(fd, HEAD_BYTES, SEEK_SET) < 0)
		return err_sys(e, ERR_IO, errno, "cannot read the memory image");
	return 0;
}

int
engine_memory_check(int fd, struct err *e)
{
	struct qemu_shape ignored;

	return qemu_memory_read(fd, &ignored, e);
}
