/*
 * pipe: stages joined to a pipeline; the head pushes, one object at a time (see cmd.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"

struct pipeline {
	struct shell *sh;
	struct stage *stages;
	size_t n;
	bool head_is_value;
};

static enum run
stage_put(struct sink *s, struct val v)
{
	struct stage *st = (struct stage *)s;
	struct err e = ERR_INIT;

	if (shell_interrupted()) {
		st->sh->exit_code = 130;
		return RUN_EXIT;
	}
	if (args_bind_input(st, v, &e) < 0)
		return stage_error(st, &e, v);
	return st->cmd->ops->process(st, v);
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
	st->args = xcalloc(n + 1, sizeof(*st->args));
	st->given = xcalloc(n + 1, sizeof(*st->given));
	st->state = xcalloc(1, cmd->ops->state_size ? cmd->ops->state_size : 1);
}

static void
keep_output(struct stage *st)
{
	struct val list = st->kept;

	if (list.type != VAL_LIST)
		return;
	AUTO_FREE char *name = val_cstr(st->common[COMMON_OUT_VAR]);
	st->kept = VAL_NONE;
	var_set(st->sh, name, list);
}

static void
stage_fini(struct stage *st)
{
	if (!st->cmd)
		return;
	if (st->cmd->ops->fini)
		st->cmd->ops->fini(st);
	keep_output(st);
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

/* > and >> become stages of their own; 2>$null silences the stage before. */
static enum run
redirect(struct pipeline *p, const struct node *n)
{
	struct arg_list args = { 0 };
	struct val target = VAL_NONE;
	enum run rc = eval(p->sh, n->kid[0], &target);
	bool to_null = rc == RUN_OK && target.type == VAL_NULL;

	if (rc != RUN_OK)
		return rc;
	if (strcmp(n->text, "1") != 0) {
		bool silence =
		    to_null && (n->text[0] == '2' || n->text[0] == '*') && p->n;
		val_free(target);
		if (!silence && !(to_null && n->text[0] > '2'))
			return throw_new(p->sh, n, ERR_UNSUPPORTED,
			    "redirection of stream %s to a file is not supported",
			    n->text);
		if (silence) {
			struct stage *st = &p->stages[p->n - 1];
			val_set(
			    &st->common[COMMON_ACTION], val_text("SilentlyContinue"));
			st->common_given[COMMON_ACTION] = true;
		}
		if (n->text[0] != '*')
			return RUN_OK;
		target = VAL_NONE;
	}
	struct stage *st = &p->stages[p->n++];
	stage_init(st, p->sh, cmd_find(to_null ? "Out-Null" : "Out-File"), n);
	args.v = xcalloc(2, sizeof(*args.v));
	if (!to_null)
		args.v[args.n++] = (struct arg){ NULL, val_ref(target), false, n };
	if (!to_null && n->op == OP_APPEND)
		args.v[args.n++] = (struct arg){ "Append", VAL_NONE, false, n };
	rc = args_bind(st, &args);
	args_free(&args);
	val_free(target);
	return rc;
}

static enum run
pipeline_open(struct pipeline *p, const struct node *n, struct sink *out)
{
	size_t count = n->kind == NODE_PIPE ? n->n : 1;
	const struct node *one[] = { n };
	enum run rc = RUN_OK;

	p->stages = xcalloc(count + 1, sizeof(*p->stages));
	for (size_t i = 0; i < count && rc == RUN_OK; i++) {
		const struct node *s = n->kind == NODE_PIPE ? n->kid[i] : one[0];
		p->stages[p->n].has_input = i > 0;
		if (s->kind == NODE_REDIRECT) {
			rc = redirect(p, s);
		} else if (i == 0 && s->kind != NODE_COMMAND) {
			p->head_is_value = true;
		} else {
			rc = stage_open(p->sh, s, &p->stages[p->n]);
			p->n += p->stages[p->n].cmd != NULL;
		}
	}
	for (size_t i = 0; i < p->n; i++) {
		struct stage *st = &p->stages[i];
		st->out = i + 1 < p->n ? &p->stages[i + 1].in : out;
		if (st->common_given[COMMON_OUT_VAR]) {
			st->kept = val_list();
			st->tee_out = st->out;
			st->out = &st->tee;
		}
	}
	return rc;
}

static enum run
pipeline_feed(struct pipeline *p, const struct node *n)
{
	struct val v = VAL_NONE;
	enum run rc;

	if (!p->head_is_value)
		return p->stages[0].cmd->ops->process(&p->stages[0], VAL_NONE);
	rc = is_command(n->kid[0]) ? capture(p->sh, n->kid[0], &v)
				   : eval(p->sh, n->kid[0], &v);
	if (rc != RUN_OK)
		return rc;
	rc = put_each(&p->stages[0].in, v);
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
pipeline_run(struct pipeline *p, const struct node *n)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < p->n && rc == RUN_OK; i++)
		rc = args_check(&p->stages[i]);
	for (size_t i = 0; i < p->n && rc == RUN_OK; i++)
		if (p->stages[i].cmd->ops->begin)
			rc = p->stages[i].cmd->ops->begin(&p->stages[i]);
	if (rc == RUN_OK)
		rc = pipeline_feed(p, n);
	for (size_t i = first_alive(p, rc);
	     i < p->n && (rc == RUN_OK || rc == RUN_STOP); i++) {
		if (p->stages[i].cmd->ops->end)
			rc = p->stages[i].cmd->ops->end(&p->stages[i]);
		else
			rc = RUN_OK;
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
	enum run rc;

	sh->ok = true;
	rc = pipeline_open(&p, n, out);
	if (rc == RUN_OK)
		rc = pipeline_run(&p, n);
	for (size_t i = p.n; i-- > 0;)
		stage_fini(&p.stages[i]);
	free(p.stages);
	return rc;
}
