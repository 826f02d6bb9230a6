#include "shell/cmd.h"

#include <string.h>

#include "base/mem.h"

#define CMD(name, ops, arg, impact, out, help) extern const struct cmd_ops ops_##ops;
#define PARAM(name, alias, type, pos, flags, kind, words, help)
#define ROUTE(method, path, fields)
#define EXAMPLE(line, what)
#define END
#include "shell/cmd.def"
#undef CMD
#undef PARAM
#undef END

static const struct cmd cmds[] = {
#define CMD(name, ops, arg, impact, out, help)                                   \
	{                                                                        \
		name, &ops_##ops, arg, impact, out, help, (const struct param[]) \
		{
#define PARAM(name, alias, type, pos, flags, kind, words, help) \
	{ name, alias, type, pos, flags, KIND_##kind, words, help },
#define END                                                     \
	{                                                       \
		NULL, NULL, P_ANY, -1, 0, KIND_NONE, NULL, NULL \
	}                                                       \
	}                                                       \
	}                                                       \
	,
#include "shell/cmd.def"
#undef CMD
#undef PARAM
#undef ROUTE
#undef EXAMPLE
#undef END
};

/* A row without a path starts the cmdlet that it names. */
static const struct {
	const char *cmd, *path;
} routes[] = {

#define CMD(name, ops, arg, impact, out, help) { name, NULL },
#define PARAM(name, alias, type, pos, flags, kind, words, help)
#define ROUTE(method, path, fields) { NULL, path },
#define EXAMPLE(line, what)
#define END
#include "shell/cmd.def"
#undef CMD
#undef PARAM
#undef ROUTE
#undef EXAMPLE
#undef END
};

/* A row without a line starts the cmdlet that it names. */
static const struct {
	const char *cmd, *line, *what;
} examples[] = {

#define CMD(name, ops, arg, impact, out, help) { name, NULL, NULL },
#define PARAM(name, alias, type, pos, flags, kind, words, help)
#define ROUTE(method, path, fields)
#define EXAMPLE(line, what) { NULL, line, what },
#define END
#include "shell/cmd.def"
#undef CMD
#undef PARAM
#undef ROUTE
#undef EXAMPLE
#undef END
};

static const struct {
	const char *alias, *name;
} aliases[] = {
	{ "?", "Where-Object" },
	{ "where", "Where-Object" },
	{ "%", "ForEach-Object" },
	{ "foreach", "ForEach-Object" },
	{ "select", "Select-Object" },
	{ "sort", "Sort-Object" },
	{ "group", "Group-Object" },
	{ "measure", "Measure-Object" },
	{ "tee", "Tee-Object" },
	{ "compare", "Compare-Object" },
	{ "gm", "Get-Member" },
	{ "gcm", "Get-Command" },
	{ "man", "Get-Help" },
	{ "help", "Get-Help" },
	{ "ft", "Format-Table" },
	{ "fl", "Format-List" },
	{ "fw", "Format-Wide" },
	{ "sls", "Select-String" },
	{ "h", "Get-History" },
	{ "history", "Get-History" },
	{ "r", "Invoke-History" },
	{ "echo", "Write-Output" },
	{ "write", "Write-Output" },
	{ "sleep", "Start-Sleep" },
	{ "cat", "Get-Content" },
	{ "gc", "Get-Content" },
	{ "type", "Get-Content" },
	{ "sc", "Set-Content" },
	{ "gv", "Get-Variable" },
	{ "sv", "Set-Variable" },
	{ "cls", "Clear-Host" },
	{ "clear", "Clear-Host" },
	{ "epcsv", "Export-Csv" },
	{ "ipcsv", "Import-Csv" },
	{ "Get-UserBeancounter", "Get-VMCounter" },
	{ "Apply-DrsRecommendation", "Invoke-DrsRecommendation" },
	{ "Get-DrsVMHostRule", "Get-DrsRule" },
	{ "New-DrsVMHostRule", "New-DrsRule" },
	{ "Set-DrsVMHostRule", "Set-DrsRule" },
	{ "Remove-DrsVMHostRule", "Remove-DrsRule" },
	{ "New-Network", "New-VirtualPortGroup" },
	{ "Get-Network", "Get-VirtualPortGroup" },
	{ "Remove-Network", "Remove-VirtualPortGroup" },
};

const char *
cmd_alias(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (!strcasecmp(aliases[i].alias, name))
			return aliases[i].name;
	return NULL;
}

const char *
cmd_alias_of(const char *name, size_t i)
{
	for (size_t k = 0; k < ARRAY_SIZE(aliases); k++)
		if (!strcasecmp(aliases[k].name, name) && i-- == 0)
			return aliases[k].alias;
	return NULL;
}

bool
cmd_example(const struct cmd *c, size_t i, const char **ret_line, const char **ret_what)
{
	bool mine = false;

	for (size_t k = 0; k < ARRAY_SIZE(examples); k++) {
		if (examples[k].cmd) {
			mine = !strcmp(examples[k].cmd, c->name);
		} else if (mine && i-- == 0) {
			*ret_line = examples[k].line;
			*ret_what = examples[k].what;
			return true;
		}
	}
	return false;
}

bool
cmd_is_servers(const struct cmd *c)
{
	bool mine = false;

	/* Who logs in or out has a server already, or none yet. */
	if (c->ops == &ops_connect || c->ops == &ops_disconnect)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (routes[i].cmd)
			mine = !strcmp(routes[i].cmd, c->name);
		else if (mine)
			return true;
	}
	return false;
}

const struct cmd *
cmd_at(size_t i)
{
	return i < ARRAY_SIZE(cmds) ? &cmds[i] : NULL;
}

const struct cmd *
cmd_find(const char *name)
{
	const char *full = cmd_alias(name);

	for (size_t i = 0; i < ARRAY_SIZE(cmds); i++)
		if (!strcasecmp(cmds[i].name, full ? full : name))
			return &cmds[i];
	return NULL;
}
