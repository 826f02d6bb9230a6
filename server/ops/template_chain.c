#include "server/ops/template_chain.h"

#include "server/ops/ops_int.h"

static json *
chain(const char *path, const char *format, const json *layers)
{
	json *list = json_new_array(), *first = json_new_object();

	json_set_str(first, "path", path);
	json_set_str(first, "format", format);
	json_add_json(list, first);
	for (size_t i = 0; layers && i < json_count(layers); i++)
		json_add_json(list, json_dup(json_at(layers, i)));
	return list;
}

json *
template_chain_on(const struct template *tpl, obj_id datastore)
{
	if (obj_id_is(tpl->datastore, datastore))
		return tpl->path ? chain(tpl->path, tpl->format, tpl->layers) : NULL;
	for (size_t i = 0; tpl->copies && i < json_count(tpl->copies); i++) {
		const json *copy = json_at(tpl->copies, i);
		if (obj_id_is(arg_id(copy, "datastore"), datastore))
			return chain(arg_str(copy, "path"), arg_str(copy, "format"),
			    json_get(copy, "layers"));
	}
	return NULL;
}
