#include "server/alarm/alarm_action.h"

#include <string.h>

#include "base/id.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/alarm/alarm_parse.h"
#include "server/ops/op_args.h"

#define TEXT_MAX 1024u
#define LIST_MAX 16u

/* One that is being taken. */
struct taking {
	const json *given, *old; /* the action; its secrets so far, or NULL */
	enum alarm_target target;
	json *shown, *secrets;
};

/* ---- fields ---- */

/* A text that may be shown. */
static int
take_text(struct taking *t, const char *key, enum json_need need, struct err *e)
{
	const char *s = NULL;
	int rc = json_read_str(t->given, key, need, TEXT_MAX, &s, e);

	if (!rc && s && (!*s || strpbrk(s, "\r\n")))
		rc = err_set(e, ERR_INVALID, "%s: wants one line of text", key);
	if (!rc && s)
		json_set_str(t->shown, key, s);
	return rc;
}

/* One that may not: given anew, or as it was. */
static int
take_secret(struct taking *t, const char *key, const char *preset, struct err *e)
{
	const char *s = NULL;
	const json *old = t->old ? json_get(t->old, key) : NULL;
	int rc = json_read_str(t->given, key, JSON_OPTIONAL, TEXT_MAX, &s, e);

	if (rc)
		return rc;
	if (!s)
		s = old ? json_str_value(old, NULL) : preset;
	if (s)
		json_set_str(t->secrets, key, s);
	return 0;
}

static int
take_list(struct taking *t, const char *key, enum json_need need, struct err *e)
{
	json *list = json_get(t->given, key);
	size_t n;

	if (!list && need == JSON_OPTIONAL)
		return 0;
	n = list && json_what(list) == JSON_IS_ARRAY ? json_count(list) : 0;
	if ((!n && need == JSON_REQUIRED) || n > LIST_MAX)
		return err_set(
		    e, ERR_INVALID, "%s: wants a list of 1 to %u texts", key, LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		const json *j = json_at(list, i);
		size_t len = 0;
		const char *s =
		    json_what(j) == JSON_IS_STR ? json_str_value(j, &len) : NULL;

		if (!s || !len || len > TEXT_MAX || strlen(s) != len ||
		    strpbrk(s, "\r\n"))
			return err_set(e, ERR_INVALID,
			    "%s[%zu]: wants a line of 1 to %u bytes", key, i, TEXT_MAX);
	}
	json_set_json(t->shown, key, json_dup(list));
	return 0;
}

/* ---- types ---- */

static int
take_email(struct taking *t, struct err *e)
{
	int rc = take_list(t, "to", JSON_REQUIRED, e);
	const json *to = rc ? NULL : json_get(t->shown, "to");

	for (size_t i = 0; !rc && i < json_count(to); i++) {
		const char *s = json_str_value(json_at(to, i), NULL);

		if (!strchr(s, '@') || strpbrk(s, " \t<>,\"") || s[0] == '-')
			rc =
			    err_set(e, ERR_INVALID, "to: \"%s\" is no mail address", s);
	}
	return rc;
}

char *
alarm_url_shown(const char *url)
{
	const char *host = strstr(url, "://");
	size_t scheme = host ? (size_t)(host - url) + 3 : 0;
	size_t n = strcspn(url + scheme, "/?#");
	const char *at = memrchr(url + scheme, '@', n);
	const char *from = at ? at + 1 : url + scheme;
	size_t len = n - (size_t)(from - url - scheme);

	return xasprintf("%.*s%.*s%s", (int)scheme, url, (int)len, from,
	    strlen(url) > scheme + n + 1 ? "/…" : "");
}

static int
take_webhook(struct taking *t, struct err *e)
{
	const json *kept = t->old ? json_get(t->old, "url") : NULL;
	const char *given = NULL;
	int rc = json_read_str(t->given, "url", JSON_OPTIONAL, TEXT_MAX, &given, e);

	if (rc)
		return rc;
	AUTO_FREE char *before =
	    kept ? alarm_url_shown(json_str_value(kept, NULL)) : NULL;

	/* Given back as it was shown. */
	if (kept && (!given || str_same(given, before)))
		given = json_str_value(kept, NULL);
	if (!given || strpbrk(given, " \r\n\t") ||
	    (!str_starts(given, "https://") && !str_starts(given, "http://")))
		return err_set(e, ERR_INVALID,
		    "url: wants one that begins with https:// or http://");
	AUTO_FREE char *shown = alarm_url_shown(given);

	json_set_str(t->shown, "url", shown);
	json_set_str(t->secrets, "url", given);
	return take_secret(t, "secret", NULL, e);
}

