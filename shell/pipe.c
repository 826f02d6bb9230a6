/*
 * pipe: stages joined to a pipeline; the head pushes, one object at a time (see cmd.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/sites.h"

struct pipeline {
	struct shell *sh;
	struct stage *stages;
	size_t n;
	size_t
	    said; /* stages up to the command that redirections speak of; 0: the head */
	struct stage *files; /* Out-File of messages */
	size_t n_files, n_begun;
	bool head_is_value;
	struct streams head; /* of the value at the head */
	unsigned head_merged;
};

typedef enum run (*stage_fn)(struct stage *st);

/* Its messages go where it was told, and whatever server it visits, it comes back. */
static enum run
stage_call(struct stage *st, stage_fn fn)
{
	const struct streams *outer = st->sh->streams;
	enum run rc = RUN_OK;

	st->sh->streams = &st->streams;
	if (fn)
		rc = fn(st);
	st->sh->streams = outer;
	if (st->is_servers)
		st->sh->site = sites_default(st->sh);
	return rc;
}

static enum run
stage_begin(struct stage *st)
{
	if (!fan_is_wanted(st))
		return st->cmd->ops->begin ? st->cmd->ops->begin(st) : RUN_OK;
	fan_new(st);
	return RUN_OK;
}

static enum run
stage_end(struct stage *st)
{
	if (st->fan)
		return fan_end(st);
	return st->cmd->ops->end ? st->cmd->ops->end(st) : RUN_OK;
}

static enum run
stage_process(struct stage *st, struct val v)
{
	const struct streams *outer = st->sh->streams;
	struct err e = ERR_INIT;
	enum run rc;

	st->sh->streams = &st->streams;
	if (st->has_input && args_bind_input(st, v, &e) < 0)
		rc = stage_error(st, &e, v);
	else
		rc = st->fan ? fan_process(st, v) : st->cmd->ops->process(st, v);
	st->sh->streams = outer;
	if (st->is_servers)
		st->sh->site = sites_default(st->sh);
	return rc;
}

static enum run
stage_put(struct sink *s, struct val v)
{
	struct stage *st = (struct stage *)s;

	if (shell_interrupted()) {
		st->sh->exit_code = 130;
		return RUN_EXIT;
	}
	return stage_process(st, v);
}

static enum run
tee_put(struct sink *s, struct val v)
{
	struct stage *st = (struct stage *)((char *)s - offsetof(struct stage, tee));

	list_push(st->kept.list, val_ref(v));
	return st->tee_out->put(st->tee_out, v);
}

static void
stage_init(
    struct stage *st, struct shell *sh, const struct cmd *cmd, const struct node *node)
{
	size_t n = 0;

	while (cmd->params && cmd->params[n].name)
		n++;
	st->in.put = stage_put;
	st->tee.put = tee_put;
	st->sh = sh;
	st->cmd = cmd;
	st->node = node;
	st->is_servers = cmd_is_servers(cmd);
	if (sh->streams)
		st->streams = *sh->streams;
	st->args = xcalloc(n + 1, sizeof(*st->args));
	st->given = xcalloc(n + 1, sizeof(*st->given));
	st->state = xcalloc(1, cmd->ops->state_size ? cmd->ops->state_size : 1);
}

/* What was kept, into the variable of that name; "+name" adds to what it has. */
static void
keep(struct stage *st, int by, struct val *kept)
{
	struct val list = *kept;

	if (list.type != VAL_LIST)
		return;
	AUTO_FREE char *name = val_cstr(st->common[by]);
	*kept = VAL_NONE;
	if (*name != '+') {
		var_set(st->sh, name, list);
		return;
	}
	struct val all = val_list();
	AUTO(val) struct val old = var_get(st->sh, name + 1);
	for (size_t i = 0; i < val_count(old); i++)
		list_push(all.list, val_ref(val_at(old, i)));
	for (size_t i = 0; i < list.list->n; i++)
		list_push(all.list, val_ref(list.list->v[i]));
	val_free(list);
	var_set(st->sh, name + 1, all);
}

static void
stage_fini(struct stage *st)
{
	if (!st->cmd)
		return;
	if (st->fan)
		fan_free(st);
	if (st->cmd->ops->fini)
		st->cmd->ops->fini(st);
	keep(st, COMMON_OUT_VAR, &st->kept);
	keep(st, COMMON_ERROR_VAR, &st->errors);
	for (size_t i = 0; st->cmd->params && st->cmd->params[i].name; i++)
		val_free(st->args[i]);
	for (size_t i = 0; i < COMMON_COUNT; i++)
		val_free(st->common[i]);
	free(st->args);
	free(st->given);
	free(st->state);
}

static const struct cmd function_cmd = { .name = "function", .ops = &ops_function };

