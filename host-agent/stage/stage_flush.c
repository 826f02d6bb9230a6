#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/stage/stage_int.h"

/* Of an overlay the kernel writes what is above: the container's own image. */
int
stage_cmd_flush(char **args, struct err *e)
{
	AUTO_CLOSE int root = -1;
	char path[64];
	pid_t pid = 0;
	int rc;

	if (!args[0] || !str_same(args[0], "--pid") || !args[1] || args[2])
		return err_set(e, ERR_INVALID, "flush: wants --pid N");
	rc = stage_pid(args[1], &pid, e);
	if (rc)
		return rc;
	snprintf(path, sizeof(path), "/proc/%d/root", (int)pid);
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root < 0)
		return err_sys(e, ERR_NOT_FOUND, errno, "cannot open %s", path);
	if (syncfs(root))
		return err_sys(e, ERR_IO, errno, "cannot write its image to its disk");
	return 0;
}
