/*
 * cmd_help: Get-Help, Get-Command, Get-Alias, Get-Member.
 */
#include <string.h>

#include "base/map.h"
#include "base/mem.h"
#include "shell/cmd.h"

static const char *const type_words[] = {
	[P_ANY] = "value",
	[P_TEXT] = "text",
	[P_TEXTS] = "text,…",
	[P_INT] = "number",
	[P_REAL] = "number",
	[P_SWITCH] = "",
	[P_BLOCK] = "{block}",
	[P_TABLE] = "@{table}",
	[P_TIME] = "date",
	[P_OBJECTS] = "object,…",
	[P_REST] = "value …",
};

static void
add_usage(struct str *b, const struct cmd *c)
{
	str_addf(b, "    %s", c->name);
	for (const struct param *p = c->params; p->name; p++) {
		const char *open = p->flags & P_NEEDED ? "" : "[",
			   *close = p->flags & P_NEEDED ? "" : "]";
		const char *word = p->words ? p->words : type_words[p->type];
		if (p->pos >= 0)
			str_addf(b, " %s[-%s] <%s>%s", open, p->name, word, close);
		else
			str_addf(b, " %s-%s%s%s%s%s", open, p->name, *word ? " <" : "",
			    word, *word ? ">" : "", close);
	}
	str_add(b, "\n");
}

static void
add_param(struct str *b, const struct param *p)
{
	str_addf(b, "    -%-18s %s", p->name, p->help);
	if (p->alias)
		str_addf(b, "; also -%s", p->alias);
	if (p->words)
		str_addf(b, "; %s", p->words);
	if (p->flags & P_PIPE)
		str_add(b, "; from the pipeline");
	str_addc(b, '\n');
}

static void
add_examples(struct str *b, const struct cmd *c)
{
	const char *line, *what;

	for (size_t i = 0; cmd_example(c, i, &line, &what); i++)
		str_addf(
		    b, "%s    %s\n        %s\n", i ? "" : "\nEXAMPLES\n", line, what);
}

static enum run
help_one(struct stage *st, const struct cmd *c)
{
	struct str b = STR_INIT;

	str_addf(
	    &b, "\nNAME\n    %s\n\nSYNOPSIS\n    %s\n\nSYNTAX\n", c->name, c->help);
	add_usage(&b, c);
	str_add(&b, "\nPARAMETERS\n");
	for (const struct param *p = c->params; p->name; p++)
		add_param(&b, p);
	str_add(&b,
	    "    and -ErrorAction -ErrorVariable -OutVariable -WarningAction -Verbose");
	str_add(&b, cmd_is_servers(c) ? " -Server" : "");
	str_add(&b, c->impact == READS ? "\n" : " -WhatIf -Confirm\n");
	if (c->out)
		str_addf(&b, "\nOUTPUT\n    %s\n", c->out);
	add_examples(&b, c);
	for (size_t i = 0; cmd_alias_of(c->name, i); i++)
		str_addf(
		    &b, "%s%s", i ? ", " : "\nALIASES\n    ", cmd_alias_of(c->name, i));
	return put(st, val_from_str(&b));
}

static const char overview[] =
    "drover, the admin shell: objects through pipes.\n"
    "\n"
    "    Get-Command                     what there is\n"
    "    Get-Help Start-VM               how one cmdlet is used\n"
    "    Get-Help *snap*                 what has to do with snapshots\n"
    "    Get-Help about_*                topics: names, pipes, tasks, errors, servers …\n"
    "    Get-VM | Get-Member             what an object has\n"
    "\n"
    "    Connect-VIServer -Server vc.example -User admin -CACertificate ca.pem\n"
    "    Get-VM | Where-Object PowerState -eq PoweredOff | Start-VM\n"
    "    New-VM -Name web-01,web-02 -Template tiny -PowerOn\n"
    "    Get-VM | Group-Object VMHost -NoElement | Sort-Object Count\n";

static const struct {
	const char *name, *synopsis, *text;
} topics[] = {

#define TOPIC(name, synopsis, text) { name, synopsis, text },
#include "shell/about.def"
#undef TOPIC
};

static enum run
put_found(
    struct stage *st, const char *name, const char *category, const char *synopsis)
{
	struct val r = val_table(TABLE_RECORD, "HelpInfo");

	table_set(r.table, "Name", val_text(name));
	table_set(r.table, "Category", val_text(category));
	table_set(r.table, "Synopsis", val_text(synopsis));
	return put(st, r);
}

/* All whose name fits: "*snap*" and the like. */
static enum run
help_found(struct stage *st, const char *pattern)
{
	enum run rc = RUN_OK;

	for (size_t i = 0; cmd_at(i) && rc == RUN_OK; i++)
		if (wild_match(pattern, cmd_at(i)->name))
			rc = put_found(st, cmd_at(i)->name, "Cmdlet", cmd_at(i)->help);
	for (size_t i = 0; i < ARRAY_SIZE(topics) && rc == RUN_OK; i++)
		if (wild_match(pattern, topics[i].name))
			rc = put_found(
			    st, topics[i].name, "HelpFile", topics[i].synopsis);
	return rc;
}

/* -Examples: only these; -Parameter: only those that fit. */
static enum run
help_part(struct stage *st, const struct cmd *c)
{
	const char *parameter = get_text(st, "Parameter");
	struct str b = STR_INIT;

	for (const struct param *p = c->params; parameter && p->name; p++)
		if (wild_match(parameter, p->name))
			add_param(&b, p);
	if (!parameter)
		add_examples(&b, c);
	if (!b.len)
		return stage_fail(st, ERR_NOT_FOUND, "%s has no %s%s", c->name,
		    parameter ? "parameter -" : "example", parameter ? parameter : "");
	return put(st, val_from_str(&b));
}

