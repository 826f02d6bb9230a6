#include "host-agent/storage/unpack/un_image.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/str.h"
#include "host-agent/storage/unpack/un_oci.h"

#define SHA256 "sha256:"
#define DIGITS 64u

/* What is at hand while an image is looked for; documents live as long. */
struct plan {
	struct un_members members;
	const struct un_wanted *w;
	json *docs[UN_NESTED_MAX + 3];
	size_t n_docs;
	struct un_index index;
	struct un_manifest manifest;
	struct un_config config;
	struct un_saves saves;
	struct un_saved saved;
	json *layers;
};

const char *
un_host_arch(void)
{
	static const struct {
		const char *machine, *arch;
	} names[] = { { "x86_64", "amd64" }, { "aarch64", "arm64" },
		{ "riscv64", "riscv64" }, { "ppc64le", "ppc64le" },
		{ "s390x", "s390x" } };
	struct utsname u;

	if (uname(&u))
		return "unknown";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (str_same(u.machine, names[i].machine))
			return names[i].arch;
	}
	return "unknown";
}

/* The document in the member name; digest NULL: nobody says what it should be. */
static int
read_doc(
    struct plan *p, const char *name, const char *digest, json **ret_j, struct err *e)
{
	char is[UN_DIGEST_LEN + 1];
	AUTO_FREE char *text = NULL;
	struct un_span data;
	json *j;

	if (p->n_docs == sizeof(p->docs) / sizeof(p->docs[0]))
		return err_set(
		    e, ERR_INVALID, "indexes in over %u indexes", UN_NESTED_MAX);
	if (un_member_find(&p->members, name, &data, e) ||
	    un_member_text(&data, name, &text, e))
		return e->code;
	un_digest(text, data.bytes, is);
	if (digest && !str_same(digest, is))
		return err_set(
		    e, ERR_CORRUPT, "\"%.90s\": wrong digest, it is %.24s…", name, is);
	if (json_parse(text, data.bytes, name, &j, e))
		return e->code;
	p->docs[p->n_docs++] = j;
	*ret_j = j;
	return 0;
}

static void
blob_name(const char *digest, char ret_name[UN_DIGEST_LEN + 16])
{
	snprintf(
	    ret_name, UN_DIGEST_LEN + 16, "blobs/sha256/%s", digest + strlen(SHA256));
}

static int
read_blob(struct plan *p, const struct un_desc *d, json **ret_j, struct err *e)
{
	char name[UN_DIGEST_LEN + 16];

	blob_name(d->digest, name);
	return read_doc(p, name, d->digest, ret_j, e);
}

static int
add_layer(struct plan *p, const char *name, const char *digest, const char *diff_id,
    struct err *e)
{
	struct un_span data;
	json *j;
	int rc = un_member_find(&p->members, name, &data, e);

	if (rc)
		return err_wrap(e, "layer %zu", json_count(p->layers) + 1);
	j = json_new_object();
	json_set_u64(j, "at", data.at);
	json_set_u64(j, "bytes", data.bytes);
	json_set_str(j, "digest", digest);
	json_set_str(j, "diff_id", diff_id);
	json_add_json(p->layers, j);
	return 0;
}

/* ---- which image ---- */

static void
add_name(struct str *names, const char *name)
{
	str_addf(names, "%s\"%s\"", names->len ? ", " : "", name);
}

static int
not_told(const struct plan *p, const struct str *names, struct err *e)
{
	const char *said = names->len ? names->s : "none that has a name";

	if (*p->w->reference)
		return err_set(e, ERR_NOT_FOUND,
		    "no image \"%.60s\" in the archive; there is: %s", p->w->reference,
		    said);
	return err_set(e, ERR_INVALID,
	    "several images in the archive: say by reference which; there is: %s",
	    said);
}

static bool
fits_host(const struct plan *p, const struct un_desc *d)
{
	return (!*d->os || str_same(d->os, "linux")) &&
	       (!*d->arch || str_same(d->arch, p->w->arch));
}

/* Of the outermost index: by its name, or the only one. */
static int
choose_named(struct plan *p, const struct un_desc **ret_d, struct err *e)
{
	AUTO(str) struct str names = STR_INIT;
	const struct un_desc *found = NULL;
	bool named = *p->w->reference != '\0';
	size_t n = 0;

	for (size_t i = 0; i < p->index.n; i++) {
		const struct un_desc *d = &p->index.entries[i];

		if (*d->name)
			add_name(&names, d->name);
		if (named && !str_same(d->name, p->w->reference))
			continue;
		/* The same image for several kinds of machines is one. */
		if (!found || !fits_host(p, found))
			found = d;
		n += fits_host(p, d) || p->index.n == 1;
	}
	if (!p->index.n)
		return err_set(e, ERR_INVALID, "the image's index is empty");
	if (!found || (!named && n > 1))
		return not_told(p, &names, e);
	*ret_d = found;
	return 0;
}

static int
choose_platform(struct plan *p, const struct un_desc **ret_d, struct err *e)
{
	AUTO(str) struct str names = STR_INIT;

	for (size_t i = 0; i < p->index.n; i++) {
		const struct un_desc *d = &p->index.entries[i];

		if (fits_host(p, d)) {
			*ret_d = d;
			return 0;
		}
		add_name(&names, d->arch);
	}
	return err_set(e, ERR_UNSUPPORTED, "the image is for %s and this host is %s",
	    names.len ? names.s : "nothing", p->w->arch);
}

/* ---- an OCI image layout ---- */

