#include "host-agent/storage/unpack/un_mkfs.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host-agent/storage/img_ext4.h"

#define MKE2FS     "/sbin/mke2fs"
#define NODE_BYTES 256u
/* Nodes that every file system has of its own, and some to round up. */
#define SPARE_NODES  64u
#define SPARE_BLOCKS 512u
/* Bitmaps, descriptors and what extents of large files take. */
#define SPARE_SHARE 32u
#define WHOLE       (1u << 20)

static const char features[] = IMG_EXT4_FEATURES;

static uint64_t
nodes_of(const struct un_need *n)
{
	return n->nodes + SPARE_NODES;
}

uint64_t
un_need_bytes(const struct un_need *n)
{
	uint64_t blocks = n->blocks + SPARE_BLOCKS;

	/* A name may leave most of a block unused, at the worst half of each. */
	blocks += 2 * n->name_bytes / IMG_EXT4_BLOCK;
	blocks += 2 * nodes_of(n) * NODE_BYTES / IMG_EXT4_BLOCK;
	blocks += blocks / SPARE_SHARE;
	return (blocks * IMG_EXT4_BLOCK + WHOLE - 1) / WHOLE * WHOLE;
}

static int
run(const char *const *argv, struct err *e)
{
	char *const *args;
	pid_t pid;
	int status = 0, sys;

	/* It takes them as if it could write to them, and does not. */
	memcpy(&args, &argv, sizeof(args));
	sys = posix_spawn(&pid, argv[0], NULL, NULL, args, environ);
	if (sys)
		return err_sys(e, ERR_IO, sys, "cannot run %s", argv[0]);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		return err_set(e, ERR_IO, "%s ended with status %d", argv[0], status);
	return 0;
}

int
un_mkfs(const char *path, const struct un_need *n, struct err *e)
{
	char nodes[24], blocks[24];
	const char *argv[] = { MKE2FS, "-q", "-F", "-b", "4096", "-I", "256", "-N",
		nodes, "-m", "0", "-L", IMG_EXT4_LABEL, "-O", features, "-E",
		"nodiscard,root_owner=0:0,lazy_itable_init=1", path, blocks, NULL };

	if (truncate(path, (off_t)un_need_bytes(n)))
		return err_sys(e, errno == EFBIG ? ERR_TOO_LARGE : ERR_IO, errno,
		    "cannot size the layer");
	snprintf(nodes, sizeof(nodes), "%" PRIu64, nodes_of(n));
	snprintf(blocks, sizeof(blocks), "%" PRIu64, un_need_bytes(n) / IMG_EXT4_BLOCK);
	return run(argv, e);
}