static int
take_snmp(struct taking *t, struct err *e)
{
	int rc = take_text(t, "host", JSON_REQUIRED, e);

	if (!rc && strpbrk(json_str_value(json_get(t->shown, "host"), NULL), " /@"))
		rc = err_set(e, ERR_INVALID, "host: wants a name or an address");
	return rc ? rc : take_secret(t, "community", "public", e);
}

static int
take_script(struct taking *t, struct err *e)
{
	int rc = take_text(t, "program", JSON_REQUIRED, e);

	if (rc)
		return rc;
	if (!name_is_file_safe(json_str_value(json_get(t->shown, "program"), NULL)))
		return err_set(e, ERR_INVALID,
		    "program: wants the name of a file in the server's folder of "
		    "scripts");
	return take_list(t, "args", JSON_OPTIONAL, e);
}

static int
take_task(struct taking *t, struct err *e)
{
	/* What may be undone by hand; nothing that destroys. */
	static const char *const may[] = { "vm.start", "vm.stop", "vm.restart",
		"vm.suspend", "vm.pause", "vm.resume", "vm.snapshot", "vm.migrate",
		"host.maintenance", "host.standby" };
	int rc = take_text(t, "op", JSON_REQUIRED, e);
	const char *op = rc ? "" : json_str_value(json_get(t->shown, "op"), NULL);
	const struct op_info *info = NULL;
	json *args = json_get(t->given, "args");

	for (size_t i = 0; !rc && !info && i < ARRAY_SIZE(may); i++)
		info = str_same(may[i], op) ? op_find(op) : NULL;
	if (!rc && (!info || info->entity != alarm_target_kind(t->target)))
		rc = err_set(e, ERR_INVALID,
		    "op: \"%.40s\" cannot be done by an alarm of a %s", op,
		    alarm_target_text(t->target));
	if (!rc && args && json_what(args) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_INVALID, "args: wants an object");
	if (rc)
		return rc;
	AUTO(json) json *all = args ? json_dup(args) : json_new_object();

	rc = op_args_check(info, all, e);
	if (rc)
		return err_wrap(e, "args");
	json_set_json(t->shown, "args", MOVE(all));
	return 0;
}

static int
take_post(struct taking *t, struct err *e)
{
	return take_text(t, "message", JSON_REQUIRED, e);
}

static const struct {
	const char *word;
	const char *const known[7]; /* NULL-ended */
	int (*take)(struct taking *t, struct err *e);
} types[] = {
	[ALARM_EMAIL] = { "email", { "name", "type", "on", "to" }, take_email },
	[ALARM_WEBHOOK] = { "webhook", { "name", "type", "on", "url", "secret" },
	    take_webhook },
	[ALARM_SNMP] = { "snmp", { "name", "type", "on", "host", "community" },
	    take_snmp },
	[ALARM_SCRIPT] = { "script", { "name", "type", "on", "program", "args" },
	    take_script },
	[ALARM_TASK] = { "task", { "name", "type", "on", "op", "args" }, take_task },
	[ALARM_POST] = { "event", { "name", "type", "on", "message" }, take_post },
};

/* ---- all ---- */

static int
take_on(struct taking *t, struct err *e)
{
	const json *on;
	int rc = take_list(t, "on", JSON_OPTIONAL, e);

	if (rc)
		return rc;
	on = json_get(t->shown, "on");
	for (size_t i = 0; on && i < json_count(on); i++) {
		int s = alarm_status_parse(json_str_value(json_at(on, i), NULL));

		if (s <= (int)ALARM_GRAY)
			return err_set(
			    e, ERR_INVALID, "on: wants red, yellow and green alone");
	}
	return 0;
}

static int
find_type(const json *given, enum alarm_action_type *ret, struct err *e)
{
	const char *word = NULL;
	int rc = json_read_str(given, "type", JSON_REQUIRED, TEXT_MAX, &word, e);

	for (size_t i = 0; !rc && i < ARRAY_SIZE(types); i++) {
		if (!str_same(types[i].word, word))
			continue;
		*ret = (enum alarm_action_type)i;
		return json_only(given, types[i].known, e);
	}
	return rc ? rc
		  : err_set(e, ERR_INVALID,
			"type: wants email, webhook, snmp, script, task or event, got "
			"\"%.40s\"",
			word);
}

