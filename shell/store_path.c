#include "shell/store_path.h"

#include <string.h>

#include "shell/inventory.h"

bool
is_store_path(const char *text)
{
	return text[0] == '[' && strchr(text, ']');
}

void
store_path_fini(struct store_path *p)
{
	free(p->store);
	free(p->name);
	free(p->path);
	*p = STORE_PATH_NONE;
}

enum run
store_path_need(struct stage *st, const char *text, struct store_path *ret)
{
	struct val refs = VAL_NONE;
	struct err e = ERR_INIT;
	const char *end;

	if (!is_store_path(text))
		return throw_new(st->sh, st->node, ERR_INVALID,
		    "\"%s\": wants \"[datastore] folder/file\"", text);
	end = strchr(text, ']');
	AUTO(val) struct val name = val_textn(text + 1, (size_t)(end - text - 1));
	if (resolve_only(st, name, KIND_BIT(DATASTORE), &refs, &e) < 0)
		return throw_err(st->sh, st->node, &e);
	ret->store = xstrdup(record_id(val_at(refs, 0)));
	ret->name = val_cstr(name);
	for (end++; *end == ' '; end++)
		;
	ret->path = xstrdup(end);
	val_free(refs);
	return RUN_OK;
}
