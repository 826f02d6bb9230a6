#include "tests/lib/cg_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"

void
sh(const char *fmt, ...)
{
	AUTO(str) struct str s = STR_INIT;
	va_list ap;

	va_start(ap, fmt);
	str_addv(&s, fmt, ap);
	va_end(ap);
	assert_int_equal(system(str_cstr(&s)), 0); /* NOLINT(cert-env33-c): our own */
}

int
cg_tree_set_up(void **state)
{
	struct tree *t = xcalloc(1, sizeof(*t));

	snprintf(t->root, sizeof(t->root), "/tmp/drover-cg-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	*state = t;
	return 0;
}

int
cg_tree_tear_down(void **state)
{
	struct tree *t = *state;

	sh("rm -rf -- '%s'", t->root);
	free(t);
	return 0;
}

void
make_file(const struct tree *t, const char *path, const char *text)
{
	sh("mkdir -p \"$(dirname %s/%s)\" && printf '%%s\\n' '%s' >%s/%s", t->root,
	    path, text, t->root, path);
}

void
expect_file(const struct tree *t, const char *path, const char *text)
{
	AUTO_FREE char *full = xasprintf("%s/%s", t->root, path);
	char buf[128] = "";
	FILE *f = fopen(full, "re");

	assert_non_null(f);
	if (!fgets(buf, sizeof(buf), f))
		buf[0] = '\0';
	fclose(f);
	buf[strcspn(buf, "\n")] = '\0';
	/* The file is longer than what was written over its start. */
	if (!str_starts(buf, text))
		fail_msg("%s: \"%s\"", path, buf);
}

struct cg *
open_cg(const struct tree *t, const char *base)
{
	struct err e = ERR_INIT;
	struct cg *cg = NULL;

	if (cg_new(t->root, base, &cg, &e))
		fail_msg("cg_new: %s", e.msg);
	return cg;
}
