/*
 * script: files of the shell's language that a command names: ./report.ps1, and
 * ". ./lib.ps1" (see cmd.h).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/lex.h"
#include "shell/parse.h"

bool
script_is(const char *name)
{
	size_t n = strlen(name);

	return n > 4 && !strcasecmp(name + n - 4, ".ps1");
}

static int
read_script(const char *path, struct str *b, struct err *e)
{
	char buf[16384];
	size_t n;
	FILE *f = fopen(path, "re");

	if (!f)
		return err_sys(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno,
		    "cannot open \"%s\"", path);
	while (b->len <= MAX_SCRIPT && (n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_addn(b, buf, n);
	if (ferror(f))
		err_sys(e, ERR_IO, errno, "cannot read \"%s\"", path);
	fclose(f);
	return e->code;
}

int
script_load(
    struct shell *sh, const char *path, const struct node **ret_body, struct err *e)
{
	AUTO(str) struct str text = STR_INIT;
	struct node *body = NULL;

	if (read_script(path, &text, e) < 0)
		return e->code;
	if (parse_script(str_cstr(&text), text.len, shell_program(sh), &body, e) !=
	    PARSE_OK) {
		err_wrap(e, "%s", path);
		return ERR_INVALID;
	}
	*ret_body = body;
	return 0;
}