static int
find_manifest(struct plan *p, json **ret_j, struct err *e)
{
	const struct un_desc *d = &p->index.entries[0];
	json *j = NULL;
	int rc = read_doc(p, "index.json", NULL, &j, e);

	if (!rc)
		rc = un_index_parse(j, &p->index, e);
	if (!rc)
		rc = choose_named(p, &d, e);
	while (!rc && d->media == UN_INDEX) {
		rc = read_blob(p, d, &j, e);
		if (!rc)
			rc = un_index_parse(j, &p->index, e);
		if (!rc)
			rc = choose_platform(p, &d, e);
	}
	if (!rc && d->media != UN_MANIFEST)
		rc = err_set(e, ERR_UNSUPPORTED, "media type \"%.100s\" is no image's",
		    d->media_name);
	return rc ? rc : read_blob(p, d, ret_j, e);
}

static int
check_config(const struct plan *p, size_t n_layers, struct err *e)
{
	const struct un_config *c = &p->config;

	if (!str_same(c->os, "linux") || !str_same(c->arch, p->w->arch))
		return err_set(e, ERR_UNSUPPORTED,
		    "the image is for %.40s on %.40s and this host is linux on %s",
		    c->os, c->arch, p->w->arch);
	if (c->n_diff_ids != n_layers)
		return err_set(e, ERR_INVALID,
		    "the image has %zu layers and its config names %zu", n_layers,
		    c->n_diff_ids);
	return 0;
}

static int
plan_oci(struct plan *p, struct err *e)
{
	json *j = NULL;
	int rc = find_manifest(p, &j, e);

	if (!rc)
		rc = un_manifest_parse(j, &p->manifest, e);
	if (!rc)
		rc = read_blob(p, &p->manifest.config, &j, e);
	if (!rc)
		rc = un_config_parse(j, &p->config, e);
	if (!rc)
		rc = check_config(p, p->manifest.n, e);
	for (size_t i = 0; !rc && i < p->manifest.n; i++) {
		char name[UN_DIGEST_LEN + 16];

		blob_name(p->manifest.layers[i].digest, name);
		rc = add_layer(
		    p, name, p->manifest.layers[i].digest, p->config.diff_ids[i], e);
	}
	return rc;
}

/* ---- what docker saves ---- */

static bool
has_tag(const struct un_saved *s, const char *tag)
{
	for (size_t i = 0; i < s->tags.n; i++) {
		if (str_same(s->tags.v[i], tag))
			return true;
	}
	return false;
}

static int
choose_saved(struct plan *p, struct err *e)
{
	AUTO(str) struct str names = STR_INIT;
	bool named = *p->w->reference != '\0';

	for (size_t i = 0; i < p->saves.n; i++) {
		if (un_saved_parse(p->saves.entries[i], &p->saved, e))
			return e->code;
		if (named ? has_tag(&p->saved, p->w->reference) : p->saves.n == 1)
			return 0;
		for (size_t k = 0; k < p->saved.tags.n; k++)
			add_name(&names, p->saved.tags.v[k]);
	}
	return not_told(p, &names, e);
}

/* The digest that a file's name says: "<digits>.json", "blobs/sha256/<digits>". */
static void
named_digest(const char *path, char ret_digest[UN_DIGEST_LEN + 1])
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	ret_digest[0] = '\0';
	if (strspn(name, "0123456789abcdef") == DIGITS &&
	    (!name[DIGITS] || str_same(name + DIGITS, ".json")))
		snprintf(ret_digest, UN_DIGEST_LEN + 1, SHA256 "%.64s", name);
}

static int
plan_docker(struct plan *p, struct err *e)
{
	char digest[UN_DIGEST_LEN + 1];
	json *j = NULL;
	int rc = read_doc(p, "manifest.json", NULL, &j, e);

	if (!rc)
		rc = un_saves_parse(j, &p->saves, e);
	if (!rc)
		rc = choose_saved(p, e);
	if (rc)
		return rc;
	named_digest(p->saved.config, digest);
	rc = read_doc(p, p->saved.config, *digest ? digest : NULL, &j, e);
	if (!rc)
		rc = un_config_parse(j, &p->config, e);
	if (!rc)
		rc = check_config(p, p->saved.n, e);
	for (size_t i = 0; !rc && i < p->saved.n; i++) {
		named_digest(p->saved.layers[i], digest);
		rc = add_layer(p, p->saved.layers[i], digest, p->config.diff_ids[i], e);
	}
	return rc;
}

/* ---- both ---- */

static void
set_words(json *j, const char *key, const struct un_words *w)
{
	json *list = json_new_array();

	for (size_t i = 0; i < w->n; i++)
		json_add_str(list, w->v[i]);
	json_set_json(j, key, list);
}

static json *
plan_json(struct plan *p)
{
	json *j = json_new_object();

	json_set_json(j, "layers", MOVE(p->layers));
	set_words(j, "args", &p->config.args);
	set_words(j, "env", &p->config.env);
	json_set_str(j, "cwd", p->config.cwd);
	json_set_str(j, "user", p->config.user);
	json_set_str(j, "stop_signal", p->config.stop_signal);
	return j;
}

int
un_image_plan(const struct un_span *archive, const struct un_wanted *w, json **ret_plan,
    struct err *e)
{
	AUTO_FREE struct plan *p = xcalloc(1, sizeof(*p));
	int rc = un_members_read(archive, &p->members, e);

	if (rc)
		return rc;
	p->w = w;
	p->layers = json_new_array();
	rc = w->format == UN_OCI ? plan_oci(p, e) : plan_docker(p, e);
	if (!rc)
		*ret_plan = plan_json(p);
	json_free(p->layers);
	for (size_t i = 0; i < p->n_docs; i++)
		json_free(p->docs[i]);
	un_members_free(&p->members);
	return rc;
}
