#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

#define MAX_LINE 160

/* The last line of text that is not empty, fit for a message; "" if there is none. */
static void
last_line(const char *text, size_t n, char line[MAX_LINE + 1])
{
	size_t begin, len;

	while (n > 0 && (unsigned char)text[n - 1] <= ' ')
		n--;
	begin = n;
	while (begin > 0 && text[begin - 1] != '\n')
		begin--;
	len = n - begin;
	if (len > MAX_LINE)
		len = MAX_LINE;
	/* Do not cut a character in two. */
	while (len < n - begin && len > 0 &&
	       ((unsigned char)text[begin + len] & 0xc0) == 0x80)
		len--;
	memcpy(line, text + begin, len);
	line[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = ' ';
	if (utf8_valid(line, len))
		return;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] >= 0x80)
			line[i] = '?';
}

int
child_err(const struct child_result *r, const char *what, struct err *e)
{
	char line[MAX_LINE + 1];
	const char *sep, *name;

	last_line(r->err_out, r->err_len, line);
	sep = line[0] ? ": " : "";
	if (r->timed_out)
		return err_set(
		    e, ERR_TIMEOUT, "%s: not done in time, ended%s%s", what, sep, line);
	if (WIFSIGNALED(r->status)) {
		name = sigabbrev_np(WTERMSIG(r->status));
		return err_set(e, ERR_IO, "%s: killed by SIG%s%s%s", what,
		    name ? name : "?", sep, line);
	}
	if (WEXITSTATUS(r->status))
		return err_set(e, ERR_IO, "%s: exited with %d%s%s", what,
		    WEXITSTATUS(r->status), sep, line);
	return 0;
}
