#include <string.h>

#include "base/assert.h"
#include "base/str.h"
#include "host-agent/storage/unpack/un_oci.h"
#include "host-agent/storage/unpack/un_path.h"
#include "host-agent/storage/unpack/un_user.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static struct un_index un_index;
static struct un_manifest manifest;
static struct un_config config;
static struct un_saves saves;
static struct un_saved saved;

static void
parse_all(const json *j)
{
	struct err e = ERR_INIT;

	if (!un_index_parse(j, &un_index, &e))
		ASSERT(un_index.n <= UN_MANIFESTS_MAX);
	if (!un_manifest_parse(j, &manifest, &e))
		ASSERT(manifest.n && manifest.n <= UN_LAYERS_MAX &&
		       strlen(manifest.layers[0].digest) == UN_DIGEST_MAX);
	if (!un_config_parse(j, &config, &e))
		ASSERT(
		    config.n_diff_ids <= UN_LAYERS_MAX && config.arch && config.user);
	if (!un_saves_parse(j, &saves, &e) && saves.n &&
	    !un_saved_parse(saves.entries[0], &saved, &e))
		ASSERT(saved.n && saved.n <= UN_LAYERS_MAX && saved.config);
	ASSERT(utf8_valid(e.msg, strlen(e.msg)));
}

static void
read_names(const char *text)
{
	char path[UN_PATH_MAX + 1], meant[UN_PATH_MAX + 1];
	struct un_user u;
	enum un_mark mark;

	if (!un_path_clean(text, path, NULL) && !un_path_mark(path, &mark, meant, NULL))
		ASSERT(path[0] != '/' && strlen(meant) <= strlen(path));
	if (!un_user_resolve("web:log", text, text, &u, NULL))
		ASSERT(u.uid <= 65535 && u.gid <= 65535 && u.n_groups <= UN_GROUPS_MAX);
}

/* What an archive from outside says of itself. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	AUTO_FREE char *text = xstrndup((const char *)data, n);
	json *j;

	read_names(text);
	if (json_parse((const char *)data, n, "input", &j, NULL))
		return 0;
	parse_all(j);
	json_free(j);
	return 0;
}
