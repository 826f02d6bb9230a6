/*
 * root_import: the root of a container made a template: from an archive that came from
 * outside (a tar of its files, an OCI image layout, what docker saves), or from a
 * container's own disk.
 *
 * Each layer becomes a file system of its own (img_ext4.h): the topmost is the
 * template's disk, templates/template-N/disk.ext4, and what it stands on is
 * templates/template-N/layer-1.ext4 and so on downwards.  drover-unpack reads the
 * archive and writes the layers, confined, without rights and without mounting
 * anything; it checks every digest, also of a layer that is there already and that is
 * linked rather than made (layer_pool.h).  Loop thread.
 */
#pragma once
#include "host-agent/storage/tmpl.h"

struct root_import;

/* Start; done is called once in the posts phase, after it the import is gone. */
int root_import_start(const struct tmpl_place *p, const Drover__TemplateImport *order,
    tmpl_done_fn done, void *arg, struct root_import **ret_im,
    struct err *e) WARN_UNUSED;
/* The same of a container's disk, on the layers that it has. */
int root_from_disk_start(const struct tmpl_place *p,
    const Drover__TemplateFromDisk *order, tmpl_done_fn done, void *arg,
    struct root_import **ret_im, struct err *e) WARN_UNUSED;
/* Give up: done is not called; what was made is removed. */
void root_import_cancel(struct root_import *im);
