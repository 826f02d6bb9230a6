#include "server/ops/orphan.h"

#include <string.h>

#include "base/json_peek.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#define SHOWN_MAX    1000
#define MEMORY_START "snapshot-"
#define MEMORY_END   ".mem"

static bool
is_on(const json *o, obj_id datastore)
{
	const char *id = json_peek_str(o, "datastore");
	obj_id at;

	return id && !obj_id_parse(id, KIND_DATASTORE, &at, NULL) &&
	       obj_id_is(at, datastore);
}

static void
know(struct map *known, const char *path)
{
	if (path)
		map_put_str(known, path, known);
}

static void
know_disks(const struct orphan_view *v, struct map *known, const json *disks)
{
	for (size_t i = 0; disks && i < json_count(disks); i++) {
		const json *d = json_at(disks, i), *backing = json_get(d, "backing");

		if (!is_on(d, v->datastore))
			continue;
		know(known, json_peek_str(d, "path"));
		for (size_t k = 0; backing && k < json_count(backing); k++)
			know(known, json_peek_str(json_at(backing, k), "path"));
	}
}

static void
know_template(const struct orphan_view *v, struct map *known, const struct template *t)
{
	if (obj_id_is(t->datastore, v->datastore))
		know(known, t->path);
	for (size_t i = 0; t->copies && i < json_count(t->copies); i++) {
		if (is_on(json_at(t->copies, i), v->datastore))
			know(known, json_peek_str(json_at(t->copies, i), "path"));
	}
}

static void
know_all(const struct orphan_view *v, struct map *known)
{
	INV_EACH(v->inv, KIND_VM, o)
	{
		know_disks(v, known, inv_vm(v->inv, o->id)->disks);
	}
	INV_EACH(v->inv, KIND_SNAPSHOT, o)
	{
		know_disks(v, known, inv_snapshot(v->inv, o->id)->disks);
	}
	INV_EACH(v->inv, KIND_TEMPLATE, o)
	{
		know_template(v, known, inv_template(v->inv, o->id));
	}
}

/* "vms/vm-42/x": vm-42; none for what lies in no such folder. */
static obj_id
owner_of(const char *path)
{
	const char *from = strchr(path, '/'), *to = from ? strchr(from + 1, '/') : NULL;
	char text[OBJ_ID_TEXT];
	obj_id id;

	if (!to || (size_t)(to - from) > sizeof(text))
		return OBJ_ID_NONE;
	memcpy(text, from + 1, (size_t)(to - from - 1));
	text[to - from - 1] = '\0';
	return obj_id_parse(text, KIND_NONE, &id, NULL) ? OBJ_ID_NONE : id;
}

/* memory.img of a suspended machine, snapshot-7.mem of a snapshot with memory. */
static bool
is_memory(const struct orphan_view *v, obj_id owner, const char *path)
{
	const char *name = strrchr(path, '/') + 1;
	const struct vm *vm = inv_vm(v->inv, owner);
	AUTO_FREE char *number = NULL;
	const struct snapshot *s;
	uint64_t n;

	if (!vm)
		return false;
	if (str_same(name, "memory.img"))
		return vm->power_state == POWER_SUSPENDED;
	if (!str_starts(name, MEMORY_START) || !str_ends(name, MEMORY_END) ||
	    strlen(name) <= strlen(MEMORY_START MEMORY_END))
		return false;
	number = xstrndup(name + strlen(MEMORY_START),
	    strlen(name) - strlen(MEMORY_START MEMORY_END));
	if (parse_u64(number, 1, UINT64_MAX >> 8, "snapshot", &n, NULL))
		return false;
	s = inv_snapshot(v->inv, obj_id_make(KIND_SNAPSHOT, n));
	return s && obj_id_is(s->o.parent, owner);
}

/* NULL: it is none. */
static const char *
why(const struct orphan_view *v, struct map *known, const Drover__FileFacts *f)
{
	obj_id owner = owner_of(f->path);

	if (map_get_str(known, f->path) || f->modified_ms + ORPHAN_GRACE_MS > v->now_ms)
		return NULL;
	if (obj_id_none(owner))
		return "lies in the folder of nothing";
	if (!inv_get(v->inv, owner))
		return obj_id_kind(owner) == KIND_TEMPLATE ? "there is no such template"
							   : "there is no such machine";
	if (v->is_busy(v->arg, owner) || is_memory(v, owner, f->path))
		return NULL;
	return obj_id_kind(owner) == KIND_TEMPLATE
		   ? "the template does not use it here"
		   : "neither the machine nor a snapshot of it uses it";
}

json *
orphan_find(const struct orphan_view *v)
{
	struct map *known = map_new_str();
	json *j = json_new_object(), *list = json_new_array();
	uint64_t n = 0;

	know_all(v, known);
	for (size_t i = 0; i < v->scan->n_files; i++) {
		const Drover__FileFacts *f = v->scan->files[i];
		const char *reason = why(v, known, f);
		json *o;

		if (!reason || n++ >= SHOWN_MAX)
			continue;
		o = json_new_object();
		json_set_str(o, "path", f->path);
		json_set_u64(o, "size_bytes", f->size_bytes);
		json_set_u64(o, "modified_ms", f->modified_ms);
		json_set_str(o, "why", reason);
		json_add_json(list, o);
	}
	map_free(known);
	json_set_json(j, "orphans", list);
	json_set_u64(j, "count", n);
	json_set_bool(j, "cut", v->scan->cut);
	return j;
}
