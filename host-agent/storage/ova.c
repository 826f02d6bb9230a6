#include "host-agent/storage/ova.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "host-agent/storage/tar.h"

#define MANIFEST_MAX 65536u

/* The one member whose name ends so; NULL: none; more than one: ERR_INVALID. */
static int
find_one(const struct tar_list *l, const char *suffix, const struct tar_member **ret_m,
    struct err *e)
{
	size_t n = strlen(suffix);

	*ret_m = NULL;
	for (size_t i = 0; i < l->n; i++) {
		const char *name = l->members[i].name;
		size_t len = strlen(name);

		if (len < n || strcasecmp(name + len - n, suffix) != 0)
			continue;
		if (*ret_m)
			return err_set(
			    e, ERR_INVALID, "it has more than one %s file", suffix);
		*ret_m = &l->members[i];
	}
	return 0;
}

static int
read_text(const struct tar_member *m, size_t max, char **ret_text, struct err *e)
{
	AUTO_FREE char *text = NULL;
	int rc;

	if (m->data.bytes > max)
		return err_set(e, ERR_TOO_LARGE,
		    "\"%.80s\" has %" PRIu64 " bytes, more than %zu", m->name,
		    m->data.bytes, max);
	text = xcalloc(1, (size_t)m->data.bytes + 1);
	rc = span_read(&m->data, 0, text, (size_t)m->data.bytes, e);
	if (!rc)
		*ret_text = MOVE(text);
	return rc;
}

/* ---- the manifest ---- */

struct manifest {
	const struct tar_list *list;
	bool covers[TAR_MEMBERS_MAX];
};

static int
check_digest(struct manifest *mf, const char *algorithm, const char *name,
    const char *digest, struct err *e)
{
	const struct tar_member *m = tar_find(mf->list, name);
	char hex[SPAN_HEX_MAX];
	int rc;

	if (!m)
		return err_set(e, ERR_INVALID,
		    "its manifest lists \"%.80s\", which is not there", name);
	rc = span_digest(&m->data, algorithm, hex, e);
	if (rc)
		return err_wrap(e, "\"%.80s\"", name);
	if (strcasecmp(hex, digest) != 0)
		return err_set(e, ERR_CORRUPT,
		    "\"%.80s\" is damaged: its %s is not the manifest's", name,
		    algorithm);
	mf->covers[m - mf->list->members] = true;
	return 0;
}

static char *
trim(char *s)
{
	char *end;

	s += strspn(s, " \t\r");
	for (end = s + strlen(s); end > s && strchr(" \t\r", end[-1]);)
		*--end = '\0';
	return s;
}

/* "SHA256(disk.vmdk)= 0123…"; the algorithm as OpenSSL calls it. */
static int
check_line(struct manifest *mf, char *line, struct err *e)
{
	static const char *const algorithms[] = { "SHA1", "SHA256", "SHA512" };
	char *open, *close, *equals;

	line = trim(line);
	if (!*line)
		return 0;
	open = strchr(line, '(');
	close = open ? strrchr(line, ')') : NULL;
	equals = close ? strchr(close, '=') : NULL;
	if (!equals || close < open)
		return err_set(e, ERR_INVALID, "its manifest cannot be read");
	*open = *close = '\0';
	line = trim(line);
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++)
		if (!strcasecmp(line, algorithms[i]))
			return check_digest(
			    mf, algorithms[i], open + 1, trim(equals + 1), e);
	return err_set(e, ERR_UNSUPPORTED,
	    "its manifest has digests other than SHA1, SHA256 and SHA512");
}

static int
check_manifest(struct manifest *mf, const struct tar_member *m, struct err *e)
{
	AUTO_FREE char *text = NULL;
	char *save = NULL;
	int rc = read_text(m, MANIFEST_MAX, &text, e);

	if (rc || !text)
		return rc;
	if (!utf8_valid(text, strlen(text)))
		return err_set(e, ERR_INVALID, "its manifest cannot be read");
	for (char *l = strtok_r(text, "\n", &save); l && !rc;
	     l = strtok_r(NULL, "\n", &save))
		rc = check_line(mf, l, e);
	return rc;
}

static int
check_covered(const struct manifest *mf, const struct tar_member *m, struct err *e)
{
	if (mf->covers[m - mf->list->members])
		return 0;
	return err_set(
	    e, ERR_INVALID, "its manifest says nothing of \"%.80s\"", m->name);
}

/* ---- all of it ---- */

static int
read_description(const struct tar_list *l, const struct tar_member **ret_m,
    struct ova *o, struct err *e)
{
	AUTO_FREE char *text = NULL;
	int rc = find_one(l, ".ovf", ret_m, e);

	if (rc)
		return rc;
	if (!*ret_m)
		return err_set(e, ERR_INVALID, "it has no .ovf file: no appliance");
	rc = read_text(*ret_m, OVF_BYTES_MAX, &text, e);
	return rc ? rc : ovf_parse(text, (size_t)(*ret_m)->data.bytes, &o->ovf, e);
}

static int
open_list(const struct tar_list *l, struct ova *o, struct err *e)
{
	struct manifest mf = { .list = l };
	const struct tar_member *description, *manifest, *disk;
	int rc = read_description(l, &description, o, e);

	if (rc)
		return rc;
	disk = tar_find(l, o->ovf.disk_file);
	if (!disk)
		return err_set(e, ERR_INVALID,
		    "its description names \"%.80s\", which is not in it",
		    o->ovf.disk_file);
	o->disk = disk->data;
	rc = find_one(l, ".mf", &manifest, e);
	if (rc || !manifest)
		return rc;
	rc = check_manifest(&mf, manifest, e);
	if (!rc)
		rc = check_covered(&mf, description, e);
	return rc ? rc : check_covered(&mf, disk, e);
}

int
ova_open(const struct span *file, struct ova *ret_o, struct err *e)
{
	AUTO_FREE struct tar_list *l = xcalloc(1, sizeof(*l));
	struct ova o = { .disk.fd = -1 };
	int rc = tar_read(file, l, e);

	if (!rc)
		rc = open_list(l, &o, e);
	if (!rc)
		*ret_o = o;
	return rc;
}
