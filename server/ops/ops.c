#include "server/ops/ops.h"

#include "base/assert.h"
#include "base/log.h"
#include "loop/post.h"
#include "server/inventory/inv_wish.h"
#include "server/ops/op_args.h"
#include "server/ops/ops_int.h"
#include "server/ops/power_hook.h"

#define OPS_MAGIC  0x6f707365u
#define CALL_MAGIC 0x6f70636cu
#define OPS_MAX    128
#define CALLED_ON  "called_on" /* in the arguments of a task */
#define KEPT_MAX   1000        /* op ids whose outcome is remembered */

/* A submission from op_submit to done. */
struct submission {
	uint32_t magic;
	struct list_node node;
	struct op_call c;
	struct kept *kept;      /* of its op id, or NULL */
	json *split;            /* the arguments of each that it stands for, or NULL */
	size_t n;               /* how many of them are in the transaction */
	struct task_run **runs; /* of a task op: one each */
	struct op_part *parts;
	uint64_t if_rev;
	op_fn done;
	void *arg;
	struct wake wake; /* instead of done */
};

/* What an op id came to, for those who ask again. */
struct kept {
	struct list_node node;
	char *key;
	const struct op_def *def;
	obj_id entity;
	char *asked; /* its arguments */
	char *digest;
	bool ended;
	struct op_result result; /* extra and parts owned */
	struct list waiting;
};

struct kept_wait {
	struct list_node node;
	op_fn done;
	void *arg;
};

/*
 * The verbs of this program: filled before the server runs, read-only from then on.
 */
static const struct op_def *registry[OPS_MAX];
static struct op_info infos[OPS_MAX];
static unsigned n_registered;

static const struct op_def *
def_find(const char *name)
{
	for (unsigned i = 0; i < n_registered; i++) {
		if (str_same(registry[i]->info.name, name))
			return registry[i];
	}
	return NULL;
}

static void
add_defs(const struct op_def *defs)
{
	for (const struct op_def *d = defs; d->info.name; d++) {
		if (def_find(d->info.name))
			continue;
		ASSERT(n_registered < OPS_MAX);
		infos[n_registered] = d->info;
		registry[n_registered++] = d;
	}
}

static void
add_built_in(void)
{
	static const struct op_def *const built_in[] = { op_place_defs, op_pool_defs,
		op_rule_defs, op_tag_defs, op_network_defs, op_datastore_defs,
		op_datastore_scan_defs, op_host_defs, op_vm_start_defs,
		op_vm_power_defs, op_vm_update_defs, op_vm_device_defs,
		op_vm_delete_defs, op_snapshot_defs, op_snapshot_revert_defs,
		op_user_defs };

	for (size_t i = 0; i < ARRAY_SIZE(built_in); i++)
		add_defs(built_in[i]);
}

void
ops_register(const struct op_def *defs)
{
	add_built_in();
	add_defs(defs);
}

const struct op_info *
ops_list(unsigned *ret_n)
{
	add_built_in();
	*ret_n = n_registered;
	return infos;
}

const struct op_info *
op_find(const char *name)
{
	add_built_in();
	for (unsigned i = 0; i < n_registered; i++) {
		if (str_same(infos[i].name, name))
			return &infos[i];
	}
	return NULL;
}

struct ops *
ops_new(const struct ops_opts *o)
{
	struct ops *ops = xcalloc(1, sizeof(*ops));

	ops->magic = OPS_MAGIC;
	ops->inv = o->inv;
	ops->hosts = o->hosts;
	ops->advice = o->advice;
	ops->tasks = o->tasks;
	ops->workers = o->workers;
	ops->sessions = o->sessions;
	ops->loop = inv_loop(o->inv);
	ops->hooks = power_hooks_new(ops->loop, o->power_hooks ? o->power_hooks : "/");
	ops->kept_by_id = map_new_str();
	list_init(&ops->calls);
	list_init(&ops->kept);
	add_built_in();
	for (unsigned i = 0; i < n_registered; i++) {
		if (registry[i]->task)
			tasks_add_kind(ops->tasks, registry[i]->task);
	}
	tasks_set_ctx(ops->tasks, ops);
	return ops;
}

