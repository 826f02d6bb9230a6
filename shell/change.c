#include "shell/change.h"

#include <inttypes.h>
#include <string.h>

#include "base/json_peek.h"
#include "shell/rest.h"

#define WAIT_MS  20000
#define MAX_TOLD 20 /* tasks by name, where many are left */

char *
object_path(const char *id, const char *action)
{
	struct str b = STR_INIT;
	obj_id o;

	if (obj_id_parse(id, KIND_NONE, &o, NULL) < 0)
		o = OBJ_ID_NONE;
	str_addf(&b, "/%s/", kind_plural(obj_id_kind(o)));
	url_add(&b, id);
	if (action)
		str_addf(&b, "/%s", action);
	return str_take(&b);
}

/* The server names the object as a rule; where it does not, we do. */
static enum run
report(struct stage *st, struct err *e, const char *name)
{
	AUTO(val) struct val target = val_text(name);

	if (e->code == ERR_CANCELLED && shell_interrupted())
		return throw_err(st->sh, st->node, e);
	if (name && !strstr(e->msg, name))
		err_wrap(e, "%s", name);
	if (st->sh->login_failed)
		return throw_err(st->sh, st->node, e);
	return stage_error(st, e, target);
}

static void
add_pending(struct changes *c, const char *name, const json *answer)
{
	const char *task = json_peek_str(json_get(answer, "task"), "id");
	const char *object =
	    task ? json_peek_str(answer, "object") : json_peek_str(answer, "id");

	c->v = xreallocarray(c->v, c->n + 1, sizeof(*c->v));
	c->v[c->n++] = (struct pending){ xstrdup(name), xstrdup(task), xstrdup(object),
		json_dup(answer), false, false };
}

enum run
change_send(struct stage *st, struct changes *c, const char *method, const char *path,
    json *body_take, const char *name)
{
	struct err e = ERR_INIT;
	AUTO(json) json *answer = NULL;
	int rc = rest_change(st->sh, method, path, body_take, &answer, &e);

	json_free(body_take);
	if (rc < 0)
		return report(st, &e, name);
	known_expire(st->sh);
	/* A name with a pattern makes several. */
	const json *items = json_get(answer, "items");
	if (!items)
		add_pending(c, name, answer);
	for (size_t i = 0; items && i < json_count(items); i++) {
		const json *one = json_at(items, i);
		const char *its = json_peek_str(json_get(one, "task"), "entity_name");
		add_pending(c, its ? its : name, one);
	}
	return RUN_OK;
}

enum run
change_each(struct stage *st, struct val refs, const char *method, const char *action,
    const json *body)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; i < val_count(refs) && rc == RUN_OK; i++) {
		AUTO_FREE char *name = val_cstr(val_at(refs, i));
		AUTO_FREE char *path = object_path(record_id(val_at(refs, i)), action);
		enum should should = stage_should(st, name, NULL);
		if (should == SHOULD_FAIL)
			return RUN_THROW;
		if (should == SHOULD_DO)
			rc = change_send(st, st->state, method, path,
			    body ? json_dup(body) : NULL, name);
	}
	return rc;
}

enum run
change_named(struct stage *st, const char *param, unsigned kinds, const char *method,
    const char *action, const json *body)
{
	struct val refs = VAL_NONE;
	enum run rc = resolve(st, get_arg(st, param), kinds, &refs);

	if (rc != RUN_OK)
		return rc;
	rc = change_each(st, refs, method, action, body);
	val_free(refs);
	return rc;
}

int
task_fault(const json *task, struct err *e)
{
	const char *state = json_peek_str(task, "state"),
		   *code = json_peek_str(task, "error_code");
	const char *message = json_peek_str(task, "error_message");

	if (!state || strcmp(state, "error") != 0)
		return 0;
	return err_set(e, err_from_name(code ? code : "internal"), "%s",
	    message ? message : "the task failed");
}

/* What the task waits for says more than its phase, and that more than its step. */
static void
show_progress(const struct shell *sh, const char *what, const json *task)
{
	const char *at = json_peek_str(task, "waiting_for");

	if (!sh->screen.tty)
		return;
	fputs("\r\033[K", sh->screen.err);
	if (task) {
		int64_t rate = json_peek_int(task, "bytes_per_s");
		at = at && *at ? at : json_peek_str(task, "phase");
		at = at && *at ? at : json_peek_str(task, "step");
		fprintf(sh->screen.err, "%s: %" PRId64 " %% %s", what,
		    json_peek_int(task, "progress"), at ? at : "");
		if (rate > 0)
			fprintf(sh->screen.err, ", %.1f MB/s", (double)rate / 1e6);
	}
	fflush(sh->screen.err);
}

int
task_wait(
    struct shell *sh, const char *id, const char *what, json **ret_task, struct err *e)
{
	struct str path = STR_INIT;
	json *task = NULL;
	int rc;

