#include "shell/complete.h"

#include <ctype.h>
#include <string.h>

#include "base/json_peek.h"
#include "base/map.h"
#include "shell/inventory.h"

#define MAX_WORDS 500

/* The command that point stands in, by words; quotes are honoured, no more. */
struct place {
	const char *text;
	size_t command; /* where its first word starts */
	size_t word;    /* where the word at point starts */
	size_t point;
	char last_param[64]; /* "-Name" before the word, without the dash */
};

static void
locate(const char *text, size_t point, struct place *p)
{
	char quote = '\0';
	size_t before = 0; /* start of the word before */

	*p = (struct place){ .text = text, .point = point };
	for (size_t i = 0; i < point; i++) {
		char c = text[i];
		if (quote) {
			quote = c == quote ? '\0' : quote;
		} else if (c == '"' || c == '\'') {
			quote = c;
		} else if (strchr("|;({=&\n", c)) {
			p->command = p->word = before = i + 1;
		} else if (c == ' ' || c == '\t' || c == ',') {
			if (c != ',')
				before = p->word;
			p->word = i + 1;
			if (p->command == i)
				p->command = p->word = before = i + 1;
		}
	}
	if (before > p->command && text[before] == '-') {
		size_t n = strcspn(text + before + 1, " \t,:");
		n = n < sizeof(p->last_param) - 1 ? n : sizeof(p->last_param) - 1;
		memcpy(p->last_param, text + before + 1, n);
	}
}

static void
offer(struct completion *c, const char *front, const char *word)
{
	if (val_count(c->words) < MAX_WORDS && !strncasecmp(front, word, strlen(front)))
		list_push(c->words.list, val_text(word));
}

static void
offer_commands(struct shell *sh, struct completion *c, const char *front)
{
	for (size_t i = 0; cmd_at(i); i++)
		offer(c, front, cmd_at(i)->name);
	MAP_EACH(sh->functions, it)
		offer(c, front, ((const struct function *)it.value)->node->text);
}

static void
offer_params(const struct cmd *cmd, struct completion *c, const char *front)
{
	const struct param *tables[] = { cmd->params, common_params };

	for (size_t t = 0; t < ARRAY_SIZE(tables); t++) {
		for (const struct param *p = tables[t]; p->name; p++) {
			bool changing = p == &common_params[COMMON_WHATIF] ||
					p == &common_params[COMMON_CONFIRM];
			if (changing && cmd->impact == READS)
				continue;
			if (p == &common_params[COMMON_SERVER] && !cmd_is_servers(cmd))
				continue;
			AUTO_FREE char *word = xasprintf("-%s", p->name);
			offer(c, front, word);
		}
	}
}

static void
offer_words(struct completion *c, const char *words, const char *front)
{
	while (words && *words) {
		size_t n = strcspn(words, "|");
		AUTO_FREE char *one = xstrndup(words, n);
		offer(c, front, one);
		words += n + (words[n] == '|');
	}
}

struct offering {
	struct completion *c;
	const char *front;
};

/* Names with spaces are offered in quotes. */
static bool
offer_page(void *arg, const json *items)
{
	struct offering *o = arg;

	for (size_t i = 0; i < json_count(items); i++) {
		const char *name = json_peek_str(json_at(items, i), "name");
		if (!name)
			continue;
		AUTO_FREE char *quoted =
		    name_is_file_safe(name) ? xstrdup(name) : xasprintf("'%s'", name);
		offer(o->c, o->front, quoted);
	}
	return val_count(o->c->words) < MAX_WORDS;
}

/* Only those that begin so are asked for, where that can be said without quoting. */
static void
offer_names(
    struct shell *sh, enum obj_kind kind, struct completion *c, const char *front)
{
	bool plain = *front && name_is_file_safe(front);
	AUTO_FREE char *query = plain ? xasprintf("?q=name:%s*", front) : NULL;
	const struct wanted_list w = { kind, query };
	struct offering o = { c, front };
	struct err e = ERR_INIT;

	if (inventory_pages(sh, &w, offer_page, &o, &e) < 0)
		return; /* nothing more is offered */
}

static void
offer_variables(struct shell *sh, struct completion *c, const char *front)
{
	static const char *const own[] = { "$_", "$true", "$false", "$null", "$Error",
		"$DefaultVIServer", "$DefaultVIServers", "$PSVersionTable", "$HOME",
		"$PWD" };

	for (size_t i = 0; i < ARRAY_SIZE(own); i++)
		offer(c, front, own[i]);
	for (const struct scope *s = sh->scope; s; s = s->up) {
		for (size_t i = 0; s->vars && i < s->vars->n; i++) {
			AUTO_FREE char *word = xasprintf("$%s", s->vars->m[i].key);
			offer(c, front, word);
		}
	}
}

/* The parameter whose value stands at the word: named before it, or the first position.
 */
static const struct param *
param_at(const struct cmd *cmd, const struct place *p)
{
	size_t i;

	if (p->last_param[0]) {
		if (param_find(cmd->params, p->last_param, &i, NULL) < 0)
			return NULL;
		if (cmd->params[i].type != P_SWITCH)
			return &cmd->params[i];
	}
	for (const struct param *q = cmd->params; q->name; q++)
		if (q->pos == 0)
			return q;
	return NULL;
}

static void
offer_arguments(
    struct shell *sh, const struct place *p, struct completion *c, const char *front)
{
	size_t len = strcspn(p->text + p->command, " \t\n");
	AUTO_FREE char *name = xstrndup(p->text + p->command, len);
	const struct cmd *cmd = cmd_find(name);
	const struct param *param;

	if (!cmd)
		return;
	if (*front == '-') {
		offer_params(cmd, c, front);
		return;
	}
	param = param_at(cmd, p);
	if (param && param->words)
		offer_words(c, param->words, front);
	else if (param && param->kind != KIND_NONE)
		offer_names(sh, param->kind, c, front);
}

void
complete(struct shell *sh, const char *text, size_t point, struct completion *ret_c)
{
	struct place p;

	point = point > strlen(text) ? strlen(text) : point;
	locate(text, point, &p);
	AUTO_FREE char *front = xstrndup(text + p.word, point - p.word);
	*ret_c = (struct completion){ .start = p.word, .words = val_list() };
	if (*front == '$')
		offer_variables(sh, ret_c, front);
	else if (p.word == p.command)
		offer_commands(sh, ret_c, front);
	else
		offer_arguments(sh, &p, ret_c, front);
}

void
complete_print(struct str *b, const struct completion *c)
{
	AUTO(json) json *j = json_new_object();
	json *words = json_new_array();

	json_set_u64(j, "start", c->start);
	for (size_t i = 0; i < val_count(c->words); i++)
		json_add_str(words, val_at(c->words, i).text->s);
	json_set_json(j, "words", words);
	AUTO_FREE char *s = json_text(j);
	str_addf(b, "%s\n", s);
}