static struct op_result
result_dup(const struct op_result *r)
{
	struct op_result copy = *r;

	copy.extra = r->extra ? json_ref(r->extra) : NULL;
	copy.parts =
	    r->parts ? xmemdup(r->parts, r->n_parts * sizeof(*r->parts)) : NULL;
	return copy;
}

static void
result_fini(struct op_result *r)
{
	json_free(r->extra);
	free(r->parts);
}

static void
kept_free(struct ops *ops, struct kept *k)
{
	LIST_EACH_SAFE(struct kept_wait, w, &k->waiting, node) {
		free(w);
	}
	map_del_str(ops->kept_by_id, k->key);
	list_remove(&k->node);
	result_fini(&k->result);
	free(k->key);
	free(k->asked);
	free(k->digest);
	free(k);
}

static void
submission_free(struct submission *s)
{
	list_remove(&s->node);
	if (s->c.data_free)
		s->c.data_free(s->c.data);
	json_free(s->c.args);
	json_free(s->c.extra);
	json_free(s->split);
	free(s->runs);
	free(s->parts);
	s->magic = 0;
	free(s);
}

void
ops_free(struct ops *ops)
{
	if (!ops)
		return;
	LIST_EACH_SAFE(struct submission, s, &ops->calls, node) {
		submission_free(s);
	}
	LIST_EACH_SAFE(struct kept, k, &ops->kept, node) {
		kept_free(ops, k);
	}
	map_free(ops->kept_by_id);
	power_hooks_free(ops->hooks);
	free(ops);
}

static struct submission *
submission_of(void *arg)
{
	return CAST_OBJ(submission, arg, CALL_MAGIC);
}

/* Failures are audited too, but for those that the database would not take either. */
static void
audit_failure(const struct submission *s, const struct err *e)
{
	if (e->code == ERR_UNAVAILABLE || e->code == ERR_STALE)
		return;
	struct txn *t = txn_new(s->c.ops->inv);
	const char *name = inv_name(s->c.ops->inv, s->c.entity);
	txn_audit(
	    t, &s->c.who, s->c.def->info.name, s->c.entity, name, e->code, e->msg);
	txn_commit_wake(t, WAKE_NONE);
}

/* Tell those who asked with the same op id meanwhile. */
static void
kept_end(struct ops *ops, struct kept *k, const struct op_result *r)
{
	k->ended = true;
	k->result = result_dup(r);
	LIST_EACH_SAFE(struct kept_wait, w, &k->waiting, node) {
		list_remove(&w->node);
		w->done(&k->result, w->arg);
		free(w);
	}
	/* What failed may be tried again under the same id. */
	if (r->rc)
		kept_free(ops, k);
}

static void
tell(const struct submission *s, const struct op_result *r)
{
	if (s->done)
		s->done(r, s->arg);
	else
		post_wake(s->c.ops->loop, s->wake, r->rc, r->rc ? &r->err : NULL);
}

static void
finish(struct submission *s, int rc, const struct err *e)
{
	struct op_result r = { .rc = rc };

	if (rc) {
		r.err = *e;
	} else {
		r.task = s->parts[0].task;
		r.object = s->parts[0].object;
		r.extra = s->c.extra;
		r.parts = s->split ? s->parts : NULL;
		r.n_parts = s->split ? s->n : 0;
	}
	tell(s, &r);
	if (s->kept)
		kept_end(s->c.ops, s->kept, &r);
	submission_free(s);
}

static void
on_failed(void *arg)
{
	struct submission *s = submission_of(arg);
	struct err e = s->c.err;

	if (s->c.def)
		audit_failure(s, &e);
	finish(s, e.code, &e);
}

static void
on_committed(void *arg, int rc, const struct err *e)
{
	struct submission *s = submission_of(arg);

	for (size_t i = 0; s->c.def->task && i < s->n; i++) {
		if (rc)
			task_drop(s->runs[i]);
		else
			task_go(s->runs[i]);
	}
	if (rc)
		audit_failure(s, e);
	finish(s, rc, e);
}

static const char *
entity_name(const struct submission *s, const struct txn *t)
{
	obj_id id = obj_id_none(s->c.object) ? s->c.entity : s->c.object;
	const struct obj *o = txn_view(t, id);

	return o ? o->name : inv_name(s->c.inv, id);
}

static const char *
op_id_of(const struct submission *s)
{
	const char *slash = s->kept ? strchr(s->kept->key, '/') : NULL;

	return slash ? slash + 1 : NULL;
}

