/*
 * drover-unpack: reads archives of root file systems that came from outside, and makes
 * layers of them.  The agent starts it without any rights, with open descriptors alone;
 * what it has to say is one line of JSON.
 *
 *	plan FORMAT REFERENCE                            3: the archive
 *	check AT BYTES DIGEST DIFF_ID MARKS MAX          3: the archive
 *	layer AT BYTES DIGEST DIFF_ID MARKS MAX          3: the archive, 4: the image
 *	user USER                                        3…: layers, the topmost first
 */
#include <et/com_err.h>
#include <ext2fs/ext2_err.h>
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/storage/unpack/un_image.h"
#include "host-agent/storage/unpack/un_layer.h"
#include "host-agent/storage/unpack/un_oci.h"
#include "host-agent/storage/unpack/un_user.h"

#define ARCHIVE_FD  3
#define IMAGE       "/dev/fd/4"
#define FIRST_LAYER 3

static int
run_plan(char *const *argv, json **ret_j, struct err *e)
{
	struct un_span archive = { .fd = ARCHIVE_FD };
	struct un_wanted w = { UN_OCI, argv[1], un_host_arch() };
	struct stat st;

	if (str_same(argv[0], "docker"))
		w.format = UN_DOCKER;
	else if (!str_same(argv[0], "oci"))
		return err_set(e, ERR_INVALID, "format \"%s\" is not known", argv[0]);
	if (fstat(ARCHIVE_FD, &st))
		return err_set(e, ERR_IO, "the archive is not open");
	archive.bytes = (uint64_t)st.st_size;
	return un_image_plan(&archive, &w, ret_j, e);
}

static int
layer_args(char *const *argv, struct un_layer *l, struct err *e)
{
	*l = (struct un_layer){ .archive.fd = ARCHIVE_FD, .image = IMAGE };
	l->digest = argv[2];
	l->diff_id = argv[3];
	l->marks = str_same(argv[4], "marks") ? UN_MARKS_TAKE_AWAY : UN_MARKS_ARE_FILES;
	l->is_root = l->marks == UN_MARKS_ARE_FILES;
	if (parse_u64(argv[0], 0, INT64_MAX, "at", &l->archive.at, e) ||
	    parse_u64(argv[1], 0, INT64_MAX, "bytes", &l->archive.bytes, e) ||
	    parse_u64(argv[5], 0, INT64_MAX, "max", &l->max_bytes, e))
		return e->code;
	return 0;
}

static json *
facts_json(const struct un_layer_facts *f)
{
	json *j = json_new_object();

	json_set_str(j, "diff_id", f->diff_id);
	json_set_u64(j, "entries", f->entries);
	json_set_u64(j, "bytes", f->bytes);
	json_set_u64(j, "image_bytes", f->image_bytes);
	json_set_u64(j, "devices", f->devices);
	json_set_u64(j, "attributes", f->attributes);
	return j;
}

static int
run_check(char *const *argv, json **ret_j, struct err *e)
{
	struct un_layer_facts f;
	struct un_layer l;
	int rc = layer_args(argv, &l, e);

	if (!rc)
		rc = un_layer_check(&l, &f, e);
	if (!rc)
		*ret_j = facts_json(&f);
	return rc;
}

static int
run_layer(char *const *argv, json **ret_j, struct err *e)
{
	struct un_layer_facts f;
	struct un_layer l;
	int rc = layer_args(argv, &l, e);

	if (!rc)
		rc = un_layer_make(&l, &f, e);
	if (!rc)
		*ret_j = facts_json(&f);
	return rc;
}

static json *
user_json(const struct un_user *u)
{
	json *j = json_new_object(), *groups = json_new_array();

	json_set_u64(j, "uid", u->uid);
	json_set_u64(j, "gid", u->gid);
	for (size_t i = 0; i < u->n_groups; i++)
		json_add_u64(groups, u->groups[i]);
	json_set_json(j, "groups", groups);
	return j;
}

static int
run_user(char *const *argv, json **ret_j, struct err *e)
{
	char paths[UN_LAYERS_MAX][16];
	const char *layers[UN_LAYERS_MAX];
	AUTO_FREE char *passwd = NULL;
	AUTO_FREE char *group = NULL;
	struct un_user u;
	size_t n = 0;
	int rc;

	for (; n < UN_LAYERS_MAX && fcntl(FIRST_LAYER + (int)n, F_GETFD) >= 0; n++) {
		snprintf(paths[n], sizeof(paths[n]), "/dev/fd/%zu", FIRST_LAYER + n);
		layers[n] = paths[n];
	}
	rc = un_user_file(layers, n, "etc/passwd", &passwd, e);
	if (!rc)
		rc = un_user_file(layers, n, "etc/group", &group, e);
	if (!rc)
		rc = un_user_resolve(argv[0], passwd, group, &u, e);
	if (!rc)
		*ret_j = user_json(&u);
	return rc;
}

static json *
fault_json(const struct err *e)
{
	json *j = json_new_object(), *fault = json_new_object();

	json_set_str(fault, "code", err_name(e->code));
	json_set_str(fault, "message", e->msg);
	json_set_json(j, "fault", fault);
	return j;
}

static const struct {
	const char *name;
	int n_args;
	int (*run)(char *const *argv, json **ret_j, struct err *e);
} verbs[] = {
	{ "plan", 2, run_plan },
	{ "check", 6, run_check },
	{ "layer", 6, run_layer },
	{ "user", 1, run_user },
};

int
main(int argc, char **argv)
{
	struct err e = ERR_INIT;
	AUTO(json) json *answer = NULL;
	AUTO_FREE char *text = NULL;
	int rc = err_set(&e, ERR_INVALID, "usage: plan, check, layer or user");

	/* Names in archives are UTF-8 or bytes, never another set of letters. */
	setlocale(LC_CTYPE, "C.UTF-8");
	initialize_ext2_error_table();
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (argc != verbs[i].n_args + 2 || !str_same(argv[1], verbs[i].name))
			continue;
		err_clear(&e);
		rc = verbs[i].run(argv + 2, &answer, &e);
	}
	if (rc)
		answer = fault_json(&e);
	text = json_text(answer);
	puts(text);
	return rc ? 1 : 0;
}
