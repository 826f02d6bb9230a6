/*
 * layer_pool: layers that several templates of one datastore have in common.
 *
 * A layer is a file of its template; the pool (a folder beside vms/ and templates/)
 * holds a second name for it, made of the checksum of what it was unpacked from.  So a
 * layer that is there is linked, not made; the file system counts who has it; and what
 * no template has any more is what the pool alone names.  Where the file system has no
 * hard links nothing is shared, and all else works.  Blocking calls; any thread.
 */
#pragma once
#include "host-agent/storage/datastore.h"

#define LAYER_POOL ".drover-layers"

/* Give the layer of that diff id the name path.  ERR_NOT_FOUND: there is none. */
int layer_pool_take(const struct datastore *ds, const char *diff_id, const char *path,
    struct err *e) WARN_UNUSED;
/* Others may have the layer at path too.  That they cannot is no failure. */
void layer_pool_offer(
    const struct datastore *ds, const char *diff_id, const char *path);
/* Give the file at path a second name. */
int layer_link(const struct datastore *ds, const char *from, const char *to,
    struct err *e) WARN_UNUSED;
/* Forget what no template has. */
void layer_pool_sweep(const struct datastore *ds);

/* What was answered when template N was made, so that the order may come again. */
int layer_pool_save(const struct datastore *ds, uint64_t tmpl,
    const Drover__TemplateFacts *facts, struct err *e) WARN_UNUSED;
/* NULL: it was not made; caller frees with free_unpacked. */
Drover__TemplateFacts *layer_pool_load(const struct datastore *ds, uint64_t tmpl);
int layer_pool_forget(
    const struct datastore *ds, uint64_t tmpl, struct err *e) WARN_UNUSED;
