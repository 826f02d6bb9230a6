/*
 * alarm_do: how each type of action is done.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "loop/child.h"
#include "loop/worker.h"
#include "server/alarm/alarm_send_int.h"
#include "server/alarm/alarm_trap.h"
#include "server/event/event.h"
#include "server/ops/ops.h"

#define NOBODY      65534u /* user and group of scripts, where we may choose */
#define SCRIPT_AS   (UINT64_C(1) << 30)
#define SCRIPT_FILE (UINT64_C(16) << 20)
#define MS_PER_S    1000u

/* What a worker needs, of its own. */
struct job {
	struct alarm_delivery *d;
	struct alarm_line line;
	struct alarm_hook hook;
	struct alarm_mail mail;
	struct alarm_trap trap;
	char *body, *signature;
	struct err err;
};

/* ---- on a worker ---- */

static int
run_hook(void *arg)
{
	struct job *j = arg;

	return alarm_curl_hook(&j->line, &j->hook, &j->err);
}

static int
run_mail(void *arg)
{
	struct job *j = arg;

	return alarm_curl_mail(&j->line, &j->mail, &j->err);
}

static int
run_trap(void *arg)
{
	struct job *j = arg;

	return alarm_trap_send(&j->trap, &j->err);
}

static void
on_run(void *arg, int rc)
{
	struct job *j = arg;

	if (rc && !j->err.code)
		err_set(&j->err, rc, "the server stops");
	alarm_delivery_done(j->d, rc, &j->err);
	free(j->body);
	free(j->signature);
	free(j);
}

static int
start(struct job *j, int (*run)(void *job), struct err *e)
{
	struct alarm_sender *s = j->d->sender;

	if (!worker_run(s->workers, run, on_run, j, e))
		return 0;
	free(j->body);
	free(j->signature);
	free(j);
	return e->code;
}

/* ---- on the core ---- */

static struct job *
job_new(struct alarm_delivery *d)
{
	struct job *j = xcalloc(1, sizeof(*j));
	struct alarm_sender *s = d->sender;

	j->d = d;
	j->line = (struct alarm_line){ s->deadline_ms, s->ca_file, &s->stop };
	return j;
}

static uint64_t
wall_ms(const struct alarm_delivery *d)
{
	return clock_wall_ms(loop_clock(d->sender->loop));
}

/* A delivery stays where it is until its job is done, and so do its texts. */
static int
do_webhook(struct alarm_delivery *d, struct err *e)
{
	struct job *j = job_new(d);
	const char *secret = alarm_delivery_text(d, "secret");

	j->body = alarm_notice_json(&d->notice);
	if (*secret)
		j->signature = alarm_notice_sign(secret, wall_ms(d), j->body);
	j->hook = (struct alarm_hook){
		.url = alarm_delivery_text(d, "url"),
		.body = j->body,
		.delivery = d->notice.delivery,
		.signature = j->signature,
	};
	return start(j, run_hook, e);
}

static int
do_email(struct alarm_delivery *d, struct err *e)
{
	const struct alarm_sender *s = d->sender;
	const json *to = json_get(d->what, "to");
	struct job *j;

	if (!*s->smtp_url || !*s->smtp_from)
		return err_set(e, ERR_BAD_STATE,
		    "no mail server is set (alarm.smtp_url, alarm.smtp_from)");
	j = job_new(d);
	j->body = alarm_notice_mail(&d->notice, s->smtp_from, to, wall_ms(d));
	j->mail = (struct alarm_mail){
		.url = s->smtp_url,
		.from = s->smtp_from,
		.user = s->smtp_user,
		.password_file = s->smtp_password_file,
		.to = to,
		.message = j->body,
	};
	return start(j, run_mail, e);
}

static int
do_snmp(struct alarm_delivery *d, struct err *e)
{
	struct job *j = job_new(d);

	j->trap = (struct alarm_trap){
		.host = alarm_delivery_text(d, "host"),
		.community = alarm_delivery_text(d, "community"),
		.notice = &d->notice,
	};
	return start(j, run_trap, e);
}

/* ---- scripts ---- */

static void
on_script(struct child *c, const struct child_result *r, void *arg)
{
	struct alarm_delivery *d = arg;
	AUTO_FREE char *what =
	    xasprintf("script \"%s\"", alarm_delivery_text(d, "program"));
	struct err e = ERR_INIT;
	int rc = child_err(r, what, &e);

	d->child = NULL;
	/* One that fails has been run: it is not tried again. */
	if (rc == ERR_TIMEOUT || rc == ERR_LOST)
		e.code = rc = ERR_CANCELLED;
	alarm_delivery_done(d, rc, &e);
}

