#include "server/ops/power_hook.h"

#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "server/inventory/inv.h"

#define HOOK_MS 120000u

enum stand_in { STAND_HOST, STAND_ADDRESS, STAND_UUID, STAND_COUNT_ };

static const char *const stand_ins[] = {
	[STAND_HOST] = "{host}",
	[STAND_ADDRESS] = "{address}",
	[STAND_UUID] = "{uuid}",
};

struct power_hooks {
	struct loop *loop;
	char *folder;
	struct list runs;
};

/* A hook that runs. */
struct hook_run {
	struct list_node node;
	struct loop *loop;
	struct child *child;
	struct wake wake;
	char *name; /* for errors */
	char *argv[POWER_HOOK_MAX + 1];
};

/* The one that text begins with, or STAND_COUNT_. */
static enum stand_in
stand_in_at(const char *text)
{
	unsigned i = 0;

	while (
	    i < STAND_COUNT_ && strncmp(text, stand_ins[i], strlen(stand_ins[i])) != 0)
		i++;
	return (enum stand_in)i;
}

static bool
is_program(const char *name)
{
	return name[0] && name[0] != '.' && !strchr(name, '/');
}

static int
check_word(const char *word, const char *field, struct err *e)
{
	for (const char *p = strchr(word, '{'); p; p = strchr(p + 1, '{')) {
		if (stand_in_at(p) != STAND_COUNT_)
			continue;
		return err_set(e, ERR_INVALID,
		    "%s: \"%s\": {host}, {address} and {uuid} can stand there", field,
		    word);
	}
	return 0;
}

int
power_hook_check(const json *hook, const char *field, struct err *e)
{
	const char *name =
	    json_count(hook) ? json_str_value(json_at(hook, 0), NULL) : NULL;
	int rc = 0;

	if (name && !is_program(name))
		return err_set(e, ERR_INVALID,
		    "%s: \"%s\" is no program of the folder of hooks", field, name);
	for (size_t i = 0; !rc && i < json_count(hook); i++)
		rc = check_word(json_str_value(json_at(hook, i), NULL), field, e);
	return rc;
}

static char *
fill_in(const char *word, const struct host *h)
{
	const char *const values[] = {
		[STAND_HOST] = h->o.name,
		[STAND_ADDRESS] = h->address,
		[STAND_UUID] = h->uuid,
	};
	struct str out = STR_INIT;

	while (*word) {
		enum stand_in s = stand_in_at(word);

		if (s == STAND_COUNT_) {
			str_addc(&out, *word++);
			continue;
		}
		str_add(&out, values[s] ? values[s] : "");
		word += strlen(stand_ins[s]);
	}
	return str_take(&out);
}

static void
hook_run_free(struct hook_run *r)
{
	list_remove(&r->node);
	for (size_t i = 0; r->argv[i]; i++)
		free(r->argv[i]);
	free(r->name);
	free(r);
}

static void
on_end(struct child *c, const struct child_result *res, void *arg)
{
	struct hook_run *r = arg;
	struct err e = ERR_INIT;
	int rc = child_err(res, r->name, &e);

	post_wake(r->loop, r->wake, rc, &e);
	hook_run_free(r);
}

struct power_hooks *
power_hooks_new(struct loop *l, const char *folder)
{
	struct power_hooks *ks = xcalloc(1, sizeof(*ks));

	ks->loop = l;
	ks->folder = xstrdup(folder);
	list_init(&ks->runs);
	return ks;
}

void
power_hooks_free(struct power_hooks *ks)
{
	if (!ks)
		return;
	LIST_EACH_SAFE(struct hook_run, r, &ks->runs, node) {
		child_free(r->child);
		hook_run_free(r);
	}
	free(ks->folder);
	free(ks);
}

int
power_hooks_run(struct power_hooks *ks, const struct power_hook *k,
    const struct host *h, struct wake w, struct err *e)
{
	size_t n = k->words ? json_count(k->words) : 0;
	struct hook_run *r;

	if (!n || n > POWER_HOOK_MAX)
		return err_set(e, ERR_BAD_STATE, "the cluster of \"%s\" has no %s",
		    h->o.name, k->what);
	r = xcalloc(1, sizeof(*r));
	list_add_tail(&ks->runs, &r->node);
	r->loop = ks->loop;
	r->wake = w;
	r->name = xasprintf("%s of host \"%s\"", k->what, h->o.name);
	for (size_t i = 0; i < n; i++)
		r->argv[i] = fill_in(json_str_value(json_at(k->words, i), NULL), h);
	char *program = xasprintf("%s/%s", ks->folder, r->argv[0]);

	free(r->argv[0]);
	r->argv[0] = program;
	const struct child_opts o = {
		.argv = (const char *const *)r->argv,
		.timeout_ms = HOOK_MS,
	};
	int rc = child_start(ks->loop, &o, on_end, r, &r->child, e);

	if (rc)
		hook_run_free(r);
	return rc;
}
