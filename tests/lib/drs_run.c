#include "tests/lib/drs_run.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "scheduler/drs_file.h"

void
drs_run_init(struct drs_run *r, const char *text)
{
	const struct bal_scope all = { .cluster_ix = NO_IX };
	struct err e = ERR_INIT;

	*r = (struct drs_run){ .arena = arena_new() };
	if (drs_file_read(text, strlen(text), "test", &r->view, &e))
		fail_msg("%s", e.msg);
	bal_view_init(&r->x, r->view, &all, r->arena);
	r->bal = r->x.b;
}

void
drs_run_fini(struct drs_run *r)
{
	arena_free(r->arena);
	sched_view_free(r->view);
}
