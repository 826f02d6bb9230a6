/*
 * run_golden: every CASE.in of a folder through golden_case(), byte-compared with
 * CASE.out.
 *
 * GOLDEN_UPDATE=1 rewrites the .out files instead: their diff is then what to review.
 */
#include "tests/golden/run_golden.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

static int
is_input(const struct dirent *d)
{
	return str_ends(d->d_name, ".in");
}

static bool
read_file(const char *path, struct str *ret_text)
{
	char buf[4096];
	FILE *f = fopen(path, "re");
	size_t n;

	if (!f)
		return false;
	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_addn(ret_text, buf, n);
	fclose(f);
	return true;
}

static bool
write_file(const char *path, const struct str *text)
{
	FILE *f = fopen(path, "we");
	bool is_written;

	if (!f)
		return false;
	is_written = fwrite(str_cstr(text), 1, text->len, f) == text->len;
	return fclose(f) == 0 && is_written;
}

static void
print_difference(const char *path, const char *want, const char *got)
{
	size_t line = 1;

	while (*want && *want == *got) {
		line += *want == '\n';
		want++;
		got++;
	}
	printf("%s: line %zu differs from here:\n  wanted: %.*s\n  got:    %.*s\n",
	    path, line, (int)strcspn(want, "\n"), want, (int)strcspn(got, "\n"), got);
}

static bool
run_case(const char *dir, const char *name)
{
	size_t stem = strlen(name) - strlen(".in");
	AUTO_FREE char *in_path = xasprintf("%s/%s", dir, name);
	AUTO_FREE char *out_path = xasprintf("%s/%.*s.out", dir, (int)stem, name);
	AUTO(str) struct str in = STR_INIT;
	AUTO(str) struct str want = STR_INIT;
	AUTO(str) struct str got = STR_INIT;

	if (!read_file(in_path, &in)) {
		printf("%s: cannot be read\n", in_path);
		return false;
	}
	golden_case(str_cstr(&in), in.len, &got);
	if (getenv("GOLDEN_UPDATE"))
		return write_file(out_path, &got);
	if (!read_file(out_path, &want)) {
		printf("%s: is missing; GOLDEN_UPDATE=1 writes it\n", out_path);
		return false;
	}
	if (want.len == got.len && !memcmp(str_cstr(&want), str_cstr(&got), got.len))
		return true;
	print_difference(out_path, str_cstr(&want), str_cstr(&got));
	return false;
}

int
main(int argc, char **argv)
{
	struct dirent **names = NULL;
	int count = argc == 2 ? scandir(argv[1], &names, is_input, alphasort) : -1;
	int failed = 0;

	if (count <= 0) {
		printf("usage: %s FOLDER with .in files\n", argv[0]);
		return 2;
	}
	for (int i = 0; i < count; i++) {
		failed += !run_case(argv[1], names[i]->d_name);
		free(names[i]);
	}
	free(names);
	printf("%d cases, %d failed\n", count, failed);
	return failed ? 1 : 0;
}
