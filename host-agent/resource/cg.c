#include "host-agent/resource/cg.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/resource/cg_int.h"

#define GUEST_PREFIX "vm-"

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

static bool
base_is_good(const char *base)
{
	return *base && *base != '/' && !strstr(base, "..") && strlen(base) < 200;
}

int
cg_new(const char *root, const char *base, struct cg **ret_cg, struct err *e)
{
	struct err why = ERR_INIT;
	struct cg *cg;
	int rc;

	if (!base_is_good(base))
		return err_set(
		    e, ERR_INVALID, "\"%s\" is no name of a control group", base);
	cg = xcalloc(1, sizeof(*cg));
	cg->base = xstrdup(base);
	/* v1 first: in the hybrid layout v2 is mounted too and has no controllers. */
	rc = cg_v1_open(cg, root, base, &why);
	if (rc == ERR_NOT_FOUND)
		rc = cg_v2_open(cg, root, base, &why);
	if (rc) {
		cg_free(cg);
		return err_set(
		    e, ERR_UNAVAILABLE, "control groups cannot be used: %s", why.msg);
	}
	*ret_cg = cg;
	return 0;
}

static void
forget_entries(struct cg *cg)
{
	for (unsigned i = 0; i < CG_TREES_MAX; i++) {
		free(cg->entries[i]);
		cg->entries[i] = NULL;
	}
}

void
cg_free(struct cg *cg)
{
	if (!cg)
		return;
	for (unsigned i = 0; i < cg->n_trees; i++)
		free(cg->trees[i].path);
	forget_entries(cg);
	free(cg->base);
	free(cg->guest_path);
	free(cg);
}

const char *
cg_version(const struct cg *cg)
{
	return cg->back->version;
}

static char *
guest_dir(const struct cg_tree *t, uint64_t guest)
{
	return xasprintf("%s/" GUEST_PREFIX "%" PRIu64, t->path, guest);
}

int
cg_guest_set(struct cg *cg, uint64_t guest, const struct cg_values *v, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(&cg->trees[i], guest);

		rc = cg_make(dir, e);
		if (!rc)
			rc = cg->back->set(&cg->trees[i], dir, v, e);
	}
	return rc;
}

const char *const *
cg_guest_join(struct cg *cg, uint64_t guest)
{
	forget_entries(cg);
	for (unsigned i = 0; i < cg->n_trees; i++) {
		AUTO_FREE char *dir = guest_dir(&cg->trees[i], guest);

		cg->entries[i] = xasprintf("%s/%s", dir, cg->back->entry);
	}
	return (const char *const *)cg->entries;
}

const char *
cg_guest_path(struct cg *cg, uint64_t guest)
{
	free(cg->guest_path);
	cg->guest_path = xasprintf("%s/" GUEST_PREFIX "%" PRIu64, cg->base, guest);
	return cg->guest_path;
}

int
cg_guest_usage(struct cg *cg, uint64_t guest, struct cg_usage *ret_u, struct err *e)
{
	struct cg_usage u = { 0, 0, 0 };
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(&cg->trees[i], guest);

		rc = cg->back->usage(&cg->trees[i], dir, &u, e);
	}
	if (!rc)
		*ret_u = u;
	return rc;
}

static int
remove_group(const char *dir, struct err *e)
{
	if (rmdir(dir) && errno != ENOENT)
		return err_sys(e, errno == EBUSY ? ERR_BUSY : ERR_IO, errno,
		    "cannot remove %s", dir);
	return 0;
}

int
cg_guest_del(struct cg *cg, uint64_t guest, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++) {
		AUTO_FREE char *dir = guest_dir(&cg->trees[i], guest);

		rc = remove_group(dir, e);
	}
	return rc;
}

int
cg_guests(
    struct cg *cg, uint64_t *ret_guests, unsigned max, unsigned *ret_n, struct err *e)
{
	DIR *d = opendir(cg->trees[0].path);
	const struct dirent *m;
	unsigned n = 0;

	if (!d)
		return err_sys(e, ERR_IO, errno, "cannot open %s", cg->trees[0].path);
	while ((m = readdir(d)) != NULL) {
		uint64_t guest;

		if (!str_starts(m->d_name, GUEST_PREFIX) ||
		    parse_u64(m->d_name + strlen(GUEST_PREFIX), 0, UINT64_MAX, "guest",
			&guest, NULL))
			continue;
		if (n < max)
			ret_guests[n] = guest;
		n++;
	}
	closedir(d);
	*ret_n = n;
	return 0;
}

int
cg_remove_base(struct cg *cg, struct err *e)
{
	int rc = 0;

	for (unsigned i = 0; i < cg->n_trees && !rc; i++)
		rc = remove_group(cg->trees[i].path, e);
	return rc;
}