static int
add_task(struct submission *s, struct txn *t, struct err *e)
{
	if (!obj_id_none(s->c.entity) && !obj_id_none(s->c.object) &&
	    !obj_id_is(s->c.entity, s->c.object))
		arg_set_id(s->c.args, CALLED_ON, s->c.entity);
	struct task_new n = {
		.kind = s->c.def->task,
		.entity = obj_id_none(s->c.object) ? s->c.entity : s->c.object,
		.entity_name = entity_name(s, t),
		.args = s->c.args,
		.who = &s->c.who,
		.op_id = op_id_of(s),
		.asked = s->kept ? s->kept->digest : NULL,
	};
	int rc = task_add(s->c.tasks, t, &n, &s->runs[s->n], e);

	if (!rc)
		s->parts[s->n].task = s->runs[s->n]->id;
	return rc;
}

/* A change made under an op id leaves a finished task behind, so that the id is known
 * for ever. */
static int
add_record(struct submission *s, struct txn *t, struct err *e)
{
	void *obj;
	int rc = txn_add(t, KIND_TASK, OBJ_ID_NONE, s->c.def->info.title, &obj, e);

	if (rc)
		return rc;
	struct task *row = obj;
	row->op = xstrdup(s->c.def->info.name);
	row->op_id = xstrdup(op_id_of(s));
	row->asked = xstrdup(s->kept->digest);
	row->entity = obj_id_none(s->c.object) ? s->c.entity : s->c.object;
	row->entity_name = xstrdup(entity_name(s, t));
	row->state = TASK_SUCCESS;
	row->progress = 100;
	row->user_name = xstrdup(s->c.who.name);
	row->started_at = row->finished_at = row->o.created_ms;
	return 0;
}

/* Put one of what the call stands for into the transaction. */
static int
apply_one(struct submission *s, struct txn *t, struct err *e)
{
	s->c.object = OBJ_ID_NONE;
	int rc = s->c.def->apply(&s->c, t, e);
	if (!rc && s->c.def->task)
		rc = add_task(s, t, e);
	else if (!rc && s->kept)
		rc = add_record(s, t, e);
	if (rc)
		return rc;
	s->parts[s->n++].object = obj_id_none(s->c.object) ? s->c.entity : s->c.object;
	return 0;
}

static int
apply_all(struct submission *s, struct txn *t, struct err *e)
{
	size_t n = s->split ? json_count(s->split) : 1;
	json *whole = s->c.args;
	int rc = s->if_rev ? inv_wish_check(s->c.inv, s->c.entity, s->if_rev, e) : 0;

	if (rc)
		return rc;
	txn_by(t, s->c.who.name);
	s->runs = xcalloc(n, sizeof(struct task_run *));
	s->parts = xcalloc(n, sizeof(*s->parts));
	if (!s->split)
		return apply_one(s, t, e);
	for (size_t i = 0; !rc && i < n; i++) {
		s->c.args = json_at(s->split, i);
		rc = apply_one(s, t, e);
	}
	s->c.args = whole;
	return rc;
}

static void
apply(struct submission *s)
{
	struct err e = ERR_INIT;
	struct txn *t = txn_new(s->c.inv);
	int rc = apply_all(s, t, &e);

	if (rc) {
		txn_free(t);
		for (size_t i = 0; s->c.def->task && i < s->n; i++)
			task_drop(s->runs[i]);
		s->c.err = e;
		post_call(s->c.ops->loop, on_failed, s);
		return;
	}
	if (!s->c.def->task)
		txn_audit(t, &s->c.who, s->c.def->info.name, s->parts[0].object,
		    entity_name(s, t), 0, NULL);
	txn_commit(t, on_committed, s);
}

void
op_go_on(struct op_call *c, int rc, const struct err *e)
{
	struct submission *s = LIST_ENTRY(c, struct submission, c);

	if (!rc) {
		apply(s);
		return;
	}
	s->c.err = *e;
	post_call(s->c.ops->loop, on_failed, s);
}

