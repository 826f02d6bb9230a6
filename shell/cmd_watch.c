/*
 * cmd_watch: Watch-Object, a pipeline run again and again.
 */
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/date.h"
#include "shell/print.h"

static enum run
show_once(struct stage *st, struct val block)
{
	struct shell *sh = st->sh;
	struct printer p;
	enum run rc;

	if (sh->screen.tty) {
		char when[64];
		fprintf(sh->screen.out, "\033[H\033[2J%s  (Ctrl-C ends)\n",
		    date_text((int64_t)clock_wall_ms(clock_system()), when));
	}
	printer_init(&p, sh, sh->screen.out, sh->screen.format);
	rc = invoke_block(sh, block, NULL, 0, &p.sink);
	printer_end(&p);
	return rc;
}

/* false: interrupted. */
static bool
wait_seconds(double seconds)
{
	struct timespec left = { .tv_sec = (time_t)seconds,
		.tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };

	while (!shell_interrupted() && nanosleep(&left, &left) < 0)
		;
	return !shell_interrupted();
}

static enum run
watch_process(struct stage *st, struct val v)
{
	struct val block = get_arg(st, "ScriptBlock"), given = get_arg(st, "Seconds");
	int64_t count = get_int(st, "Count", 0);
	double seconds = given.type == VAL_REAL  ? given.d
			 : given.type == VAL_INT ? (double)given.i
						 : 2;
	enum run rc = RUN_OK;

	if (!(seconds >= 0.1 && seconds <= 86400))
		return stage_fail(
		    st, ERR_INVALID, "-Seconds wants 0.1 to 86400, not %g", seconds);
	if (count < 0)
		return stage_fail(st, ERR_INVALID, "-Count cannot be negative");
	for (int64_t i = 0; rc == RUN_OK && (!count || i < count); i++) {
		if (i && !wait_seconds(seconds)) {
			st->sh->exit_code = 130;
			return RUN_EXIT;
		}
		rc = show_once(st, block);
	}
	return rc;
}

const struct cmd_ops ops_watch = { 0, NULL, watch_process, NULL, NULL };
