#include "host-agent/resource/loop_dev.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/mem.h"
#include "base/str.h"

#define PREFIX "loop"

static bool
read_line(const char *sys, const char *name, const char *file, char *buf, int n)
{
	AUTO_FREE char *path = xasprintf("%s/block/%s/%s", sys, name, file);
	FILE *f = fopen(path, "re");
	bool got = f && fgets(buf, n, f);

	if (f)
		fclose(f);
	if (got)
		buf[strcspn(buf, "\n")] = '\0';
	return got;
}

/* The kernel tells the path under which the file was opened. */
static bool
is_backed_by(const char *sys, const char *name, const struct stat *want)
{
	char path[PATH_MAX];
	struct stat st;

	return read_line(sys, name, "loop/backing_file", path, sizeof(path)) &&
	       !stat(path, &st) && st.st_dev == want->st_dev &&
	       st.st_ino == want->st_ino;
}

static bool
read_dev(const char *sys, const char *name, dev_t *ret_dev)
{
	char text[32], *colon;
	uint64_t major, minor;

	if (!read_line(sys, name, "dev", text, sizeof(text)))
		return false;
	colon = strchr(text, ':');
	if (!colon)
		return false;
	*colon = '\0';
	if (parse_u64(text, 0, UINT32_MAX, "major", &major, NULL) ||
	    parse_u64(colon + 1, 0, UINT32_MAX, "minor", &minor, NULL))
		return false;
	*ret_dev = makedev((unsigned)major, (unsigned)minor);
	return true;
}

int
loop_dev_find(const char *sys, const char *path, dev_t *ret_dev, struct err *e)
{
	AUTO_FREE char *dir = xasprintf("%s/block", sys);
	const struct dirent *m;
	struct stat want;
	bool found = false;
	DIR *d;

	if (stat(path, &want))
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot look at %s", path);
	d = opendir(dir);
	if (!d)
		return err_sys(e, ERR_IO, errno, "cannot open %s", dir);
	while (!found && (m = readdir(d)) != NULL)
		found = str_starts(m->d_name, PREFIX) &&
			is_backed_by(sys, m->d_name, &want) &&
			read_dev(sys, m->d_name, ret_dev);
	closedir(d);
	if (!found)
		return err_set(e, ERR_NOT_FOUND, "no loop device has %s", path);
	return 0;
}
