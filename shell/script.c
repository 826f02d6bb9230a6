/*
 * script: files of the shell's language that a command names: ./report.ps1, and
 * ". ./lib.ps1" (see cmd.h).
 */
#include <ctype.h>
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

/* "-Name", "-Name:value" or a value. */
static struct arg
word_arg(const char *word, const struct node *body)
{
	struct arg a = { .node = body };
	size_t n = strcspn(word, ":");

	if (word[0] != '-' || !isalpha((unsigned char)word[1])) {
		a.v = val_text(word);
		return a;
	}
	a.name = word + 1;
	if (!word[n])
		return a;
	a.name = NULL;
	a.attached = true;
	if (!strcasecmp(word + n, ":$true") || !strcasecmp(word + n, ":$false"))
		a.v = val_bool(tolower((unsigned char)word[n + 2]) == 't');
	else
		a.v = val_text(word + n + 1);
	return a;
}

enum run
script_take_words(
    struct shell *sh, const struct node *body, char *const *words, size_t n)
{
	struct arg_list l = { .v = xcalloc(n + 1, sizeof(*l.v)), .n = n };
	AUTO_FREE char **names = xcalloc(n + 1, sizeof(char *));
	const struct node *params = body->kid[0];
	enum run rc;

	for (size_t i = 0; i < n; i++) {
		/* Without param every word is one of $args as it stands. */
		l.v[i] = params ? word_arg(words[i], body)
				: (struct arg){ .v = val_text(words[i]), .node = body };
		if (l.v[i].attached) {
			names[i] = xstrndup(words[i] + 1, strcspn(words[i], ":") - 1);
			l.v[i].name = names[i];
		}
	}
	rc = bind_words(sh, body, &l);
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	args_free(&l);
	return rc;
}
