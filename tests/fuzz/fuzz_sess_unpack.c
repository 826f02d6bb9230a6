#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/session/sess_unpack.h"

#define PIECE 700u /* so that blocks are cut */

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

static char folder[64];

static void
remove_folder(void)
{
	AUTO_FREE char *line = xasprintf("rm -rf %s", folder);

	if (system(line))
		fprintf(stderr, "%s stays\n", folder);
}

static int
open_folder(void)
{
	if (!*folder) {
		snprintf(folder, sizeof(folder), "/tmp/drover-unpack-XXXXXX");
		ASSERT(mkdtemp(folder));
		atexit(remove_folder);
	}
	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* Whatever comes: it is unpacked below the folder, or refused with a reason. */
int
LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	AUTO_CLOSE int fd = open_folder();
	const struct engine_root root = { .fd = fd, .id_base = getuid(), .n_ids = 1 };
	struct err e = ERR_INIT;
	struct unpack *u = NULL;
	int rc = unpack_new(&root, "/", &u, &e);

	ASSERT(rc == 0);
	for (size_t part; !rc && n; p += part, n -= part) {
		part = n < PIECE ? n : PIECE;
		rc = unpack_some(u, p, part, &e);
	}
	if (!rc)
		rc = unpack_end(u, &e);
	ASSERT(!rc || *e.msg);
	unpack_free(u);
	return 0;
}
