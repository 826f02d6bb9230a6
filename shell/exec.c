/*
 * exec: statements (see eval.h).
 */
#include <string.h>

#include "base/mem.h"
#include "shell/cmd.h"
#include "shell/eval.h"

bool
is_command(const struct node *n)
{
	switch (n->kind) {
	case NODE_PIPE:
	case NODE_COMMAND:
	case NODE_CHAIN:
	case NODE_IF:
	case NODE_FOREACH:
	case NODE_FOR:
	case NODE_WHILE:
	case NODE_DO:
	case NODE_SWITCH:
	case NODE_TRY:
	case NODE_FUNCTION:
	case NODE_LIST:
	case NODE_RETURN:
	case NODE_THROW:
	case NODE_EXIT:
	case NODE_BREAK:
	case NODE_CONTINUE:
		return true;
	default:
		return false;
	}
}

static enum run
test(struct shell *sh, const struct node *cond, bool *ret_hit)
{
	struct val v = VAL_NONE;
	enum run rc = is_command(cond) ? capture(sh, cond, &v) : eval(sh, cond, &v);

	if (rc == RUN_OK) {
		*ret_hit = val_truth(v);
		val_free(v);
	}
	return rc;
}

static enum run
exec_if(struct shell *sh, const struct node *n, struct sink *out)
{
	bool hit = false;

	for (size_t i = 0; i + 1 < n->n; i += 2) {
		enum run rc = test(sh, n->kid[i], &hit);
		if (rc != RUN_OK)
			return rc;
		if (hit)
			return exec_list(sh, n->kid[i + 1], out);
	}
	return n->n % 2 ? exec_list(sh, n->kid[n->n - 1], out) : RUN_OK;
}

/* A break or continue with a label goes on until it has reached its loop. */
static bool
reaches(struct shell *sh, const struct node *loop)
{
	if (!sh->label)
		return true;
	if (!loop->type || strcasecmp(loop->type, sh->label) != 0)
		return false;
	sh->label = NULL;
	return true;
}

static bool
is_jump(enum run rc)
{
	return rc == RUN_BREAK || rc == RUN_CONTINUE;
}

/* One turn of a loop; false: leave it with *ret_rc. */
static bool
turn(struct shell *sh, const struct node *loop, size_t body, struct sink *out,
    enum run *ret_rc)
{
	enum run rc = exec_list(sh, loop->kid[body], out);

	*ret_rc = rc;
	if (is_jump(rc) && !reaches(sh, loop))
		return false;
	if (rc == RUN_OK || rc == RUN_CONTINUE) {
		*ret_rc = RUN_OK;
		if (!shell_interrupted())
			return true;
		sh->exit_code = 130;
		rc = RUN_EXIT;
	}
	*ret_rc = rc == RUN_BREAK ? RUN_OK : rc;
	return false;
}

static enum run
exec_foreach(struct shell *sh, const struct node *n, struct sink *out)
{
	struct val list = VAL_NONE;
	enum run rc = is_command(n->kid[0]) ? capture(sh, n->kid[0], &list)
					    : eval(sh, n->kid[0], &list);

	if (rc != RUN_OK)
		return rc;
	val_set(&list, val_steady(list));
	for (size_t i = 0; i < val_count(list); i++) {
		var_set(sh, n->text, val_ref(val_at(list, i)));
		if (!turn(sh, n, 1, out, &rc))
			break;
	}
	val_free(list);
	return rc;
}

static enum run
exec_for(struct shell *sh, const struct node *n, struct sink *out)
{
	bool go = true;
	enum run rc = n->kid[0] ? exec(sh, n->kid[0], sink_null()) : RUN_OK;

	while (rc == RUN_OK) {
		if (n->kid[1])
			rc = test(sh, n->kid[1], &go);
		if (rc != RUN_OK || !go || !turn(sh, n, 3, out, &rc))
			break;
		if (n->kid[2])
			rc = exec(sh, n->kid[2], sink_null());
	}
	return rc;
}

static enum run
exec_while(struct shell *sh, const struct node *n, struct sink *out)
{
	bool go = true;
	enum run rc = RUN_OK;

	while (rc == RUN_OK) {
		rc = test(sh, n->kid[0], &go);
		if (rc != RUN_OK || !go || !turn(sh, n, 1, out, &rc))
			break;
	}
	return rc;
}

static enum run
exec_do(struct shell *sh, const struct node *n, struct sink *out)
{
	bool go = true;
	enum run rc = RUN_OK;

	while (rc == RUN_OK && go) {
		if (!turn(sh, n, 0, out, &rc))
			break;
		rc = test(sh, n->kid[1], &go);
		go = go == (n->op != OP_NOT);
	}
	return rc;
}

/* Does the value fit one clause? */
static enum run
clause_fits(struct shell *sh, const struct node *n, const struct node *pattern,
    struct val v, bool *ret_hit)
{
	struct err e = ERR_INIT;
	struct val p = VAL_NONE, hit = VAL_NONE;
	enum run rc = eval(sh, pattern, &p);

