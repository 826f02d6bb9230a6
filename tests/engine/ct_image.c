#include "tests/engine/ct_image.h"

#include <fcntl.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

#define COMMANDS                                                                           \
	"sh cat chmod dd echo grep hostname id ip ls mkdir mount nc poweroff ps readlink " \
	"rm sleep su sync touch true umount unshare wc"

static void
sh(char *command_take)
{
	AUTO_FREE char *command = command_take;

	assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): our own text */
}

void
ct_image_layer(const char *path)
{
	sh(xasprintf("t=%s.tree; mkdir -p $t/upper/bin $t/upper/sbin $t/upper/etc "
		     "$t/upper/tmp $t/upper/root && cp /bin/busybox $t/upper/bin/ && "
		     "for a in " COMMANDS "; do ln -s busybox $t/upper/bin/$a; done && "
		     "ln -sf ../bin/busybox $t/upper/sbin/init && "
		     "chmod 4755 $t/upper/bin/busybox && "
		     "echo root:x:0:0:root:/root:/bin/sh >$t/upper/etc/passwd && "
		     "echo user:x:1000:1000::/:/bin/sh >>$t/upper/etc/passwd && "
		     "truncate -s 16M %s && mke2fs -q -F -t ext4 -d $t %s && rm -r $t",
	    path, path, path));
}

void
ct_image_own(const char *path, const char *before)
{
	sh(xasprintf("t=%s.tree; mkdir -p $t/upper $t/work $t/log && (cd $t; %s) && "
		     "truncate -s 16M %s && mke2fs -q -F -t ext4 -d $t %s && rm -r $t",
	    path, before ? before : ":", path, path));
}

unsigned
ct_image_loops(const char *part)
{
	unsigned n = 0;
	glob_t g;

	if (glob("/sys/block/loop*/loop/backing_file", 0, NULL, &g))
		return 0;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		AUTO_CLOSE int fd = open(g.gl_pathv[i], O_RDONLY | O_CLOEXEC);
		char buf[512];
		ssize_t got = fd < 0 ? 0 : read(fd, buf, sizeof(buf) - 1);

		buf[got > 0 ? got : 0] = '\0';
		n += strstr(buf, part) != NULL;
	}
	globfree(&g);
	return n;
}
