#include "host-agent/storage/unpack/un_oci.h"

#include <string.h>

#include "base/str.h"

#define SHA256     "sha256:"
#define HEX_DIGITS "0123456789abcdef"
#define TEXT_MAX   1024u
#define BYTES_MAX  (1ull << 40)

static const struct {
	const char *name;
	enum un_media media;
} media_types[] = {
	{ "application/vnd.oci.image.index.v1+json", UN_INDEX },
	{ "application/vnd.docker.distribution.manifest.list.v2+json", UN_INDEX },
	{ "application/vnd.oci.image.manifest.v1+json", UN_MANIFEST },
	{ "application/vnd.docker.distribution.manifest.v2+json", UN_MANIFEST },
	{ "application/vnd.oci.image.config.v1+json", UN_CONFIG },
	{ "application/vnd.docker.container.image.v1+json", UN_CONFIG },
	{ "application/vnd.oci.image.layer.v1.tar", UN_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+gzip", UN_LAYER },
	{ "application/vnd.oci.image.layer.v1.tar+zstd", UN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar", UN_LAYER },
	{ "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", UN_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar", UN_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.gzip", UN_LAYER },
	{ "application/vnd.docker.image.rootfs.diff.tar.zstd", UN_LAYER },
};

static enum un_media
media_of(const char *name)
{
	for (size_t i = 0; i < sizeof(media_types) / sizeof(media_types[0]); i++) {
		if (str_same(media_types[i].name, name))
			return media_types[i].media;
	}
	return UN_MEDIA_UNKNOWN;
}

int
un_digest_check(const char *digest, struct err *e)
{
	if (!str_starts(digest, SHA256))
		return err_set(e, ERR_UNSUPPORTED,
		    "digest \"%.40s\": only sha256 is known", digest);
	if (strlen(digest) != UN_DIGEST_MAX ||
	    strspn(digest + strlen(SHA256), HEX_DIGITS) !=
		UN_DIGEST_MAX - strlen(SHA256))
		return err_set(
		    e, ERR_INVALID, "digest \"%.100s\" is no checksum", digest);
	return 0;
}

/* Its member of that name where it is an object; NULL otherwise. */
static const json *
object_in(const json *j, const char *key)
{
	const json *o = json_get(j, key);

	return o && json_what(o) == JSON_IS_OBJECT ? o : NULL;
}

static int
array_in(const json *j, const char *key, size_t max, const json **ret_a, struct err *e)
{
	const json *a = json_get(j, key);

	if (!a || json_what(a) != JSON_IS_ARRAY)
		return err_set(e, ERR_INVALID, "%s: wants a list", key);
	if (json_count(a) > max)
		return err_set(e, ERR_TOO_LARGE, "%s: %zu of them, at most %zu", key,
		    json_count(a), max);
	*ret_a = a;
	return 0;
}

/* What an image of an index is called and made for. */
static int
parse_labels(const json *j, struct un_desc *d, struct err *e)
{
	static const char *const names[] = { "org.opencontainers.image.ref.name",
		"io.containerd.image.name" };
	const json *labels = object_in(j, "annotations");
	const json *platform = object_in(j, "platform");
	int rc = 0;

	for (size_t i = 0; !rc && labels && i < 2; i++)
		rc = json_read_str(
		    labels, names[i], JSON_OPTIONAL, TEXT_MAX, &d->name, e);
	if (!rc && platform)
		rc = json_read_str(
		    platform, "architecture", JSON_OPTIONAL, TEXT_MAX, &d->arch, e);
	if (!rc && platform)
		rc = json_read_str(platform, "os", JSON_OPTIONAL, TEXT_MAX, &d->os, e);
	return rc;
}

static int
parse_desc(const json *j, struct un_desc *d, struct err *e)
{
	*d = (struct un_desc){ .name = "", .arch = "", .os = "", .media_name = "" };
	if (!j || json_what(j) != JSON_IS_OBJECT)
		return err_set(e, ERR_INVALID, "a descriptor is no object");
	if (json_read_str(j, "mediaType", JSON_REQUIRED, TEXT_MAX, &d->media_name, e) ||
	    json_read_str(j, "digest", JSON_REQUIRED, TEXT_MAX, &d->digest, e) ||
	    json_read_u64(j, "size", JSON_REQUIRED, 0, BYTES_MAX, &d->bytes, e))
		return e->code;
	d->media = media_of(d->media_name);
	if (un_digest_check(d->digest, e))
		return e->code;
	return parse_labels(j, d, e);
}

int
un_index_parse(const json *j, struct un_index *ret, struct err *e)
{
	const json *list = NULL;
	int rc = array_in(j, "manifests", UN_MANIFESTS_MAX, &list, e);

	ret->n = 0;
	for (size_t i = 0; !rc && i < json_count(list); i++) {
		rc = parse_desc(json_at(list, i), &ret->entries[i], e);
		ret->n = i + 1;
	}
	return rc ? err_wrap(e, "the image's index") : 0;
}

static int
need_media(const struct un_desc *d, enum un_media media, struct err *e)
{
	if (d->media == media)
		return 0;
	return err_set(
	    e, ERR_UNSUPPORTED, "media type \"%.100s\" is not known", d->media_name);
}

int
un_manifest_parse(const json *j, struct un_manifest *ret, struct err *e)
{
	const json *layers = NULL;
	int rc = parse_desc(json_get(j, "config"), &ret->config, e);

	ret->n = 0;
	if (!rc)
		rc = need_media(&ret->config, UN_CONFIG, e);
	if (!rc)
		rc = array_in(j, "layers", UN_LAYERS_MAX, &layers, e);
	for (size_t i = 0; !rc && i < json_count(layers); i++) {
		rc = parse_desc(json_at(layers, i), &ret->layers[i], e);
		if (!rc)
			rc = need_media(&ret->layers[i], UN_LAYER, e);
		ret->n = i + 1;
	}
	if (!rc && !ret->n)
		rc = err_set(e, ERR_INVALID, "no layers");
	return rc ? err_wrap(e, "the image's manifest") : 0;
}

/* Adds to what is there. */
static int
parse_words(const json *j, const char *key, struct un_words *w, struct err *e)
{
	const json *list = json_get(j, key);
	size_t n, len;

	if (!list || json_what(list) == JSON_IS_NULL)
		return 0;
	if (array_in(j, key, UN_WORDS_MAX - w->n, &list, e))
		return e->code;
	n = json_count(list);
	for (size_t i = 0; i < n; i++) {
		const json *word = json_at(list, i);

		if (json_what(word) != JSON_IS_STR)
			return err_set(e, ERR_INVALID, "%s: wants texts", key);
		w->v[w->n] = json_str_value(word, &len);
		if (len > UN_WORD_MAX || strlen(w->v[w->n]) != len)
			return err_set(e, ERR_INVALID,
			    "%s: a text of over %u bytes or with a NUL in it", key,
			    UN_WORD_MAX);
		w->n++;
	}
	return 0;
}

static int
parse_diff_ids(const json *j, struct un_config *ret, struct err *e)
{
	const json *fs = object_in(j, "rootfs"), *list = NULL;
	int rc = fs ? array_in(fs, "diff_ids", UN_LAYERS_MAX, &list, e)
		    : err_set(e, ERR_INVALID, "rootfs: is missing");

	for (size_t i = 0; !rc && i < json_count(list); i++) {
		const char *id = NULL;

		if (json_what(json_at(list, i)) == JSON_IS_STR)
			id = json_str_value(json_at(list, i), NULL);
		rc = id ? un_digest_check(id, e)
			: err_set(e, ERR_INVALID, "diff_ids: wants texts");
		ret->diff_ids[i] = id;
		ret->n_diff_ids = i + 1;
	}
	return rc;
}

/* How it wants to be run. */
static int
parse_run(const json *c, struct un_config *ret, struct err *e)
{
	int rc = parse_words(c, "Entrypoint", &ret->args, e);

	if (!rc)
		rc = parse_words(c, "Cmd", &ret->args, e);
	if (!rc)
		rc = parse_words(c, "Env", &ret->env, e);
	if (!rc)
		rc = json_read_str(
		    c, "WorkingDir", JSON_OPTIONAL, TEXT_MAX, &ret->cwd, e);
	if (!rc)
		rc = json_read_str(c, "User", JSON_OPTIONAL, TEXT_MAX, &ret->user, e);
	if (!rc)
		rc = json_read_str(
		    c, "StopSignal", JSON_OPTIONAL, TEXT_MAX, &ret->stop_signal, e);
	if (!rc && *ret->cwd && *ret->cwd != '/')
		rc = err_set(e, ERR_INVALID,
		    "WorkingDir: \"%.80s\" is no absolute path", ret->cwd);
	return rc;
}

int
un_config_parse(const json *j, struct un_config *ret, struct err *e)
{
	const json *run = object_in(j, "config");
	int rc;

	ret->arch = ret->os = ret->cwd = ret->user = ret->stop_signal = "";
	ret->n_diff_ids = ret->args.n = ret->env.n = 0;
	rc = json_read_str(j, "architecture", JSON_REQUIRED, TEXT_MAX, &ret->arch, e);
	if (!rc)
		rc = json_read_str(j, "os", JSON_REQUIRED, TEXT_MAX, &ret->os, e);
	if (!rc)
		rc = parse_diff_ids(j, ret, e);
	if (!rc && run)
		rc = parse_run(run, ret, e);
	return rc ? err_wrap(e, "the image's config") : 0;
}

int
un_saves_parse(const json *j, struct un_saves *ret, struct err *e)
{
	ret->n = 0;
	if (json_what(j) != JSON_IS_ARRAY || json_count(j) > UN_MANIFESTS_MAX)
		return err_set(e, ERR_INVALID,
		    "manifest.json: wants a list of at most %u images",
		    UN_MANIFESTS_MAX);
	for (size_t i = 0; i < json_count(j); i++) {
		if (json_what(json_at(j, i)) != JSON_IS_OBJECT)
			return err_set(
			    e, ERR_INVALID, "manifest.json: an image is no object");
		ret->entries[ret->n++] = json_at(j, i);
	}
	return 0;
}

int
un_saved_parse(const json *j, struct un_saved *ret, struct err *e)
{
	struct un_words layers = { .n = 0 };
	int rc;

	ret->tags.n = ret->n = 0;
	ret->config = "";
	rc = json_read_str(j, "Config", JSON_REQUIRED, TEXT_MAX, &ret->config, e);
	if (!rc)
		rc = parse_words(j, "RepoTags", &ret->tags, e);
	if (!rc)
		rc = parse_words(j, "Layers", &layers, e);
	if (!rc && (!layers.n || layers.n > UN_LAYERS_MAX))
		rc = err_set(e, layers.n ? ERR_TOO_LARGE : ERR_INVALID,
		    "Layers: %zu of them, and 1 to %u can be", layers.n, UN_LAYERS_MAX);
	if (rc)
		return err_wrap(e, "manifest.json");
	for (ret->n = 0; ret->n < layers.n; ret->n++)
		ret->layers[ret->n] = layers.v[ret->n];
	return 0;
}
