/*
 * What is said to drover-unpack, and what it answers: as little is believed of it as of
 * the archive that it has read.
 */
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "host-agent/storage/root_import_int.h"

#define PROGRAM    "drover-unpack"
#define UNPACK_MS  (3600u * 1000)
#define UNPACK_CPU 3600u
#define ANSWER_MAX (4ull << 20)
#define HEX        "0123456789abcdef"

/* As for other images from outside: real ones are packed no better than this. */
#define UNPACK_RATIO 100u
#define UNPACK_SPARE (1ull << 30)
/* Room that names and tables take besides what is in the archive. */
#define TABLES_SPARE (64ull << 20)

static char *
program_of(const struct root_import *im)
{
	char self[PATH_MAX];
	ssize_t n;
	char *slash;

	if (im->conf.unpack && *im->conf.unpack)
		return xstrdup(im->conf.unpack);
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n > 0 ? n : 0] = '\0';
	slash = strrchr(self, '/');
	if (slash)
		*slash = '\0';
	return xasprintf("%s/" PROGRAM, self);
}

static uint64_t
most_bytes(const struct root_import *im, uint64_t packed)
{
	uint64_t most = packed > UINT64_MAX / UNPACK_RATIO - UNPACK_SPARE
			    ? INT64_MAX
			    : packed * UNPACK_RATIO + UNPACK_SPARE;

	return most < im->free_bytes ? most : im->free_bytes;
}

static int
run(struct root_import *im, const char *const *argv, const int *fds, size_t n_fds,
    child_fn done, struct err *e)
{
	struct child_opts o = {
		.argv = argv,
		.pass_fds = fds,
		.n_pass_fds = n_fds,
		.max_output = ANSWER_MAX,
		.rlimit_as_bytes = UNPACK_MEMORY,
		.rlimit_cpu_s = UNPACK_CPU,
		.timeout_ms = UNPACK_MS,
		.confine = true,
	};

	if (geteuid() == 0) {
		o.uid = im->conf.uid;
		o.gid = im->conf.gid;
	}
	return child_start(im->at.loop, &o, done, im, &im->child, e);
}

static int
run_layer(struct root_import *im, child_fn done, struct err *e)
{
	const struct root_layer *l = &im->layers[im->next];
	bool is_tar = str_same(im->format, "tar");
	char at[24], bytes[24], most[24];
	const char *argv[] = { im->program, l->is_linked ? "check" : "layer", at, bytes,
		l->digest, l->diff_id, is_tar ? "files" : "marks", most, NULL };
	int fds[] = { im->source_fd, l->fd };

	snprintf(at, sizeof(at), "%" PRIu64, l->at);
	snprintf(bytes, sizeof(bytes), "%" PRIu64, l->bytes);
	snprintf(most, sizeof(most), "%" PRIu64, most_bytes(im, l->bytes));
	return run(im, argv, fds, l->is_linked ? 1 : 2, done, e);
}

static int
run_user(struct root_import *im, child_fn done, struct err *e)
{
	const char *argv[] = { im->program, "user", im->user, NULL };
	int fds[ROOT_LAYERS_MAX];

	for (size_t i = 0; i < im->n; i++)
		fds[i] = im->layers[im->n - 1 - i].fd;
	return run(im, argv, fds, im->n, done, e);
}

int
root_unpack_start(
    struct root_import *im, enum root_verb verb, child_fn done, struct err *e)
{
	if (!im->program)
		im->program = program_of(im);
	if (verb == ROOT_LAYER)
		return run_layer(im, done, e);
	if (verb == ROOT_USER)
		return run_user(im, done, e);
	const char *argv[] = { im->program, "plan", im->format, im->reference, NULL };

	return run(im, argv, &im->source_fd, 1, done, e);
}

/* ---- answers ---- */

static bool
is_digest(const char *s)
{
	return str_starts(s, "sha256:") && strlen(s) == ROOT_DIGEST_LEN &&
	       strspn(s + strlen("sha256:"), HEX) == 64;
}

static int
take_layer(struct root_import *im, const json *j, struct err *e)
{
	struct root_layer *l = &im->layers[im->n];
	const char *digest, *diff_id;

	if (json_read_u64(j, "at", JSON_REQUIRED, 0, im->source_bytes, &l->at, e) ||
	    json_read_u64(
		j, "bytes", JSON_REQUIRED, 0, im->source_bytes - l->at, &l->bytes, e) ||
	    json_read_str(j, "digest", JSON_REQUIRED, ROOT_DIGEST_LEN, &digest, e) ||
	    json_read_str(j, "diff_id", JSON_REQUIRED, ROOT_DIGEST_LEN, &diff_id, e))
		return e->code;
	if ((*digest && !is_digest(digest)) || !is_digest(diff_id))
		return err_set(e, ERR_INVALID, "a layer's digest is none");
	snprintf(l->digest, sizeof(l->digest), "%s", digest);
	snprintf(l->diff_id, sizeof(l->diff_id), "%s", diff_id);
	im->n++;
	return 0;
}

