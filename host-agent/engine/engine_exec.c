#include "host-agent/engine/engine_exec.h"

#include "host-agent/engine/engine_int.h"

static int
check_runs(const struct engine_guest *g, struct err *e)
{
	if (g->state == ENGINE_RUNNING)
		return 0;
	return err_set(e, ERR_BAD_STATE, "it is %s", engine_state_name(g->state));
}

int
engine_exec(struct engine_guest *g, const struct engine_exec *x, child_fn done,
    void *arg, struct child **ret_c, struct err *e)
{
	const struct engine *en = g->engine;
	int rc;

	if (!en->ops->exec)
		return err_set(e, ERR_UNSUPPORTED,
		    "engine %s cannot run programs inside its guests", en->ops->name);
	rc = check_runs(g, e);
	return rc ? rc : en->ops->exec(g, x, done, arg, ret_c, e);
}

int
engine_root(struct engine_guest *g, struct engine_root *ret_r, struct err *e)
{
	const struct engine *en = g->engine;
	int rc;

	if (!en->ops->root)
		return err_set(e, ERR_UNSUPPORTED,
		    "engine %s does not see its guests' files", en->ops->name);
	rc = check_runs(g, e);
	return rc ? rc : en->ops->root(g, ret_r, e);
}
