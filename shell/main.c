/*
 * drover: the admin shell.
 */
#include <errno.h>
#include <getopt.h>
#include <langinfo.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/mem.h"
#include "shell/complete.h"
#include "shell/connect.h"
#include "shell/edit.h"
#include "shell/parse.h"
#include "shell/shell.h"

#define PRESET_WIDTH 120
#define EXIT_USAGE   2
#define EXIT_LOGIN   3

static const char usage[] =
    "usage: drover [options]                 interactive, or the script on standard input\n"
    "       drover [options] -c TEXT         run TEXT\n"
    "       drover [options] FILE [ARG ...]  run a script file; its arguments are $args\n"
    "options:\n"
    "  -c, --command TEXT     run TEXT and end; exit code 0 if its last statement succeeded, else 1\n"
    "  -e, --errexit          every error ends the script\n"
    "  -o, --output FORM      json, csv, table or list: how objects are printed\n"
    "      --dump-ast         print the script's tree and do not run it\n"
    "      --reprint          print the script as its tree has it, and do not run it\n"
    "      --complete TEXT    print what could stand in TEXT at --point as JSON\n"
    "      --point N          bytes of TEXT before the cursor\n"
    "  -h, --help             this\n"
    "      --version          the version\n"
    "exit codes: 0 done, 1 an error, 2 bad usage, 3 no connection or login, 130 interrupted\n";

struct options {
	const char *command, *file, *complete;
	char **args;
	size_t n_args, point;
	bool errexit;
	void (*print)(struct str *b, const struct node *root); /* instead of running */
	enum output form;
};

static void
on_interrupt(int sig)
{
	shell_interrupt();
}

static bool
parse_form(const char *s, enum output *ret_form)
{
	static const char *const forms[] = { [OUT_TABLE] = "table",
		[OUT_LIST] = "list",
		[OUT_JSON] = "json",
		[OUT_CSV] = "csv" };

	for (size_t i = OUT_TABLE; i < ARRAY_SIZE(forms); i++) {
		if (!strcmp(s, forms[i])) {
			*ret_form = (enum output)i;
			return true;
		}
	}
	fprintf(stderr, "drover: -o %s: there is json, csv, table and list\n", s);
	return false;
}

enum { OPT_DUMP = 256, OPT_REPRINT, OPT_COMPLETE, OPT_POINT, OPT_VERSION };