static int
check_entity(const struct submission *s, struct err *e)
{
	const struct op_info *info = &s->c.def->info;
	char id[OBJ_ID_TEXT];

	if (info->entity == KIND_NONE)
		return 0;
	obj_id_text(s->c.entity, id);
	if (obj_id_kind(s->c.entity) != info->entity)
		return err_set(e, ERR_INVALID, "%s works on a %s, not on \"%s\"",
		    info->name, kind_prefix(info->entity), id);
	if (!inv_get(s->c.inv, s->c.entity))
		return err_set(e, ERR_NOT_FOUND, "there is no %s", id);
	return 0;
}

static int
check_all(struct submission *s, const char *op, struct err *e)
{
	if (!s->c.def)
		return err_set(e, ERR_NOT_FOUND, "there is no operation %.80s", op);
	const struct op_info *info = &s->c.def->info;
	if (s->c.who.role < info->min_role)
		return err_set(e, ERR_DENIED, "%s needs the role %s; %s has %s",
		    info->name, role_text(info->min_role), s->c.who.name,
		    role_text(s->c.who.role));
	int rc = op_args_check(info, s->c.args, e);
	if (!rc && s->c.def->split)
		rc = s->c.def->split(s->c.args, &s->split, e);
	return rc ? rc : check_entity(s, e);
}

static struct submission *
submission_new(struct ops *ops, const struct op_request *r)
{
	struct submission *s = xcalloc(1, sizeof(*s));

	s->magic = CALL_MAGIC;
	s->c.ops = ops;
	s->c.def = def_find(r->op);
	s->c.inv = ops->inv;
	s->c.hosts = ops->hosts;
	s->c.advice = ops->advice;
	s->c.tasks = ops->tasks;
	s->c.workers = ops->workers;
	s->c.sessions = ops->sessions;
	s->c.entity = r->entity;
	s->c.args = r->args ? json_dup(r->args) : json_new_object();
	s->c.who = *r->who;
	s->if_rev = r->if_rev;
	list_add_tail(&ops->calls, &s->node);
	return s;
}

/* The task of an op id that an earlier server took. */
static const struct task *
task_of_op_id(const struct ops *ops, const char *user, const char *op_id)
{
	INV_EACH(ops->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(ops->inv, o->id);
		if (row->op_id && str_same(row->op_id, op_id) &&
		    str_same(row->user_name, user))
			return row;
	}
	return NULL;
}

static struct kept *
kept_add(struct ops *ops, const struct submission *s, char *key_take)
{
	struct kept *k = xcalloc(1, sizeof(*k));

	k->key = key_take;
	k->def = s->c.def;
	k->entity = s->c.entity;
	k->asked = json_text(s->c.args);
	k->digest = op_args_digest(&s->c.def->info, s->c.args);
	list_init(&k->waiting);
	list_add_tail(&ops->kept, &k->node);
	map_put_str(ops->kept_by_id, k->key, k);
	struct kept *oldest = LIST_FIRST(struct kept, &ops->kept, node);
	if (map_count(ops->kept_by_id) > KEPT_MAX && oldest && oldest->ended)
		kept_free(ops, oldest);
	return k;
}

struct replay {
	op_fn done;
	void *arg;
	struct op_result result; /* as in struct kept */
};

static void
on_replay(void *arg)
{
	AUTO_FREE struct replay *p = arg;

	p->done(&p->result, p->arg);
	result_fini(&p->result);
}

static int
other_use(const char *op, struct err *e)
{
	return err_set(
	    e, ERR_INVALID, "this op id was used for another operation, %s", op);
}

static int
other_args(const char *op, struct err *e)
{
	return err_set(
	    e, ERR_INVALID, "this op id was used with other arguments for %s", op);
}

static void
replay_later(struct submission *s, const struct op_result *result)
{
	struct replay *p = xcalloc(1, sizeof(*p));

	p->done = s->done;
	p->arg = s->arg;
	p->result = result_dup(result);
	post_call(s->c.ops->loop, on_replay, p);
}

/* Answer as the first call was or will be answered. */
static int
replay(struct submission *s, struct kept *k, struct err *e)
{
	AUTO_FREE char *asked = json_text(s->c.args);

	if (k->def != s->c.def || !obj_id_is(k->entity, s->c.entity))
		return other_use(k->def->info.name, e);
	if (!str_same(k->asked, asked))
		return other_args(k->def->info.name, e);
	if (k->ended) {
		replay_later(s, &k->result);
		return 0;
	}
	struct kept_wait *w = xcalloc(1, sizeof(*w));
	w->done = s->done;
	w->arg = s->arg;
	list_add_tail(&k->waiting, &w->node);
	return 0;
}

