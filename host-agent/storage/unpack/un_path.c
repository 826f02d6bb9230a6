#include "host-agent/storage/unpack/un_path.h"

#include <string.h>

#include "base/str.h"

#define MARK         ".wh."
#define MARK_OPAQUE  ".wh..wh..opq"
#define MARK_FOREIGN ".wh..wh."

static int
add_part(char *to, size_t *n, const char *part, size_t len, struct err *e)
{
	if (len == 2 && !strncmp(part, "..", 2))
		return err_set(
		    e, ERR_INVALID, "a path with \"..\" in it is not allowed");
	if (len > UN_PART_MAX)
		return err_set(e, ERR_INVALID, "a name of over %d bytes", UN_PART_MAX);
	if (!len || (len == 1 && *part == '.'))
		return 0;
	if (*n + len + 1 > UN_PATH_MAX)
		return err_set(e, ERR_INVALID, "a path of over %d bytes", UN_PATH_MAX);
	if (*n)
		to[(*n)++] = '/';
	memcpy(to + *n, part, len);
	*n += len;
	to[*n] = '\0';
	return 0;
}

int
un_path_clean(const char *path, char ret_path[UN_PATH_MAX + 1], struct err *e)
{
	size_t n = 0;
	int rc = 0;

	ret_path[0] = '\0';
	if (!path[0])
		return err_set(e, ERR_INVALID, "an entry has no name");
	if (path[0] == '/')
		rc = err_set(e, ERR_INVALID, "an absolute path is not allowed");
	for (const char *p = path; !rc && *p;) {
		size_t len = strcspn(p, "/");

		rc = add_part(ret_path, &n, p, len, e);
		p += len;
		p += *p == '/';
	}
	return rc ? err_wrap(e, "\"%.100s\"", path) : 0;
}

int
un_path_mark(const char *path, enum un_mark *ret_mark, char ret_path[UN_PATH_MAX + 1],
    struct err *e)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t before = (size_t)(name - path);

	*ret_mark = UN_MARK_NONE;
	memmove(ret_path, path, strlen(path) + 1);
	if (!str_starts(name, MARK))
		return 0;
	if (str_same(name, MARK_OPAQUE)) {
		*ret_mark = UN_MARK_OPAQUE;
		ret_path[before ? before - 1 : 0] = '\0';
		return 0;
	}
	if (str_starts(name, MARK_FOREIGN)) {
		*ret_mark = UN_MARK_FOREIGN;
		return 0;
	}
	name += strlen(MARK);
	if (!*name || str_same(name, ".") || str_same(name, ".."))
		return err_set(
		    e, ERR_INVALID, "\"%.100s\": a mark that names no file", path);
	memmove(ret_path + before, name, strlen(name) + 1);
	*ret_mark = UN_MARK_GONE;
	return 0;
}

unsigned
un_path_new_folders(const char *before, const char *path)
{
	size_t same = 0;
	unsigned n = 0;

	while (path[same] && path[same] == before[same])
		same++;
	/* A part that is cut in two is another one. */
	if (path[same] != '/' || (before[same] && before[same] != '/'))
		while (same && path[same - 1] != '/')
			same--;
	else
		same++;
	for (const char *p = path + same; *p; p++)
		n += *p == '/';
	return n;
}