	if (rc != RUN_OK)
		return rc;
	if (p.type == VAL_BLOCK) {
		rc = call_block(sh, p, &hit);
	} else if (n->op == OP_MATCH) {
		struct val matches = VAL_NONE;
		bool is = false;
		if (text_match(v, p, n->exact, &is, &matches, &e) < 0)
			rc = throw_err(sh, pattern, &e);
		if (is)
			val_set(&sh->matches, val_ref(matches));
		val_free(matches);
		hit = val_bool(is);
	} else if (op_binary(n->op, n->exact, v, p, &hit, &e) < 0) {
		rc = throw_err(sh, pattern, &e);
	}
	if (rc == RUN_OK) {
		*ret_hit = val_truth(hit);
		val_free(hit);
	}
	val_free(p);
	return rc;
}

static enum run
switch_one(struct shell *sh, const struct node *n, struct val v, struct sink *out)
{
	struct val outer = sh->it;
	AUTO(val) struct val mine = val_ref(v); /* a clause may give $_ another */
	bool any = false, hit = false;
	enum run rc = RUN_OK;

	sh->it = val_ref(v);
	for (size_t i = 1; i + 1 < n->n && rc == RUN_OK; i += 2) {
		if (!n->kid[i])
			continue;
		rc = clause_fits(sh, n, n->kid[i], v, &hit);
		if (rc == RUN_OK && hit) {
			any = true;
			rc = exec_list(sh, n->kid[i + 1], out);
		}
	}
	for (size_t i = 1; i + 1 < n->n && rc == RUN_OK && !any; i += 2)
		if (!n->kid[i])
			rc = exec_list(sh, n->kid[i + 1], out);
	val_set(&sh->it, outer);
	return rc;
}

static enum run
exec_switch(struct shell *sh, const struct node *n, struct sink *out)
{
	struct val list = VAL_NONE;
	enum run rc = is_command(n->kid[0]) ? capture(sh, n->kid[0], &list)
					    : eval(sh, n->kid[0], &list);

	if (rc != RUN_OK)
		return rc;
	val_set(&list, val_steady(list));
	if (list.type != VAL_LIST) {
		rc = switch_one(sh, n, list, out);
	} else {
		for (size_t i = 0;
		     i < list.list->n && (rc == RUN_OK || rc == RUN_CONTINUE); i++) {
			rc = switch_one(sh, n, list.list->v[i], out);
			if (is_jump(rc) && !reaches(sh, n))
				break;
		}
	}
	val_free(list);
	return is_jump(rc) && reaches(sh, n) ? RUN_OK : rc;
}

static enum run
exec_catch(struct shell *sh, const struct node *block, struct sink *out)
{
	struct val outer = sh->it, list = val_list();
	enum run rc;

	sh->it = sh->thrown;
	sh->thrown = VAL_NONE;
	sh->fatal = false;
	sh->ok = false;
	list_push(list.list, val_ref(sh->it));
	for (size_t i = 0; i < sh->errors.list->n && i < MAX_ERRORS - 1; i++)
		list_push(list.list, val_ref(sh->errors.list->v[i]));
	val_set(&sh->errors, list);
	rc = exec_list(sh, block, out);
	/* "throw" alone throws the same again. */
	val_set(&sh->it, outer);
	return rc;
}

static const struct node *
find_catch(const struct shell *sh, const struct node *n)
{
	for (size_t i = 2; i < n->n; i++) {
		const struct node *c = n->kid[i];
		const struct val *id = sh->thrown.type == VAL_TABLE
					   ? table_get(sh->thrown.table, "ErrorId")
					   : NULL;
		AUTO_FREE char *code = val_cstr(id ? *id : VAL_NONE);
		if (!c->type || !strcasecmp(c->type, code) ||
		    !strncasecmp(c->type, "System.", 7) ||
		    !strcasecmp(c->type, "Exception"))
			return c->kid[0];
	}
	return NULL;
}

static enum run
exec_try(struct shell *sh, const struct node *n, struct sink *out)
{
	const struct node *catcher = NULL;
	enum run rc, after;

	sh->tries++;
	rc = exec_list(sh, n->kid[0], out);
	sh->tries--;
	if (rc == RUN_THROW)
		catcher = find_catch(sh, n);
	if (catcher)
		rc = exec_catch(sh, catcher, out);
	if (!n->kid[1])
		return rc;
	struct val thrown = sh->thrown;
	bool fatal = sh->fatal;
	int code = sh->exit_code;
	sh->thrown = VAL_NONE;
	after = exec_list(sh, n->kid[1], out);
	if (after != RUN_OK) {
		val_free(thrown);
		return after;
	}
	val_set(&sh->thrown, thrown);
	sh->fatal = fatal;
	sh->exit_code = code;
	return rc;
}