static enum run
resolve_script(struct shell *sh, const struct node *n, const char *path,
    struct stage *st, const struct arg_list *args)
{
	const struct node *body = NULL;
	struct err e = ERR_INIT;

	if (script_load(sh, path, &body, &e) < 0)
		return throw_err(sh, n, &e);
	stage_init(st, sh, &function_cmd, n);
	function_stands_in(st, path);
	return function_start(st, NULL, body, args, n->op != OP_DOT);
}

static enum run
resolve_value(struct shell *sh, const struct node *n, struct val name, struct stage *st,
    const struct arg_list *args)
{
	if (name.type == VAL_BLOCK) {
		stage_init(st, sh, &function_cmd, n);
		return function_start(st, NULL, name.block, args, n->op != OP_DOT);
	}
	AUTO_FREE char *s = val_cstr(name);
	const struct node *function = function_find(sh, s);
	if (function) {
		stage_init(st, sh, &function_cmd, n);
		return function_start(st, function, function->kid[0], args, true);
	}
	if (script_is(s))
		return resolve_script(sh, n, s, st, args);
	const struct cmd *cmd = cmd_find(s);
	if (!cmd)
		return throw_new(sh, n, ERR_NOT_FOUND,
		    "\"%.60s\" is no cmdlet, function or alias; Get-Command lists what there is",
		    s);
	stage_init(st, sh, cmd, n);
	return args_bind(st, args);
}

/* Make the stage of a command node. */
static enum run
stage_open(struct shell *sh, const struct node *n, struct stage *st)
{
	struct arg_list args = { 0 };
	struct val name = VAL_NONE;
	enum run rc = eval(sh, n->kid[0], &name);

	if (rc != RUN_OK)
		return rc;
	rc = args_eval(sh, n, &args);
	if (rc == RUN_OK)
		rc = resolve_value(sh, n, name, st, &args);
	args_free(&args);
	val_free(name);
	return rc;
}

/* An Out-File for what a redirection brings. */
static enum run
file_open(struct shell *sh, const struct node *n, struct val target, struct stage *st)
{
	struct arg args[] = { { NULL, target, false, n },
		{ "Append", VAL_NONE, false, n } };
	struct arg_list l = { .v = args, .n = n->op == OP_APPEND ? 2 : 1 };

	stage_init(st, sh, cmd_find("Out-File"), n);
	st->has_input = true;
	return args_bind(st, &l);
}

/* Streams that text stands for: one, or "*" all but the output. */
static unsigned
streams_of(const char *text)
{
	return *text == '*' ? ~0u << STREAM_ERROR : 1u << (*text - '0');
}

static void
streams_set(struct streams *to, unsigned which, struct sink *sink)
{
	for (unsigned i = STREAM_ERROR; i < STREAMS_; i++)
		if (which & 1u << i)
			to->to[i] = sink;
}

/* The output into a file or to nobody: a stage of its own. */
static enum run
redirect_output(struct pipeline *p, const struct node *n, struct val target)
{
	struct stage *st = &p->stages[p->n++];

	if (target.type != VAL_NULL)
		return file_open(p->sh, n, target, st);
	stage_init(st, p->sh, cmd_find("Out-Null"), n);
	st->has_input = true;
	return RUN_OK;
}

/* Of the command that was opened last; what goes with the output is known only when all
 * are. */
static enum run
redirect(struct pipeline *p, const struct node *n)
{
	struct stage *last = p->said ? &p->stages[p->said - 1] : NULL;
	struct streams *to = last ? &last->streams : &p->head;
	unsigned *merged = last ? &last->merged : &p->head_merged;
	unsigned which = streams_of(n->text);
	struct val target = VAL_NONE;
	enum run rc;

	if (!n->n || !n->kid[0]) {
		*merged |= which;
		return RUN_OK;
	}
	rc = eval(p->sh, n->kid[0], &target);
	if (rc != RUN_OK)
		return rc;
	if (*n->text == '1' || *n->text == '*') {
		*merged |= *n->text == '*' ? which : 0;
		rc = redirect_output(p, n, target);
	} else if (target.type == VAL_NULL) {
		streams_set(to, which, sink_null());
	} else {
		struct stage *file = &p->files[p->n_files++];
		rc = file_open(p->sh, n, target, file);
		streams_set(to, which, &file->in);
	}
	val_free(target);
	return rc;
}

static enum run
stages_open(struct pipeline *p, const struct node *n)
{
	size_t count = n->kind == NODE_PIPE ? n->n : 1;
	enum run rc = RUN_OK;

	p->stages = xcalloc(count + 1, sizeof(*p->stages));
	p->files = xcalloc(count + 1, sizeof(*p->files));
	for (size_t i = 0; i < count && rc == RUN_OK; i++) {
		const struct node *s = n->kind == NODE_PIPE ? n->kid[i] : n;
		p->stages[p->n].has_input = i > 0;
		if (s->kind == NODE_REDIRECT) {
			rc = redirect(p, s);
		} else if (i == 0 && s->kind != NODE_COMMAND) {
			p->head_is_value = true;
		} else {
			rc = stage_open(p->sh, s, &p->stages[p->n]);
			p->n += p->stages[p->n].cmd != NULL;
			p->said = p->n;
		}
	}
	return rc;
}

