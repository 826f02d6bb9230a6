/*
 * Orders that make whole images: templates and appliances.  Each is a small flow of its
 * own that takes its time, tells how far it is, and can be given up.
 */
#include <inttypes.h>

#include "base/mem.h"
#include "host-agent/storage/img_ext4.h"
#include "host-agent/stores/stores_int.h"

static struct running_image *
image_new(struct stores *s, struct order_name name)
{
	struct running_image *ri = xcalloc(1, sizeof(*ri));

	ri->owner = s;
	ri->name = name;
	return ri;
}

/* The last of it: what is answered, rc or r_take. */
static void
image_end(
    struct running_image *ri_take, int rc, const struct err *e, Drover__Reply *r_take)
{
	struct stores *s = ri_take->owner;
	struct order_name name = ri_take->name;

	list_remove(&ri_take->node);
	free(ri_take);
	progress_drop(s->conf.progress, name);
	if (rc)
		s->ops.fail(s->ops.arg, name, e);
	else
		s->ops.reply(s->ops.arg, name, r_take);
}

static void
on_template(void *arg, int rc, const struct err *e, const Drover__TemplateFacts *facts)
{
	struct running_image *ri = arg;
	Drover__Reply *r = NULL;

	if (!rc) {
		size_t n = drover__template_facts__get_packed_size(facts);
		AUTO_FREE uint8_t *p = xmalloc(n + 1);

		drover__template_facts__pack(facts, p);
		r = store_reply_new();
		r->result_case = DROVER__REPLY__RESULT_TEMPLATE;
		r->template_ = drover__template_facts__unpack(NULL, n, p);
	}
	image_end(ri, rc, e, r);
}

static void
on_exported(void *arg, int rc, const struct err *e, const Drover__FileFacts *facts)
{
	struct running_image *ri = arg;
	Drover__Reply *r = NULL;

	if (!rc) {
		Drover__FileFacts *f = xcalloc(1, sizeof(*f));

		drover__file_facts__init(f);
		f->path = xstrdup(facts->path);
		f->size_bytes = facts->size_bytes;
		r = store_reply_new();
		r->result_case = DROVER__REPLY__RESULT_FILE;
		r->file = f;
	}
	image_end(ri, rc, e, r);
}

/* The datastores that an order names; source is 0 where it copies from none. */
static int
place_find(struct stores *s, struct order_name name, uint64_t datastore,
    uint64_t source, struct tmpl_place *ret_place, struct err *e)
{
	struct tmpl_place place = {
		.loop = s->conf.loop,
		.workers = s->conf.workers,
		.conf = s->conf.disk,
		.progress = s->conf.progress,
		.order = name,
	};
	int rc = stores_get(s, datastore, &place.ds, e);

	if (!rc && source)
		rc = stores_get(s, source, &place.source_ds, e);
	if (!rc)
		*ret_place = place;
	return rc;
}

static int
image_begun(struct stores *s, struct running_image *ri, int rc)
{
	if (rc)
		free(ri);
	else
		list_add_tail(&s->images, &ri->node);
	return rc;
}

int
store_image_import(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	const Drover__TemplateImport *t = o->template_import;
	struct running_image *ri;
	struct tmpl_place place;
	int rc = place_find(s, name, t->datastore, 0, &place, e);

	if (rc)
		return rc;
	ri = image_new(s, name);
	if (t->container)
		rc = root_import_start(&place, t, on_template, ri, &ri->root, e);
	else
		rc = tmpl_import_start(&place, t, on_template, ri, &ri->import, e);
	return image_begun(s, ri, rc);
}

int
store_image_from_disk(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	const Drover__TemplateFromDisk *t = o->template_from_disk;
	struct running_image *ri;
	struct tmpl_place place;
	int rc;

	if (!t->source)
		return err_set(e, ERR_INVALID, "no disk to make a template of");
	rc = place_find(s, name, t->datastore, t->source->datastore, &place, e);
	if (rc)
		return rc;
	ri = image_new(s, name);
	if (img_format_is_ext4(t->source->format))
		rc = root_from_disk_start(&place, t, on_template, ri, &ri->root, e);
	else
		rc = tmpl_from_disk_start(&place, t, on_template, ri, &ri->import, e);
	return image_begun(s, ri, rc);
}

int
store_image_export(
    struct stores *s, struct order_name name, const Drover__Order *o, struct err *e)
{
	const Drover__ApplianceExport *x = o->appliance_export;
	struct running_image *ri;
	struct tmpl_place place;
	int rc;

	if (!x->source)
		return err_set(e, ERR_INVALID, "no disk to export");
	rc = place_find(s, name, x->datastore, x->source->datastore, &place, e);
	if (rc)
		return rc;
	ri = image_new(s, name);
	rc = appliance_export_start(&place, x, on_exported, ri, &ri->export, e);
	return image_begun(s, ri, rc);
}

static void
give_up(struct running_image *ri)
{
	if (ri->import)
		tmpl_import_cancel(ri->import);
	else if (ri->root)
		root_import_cancel(ri->root);
	else
		appliance_export_cancel(ri->export);
	list_remove(&ri->node);
	free(ri);
}

bool
store_image_cancel(struct stores *s, struct order_name name)
{
	LIST_EACH_SAFE(struct running_image, ri, &s->images, node) {
		if (ri->name.task != name.task || ri->name.step != name.step)
			continue;
		give_up(ri);
		progress_drop(s->conf.progress, name);
		return true;
	}
	return false;
}

void
store_images_drop(struct stores *s)
{
	LIST_EACH_SAFE(struct running_image, ri, &s->images, node) {
		give_up(ri);
	}
}