/* All tasks that one call began, in the order of their ids; free the list. */
static struct op_part *
parts_of_row(const struct ops *ops, const struct task *first, size_t *ret_n)
{
	struct op_part *list = NULL;

	*ret_n = 0;
	INV_EACH(ops->inv, KIND_TASK, o)
	{
		const struct task *row = inv_task(ops->inv, o->id);
		if (!str_same(row->op_id, first->op_id) ||
		    !str_same(row->user_name, first->user_name))
			continue;
		list = xreallocarray(list, *ret_n + 1, sizeof(*list));
		list[(*ret_n)++] = (struct op_part){ o->id, row->entity };
	}
	return list;
}

/* A task that makes something is the task of what it makes, not of what it was called
 * on. */
static bool
is_called_on(const struct task *row, obj_id entity)
{
	obj_id on = arg_id(row->args, CALLED_ON);

	return obj_id_none(entity) ||
	       obj_id_is(obj_id_none(on) ? row->entity : on, entity);
}

/* The same from the row that an earlier server stored. */
static int
replay_row(struct submission *s, const struct task *row, struct err *e)
{
	const struct op_def *def = s->c.def;
	AUTO_FREE char *asked = op_args_digest(&def->info, s->c.args);
	struct op_result result = { .object = row->entity };
	AUTO(json) json *split = NULL;

	if (!str_same(row->op, def->info.name) || !is_called_on(row, s->c.entity))
		return other_use(row->op, e);
	/* A row of an older build says nothing of it. */
	if (row->asked && !str_same(row->asked, asked))
		return other_args(row->op, e);
	if (def->task)
		result.task = row->o.id;
	if (def->split && !def->split(s->c.args, &split, e) && split)
		result.parts = parts_of_row(s->c.ops, row, &result.n_parts);
	replay_later(s, &result);
	free(result.parts);
	return 0;
}

/* Is it the first with its op id? If not, it is answered (or refused) here. */
static bool
is_repeated(struct submission *s, const char *op_id)
{
	struct ops *ops = s->c.ops;
	AUTO_FREE char *key = xasprintf("%s/%s", s->c.who.name, op_id);
	struct kept *k = map_get_str(ops->kept_by_id, key);
	const struct task *row = k ? NULL : task_of_op_id(ops, s->c.who.name, op_id);

	if (!k && !row) {
		s->kept = kept_add(ops, s, MOVE(key));
		return false;
	}
	int rc = k ? replay(s, k, &s->c.err) : replay_row(s, row, &s->c.err);
	if (rc)
		post_call(ops->loop, on_failed, s);
	else
		submission_free(s);
	return true;
}

static void
submit(struct submission *s, const struct op_request *r)
{
	if (s->c.def && r->op_id && r->op_id[0] && is_repeated(s, r->op_id))
		return;
	if (check_all(s, r->op, &s->c.err)) {
		post_call(s->c.ops->loop, on_failed, s);
		return;
	}
	if (!s->c.def->ahead) {
		apply(s);
		return;
	}
	switch (s->c.def->ahead(&s->c)) {
	case FLOW_NEXT:
		apply(s);
		return;
	case FLOW_WAIT:
		return;
	case FLOW_FAIL:
	case FLOW_AGAIN:
		post_call(s->c.ops->loop, on_failed, s);
		return;
	}
}

void
op_submit(struct ops *ops, const struct op_request *r, op_fn done, void *arg)
{
	struct submission *s = submission_new(ops, r);

	s->done = done;
	s->arg = arg;
	submit(s, r);
}

void
op_submit_wake(struct ops *ops, const struct op_request *r, struct wake w)
{
	struct submission *s = submission_new(ops, r);

	ASSERT(!r->op_id);
	s->wake = w;
	submit(s, r);
}

int
op_cancel(struct ops *ops, obj_id task, const struct caller *who, struct err *e)
{
	if (who->role < ROLE_OPERATOR)
		return err_set(e, ERR_DENIED, "cancelling a task needs the role %s",
		    role_text(ROLE_OPERATOR));
	return task_cancel(ops->tasks, task, who->name, e);
}
