#include "server/api/router.h"

#include <string.h>

#include "base/mem.h"

/* Does path fit the pattern? What stands for {…} goes to ret. */
static bool
fits(const char *pattern, const char *path, struct route_path *ret)
{
	char *seg = ret->seg;

	ret->seg[0] = ret->arg[0] = 0;
	while (*pattern && *path) {
		if (*pattern == '{') {
			size_t n = strcspn(path, "/");
			if (!n || n >= MAX_SEGMENT)
				return false;
			memcpy(seg, path, n);
			seg[n] = 0;
			seg = ret->arg;
			path += n;
			pattern = strchr(pattern, '}') + 1;
		} else if (*pattern++ != *path++) {
			return false;
		}
	}
	return !*pattern && !*path;
}

int
route_find(const struct route *routes, size_t n, enum http_method method,
    const char *path, const struct route **ret_r, struct route_path *ret_p)
{
	bool known = false;

	/* Literal paths stand before the ones with {…} that they would fit. */
	for (size_t i = 0; i < n; i++) {
		if (!fits(routes[i].path, path, ret_p))
			continue;
		known = true;
		if (routes[i].method != method)
			continue;
		*ret_r = &routes[i];
		return 0;
	}
	return known ? ERR_UNSUPPORTED : ERR_NOT_FOUND;
}

char *
route_arg_name(const struct route *r)
{
	const char *first = strchr(r->path, '{');
	const char *second = first ? strchr(first + 1, '{') : NULL;

	return second ? xstrndup(second + 1, strcspn(second + 1, "}")) : NULL;
}

const char *
method_text(enum http_method m)
{
	static const char *const text[] = { "get", "post", "put", "patch", "delete",
		"other" };

	return text[m];
}