static enum run
get_help_process(struct stage *st, struct val v)
{
	const char *name = get_text(st, "Name");
	const struct cmd *c = name ? cmd_find(name) : NULL;

	if (!name)
		return put(st, val_text(overview));
	if (strpbrk(name, "*?["))
		return help_found(st, name);
	for (size_t i = 0; i < ARRAY_SIZE(topics); i++)
		if (!strcasecmp(name, topics[i].name) ||
		    !strcasecmp(name, topics[i].name + strlen("about_")))
			return put(st, val_text(topics[i].text));
	if (!c)
		return stage_fail(st, ERR_NOT_FOUND,
		    "there is no cmdlet and no topic \"%s\"; Get-Help *%s* looks "
		    "for names",
		    name, name);
	if (get_switch(st, "Examples") || has_arg(st, "Parameter"))
		return help_part(st, c);
	return help_one(st, c);
}

const struct cmd_ops ops_get_help = { 0, NULL, get_help_process, NULL, NULL };

static enum run
put_command(struct stage *st, const char *name, const char *type, const char *synopsis)
{
	const char *pattern = get_text(st, "Name"), *verb = get_text(st, "Verb"),
		   *noun = get_text(st, "Noun");
	const char *dash = strchr(name, '-');
	struct val r;

	if (pattern && !wild_match(pattern, name))
		return RUN_OK;
	if ((verb || noun) && !dash)
		return RUN_OK;
	AUTO_FREE char *front = xstrndup(name, dash ? (size_t)(dash - name) : 0);
	if ((verb && !wild_match(verb, front)) || (noun && !wild_match(noun, dash + 1)))
		return RUN_OK;
	r = val_table(TABLE_RECORD, "CommandInfo");
	table_set(r.table, "Name", val_text(name));
	table_set(r.table, "CommandType", val_text(type));
	table_set(r.table, "Synopsis", val_text(synopsis));
	return put(st, r);
}

static int
compare_names(const void *a, const void *b)
{
	return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

static enum run
put_functions(struct stage *st)
{
	size_t n = map_count(st->sh->functions), i = 0;
	AUTO_FREE const char **names = xcalloc(n + 1, sizeof(*names));
	enum run rc = RUN_OK;

	MAP_EACH(st->sh->functions, it)
		names[i++] = ((const struct function *)it.value)->node->text;
	qsort(names, n, sizeof(*names), compare_names);
	for (i = 0; i < n && rc == RUN_OK; i++)
		rc = put_command(st, names[i], "Function", "");
	return rc;
}

static enum run
get_command_process(struct stage *st, struct val v)
{
	enum run rc = put_functions(st);

	for (size_t i = 0; cmd_at(i) && rc == RUN_OK; i++)
		rc = put_command(st, cmd_at(i)->name, "Cmdlet", cmd_at(i)->help);
	return rc;
}

const struct cmd_ops ops_get_command = { 0, NULL, get_command_process, NULL, NULL };

static enum run
get_alias_process(struct stage *st, struct val v)
{
	const char *pattern = get_text(st, "Name");
	enum run rc = RUN_OK;

	for (size_t i = 0; cmd_at(i) && rc == RUN_OK; i++) {
		for (size_t k = 0; cmd_alias_of(cmd_at(i)->name, k) && rc == RUN_OK;
		     k++) {
			const char *alias = cmd_alias_of(cmd_at(i)->name, k);
			if (pattern && !wild_match(pattern, alias))
				continue;
			struct val r = val_table(TABLE_RECORD, "PSCustomObject");
			table_set(r.table, "Name", val_text(alias));
			table_set(r.table, "Definition", val_text(cmd_at(i)->name));
			rc = put(st, r);
		}
	}
	return rc;
}

const struct cmd_ops ops_get_alias = { 0, NULL, get_alias_process, NULL, NULL };

/* Types that have been shown already. */
static enum run
get_member_process(struct stage *st, struct val v)
{
	struct val *seen = st->state;
	const char *pattern = get_text(st, "Name");
	enum run rc = RUN_OK;

	if (seen->type == VAL_NULL)
		*seen = val_table(TABLE_HASH, "Hashtable");
	if (!st->has_input || table_get(seen->table, val_type_name(v)))
		return RUN_OK;
	table_set(seen->table, val_type_name(v), val_bool(true));
	for (size_t i = 0; v.type == VAL_TABLE && i < v.table->n && rc == RUN_OK; i++) {
		const struct member *m = &v.table->m[i];
		if (pattern && !wild_match(pattern, m->key))
			continue;
		struct val r = val_table(TABLE_RECORD, "MemberDefinition");
		AUTO_FREE char *definition =
		    xasprintf("%s %s", val_type_name(m->v), m->key);
		table_set(r.table, "TypeName", val_text(val_type_name(v)));
		table_set(r.table, "Name", val_text(m->key));
		table_set(r.table, "MemberType", val_text("Property"));
		table_set(r.table, "Definition", val_text(definition));
		rc = put(st, r);
	}
	return rc;
}

static void
get_member_fini(struct stage *st)
{
	val_free(*(struct val *)st->state);
}

const struct cmd_ops ops_get_member = { sizeof(struct val), NULL, get_member_process,
	NULL, get_member_fini };
