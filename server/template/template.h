/*
 * template: from a golden image to machines that run, and back.
 *
 * The verbs of templates, their copies, the machines that are made of them and of other
 * machines, and customisation specifications.
 */
#pragma once
#include "server/task/task.h"

/* Make the verbs known; before ops_new, twice is harmless. */
void template_register(void);

/* ---- copy.c: for operations that want a template on another datastore ---- */

/* May it be copied there: it is ready, both are of one datacenter? */
bool copy_may_go(const struct inv *inv, const struct template *tpl, obj_id datastore);
/*
 * Wait in a step until a copy of the wanted one lies on the datastore; somebody else
 * may be making it already.  What it stands on is another template's and goes first:
 * the step asks again until the copy is there.
 */
enum flow_rc copy_await(struct task_run *r, obj_id wanted, obj_id datastore);
