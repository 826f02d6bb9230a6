/*
 * oci_criu_watch: notices that CRIU is dead while the runtime waits for it.
 *
 * The runtime waits for an answer on a socket whose other end the processes that are
 * being restored hold as well, so without a CRIU it waits for ever.  But CRIU is its
 * child: one that has ended and is not waited for says so.  Loop thread.
 */
#pragma once
#include "loop/child.h"

struct oci_criu_watch;

/* Kills the runtime once a child of its has been dead for OCI_CRIU_DEAD_MS; *runtime is
 * NULL when it has ended itself. */
#define OCI_CRIU_DEAD_MS 1200

/* *runtime is the runtime, or it waits for the runtime: drover-guard enter. */
enum oci_runtime_is { OCI_RUNTIME_ITSELF, OCI_RUNTIME_ENTERED };

struct oci_criu_watch *oci_criu_watch_new(
    struct loop *l, struct child *const *runtime, enum oci_runtime_is is);
/* NULL is fine. */
void oci_criu_watch_free(struct oci_criu_watch *w);
/* It has been killed. */
bool oci_criu_is_dead(const struct oci_criu_watch *w);