static char **
script_env(const struct alarm_notice *n)
{
	const struct {
		const char *name, *value;
	} all[] = {
		{ "DROVER_ALARM", n->alarm },
		{ "DROVER_ALARM_NAME", n->name },
		{ "DROVER_ALARM_STATUS", alarm_status_text(n->status) },
		{ "DROVER_ALARM_WAS", alarm_status_text(n->was) },
		{ "DROVER_ALARM_REASON", n->reason },
		{ "DROVER_DELIVERY", n->delivery },
		{ "DROVER_ENTITY", n->entity },
		{ "DROVER_ENTITY_KIND", n->entity_kind },
		{ "DROVER_ENTITY_NAME", n->entity_name },
		{ "LANG", "C.UTF-8" },
		{ "PATH", "/usr/local/bin:/usr/bin:/bin" },
	};

	char **env = xcalloc(ARRAY_SIZE(all) + 1, sizeof(*env));

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		env[i] = xasprintf("%s=%s", all[i].name, all[i].value);
	return env;
}

static void
free_texts(char **v)
{
	for (size_t i = 0; v[i]; i++)
		free(v[i]);
	free(v);
}

static int
do_script(struct alarm_delivery *d, struct err *e)
{
	const struct alarm_sender *s = d->sender;
	const json *args = json_get(d->what, "args");
	size_t n = args ? json_count(args) : 0;
	AUTO_FREE char *path =
	    xasprintf("%s/%s", s->scripts, alarm_delivery_text(d, "program"));
	AUTO_FREE const char **argv = xcalloc(n + 2, sizeof(*argv));
	AUTO_FREE char *input = alarm_notice_json(&d->notice);
	char **env;
	int rc;

	if (!*s->scripts)
		return err_set(
		    e, ERR_BAD_STATE, "there is no folder of scripts (alarm.scripts)");
	argv[0] = path;
	for (size_t i = 0; i < n; i++)
		argv[i + 1] = json_str_value(json_at(args, i), NULL);
	env = script_env(&d->notice);
	const struct child_opts o = {
		.argv = argv,
		.env = (const char *const *)env,
		.input = input,
		.input_len = strlen(input),
		.uid = geteuid() ? 0 : NOBODY,
		.gid = geteuid() ? 0 : NOBODY,
		.rlimit_as_bytes = SCRIPT_AS,
		.rlimit_cpu_s = s->script_ms / MS_PER_S + 1,
		.rlimit_file_bytes = SCRIPT_FILE,
		.timeout_ms = s->script_ms,
	};

	rc = child_start(s->loop, &o, on_script, d, &d->child, e);
	free_texts(env);
	return rc;
}

/* ---- tasks and events ---- */

static void
on_op(const struct op_result *r, void *arg)
{
	struct alarm_delivery *d = arg;

	alarm_delivery_done(d, r->rc, &r->err);
}

/* The same key after a change of the leader: the task is not begun twice. */
static int
do_task(struct alarm_delivery *d, struct err *e)
{
	struct caller who = caller_server;

	snprintf(who.name, sizeof(who.name), "alarm %.70s", d->notice.name);
	const struct op_request r = {
		.op = alarm_delivery_text(d, "op"),
		.entity = d->entity,
		.args = json_get(d->what, "args"),
		.who = &who,
		.op_id = d->notice.delivery,
	};

	if (!d->sender->ops)
		return err_set(e, ERR_UNAVAILABLE, "no tasks can be begun");
	op_submit(d->sender->ops, &r, on_op, d);
	return 0;
}

static void
on_posted(void *arg)
{
	alarm_delivery_done(arg, 0, NULL);
}

static int
do_event(struct alarm_delivery *d, struct err *e)
{
	event_post(d->sender->inv, EV_ALARM_ACTION, d->entity, NULL, "%s: %s",
	    d->notice.name, alarm_delivery_text(d, "message"));
	post_call(d->sender->loop, on_posted, d);
	return 0;
}

/* ---- all ---- */

int
alarm_do(struct alarm_delivery *d, struct err *e)
{
	switch (d->type) {
	case ALARM_EMAIL:
		return do_email(d, e);
	case ALARM_WEBHOOK:
		return do_webhook(d, e);
	case ALARM_SNMP:
		return do_snmp(d, e);
	case ALARM_SCRIPT:
		return do_script(d, e);
	case ALARM_TASK:
		return do_task(d, e);
	case ALARM_POST:
		return do_event(d, e);
	}
	return err_set(e, ERR_INTERNAL, "%s is of no type", d->notice.delivery);
}

char *
alarm_do_receiver(const struct alarm_delivery *d)
{
	AUTO_FREE char *to = NULL;

	switch (d->type) {
	case ALARM_EMAIL:
		return xstrdup("the mail server");
	case ALARM_WEBHOOK:
		to = alarm_url_shown(alarm_delivery_text(d, "url"));
		return xasprintf("webhook %s", to);
	case ALARM_SNMP:
		/* The library wants one at a time, and nobody answers. */
		return xstrdup("SNMP");
	case ALARM_SCRIPT:
		return xasprintf("script %s", alarm_delivery_text(d, "program"));
	case ALARM_TASK:
		return xasprintf("a task on %s", d->notice.entity);
	case ALARM_POST:
		return xstrdup("the events");
	}
	return xstrdup("nobody");
}