static enum run
exec_throw(struct shell *sh, const struct node *n)
{
	struct err e = ERR_INIT;
	struct val v = VAL_NONE;

	if (n->kid[0]) {
		enum run rc = is_command(n->kid[0]) ? capture(sh, n->kid[0], &v)
						    : eval(sh, n->kid[0], &v);
		if (rc != RUN_OK)
			return rc;
	} else {
		v = val_ref(sh->it);
	}
	if (v.type == VAL_TABLE && !strcmp(v.table->type, "ErrorRecord"))
		return throw_record(sh, v, true);
	AUTO_FREE char *s = val_cstr(v);
	err_set(&e, ERR_INVALID, "%s", *s ? s : "script stopped by throw");
	struct val record = fault_record(n, &e, v);
	table_set(record.table, "ErrorId", val_text("thrown"));
	val_free(v);
	return throw_record(sh, record, true);
}

static enum run
exec_exit(struct shell *sh, const struct node *n)
{
	struct val v = val_int(0);
	int64_t code = 0;

	if (n->kid[0]) {
		enum run rc = is_command(n->kid[0]) ? capture(sh, n->kid[0], &v)
						    : eval(sh, n->kid[0], &v);
		if (rc != RUN_OK)
			return rc;
		if (!val_to_int(v, &code))
			code = 1;
		val_free(v);
	}
	sh->exit_code = (int)(code & 255);
	return RUN_EXIT;
}

static enum run
exec_chain(struct shell *sh, const struct node *n, struct sink *out)
{
	enum run rc = exec(sh, n->kid[0], out);

	if (rc == RUN_THROW && !sh->fatal && !sh->tries) {
		rc = fault_settle(sh);
	}
	if (rc != RUN_OK || sh->ok != (n->op == OP_ANDAND))
		return rc;
	return exec(sh, n->kid[1], out);
}

static enum run
exec_value(struct shell *sh, const struct node *n, struct sink *out)
{
	struct val v = VAL_NONE;
	enum run rc = eval(sh, n, &v);

	if (rc != RUN_OK)
		return rc;
	sh->ok = true;
	rc = put_each(out, v);
	val_free(v);
	return rc;
}

static enum run
exec_kind(struct shell *sh, const struct node *n, struct sink *out)
{
	struct val v = VAL_NONE;
	enum run rc;

	switch (n->kind) {
	case NODE_LIST:
		return exec_list(sh, n, out);
	case NODE_IF:
		return exec_if(sh, n, out);
	case NODE_FOREACH:
		return exec_foreach(sh, n, out);
	case NODE_FOR:
		return exec_for(sh, n, out);
	case NODE_WHILE:
		return exec_while(sh, n, out);
	case NODE_DO:
		return exec_do(sh, n, out);
	case NODE_SWITCH:
		return exec_switch(sh, n, out);
	case NODE_TRY:
		return exec_try(sh, n, out);
	case NODE_FUNCTION:
		function_define(sh, n);
		return RUN_OK;
	case NODE_RETURN:
		rc = n->kid[0] ? exec(sh, n->kid[0], out) : RUN_OK;
		return rc == RUN_OK ? RUN_RETURN : rc;
	case NODE_THROW:
		return exec_throw(sh, n);
	case NODE_EXIT:
		return exec_exit(sh, n);
	case NODE_BREAK:
		sh->label = n->text;
		return RUN_BREAK;
	case NODE_CONTINUE:
		sh->label = n->text;
		return RUN_CONTINUE;
	case NODE_CHAIN:
		return exec_chain(sh, n, out);
	case NODE_PIPE:
	case NODE_COMMAND:
		return exec_pipe(sh, n, out);
	case NODE_ASSIGN:
		sh->ok = true;
		return eval_assign(sh, n);
	case NODE_PREFIX:
	case NODE_POSTFIX:
		rc = eval(sh, n, &v);
		if (rc == RUN_OK)
			val_free(v);
		return rc;
	default:
		return exec_value(sh, n, out);
	}
}

enum run
exec(struct shell *sh, const struct node *n, struct sink *out)
{
	enum run rc;

	if (++sh->steps > MAX_STEPS)
		rc = throw_new(sh, n, ERR_TOO_LARGE,
		    "evaluation nested more than %d deep", MAX_STEPS);
	else
		rc = exec_kind(sh, n, out);
	sh->steps--;
	return rc;
}

enum run
exec_list(struct shell *sh, const struct node *list, struct sink *out)
{
	enum run rc = RUN_OK;

	if (!list)
		return RUN_OK;
	for (size_t i = 0; i < list->n && rc == RUN_OK; i++) {
		rc = exec(sh, list->kid[i], out);
		if (rc == RUN_THROW && !sh->fatal && !sh->tries) {
			rc = fault_settle(sh);
		}
	}
	return rc;
}