static bool
is_silent(const struct stage *st, int by)
{
	AUTO_FREE char *action = val_cstr(st->common[by]);

	return !strcasecmp(action, "SilentlyContinue") || !strcasecmp(action, "Ignore");
}

/* Where a stage's objects and messages go, now that all stages are there. */
static void
stage_join(struct stage *st, struct sink *out)
{
	st->out = out;
	if (st->common_given[COMMON_OUT_VAR]) {
		st->kept = val_list();
		st->tee_out = st->out;
		st->out = &st->tee;
	}
	if (st->common_given[COMMON_ERROR_VAR])
		st->errors = val_list();
	/* A cmdlet knows its own errors; a call's are of what it runs. */
	if (st->common_given[COMMON_ERROR_VAR] && st->cmd->ops == &ops_function)
		st->streams.errors = st->errors.list;
	streams_set(&st->streams, st->merged, st->out);
	if (is_silent(st, COMMON_WARNING))
		st->streams.to[STREAM_WARNING] = sink_null();
}

static enum run
pipeline_open(struct pipeline *p, const struct node *n, struct sink *out)
{
	enum run rc = stages_open(p, n);

	for (size_t i = 0; i < p->n; i++)
		stage_join(&p->stages[i], i + 1 < p->n ? &p->stages[i + 1].in : out);
	for (size_t i = 0; i < p->n_files; i++)
		p->files[i].out = sink_null();
	streams_set(&p->head, p->head_merged, p->n ? &p->stages[0].in : out);
	return rc;
}

static enum run
pipeline_feed(struct pipeline *p, const struct node *n, struct sink *out)
{
	const struct streams *outer = p->sh->streams;
	struct val v = VAL_NONE;
	enum run rc;

	if (!p->head_is_value)
		return stage_process(&p->stages[0], VAL_NONE);
	p->sh->streams = &p->head;
	rc = is_command(n->kid[0]) ? capture(p->sh, n->kid[0], &v)
				   : eval(p->sh, n->kid[0], &v);
	p->sh->streams = outer;
	if (rc != RUN_OK)
		return rc;
	rc = put_each(p->n ? &p->stages[0].in : out, v);
	val_free(v);
	return rc;
}

/* The first stage that still wants its end called, after rc. */
static size_t
first_alive(const struct pipeline *p, enum run rc)
{
	if (rc != RUN_STOP)
		return 0;
	for (size_t i = 0; i < p->n; i++)
		if (&p->stages[i] == p->sh->stopper)
			return i;
	return p->n;
}

static enum run
pipeline_begin(struct pipeline *p)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < p->n && rc == RUN_OK; i++)
		rc = args_check(&p->stages[i]);
	for (size_t i = 0; i < p->n_files && rc == RUN_OK; i++) {
		rc = stage_call(&p->files[i], p->files[i].cmd->ops->begin);
		p->n_begun++;
	}
	for (size_t i = 0; i < p->n && rc == RUN_OK; i++)
		rc = stage_call(&p->stages[i], stage_begin);
	return rc;
}

static enum run
pipeline_run(struct pipeline *p, const struct node *n, struct sink *out)
{
	enum run rc = pipeline_begin(p);

	if (rc == RUN_OK)
		rc = pipeline_feed(p, n, out);
	for (size_t i = first_alive(p, rc);
	     i < p->n && (rc == RUN_OK || rc == RUN_STOP); i++) {
		rc = stage_call(&p->stages[i], stage_end);
		if (rc == RUN_STOP) {
			size_t alive = first_alive(p, rc);
			if (alive <= i || alive == p->n)
				break;
			i = alive - 1;
		}
	}
	return rc;
}

enum run
exec_pipe(struct shell *sh, const struct node *n, struct sink *out)
{
	struct pipeline p = { .sh = sh };
	enum run rc, wrote;

	if (sh->streams)
		p.head = *sh->streams;
	sh->ok = true;
	rc = pipeline_open(&p, n, out);
	if (rc == RUN_OK)
		rc = pipeline_run(&p, n, out);
	for (size_t i = 0; i < p.n_begun; i++) {
		wrote = p.files[i].cmd->ops->end(&p.files[i]);
		rc = rc == RUN_OK ? wrote : rc;
	}
	for (size_t i = p.n; i-- > 0;)
		stage_fini(&p.stages[i]);
	for (size_t i = p.n_files; i-- > 0;)
		stage_fini(&p.files[i]);
	free(p.stages);
	free(p.files);
	return rc;
}