static int
take_name(struct taking *t, size_t i, const json *taken, struct err *e)
{
	AUTO_FREE char *made = xasprintf("action-%zu", i + 1);
	const char *name = made;
	int rc = json_read_str(t->given, "name", JSON_OPTIONAL, TEXT_MAX, &name, e);

	if (!rc)
		rc = name_check(name, strlen(name), "name", e);
	for (size_t k = 0; !rc && k < json_count(taken); k++) {
		if (str_same(alarm_action_name(json_at(taken, k)), name))
			rc = err_set(e, ERR_INVALID,
			    "name: two actions are called \"%s\"", name);
	}
	if (!rc)
		json_set_str(t->shown, "name", name);
	return rc;
}

static int
take_one(struct taking *t, size_t i, const json *old, const json *taken, struct err *e)
{
	enum alarm_action_type type = ALARM_EMAIL;
	int rc = json_what(t->given) == JSON_IS_OBJECT
		     ? 0
		     : err_set(e, ERR_INVALID, "wants an object");

	if (!rc)
		rc = find_type(t->given, &type, e);
	if (!rc)
		rc = take_name(t, i, taken, e);
	if (rc)
		return rc;
	t->old = old ? json_get(old, alarm_action_name(t->shown)) : NULL;
	json_set_str(t->shown, "type", types[type].word);
	rc = take_on(t, e);
	return rc ? rc : types[type].take(t, e);
}

int
alarm_actions_take(const json *given, const json *old, enum alarm_target target,
    struct alarm_actions *ret_a, struct err *e)
{
	AUTO(json) json *shown = json_new_array(), *secrets = json_new_object();
	int rc = 0;

	if (json_count(given) > ALARM_ACTIONS_MAX)
		return err_set(
		    e, ERR_INVALID, "actions: at most %u may be", ALARM_ACTIONS_MAX);
	for (size_t i = 0; !rc && i < json_count(given); i++) {
		struct taking t = {
			.given = json_at(given, i),
			.target = target,
			.shown = json_new_object(),
			.secrets = json_new_object(),
		};

		rc = take_one(&t, i, old, shown, e);
		if (!rc && json_count(t.secrets))
			json_set_json(
			    secrets, alarm_action_name(t.shown), json_ref(t.secrets));
		json_add_json(shown, t.shown);
		json_free(t.secrets);
		if (rc)
			rc = err_wrap(e, "actions[%zu]", i);
	}
	if (rc)
		return rc;
	ret_a->secrets = json_count(secrets) ? MOVE(secrets) : NULL;
	ret_a->shown = MOVE(shown);
	return 0;
}

const char *
alarm_action_name(const json *action)
{
	const json *name = json_get(action, "name");

	return name ? json_str_value(name, NULL) : "";
}

enum alarm_action_type
alarm_action_type(const json *action)
{
	const char *word = json_str_value(json_get(action, "type"), NULL);
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(types) && !str_same(types[i].word, word))
		i++;
	return (enum alarm_action_type)i;
}

bool
alarm_action_is_on(const json *action, enum alarm_status status)
{
	const json *on = json_get(action, "on");
	const char *word =
	    alarm_status_text(status == ALARM_GRAY ? ALARM_GREEN : status);

	for (size_t i = 0; on && i < json_count(on); i++) {
		if (str_same(json_str_value(json_at(on, i), NULL), word))
			return true;
	}
	return !on;
}

json *
alarm_action_whole(const json *shown, const json *secrets, const char *name)
{
	json *more = secrets ? json_get(secrets, name) : NULL;

	for (size_t i = 0; shown && i < json_count(shown); i++) {
		if (!str_same(alarm_action_name(json_at(shown, i)), name))
			continue;
		json *whole = json_dup(json_at(shown, i));

		for (void *it = more ? json_iter(more) : NULL; it;
		     it = json_iter_next(more, it))
			json_set_json(
			    whole, json_iter_key(it), json_dup(json_iter_value(it)));
		return whole;
	}
	return NULL;
}
