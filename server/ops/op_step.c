/*
 * What the steps of all operations have in common: orders, arguments.
 */
#include "server/ops/ops_int.h"

const char *
arg_str(const json *args, const char *name)
{
	const json *j = json_get(args, name);

	return j && json_what(j) == JSON_IS_STR ? json_str_value(j, NULL) : NULL;
}

uint64_t
arg_u64(const json *args, const char *name, uint64_t preset)
{
	const json *j = json_get(args, name);

	return j && json_what(j) == JSON_IS_INT ? (uint64_t)json_int_value(j) : preset;
}

bool
arg_bool(const json *args, const char *name, bool preset)
{
	const json *j = json_get(args, name);

	return j && json_what(j) == JSON_IS_BOOL ? json_bool_value(j) : preset;
}

obj_id
arg_id(const json *args, const char *name)
{
	const char *s = arg_str(args, name);
	struct err ignored = ERR_INIT;
	obj_id id = OBJ_ID_NONE;

	if (s && obj_id_parse(s, KIND_NONE, &id, &ignored))
		return OBJ_ID_NONE;
	return id;
}

bool
arg_has(const json *args, const char *name)
{
	const json *j = json_get(args, name);

	return j && json_what(j) != JSON_IS_NULL;
}

void
arg_set_id(json *args, const char *name, obj_id id)
{
	char text[OBJ_ID_TEXT];

	json_set_str(args, name, obj_id_text(id, text));
}

void
arg_ids(const json *args, const char *name, struct id_list *l)
{
	const json *a = json_get(args, name);
	size_t n = arg_has(args, name) ? json_count(a) : 0;
	struct err ignored = ERR_INIT;

	if (!arg_has(args, name))
		return;
	AUTO_FREE obj_id *v = xcalloc(n + 1, sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		const char *s = json_str_value(json_at(a, i), NULL);
		if (!s || obj_id_parse(s, KIND_NONE, &v[i], &ignored))
			v[i] = OBJ_ID_NONE;
	}
	id_list_set(l, v, n);
}

int
arg_exists(const struct inv *inv, const json *args, const char *name, struct err *e)
{
	obj_id id = arg_id(args, name);
	char text[OBJ_ID_TEXT];

	if (obj_id_none(id) || inv_get(inv, id))
		return 0;
	return err_set(
	    e, ERR_NOT_FOUND, "%s: there is no %s", name, obj_id_text(id, text));
}

struct ops *
run_ops(const struct task_run *r)
{
	return r->ctx;
}

obj_id
run_arg_id(const struct task_run *r, const char *name)
{
	return arg_id(r->args, name);
}

enum flow_rc
run_order(struct task_run *r, obj_id host, Drover__Order *o, uint32_t deadline_ms)
{
	o->task = obj_id_number(r->id);
	o->step = ORDER_STEP(task_step(r));
	host_call(run_ops(r)->hosts, host, o, deadline_ms, task_wake(r));
	return FLOW_WAIT;
}

enum flow_rc
run_undo_order(struct task_run *r, obj_id host, Drover__Order *o, uint32_t deadline_ms)
{
	o->task = obj_id_number(r->id);
	o->step = UNDO_STEP(task_step(r));
	host_call_patient(run_ops(r)->hosts, host, o, deadline_ms, task_wake(r));
	return FLOW_WAIT;
}

enum flow_rc
run_order_finish(struct task_run *r, int rc)
{
	if (rc == ERR_LOST)
		return FLOW_AGAIN;
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

const Drover__Reply *
run_reply(const struct task_run *r, obj_id host, unsigned step)
{
	return host_call_reply(
	    run_ops(r)->hosts, host, obj_id_number(r->id), ORDER_STEP(step));
}

const Drover__Reply *
run_undo_reply(const struct task_run *r, obj_id host, unsigned step)
{
	return host_call_reply(
	    run_ops(r)->hosts, host, obj_id_number(r->id), UNDO_STEP(step));
}

void
run_forget(struct task_run *r)
{
	host_call_forget(run_ops(r)->hosts, obj_id_number(r->id));
	advice_hold_drop(run_ops(r)->advice, r->entity);
}
