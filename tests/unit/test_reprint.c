/*
 * A script, parsed, printed and parsed again, is the same tree: for every program of
 * the shell's spec files and every script of the documentation.
 */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/mem.h"
#include "shell/parse.h"

/* The tree's dump and the script that it prints; false: it does not parse. */
static bool
look(const char *text, size_t n, struct str *dump, struct str *source)
{
	struct arena *a = arena_new();
	struct node *body = NULL;
	struct err e = ERR_INIT;
	bool parses = parse_script(text, n, a, &body, &e) == PARSE_OK;

	if (parses) {
		ast_dump(dump, body);
		ast_source(source, body);
	}
	arena_free(a);
	return parses;
}

/* True: it parses, and came out the same. */
static bool
try_program(const char *where, const char *text, size_t n)
{
	AUTO(str) struct str tree = STR_INIT, source = STR_INIT;
	AUTO(str) struct str again = STR_INIT, printed = STR_INIT;

	if (!look(text, n, &tree, &source))
		return false;
	if (!look(str_cstr(&source), source.len, &again, &printed))
		fail_msg("%s: does not parse any more:\n%s", where, str_cstr(&source));
	if (strcmp(str_cstr(&tree), str_cstr(&again)) != 0)
		fail_msg("%s: another tree\n%s\n%s\n%s", where, str_cstr(&source),
		    str_cstr(&tree), str_cstr(&again));
	assert_string_equal(str_cstr(&source), str_cstr(&printed));
	return true;
}

static char *
read_whole(const char *path)
{
	struct str b = STR_INIT;
	FILE *f = fopen(path, "re");

	if (!f)
		fail_msg("%s cannot be opened", path);
	for (int c; (c = fgetc(f)) != EOF;)
		str_addc(&b, (char)c);
	fclose(f);
	return str_take(&b);
}

/* A case is "#### title", the program, then lines that begin with "## ". */
static unsigned
try_cases(const char *path)
{
	AUTO_FREE char *all = read_whole(path);
	unsigned tried = 0;

	for (char *at = strstr(all, "#### "); at; at = strstr(at, "\n#### ")) {
		at += *at == '\n';
		AUTO_FREE char *title =
		    xasprintf("%s: %.*s", path, (int)strcspn(at, "\n"), at);
		at += strcspn(at, "\n");
		char *end = strstr(at, "\n## ");
		if (!end)
			break;
		tried += try_program(title, at + 1, (size_t)(end - at));
		at = end;
	}
	return tried;
}

static unsigned
each(const char *pattern, unsigned (*one)(const char *path))
{
	unsigned tried = 0;
	glob_t g;

	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	for (size_t i = 0; i < g.gl_pathc; i++)
		tried += one(g.gl_pathv[i]);
	globfree(&g);
	return tried;
}

static unsigned
try_script(const char *path)
{
	AUTO_FREE char *text = read_whole(path);

	return try_program(path, text, strlen(text));
}

static void
every_case_comes_out_the_same(void **state)
{
	assert_true(each("tests/shell/*.test.sh", try_cases) > 550);
}

static void
every_script_comes_out_the_same(void **state)
{
	assert_true(each("docs/scripts/*.ps1", try_script) >= 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_comes_out_the_same),
		cmocka_unit_test(every_script_comes_out_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
