/*
 * tmpl: an image made a template's disk: one that came from outside, or a guest's.
 *
 * Steps: read the header (img_check, img_foreign, ova), convert what is of a foreign
 * format or copy what is a guest's (img_copy), let an unprivileged qemu-img check it,
 * hash it on a worker, put it at templates/template-N/disk.FORMAT with mode 0440.
 * Nothing is left half-done: the name appears last.  Loop thread.
 */
#pragma once
#include "host-agent/storage/disk.h"
#include "loop/worker.h"

struct tmpl_import;

struct tmpl_place {
	struct loop *loop;
	struct workers *workers;
	const struct disk_conf *conf;
	struct datastore *ds;
	struct datastore *source_ds; /* where a guest's disk is; NULL otherwise */
	struct progress *progress;   /* NULL: nobody wants to know */
	struct order_name order;     /* under whose name */
};

typedef void (*tmpl_done_fn)(void *arg, int rc, const struct err *e,
    const Drover__TemplateFacts *facts /* NULL unless rc is 0; borrowed */);

/*
 * Start; done is called once in the posts phase, after it the import is gone.  A
 * template that is there already (same number, source gone) is answered with its facts.
 * Everything is copied or referenced.
 */
int tmpl_import_start(const struct tmpl_place *p, const Drover__TemplateImport *order,
    tmpl_done_fn done, void *arg, struct tmpl_import **ret_im,
    struct err *e) WARN_UNUSED;
/* The same of a guest's disk, with all that is below it. */
int tmpl_from_disk_start(const struct tmpl_place *p,
    const Drover__TemplateFromDisk *order, tmpl_done_fn done, void *arg,
    struct tmpl_import **ret_im, struct err *e) WARN_UNUSED;
/* Give up: done is not called; what was made is removed. */
void tmpl_import_cancel(struct tmpl_import *im);

/* Remove templates/template-N; absent is fine. Blocking: on a worker. */
int tmpl_delete(const struct datastore *ds, uint64_t tmpl, struct err *e) WARN_UNUSED;
