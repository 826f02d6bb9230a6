/*
 * stream: messages beside the output: to the screen, to nobody, or where a redirection
 * says (see shell.h).
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"

/* What a message is called as an object, what stands before it on the screen, and the
 * variable that says whether it is wanted there. */
static const struct {
	const char *type, *prefix, *preference;
	bool preset;
} kinds[STREAMS_] = {
	[STREAM_ERROR] = { "ErrorRecord", "", NULL, true },
	[STREAM_WARNING] = { "WarningRecord", "WARNING: ", "WarningPreference", true },
	[STREAM_VERBOSE] = { "VerboseRecord", "VERBOSE: ", "VerbosePreference", false },
	[STREAM_DEBUG] = { "DebugRecord", "DEBUG: ", "DebugPreference", false },
	[STREAM_INFO] = { "InformationRecord", "", "InformationPreference", false },
};

bool
is_message(struct val v)
{
	for (int i = STREAM_ERROR; i < STREAMS_; i++)
		if (v.type == VAL_TABLE && !strcmp(v.table->type, kinds[i].type))
			return true;
	return false;
}

bool
stream_wanted(const struct shell *sh, enum stream s)
{
	const struct val *v =
	    kinds[s].preference ? var_find(sh, kinds[s].preference) : NULL;

	if (!v || v->type != VAL_TEXT)
		return kinds[s].preset;
	return strcasecmp(v->text->s, "SilentlyContinue") != 0 &&
	       strcasecmp(v->text->s, "Ignore") != 0;
}

enum run
stream_say(struct shell *sh, enum stream s, const char *text)
{
	struct sink *to = sh->streams ? sh->streams->to[s] : NULL;

	if (to) {
		struct val v = val_table(TABLE_RECORD, kinds[s].type);
		table_set(v.table, "Message", val_text(text));
		enum run rc = to->put(to, v);
		val_free(v);
		return rc;
	}
	fflush(sh->screen.out);
	fprintf(sh->screen.err, "%s%s\n", kinds[s].prefix, text);
	return RUN_OK;
}

void
warn(struct shell *sh, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	if (!stream_wanted(sh, STREAM_WARNING))
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)stream_say(sh, STREAM_WARNING, text);
}