static void
take_words(const json *list, char ***ret_v, size_t *ret_n)
{
	size_t n = list ? json_count(list) : 0;

	*ret_v = xcalloc(n + 1, sizeof(**ret_v));
	*ret_n = 0;
	for (size_t i = 0; i < n; i++) {
		if (json_what(json_at(list, i)) == JSON_IS_STR)
			(*ret_v)[(*ret_n)++] =
			    xstrdup(json_str_value(json_at(list, i), NULL));
	}
}

static int
take_plan(struct root_import *im, const json *j, struct err *e)
{
	const char *cwd, *user, *signal;
	const json *layers = json_get(j, "layers");
	size_t n = layers ? json_count(layers) : 0;
	Drover__ContainerSpec *c = im->container;
	int rc = 0;

	if (!n || n > ROOT_LAYERS_MAX)
		return err_set(e, ERR_TOO_LARGE, "%zu layers, and 1 to %d can be", n,
		    ROOT_LAYERS_MAX);
	for (size_t i = 0; !rc && i < n; i++)
		rc = take_layer(im, json_at(layers, i), e);
	if (rc || json_read_str(j, "cwd", JSON_REQUIRED, PATH_MAX, &cwd, e) ||
	    json_read_str(j, "user", JSON_REQUIRED, PATH_MAX, &user, e) ||
	    json_read_str(j, "stop_signal", JSON_REQUIRED, PATH_MAX, &signal, e))
		return e->code;
	take_words(json_get(j, "args"), &c->args, &c->n_args);
	take_words(json_get(j, "env"), &c->env, &c->n_env);
	c->cwd = xstrdup(cwd);
	c->stop_signal = xstrdup(signal);
	im->user = xstrdup(user);
	root_name_layers(im);
	return 0;
}

static int
take_made(struct root_import *im, const json *j, struct err *e)
{
	static const char *const names[] = { "devices", "attributes" };

	for (size_t i = 0; i < 2; i++) {
		uint64_t n = 0;

		if (json_read_u64(j, names[i], JSON_REQUIRED, 0, INT64_MAX, &n, e))
			return e->code;
		im->left_out[i] += n;
	}
	return 0;
}

static int
take_user(struct root_import *im, const json *j, struct err *e)
{
	const json *groups = json_get(j, "groups");
	Drover__ContainerSpec *c = im->container;
	size_t n = groups ? json_count(groups) : 0;
	uint64_t uid = 0, gid = 0;
	int rc = json_read_u64(j, "uid", JSON_REQUIRED, 0, 65535, &uid, e);

	if (!rc)
		rc = json_read_u64(j, "gid", JSON_REQUIRED, 0, 65535, &gid, e);
	c->uid = (uint32_t)uid;
	c->gid = (uint32_t)gid;
	c->groups = xcalloc(n + 1, sizeof(*c->groups));
	for (size_t i = 0; !rc && i < n; i++) {
		if (json_what(json_at(groups, i)) == JSON_IS_INT)
			c->groups[c->n_groups++] =
			    (uint32_t)json_int_value(json_at(groups, i));
	}
	return rc;
}

static int
take_fault(const json *fault, struct err *e)
{
	const char *code, *message;

	if (json_read_str(fault, "code", JSON_REQUIRED, 64, &code, e) ||
	    json_read_str(fault, "message", JSON_REQUIRED, 1024, &message, e))
		return e->code;
	return err_set(e, err_from_name(code), "%s", message);
}

int
root_unpack_take(struct root_import *im, enum root_verb verb,
    const struct child_result *r, struct err *e)
{
	AUTO(json) json *j = NULL;
	const json *fault;

	/* It said why, or something ended it. */
	if (r->timed_out || !r->out_len ||
	    json_parse(r->out, r->out_len, PROGRAM, &j, e)) {
		err_clear(e);
		return child_err(r, PROGRAM, e)
			   ? e->code
			   : err_set(e, ERR_IO, PROGRAM ": its answer makes no sense");
	}
	fault = json_get(j, "fault");
	if (fault)
		return take_fault(fault, e);
	if (verb == ROOT_PLAN)
		return take_plan(im, j, e);
	return verb == ROOT_LAYER ? take_made(im, j, e) : take_user(im, j, e);
}
