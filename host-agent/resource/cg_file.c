/*
 * Files and folders of cgroup hierarchies.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define NO_LIMIT (UINT64_C(1) << 62) /* v1 says "none" with the largest page */
#define OPEN_MAX 16                  /* folders that are open at a time */

struct cg_sum {
	const char *file, *key;
	uint64_t sum;
};

int
cg_make(const char *dir, struct err *e)
{
	AUTO_FREE char *path = xstrdup(dir);

	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0755) && errno != EEXIST && errno != EROFS)
			return err_sys(e, ERR_IO, errno, "cannot make %s", path);
		*p = '/';
	}
	if (mkdir(path, 0755) && errno != EEXIST)
		return err_sys(e, ERR_IO, errno, "cannot make %s", path);
	return 0;
}

int
cg_write(const char *dir, const char *file, const char *text, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
	AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n = (ssize_t)strlen(text);

	if (fd < 0 || write(fd, text, (size_t)n) != n)
		return err_sys(
		    e, ERR_IO, errno, "cannot write \"%s\" to %s", text, path);
	return 0;
}

int
cg_write_u64(const char *dir, const char *file, uint64_t v, struct err *e)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, v);
	return cg_write(dir, file, text, e);
}

int
cg_read(const char *dir, const char *file, char *buf, size_t n, struct err *e)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, buf, n - 1);

	if (got < 0)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot read %s", path);
	buf[got] = '\0';
	return 0;
}

int
cg_read_u64(const char *dir, const char *file, uint64_t *ret_v, struct err *e)
{
	char buf[64];
	int rc = cg_read(dir, file, buf, sizeof(buf), e);

	if (rc)
		return rc;
	buf[strcspn(buf, "\n")] = '\0';
	return parse_u64(buf, 0, UINT64_MAX, file, ret_v, e);
}

bool
cg_has(const char *dir, const char *file)
{
	AUTO_FREE char *path = xasprintf("%s/%s", dir, file);

	return access(path, F_OK) == 0;
}

int
cg_read_limit(const char *dir, const char *file, uint64_t *ret_v, struct err *e)
{
	char buf[64];
	uint64_t v = 0;
	int rc = cg_read(dir, file, buf, sizeof(buf), e);

	if (rc)
		return rc;
	buf[strcspn(buf, "\n")] = '\0';
	if (!str_same(buf, "max"))
		rc = parse_u64(buf, 0, UINT64_MAX, file, &v, e);
	if (!rc)
		*ret_v = v >= NO_LIMIT ? 0 : v;
	return rc;
}

int
cg_read_key(
    const char *dir, const char *file, const char *key, uint64_t *ret_v, struct err *e)
{
	char text[CG_TEXT_MAX], *rest = text;
	size_t n = strlen(key);
	int rc = cg_read(dir, file, text, sizeof(text), e);

	if (rc)
		return rc;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (str_starts(line, key) && line[n] == ' ')
			return parse_u64(line + n + 1, 0, UINT64_MAX, key, ret_v, e);
	}
	return err_set(e, ERR_CORRUPT, "%s/%s has no %s", dir, file, key);
}

/* Its files are many to read through, and a folder counts the folders in it. */
static bool
is_leaf(const char *dir)
{
	struct stat st;

	return !stat(dir, &st) && st.st_nlink == 2;
}

static int
each(const char *dir, const struct cg_visit *v, unsigned depth, struct err *e)
{
	int rc = v->fn(dir, v->arg, e);
	bool deeper = !rc && depth < CG_DEPTH_MAX && !is_leaf(dir);
	DIR *d = deeper ? opendir(dir) : NULL;
	const struct dirent *m;

	while (!rc && d && (m = readdir(d)) != NULL) {
		if (m->d_type != DT_DIR || m->d_name[0] == '.')
			continue;
		AUTO_FREE char *below = xasprintf("%s/%s", dir, m->d_name);

		rc = each(below, v, depth + 1, e);
	}
	if (d)
		closedir(d);
	return rc;
}

int
cg_each(const char *dir, const struct cg_visit *v, struct err *e)
{
	return each(dir, v, 0, e);
}

/* What a group below cannot tell adds nothing: it may go at any moment. */
static int
add_one(const char *dir, void *arg, struct err *e)
{
	struct cg_sum *s = arg;
	uint64_t v = 0;

	(void)cg_read_key(dir, s->file, s->key, &v, NULL);
	s->sum += v;
	return 0;
}

uint64_t
cg_sum(const char *dir, const char *file, const char *key)
{
	struct cg_sum s = { file, key, 0 };
	const struct cg_visit v = { add_one, &s };

	(void)cg_each(dir, &v, NULL);
	return s.sum;
}

struct ready {
	const char *file;
	uint64_t us;
};

/* "594717 158546 3": nanoseconds that it ran, and that it waited; how often it ran. */
static uint64_t
waited_us(const char *tid)
{
	AUTO_FREE char *dir = xasprintf("/proc/%s", tid);
	char text[96], *rest = text;
	uint64_t ns = 0;

	if (cg_read(dir, "schedstat", text, sizeof(text), NULL))
		return 0;
	(void)strsep(&rest, " ");
	const char *waited = strsep(&rest, " ");
	if (!waited || parse_u64(waited, 0, UINT64_MAX, "schedstat", &ns, NULL))
		return 0;
	return ns / 1000;
}

static int
add_ready(const char *dir, void *arg, struct err *e)
{
	struct ready *r = arg;
	AUTO_FREE char *path = xasprintf("%s/%s", dir, r->file);
	FILE *f = fopen(path, "re");
	char tid[24];

	while (f && fgets(tid, sizeof(tid), f)) {
		tid[strcspn(tid, "\n")] = '\0';
		r->us += waited_us(tid);
	}
	if (f)
		fclose(f);
	return 0;
}

void
cg_count_ready(const char *dir, const char *file, struct counters *to)
{
	struct counter c = { .name = COUNTER_READY, .unit = COUNTER_US };
	struct ready r = { file, 0 };
	const struct cg_visit v = { add_ready, &r };

	(void)cg_each(dir, &v, NULL);
	c.current = c.peak = r.us;
	counters_add(to, &c);
}

int
cg_remove_empty(const char *dir, struct err *e)
{
	if (rmdir(dir) && errno != ENOENT)
		return err_sys(e, errno == EBUSY ? ERR_BUSY : ERR_IO, errno,
		    "cannot remove %s", dir);
	return 0;
}

/* Files go with their group. */
static int
on_found(const char *path, const struct stat *st, int what, struct FTW *at)
{
	return what == FTW_DP && at->level > 0 ? cg_remove_empty(path, NULL) : 0;
}

int
cg_remove(const char *dir, struct err *e)
{
	if (!cg_remove_empty(dir, NULL))
		return 0;
	/* Why it does not go the last call says. */
	(void)nftw(dir, on_found, OPEN_MAX, FTW_DEPTH | FTW_PHYS);
	return cg_remove_empty(dir, e);
}
