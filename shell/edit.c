#include "shell/edit.h"

#include <errno.h>
#include <fcntl.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#include "base/mem.h"
#include "shell/complete.h"

#define HISTORY_LINES 4096

struct edit {
	struct shell *sh;
	EditLine *el;
	History *hist;
	char *path; /* of the history, or NULL */
	enum edit_prompt which;
	char *line;
};

static struct edit *
edit_of(EditLine *el)
{
	struct edit *ed = NULL;

	el_get(el, EL_CLIENTDATA, &ed);
	return ed;
}

static char *
prompt(EditLine *el)
{
	static char first[] = "drover> ", more[] = ">> ";

	return edit_of(el)->which == EDIT_FIRST ? first : more;
}

static void
hold_interrupt(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	pthread_sigmask(how, &set, NULL);
}

/* How much all words have in common, as bytes of the first. */
static size_t
common_front(struct val words)
{
	const char *first = val_at(words, 0).text->s;
	size_t n = strlen(first);

	for (size_t i = 1; i < val_count(words); i++) {
		const char *w = val_at(words, i).text->s;
		size_t k = 0;
		while (k < n && (first[k] | 0x20) == (w[k] | 0x20))
			k++;
		n = k;
	}
	return n;
}

static void
show_words(const struct edit *ed, struct val words)
{
	fputc('\n', ed->sh->screen.out);
	for (size_t i = 0; i < val_count(words); i++)
		fprintf(ed->sh->screen.out, "%s%s", i ? "  " : "",
		    val_at(words, i).text->s);
	fputc('\n', ed->sh->screen.out);
	fflush(ed->sh->screen.out);
}

static unsigned char
on_tab(EditLine *el, int ch)
{
	struct edit *ed = edit_of(el);
	const LineInfo *li = el_line(el);
	size_t point = (size_t)(li->cursor - li->buffer);
	AUTO_FREE char *text = xstrndup(li->buffer, point);
	struct completion c;
	unsigned char how = CC_REFRESH_BEEP;

	hold_interrupt(SIG_UNBLOCK); /* it may ask the server */
	complete(ed->sh, text, point, &c);
	hold_interrupt(SIG_BLOCK);
	if (val_count(c.words)) {
		size_t n = common_front(c.words), typed = point - c.start;
		bool only = val_count(c.words) == 1;
		if (n > typed || only) {
			AUTO_FREE char *word = xstrndup(val_at(c.words, 0).text->s, n);
			AUTO_FREE char *insert =
			    xasprintf("%s%s", word, only ? " " : "");
			el_deletestr(el, (int)typed);
			el_insertstr(el, insert);
			how = CC_REFRESH;
		} else {
			show_words(ed, c.words);
			how = CC_REDISPLAY;
		}
	}
	val_free(c.words);
	return how;
}

static char *
history_path(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	char *path;

	if (state && *state)
		path = xasprintf("%s/drover/history", state);
	else if (home && *home)
		path = xasprintf("%s/.local/state/drover/history", home);
	else
		return NULL;
	for (char *slash = strchr(path + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		int rc = mkdir(path, 0700);
		*slash = '/';
		if (rc < 0 && errno != EEXIST) {
			free(path);
			return NULL;
		}
	}
	return path;
}

static void
load_history(struct edit *ed)
{
	HistEvent ev;

	ed->path = history_path();
	if (ed->path && access(ed->path, R_OK) == 0)
		history(ed->hist, &ev, H_LOAD, ed->path);
}

/* One byte of the terminal; 0: end of file, -1: interrupted or an error.  Ctrl-C is
 * held back while a line is edited and let in only while nothing but a key is waited
 * for: between a look at shell_interrupted() and a plain read() one would be lost. */
static int
next_byte(char *byte)
{
	struct pollfd pfd = { .fd = STDIN_FILENO, .events = POLLIN };
	sigset_t open;

	pthread_sigmask(SIG_SETMASK, NULL, &open);
	sigdelset(&open, SIGINT);
	while (!shell_interrupted()) {
		int rc = ppoll(&pfd, 1, NULL, &open);
		if (rc < 0 && errno == EINTR)
			continue;
		return rc < 0 ? -1 : (int)read(STDIN_FILENO, byte, 1);
	}
	errno = EINTR;
	return -1;
}

static int
next_char(EditLine *el, wchar_t *ch)
{
	mbstate_t state = { 0 };
	char byte;

	(void)el;
	for (;;) {
		int got = next_byte(&byte);
		if (got <= 0)
			return got;
		switch (mbrtowc(ch, &byte, 1, &state)) {
		case (size_t)-2: /* more of it to come */
			continue;
		case (size_t)-1: /* not a character: left out */
			memset(&state, 0, sizeof(state));
			continue;
		default:
			return 1;
		}
	}
}

struct edit *
edit_open(struct shell *sh)
{
	struct edit *ed = xcalloc(1, sizeof(*ed));
	HistEvent ev;

	ed->sh = sh;
	ed->el = el_init("drover", stdin, stdout, stderr);
	ed->hist = history_init();
	if (!ed->el || !ed->hist) {
		edit_close(ed);
		return NULL;
	}
	history(ed->hist, &ev, H_SETSIZE, HISTORY_LINES);
	history(ed->hist, &ev, H_SETUNIQUE, 1);
	load_history(ed);
	el_set(ed->el, EL_CLIENTDATA, ed);
	el_set(ed->el, EL_PROMPT, prompt);
	el_set(ed->el, EL_EDITOR, "emacs");
	el_set(ed->el, EL_SIGNAL, 1);
	el_set(ed->el, EL_GETCFN, next_char);
	el_set(ed->el, EL_HIST, history, ed->hist);
	el_set(ed->el, EL_ADDFN, "drover-complete", "Complete the word", on_tab);
	el_set(ed->el, EL_BIND, "^I", "drover-complete", NULL);
	el_set(ed->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
	return ed;
}

static void
store_history(struct edit *ed)
{
	HistEvent ev;

	if (!ed->path)
		return;
	/* The file is made with its mode before libedit writes to it. */
	int fd = open(ed->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return;
	if (fchmod(fd, 0600) == 0)
		history(ed->hist, &ev, H_SAVE, ed->path);
	close(fd);
}

void
edit_close(struct edit *ed)
{
	if (!ed)
		return;
	if (ed->hist) {
		store_history(ed);
		history_end(ed->hist);
	}
	if (ed->el)
		el_end(ed->el);
	free(ed->path);
	free(ed->line);
	free(ed);
}

const char *
edit_read(struct edit *ed, enum edit_prompt which)
{
	int n = 0;
	const char *s;

	ed->which = which;
	hold_interrupt(SIG_BLOCK);
	s = el_gets(ed->el, &n);
	hold_interrupt(SIG_UNBLOCK);
	free(ed->line);
	ed->line = NULL;
	if (shell_interrupted()) {
		ed->line = xstrdup("");
		return ed->line;
	}
	if (!s || n <= 0)
		return NULL;
	ed->line = xstrndup(s, (size_t)n);
	return ed->line;
}

void
edit_remember(struct edit *ed, const char *statement)
{
	HistEvent ev;
	size_t n = strlen(statement);

	while (n && (statement[n - 1] == '\n' || statement[n - 1] == ' '))
		n--;
	if (!n || may_tell_secret(statement))
		return;
	AUTO_FREE char *line = xstrndup(statement, n);
	list_push(ed->sh->history.list, val_text(line));
	history(ed->hist, &ev, H_ENTER, line);
}
