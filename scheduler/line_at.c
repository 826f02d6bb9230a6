#include "scheduler/line_at.h"

int
line_bad(const struct line_at *at, struct err *e, const char *why, const char *word)
{
	return err_set(e, ERR_INVALID, "%s: line %u: %s: \"%.40s\"", at->what, at->line,
	    why, word);
}

int
line_added(const struct line_at *at, int rc, struct err *e)
{
	if (rc)
		err_wrap(e, "%s: line %u", at->what, at->line);
	return rc;
}