/* -1: go on; else the exit code. */
static int
parse_options(int argc, char **argv, struct options *o)
{
	static const struct option known[] = { { "command", required_argument, NULL,
						   'c' },
		{ "errexit", no_argument, NULL, 'e' },
		{ "output", required_argument, NULL, 'o' },
		{ "dump-ast", no_argument, NULL, OPT_DUMP },
		{ "reprint", no_argument, NULL, OPT_REPRINT },
		{ "complete", required_argument, NULL, OPT_COMPLETE },
		{ "point", required_argument, NULL, OPT_POINT },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, OPT_VERSION }, { NULL, 0, NULL, 0 } };
	struct err e = ERR_INIT;
	uint64_t point;
	int c;

	o->point = SIZE_MAX;
	while ((c = getopt_long(argc, argv, "+c:eo:h", known, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->command = optarg;
			break;
		case 'e':
			o->errexit = true;
			break;
		case 'o':
			if (!parse_form(optarg, &o->form))
				return EXIT_USAGE;
			break;
		case OPT_DUMP:
			o->print = ast_dump;
			break;
		case OPT_REPRINT:
			o->print = ast_source;
			break;
		case OPT_COMPLETE:
			o->complete = optarg;
			break;
		case OPT_POINT:
			if (parse_u64(optarg, 0, SIZE_MAX, "--point", &point, &e) < 0) {
				fprintf(stderr, "drover: %s\n", e.msg);
				return EXIT_USAGE;
			}
			o->point = (size_t)point;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case OPT_VERSION:
			puts("drover " DROVER_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc && !o->command)
		o->file = argv[optind++];
	o->args = argv + optind;
	o->n_args = (size_t)(argc - optind);
	return -1;
}

/* Of the terminal as it is now, unless COLUMNS says. */
static int
screen_width(void)
{
	const char *columns = getenv("COLUMNS");
	uint64_t width = PRESET_WIDTH;
	struct winsize ws;

	if (columns && parse_u64(columns, 20, 10000, "COLUMNS", &width, NULL) < 0)
		return PRESET_WIDTH;
	if (!columns && isatty(STDOUT_FILENO) &&
	    ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col >= 20)
		width = ws.ws_col;
	return (int)width;
}

static void
set_screen(struct shell *sh, const struct options *o)
{
	struct screen *s = &sh->screen;
	const char *term = getenv("TERM");

	s->width = screen_width();
	s->tty = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	s->colour = isatty(STDERR_FILENO) && !getenv("NO_COLOR") && term &&
		    strcmp(term, "dumb") != 0;
	s->utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	s->format = o->form;
}

static int
read_all(FILE *f, struct str *b)
{
	char buf[16384];
	size_t n;

	while ((n = fread(buf, 1, sizeof(buf), f)) > 0)
		str_addn(b, buf, n);
	return ferror(f) ? -1 : 0;
}

static int
print_tree(const struct options *o, const char *text, size_t n)
{
	struct arena *a = arena_new();
	struct node *root = NULL;
	struct err e = ERR_INIT;
	struct str b = STR_INIT;
	enum parse_result rc = parse_script(text, n, a, &root, &e);

	if (rc == PARSE_OK) {
		o->print(&b, root);
		puts(str_cstr(&b));
	} else {
		fprintf(stderr, "drover: %s%s\n",
		    rc == PARSE_INCOMPLETE ? "incomplete: " : "", e.msg);
	}
	str_fini(&b);
	arena_free(a);
	return rc == PARSE_OK ? 0 : 1;
}

static int
exit_code(const struct shell *sh, enum run rc, bool by_last)
{
	if (rc == RUN_EXIT)
		return sh->exit_code;
	if (sh->login_failed && (rc == RUN_THROW || !sh->ok))
		return EXIT_LOGIN;
	if (rc == RUN_THROW)
		return 1;
	return by_last && !sh->ok ? 1 : 0;
}

static int
run_text(struct shell *sh, const struct options *o, const char *text, size_t n)
{
	enum run rc;

	if (o->print)
		return print_tree(o, text, n);
	rc = shell_run_with(sh, text, n, o->args, o->n_args);
	return exit_code(sh, rc, o->command != NULL);
}

static int
run_file(struct shell *sh, const struct options *o)
{
	FILE *f = o->file ? fopen(o->file, "re") : stdin;
	struct str b = STR_INIT;
	int rc;

	if (!f) {
		fprintf(
		    stderr, "drover: cannot open %s: %s\n", o->file, strerror(errno));
		return EXIT_USAGE;
	}
	rc = read_all(f, &b);
	if (f != stdin)
		fclose(f);
	if (rc < 0) {
		fprintf(stderr, "drover: cannot read %s\n",
		    o->file ? o->file : "standard input");
		str_fini(&b);
		return 1;
	}
	sh->script = o->file;
	rc = run_text(sh, o, str_cstr(&b), b.len);
	str_fini(&b);
	return rc;
}

static bool
is_incomplete(const char *text, size_t n)
{
	struct arena *a = arena_new();
	struct node *root = NULL;
	struct err e = ERR_INIT;
	enum parse_result rc = parse_script(text, n, a, &root, &e);

	arena_free(a);
	return rc == PARSE_INCOMPLETE;
}

/* Lines until they make a whole; NULL at the end of input. */
static char *
read_statement(struct edit *ed)
{
	struct str b = STR_INIT;
	enum edit_prompt which = EDIT_FIRST;

	for (;;) {
		const char *line = edit_read(ed, which);
		if (shell_interrupted()) {
			shell_clear_interrupt();
			str_fini(&b);
			fputc('\n', stdout);
			return xstrdup("");
		}
		if (!line && !b.len)
			return NULL;
		str_add(&b, line ? line : "");
		/* An empty line ends what cannot be completed. */
		if (!line || !is_incomplete(b.s, b.len) ||
		    (which == EDIT_MORE && !strcmp(line, "\n")))
			return str_take(&b);
		which = EDIT_MORE;
	}
}

static int
interact(struct shell *sh)
{
	struct edit *ed = edit_open(sh);
	enum run rc = RUN_OK;

	if (!ed) {
		fputs(
		    "drover: the terminal cannot be used for editing lines\n", stderr);
		return 1;
	}
	while (rc != RUN_EXIT) {
		AUTO_FREE char *text = read_statement(ed);
		if (!text)
			break;
		edit_remember(ed, text);
		sh->screen.width = screen_width();
		rc = shell_run(sh, text, strlen(text));
		if (shell_interrupted())
			fputc('\n', stdout); /* the terminal shows ^C */
		if (rc == RUN_EXIT && shell_interrupted())
			rc = RUN_OK;
		shell_clear_interrupt();
		sh->login_failed = false;
	}
	edit_close(ed);
	return rc == RUN_EXIT ? sh->exit_code : 0;
}

static int
print_completion(struct shell *sh, const struct options *o)
{
	struct completion c;
	struct str b = STR_INIT;

	complete(sh, o->complete, o->point, &c);
	complete_print(&b, &c);
	fputs(str_cstr(&b), stdout);
	str_fini(&b);
	val_free(c.words);
	return 0;
}

int
main(int argc, char **argv)
{
	struct options o = { 0 };
	int rc;

	setlocale(LC_CTYPE, "");
	rc = parse_options(argc, argv, &o);
	if (rc >= 0)
		return rc;
	/* No SA_RESTART: what waits is to notice. */
	struct sigaction interrupt = { .sa_handler = on_interrupt };
	sigaction(SIGINT, &interrupt, NULL);
	signal(SIGPIPE, SIG_IGN);

	struct shell *sh = shell_new();
	set_screen(sh, &o);
	if (o.errexit)
		var_set(sh, "ErrorActionPreference", val_text("Stop"));
	if (o.complete)
		rc = print_completion(sh, &o);
	else if (o.command)
		rc = run_text(sh, &o, o.command, strlen(o.command));
	else if (o.file || !isatty(STDIN_FILENO))
		rc = run_file(sh, &o);
	else
		rc = interact(sh);
	shell_free(sh);
	if (fflush(stdout) != 0 && rc == 0)
		rc = 1;
	return rc;
}
