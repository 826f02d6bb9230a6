/*
 * un_oci: what the JSON in an image's archive says: an OCI image layout (index,
 * manifest, config) and what "docker save" writes besides (manifest.json).
 *
 * Pure: text in, records or a refusal out.  Nothing of it is believed but in form:
 * digests are checked by whoever reads what they name.
 */
#pragma once
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define UN_MANIFESTS_MAX 256u
#define UN_LAYERS_MAX    24u /* with room for a container's own, and templates of it */
#define UN_WORDS_MAX     1000u
#define UN_WORD_MAX      32768u
#define UN_DIGEST_MAX    71

enum un_media { UN_INDEX, UN_MANIFEST, UN_CONFIG, UN_LAYER, UN_MEDIA_UNKNOWN };

/* Texts of these records are borrowed from the JSON. */
struct un_desc {
	enum un_media media;
	const char *media_name;
	const char *digest; /* "sha256:" and 64 digits: checked */
	uint64_t bytes;
	const char *name; /* "" if it has none */
	const char *arch; /* "" if it is not said */
	const char *os;
};

struct un_index {
	size_t n;
	struct un_desc entries[UN_MANIFESTS_MAX];
};

struct un_manifest {
	struct un_desc config;
	size_t n;
	struct un_desc layers[UN_LAYERS_MAX];
};

struct un_words {
	size_t n;
	const char *v[UN_WORDS_MAX];
};

struct un_config {
	const char *arch, *os;
	size_t n_diff_ids;
	const char *diff_ids[UN_LAYERS_MAX];
	struct un_words args, env; /* its entry point and then its command */
	const char *cwd, *user, *stop_signal;
};

/* One image of a docker archive. */
struct un_saved {
	const char *config;
	struct un_words tags;
	size_t n;
	const char *layers[UN_LAYERS_MAX];
};

struct un_saves {
	size_t n;
	const json *entries[UN_MANIFESTS_MAX];
};

int un_index_parse(const json *j, struct un_index *ret, struct err *e) WARN_UNUSED;
int un_manifest_parse(
    const json *j, struct un_manifest *ret, struct err *e) WARN_UNUSED;
int un_config_parse(const json *j, struct un_config *ret, struct err *e) WARN_UNUSED;
int un_saves_parse(const json *j, struct un_saves *ret, struct err *e) WARN_UNUSED;
int un_saved_parse(const json *j, struct un_saved *ret, struct err *e) WARN_UNUSED;
/* "sha256:" and 64 lower-case digits; others are refused by name. */
int un_digest_check(const char *digest, struct err *e) WARN_UNUSED;
