#include "host-agent/storage/unpack/un_members.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/unpack/un_path.h"

#define CHUNK       65536u
#define FOLLOWS_MAX 4u

/* The archive while it is listed. */
struct listing {
	struct un_span left;
	uint8_t buf[CHUNK];
	struct un_members found;
	uint64_t begin;
};

static la_ssize_t
on_read(struct archive *a, void *arg, const void **ret_p)
{
	struct listing *l = arg;
	size_t want = l->left.bytes < CHUNK ? (size_t)l->left.bytes : CHUNK;
	ssize_t n = pread(l->left.fd, l->buf, want, (off_t)l->left.at);

	if (n < 0) {
		archive_set_error(a, errno, "cannot read it");
		return -1;
	}
	l->left.at += (uint64_t)n;
	l->left.bytes -= (uint64_t)n;
	*ret_p = l->buf;
	return n;
}

/* Layers are hundreds of MiB: nobody reads through them for a list of names. */
static la_int64_t
on_skip(struct archive *a, void *arg, la_int64_t n)
{
	struct listing *l = arg;
	uint64_t most = (uint64_t)n < l->left.bytes ? (uint64_t)n : l->left.bytes;

	l->left.at += most;
	l->left.bytes -= most;
	return (la_int64_t)most;
}

/* A link's target as seen from its own folder; NULL: it leads out of the archive. */
static char *
link_target(const char *name, const char *target)
{
	const char *slash = strrchr(name, '/');
	AUTO_FREE char *folder = xstrndup(name, slash ? (size_t)(slash - name) : 0);

	while (str_starts(target, "../") && *folder) {
		char *cut = strrchr(folder, '/');

		target += strlen("../");
		*(cut ? cut : folder) = '\0';
	}
	if (str_starts(target, "../") || *target == '/')
		return NULL;
	return *folder ? xasprintf("%s/%s", folder, target) : xstrdup(target);
}

static int
take_member(
    struct listing *l, struct archive *a, struct archive_entry *entry, struct err *e)
{
	char name[UN_PATH_MAX + 1];
	const char *path = archive_entry_pathname(entry);
	const char *hard = archive_entry_hardlink(entry);
	const char *soft = archive_entry_symlink(entry);
	struct un_member m = { .name = NULL };
	int rc;

	if (archive_entry_filetype(entry) == AE_IFDIR)
		return 0;
	if (!path)
		return err_set(e, ERR_INVALID, "a member's name cannot be read");
	rc = un_path_clean(path, name, e);
	if (rc)
		return rc;
	if (l->found.n >= UN_MEMBERS_MAX)
		return err_set(e, ERR_TOO_LARGE, "over %u members", UN_MEMBERS_MAX);
	if (archive_entry_sparse_count(entry))
		return err_set(e, ERR_INVALID, "\"%.100s\" is a sparse file", name);
	m.name = xstrdup(name);
	if (hard || soft)
		m.link = hard ? xstrdup(hard) : link_target(name, soft);
	m.data.fd = l->left.fd;
	m.data.at = l->begin + (uint64_t)archive_filter_bytes(a, 0);
	m.data.bytes = (uint64_t)archive_entry_size(entry);
	l->found.v = xreallocarray(l->found.v, l->found.n + 1, sizeof(m));
	l->found.v[l->found.n++] = m;
	return 0;
}

static int
by_name(const void *a, const void *b)
{
	const struct un_member *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static int
list(struct listing *l, struct archive *a, struct err *e)
{
	struct archive_entry *entry;
	int rc = archive_read_support_format_tar(a);

	archive_read_set_read_callback(a, on_read);
	archive_read_set_skip_callback(a, on_skip);
	archive_read_set_callback_data(a, l);
	if (rc >= ARCHIVE_WARN)
		rc = archive_read_open1(a);
	while (rc >= ARCHIVE_WARN &&
	       (rc = archive_read_next_header(a, &entry)) >= ARCHIVE_WARN &&
	       rc != ARCHIVE_EOF)
		if (take_member(l, a, entry, e))
			return e->code;
	if (rc != ARCHIVE_EOF)
		return err_set(e, ERR_INVALID,
		    "the file is no tar archive, or is packed or cut off: %s",
		    archive_error_string(a));
	return 0;
}

int
un_members_read(const struct un_span *archive, struct un_members *ret_m, struct err *e)
{
	AUTO_FREE struct listing *l = xcalloc(1, sizeof(*l));
	struct archive *a = archive_read_new();
	int rc;

	l->left = *archive;
	l->begin = archive->at;
	rc = list(l, a, e);
	archive_read_free(a);
	if (!rc && !l->found.n)
		rc = err_set(e, ERR_INVALID, "the archive is empty");
	if (rc) {
		un_members_free(&l->found);
		return rc;
	}
	qsort(l->found.v, l->found.n, sizeof(*l->found.v), by_name);
	*ret_m = l->found;
	return 0;
}

void
un_members_free(struct un_members *m)
{
	for (size_t i = 0; i < m->n; i++) {
		free(m->v[i].name);
		free(m->v[i].link);
	}
	free(m->v);
	*m = (struct un_members){ .n = 0 };
}

int
un_member_find(const struct un_members *m, const char *name, struct un_span *ret_data,
    struct err *e)
{
	const char *at = name;

	for (unsigned follows = 0; at && follows <= FOLLOWS_MAX; follows++) {
		char clean[UN_PATH_MAX + 1];
		struct un_member key = { .name = clean };
		const struct un_member *found;

		if (un_path_clean(at, clean, e))
			return e->code;
		found = bsearch(&key, m->v, m->n, sizeof(*m->v), by_name);
		if (!found)
			break;
		if (!found->link) {
			*ret_data = found->data;
			return 0;
		}
		at = found->link;
	}
	return err_set(e, ERR_NOT_FOUND, "\"%.100s\" is missing in the archive", name);
}

int
un_member_text(
    const struct un_span *data, const char *name, char **ret_text, struct err *e)
{
	AUTO_FREE char *text = NULL;
	ssize_t n;

	if (data->bytes > UN_JSON_MAX)
		return err_set(e, ERR_TOO_LARGE, "\"%.100s\" is of over %u bytes", name,
		    UN_JSON_MAX);
	text = xmalloc(data->bytes + 1);
	n = pread(data->fd, text, data->bytes, (off_t)data->at);
	if (n < 0 || (uint64_t)n != data->bytes)
		return err_set(e, n < 0 ? ERR_IO : ERR_INVALID,
		    "\"%.100s\": the archive is cut off", name);
	text[n] = '\0';
	*ret_text = MOVE(text);
	return 0;
}
