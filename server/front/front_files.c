#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <openssl/sha.h>

#include "base/log.h"
#include "base/str.h"
#include "server/front/front_int.h"

#define MAX_PAGE_BYTES ((off_t)8 * 1024 * 1024)
#define MAX_FOLDERS    8
#define TERMINAL_PATH  "/terminal.html"

static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html; charset=utf-8" },
	{ ".js", "text/javascript; charset=utf-8" },
	{ ".css", "text/css; charset=utf-8" },
	{ ".svg", "image/svg+xml" },
	{ ".png", "image/png" },
	{ ".ico", "image/x-icon" },
	{ ".json", "application/json" },
	{ ".map", "application/json" },
	{ ".woff2", "font/woff2" },
	{ ".txt", "text/plain; charset=utf-8" },
};

static const char *
type_of(const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (str_ends(path, types[i].ending))
			return types[i].type;
	return NULL;
}

static uint8_t *
read_all(const char *path, size_t *ret_n)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    st.st_size > MAX_PAGE_BYTES)
		return NULL;
	AUTO_FREE uint8_t *p = xmalloc((size_t)st.st_size + 1);
	size_t n = 0;
	while (n < (size_t)st.st_size) {
		ssize_t got = read(fd, p + n, (size_t)st.st_size - n);
		if (got <= 0)
			return NULL;
		n += (size_t)got;
	}
	*ret_n = n;
	return MOVE(p);
}

/* esbuild names chunks "stem-HASH8.ext". */
static bool
has_digest(const char *name)
{
	const char *dot = strrchr(name, '.'), *dash = strrchr(name, '-');

	return dot && dash && dot - dash == 9;
}

static void
load_file(struct map *files, const char *full, const char *path)
{
	const char *type = type_of(path);
	struct front_file *f;
	uint8_t sum[SHA256_DIGEST_LENGTH];
	char hex[2 * SHA256_DIGEST_LENGTH + 1];

	if (!type)
		return;
	f = xcalloc(1, sizeof(*f));
	f->type = type;
	f->data = read_all(full, &f->n);
	if (!f->data) {
		log_warn("front", "cannot read page %s: left out", full);
		free(f);
		return;
	}
	AUTO_FREE char *gz = xasprintf("%s.gz", full);
	f->gz = read_all(gz, &f->gz_n);
	SHA256(f->data, f->n, sum);
	hex_encode(sum, sizeof(sum), hex);
	snprintf(f->etag, sizeof(f->etag), "\"%.32s\"", hex);
	f->hashed = has_digest(path);
	f->page = str_same(path, TERMINAL_PATH) ? FRONT_FRAMED : FRONT_PAGE;
	map_put_str(files, path, f);
}

static void
load_folder(struct map *files, const char *full, const char *path, int depth)
{
	if (depth > MAX_FOLDERS)
		return;
	DIR *d = opendir(full);
	if (!d)
		return;
	for (struct dirent *de; (de = readdir(d));) {
		if (de->d_name[0] == '.')
			continue;
		AUTO_FREE char *sub = xasprintf("%s/%s", full, de->d_name);
		AUTO_FREE char *url = xasprintf("%s/%s", path, de->d_name);
		if (de->d_type == DT_DIR)
			load_folder(files, sub, url, depth + 1);
		else if (de->d_type == DT_REG)
			load_file(files, sub, url);
	}
	closedir(d);
}

struct map *
front_files_load(const char *root)
{
	struct map *files = map_new_str();

	if (root && *root)
		load_folder(files, root, "", 0);
	if (!map_count(files) && root && *root)
		log_warn("front", "no pages under %s: only the API is served", root);
	return files;
}

void
front_files_free(struct map *files)
{
	if (!files)
		return;
	MAP_EACH(files, it) {
		struct front_file *f = it.value;
		free(f->data);
		free(f->gz);
		free(f);
	}
	map_free(files);
}

const struct front_file *
front_file_find(const struct map *files, const char *path)
{
	const struct front_file *f = map_get_str(files, path);

	/* Paths without an ending are places inside the application. */
	if (!f && !strchr(path, '.'))
		f = map_get_str(files, "/index.html");
	return f;
}
