/*
 * appliance: a guest's disk and its description, written as an OVA file of users.
 *
 * The disk becomes a streamOptimized vmdk (img_copy), and description, manifest and
 * disk one archive.  It needs room for the packed disk twice while it is made.  Nothing
 * is left half-done: the name appears last.  Loop thread.
 */
#pragma once
#include "host-agent/storage/tmpl.h"

struct appliance_export;

typedef void (*appliance_done_fn)(void *arg, int rc, const struct err *e,
    const Drover__FileFacts *facts /* NULL unless rc is 0; borrowed */);

/*
 * Start; done is called once in the posts phase, after it the export is gone.  A file
 * that is there already is not replaced: ERR_EXISTS.  Everything is copied or
 * referenced.
 */
int appliance_export_start(const struct tmpl_place *p,
    const Drover__ApplianceExport *order, appliance_done_fn done, void *arg,
    struct appliance_export **ret_x, struct err *e) WARN_UNUSED;
/* Give up: done is not called; what was made is removed. */
void appliance_export_cancel(struct appliance_export *x);