	str_add(&path, "/tasks/");
	url_add(&path, id);
	/* On a terminal ask more often, for the progress line. */
	str_addf(&path, "?wait_ms=%d", sh->screen.tty ? 1000 : WAIT_MS);
	for (;;) {
		rc = rest_get(sh, path.s, &task, e);
		if (rc < 0)
			break;
		const char *state = json_peek_str(task, "state");
		if (state && (!strcmp(state, "success") || !strcmp(state, "error")))
			break;
		show_progress(sh, what, task);
		json_free(task);
		task = NULL;
		if (shell_interrupted()) {
			rc = err_set(e, ERR_CANCELLED, "interrupted");
			break;
		}
	}
	show_progress(sh, what, NULL);
	str_fini(&path);
	if (rc == 0)
		*ret_task = task;
	return rc;
}

/* What a recommendation does may be done to a guest or to a host. */
static enum obj_kind
kind_of(const char *text, enum obj_kind presumed)
{
	struct err ignored = ERR_INIT;
	obj_id id;

	if (!text || obj_id_parse(text, KIND_NONE, &id, &ignored))
		return presumed;
	return obj_id_kind(id);
}

static enum run
put_object(struct stage *st, const struct changes *c, const struct pending *p)
{
	struct err e = ERR_INIT;
	struct val record = VAL_NONE;

	if (c->kind == KIND_NONE)
		return RUN_OK;
	if (!p->task) {
		const char *id = json_str_value(json_get(p->result, "id"), NULL);
		return put(st, record_from(st->sh, kind_of(id, c->kind), p->result));
	}
	if (!p->object)
		return RUN_OK;
	if (inventory_get(st->sh, kind_of(p->object, c->kind), p->object, &record, &e) <
	    0)
		return report(st, &e, p->name);
	return put(st, record);
}

static enum run
finish(struct stage *st, const struct changes *c, struct pending *p)
{
	AUTO(json) json *task = NULL;
	struct err e = ERR_INIT;

	if (p->task && task_wait(st->sh, p->task, p->name, &task, &e) < 0)
		return report(st, &e, p->name);
	p->over = true;
	p->failed = task && task_fault(task, &e) < 0;
	if (p->failed)
		return report(st, &e, p->name);
	known_expire(st->sh);
	if (c->tell && task)
		c->tell(st, p, task);
	return put_object(st, c, p);
}

/* An interrupt ends the waiting; what was asked for goes on. */
static void
tell_unfinished(const struct shell *sh, const struct changes *c)
{
	const char *front = "not waited for, and going on: ";
	size_t told = 0, more = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (!c->v[i].task || c->v[i].over)
			continue;
		if (told++ >= MAX_TOLD) {
			more++;
			continue;
		}
		fprintf(sh->screen.err, "%s%s (%s)", front, c->v[i].task, c->v[i].name);
		front = ", ";
	}
	if (more)
		fprintf(sh->screen.err, " and %zu more", more);
	if (told)
		fputs("; Stop-Task cancels a task\n", sh->screen.err);
}

enum run
changes_end(struct stage *st, struct changes *c)
{
	bool async = get_switch(st, "RunAsync");
	enum run rc = RUN_OK;

	for (size_t i = 0; i < c->n && rc == RUN_OK; i++) {
		struct pending *p = &c->v[i];
		p->over |= async;
		if (async && p->task)
			rc = put(st, record_from(st->sh, KIND_TASK,
					 json_get(p->result, "task")));
		else
			rc = finish(st, c, p);
	}
	return rc;
}

void
changes_free(struct changes *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->v[i].name);
		free(c->v[i].task);
		free(c->v[i].object);
		json_free(c->v[i].result);
	}
	free(c->v);
	*c = (struct changes){ 0 };
}

enum run
changes_finish(struct stage *st)
{
	return changes_end(st, st->state);
}

void
changes_fini(struct stage *st)
{
	if (shell_interrupted())
		tell_unfinished(st->sh, st->state);
	changes_free(st->state);
}

enum run
changes_of(struct stage *st, enum obj_kind kind)
{
	((struct changes *)st->state)->kind = kind;
	return RUN_OK;
}

enum run
change_now(struct stage *st, const char *path, json *body_take, const char *name)
{
	struct changes *c = st->state;
	enum should should = stage_should(st, name, NULL);
	enum run rc;

	if (should != SHOULD_DO) {
		json_free(body_take);
		return should == SHOULD_FAIL ? RUN_THROW : RUN_OK;
	}
	size_t before = c->n;
	rc = change_send(st, c, "POST", path, body_take, name);
	if (rc == RUN_OK && c->n > before && !c->v[c->n - 1].task)
		rc = put(st, record_from(st->sh, c->kind, c->v[c->n - 1].result));
	return rc;
}
