/*
 * A snapshot → what drover-plan says of it.  The first line of a case has its
 * arguments; the times that it took are blotted out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "scheduler/plan_tool.h"
#include "tests/golden/run_golden.h"

#define MAX_ARGS 32

static int
split(char *line, char *argv[MAX_ARGS])
{
	static char name[] = "drover-plan", in[] = "-";
	int argc = 1;

	argv[0] = name;
	for (char *w; (w = strsep(&line, " "));) {
		ASSERT(argc < MAX_ARGS - 2);
		argv[argc++] = w;
	}
	argv[argc++] = in;
	argv[argc] = NULL;
	return argc;
}

static void
add_line(const char *line, struct str *out)
{
	const char *after = line[0] == 'M' ? strchr(line + 2, ' ') : NULL;
	const char *took = strstr(line, "; planned in ");

	if (after)
		str_addf(out, "M -%s\n", after);
	else
		str_addf(out, "%.*s\n",
		    (int)(took ? took - line : (ptrdiff_t)strlen(line)), line);
}

static char *
run(char *line, const char *rest, int *ret_code)
{
	char *argv[MAX_ARGS], *text = NULL;
	size_t size;
	int argc = split(line, argv);
	FILE *in = tmpfile(), *out = open_memstream(&text, &size);

	ASSERT(in && out);
	fputs(rest, in);
	rewind(in);
	*ret_code = plan_tool_run(argc, argv, in, out, out);
	fclose(in);
	fclose(out);
	return text;
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	AUTO_FREE char *copy = strndup(text, n);
	char *rest = copy, *line = strsep(&rest, "\n"), *said, *lines;
	int code;

	said = lines = run(line, rest ? rest : "", &code);
	for (char *l; (l = strsep(&lines, "\n"));) {
		if (*l || lines)
			add_line(l, out);
	}
	str_addf(out, "exit %d\n", code);
	free(said);
}
