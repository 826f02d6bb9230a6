/*
 * qemu_mirror: the disks that go along when a guest moves to another host.
 *
 * The target serves its images by NBD on a socket in the process's own folder, the
 * source mirrors into them; a bridge each joins that to the stream we were given.  The
 * mirrors are in step before the memory is sent, and end between the stop of the guest
 * and the end of its memory.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

/* Take the streams along.  None: the steps below pass over. */
int qemu_mirrors_take(struct qemu_guest *q, const struct engine_disk_stream *disks,
    size_t n, struct err *e) WARN_UNUSED;
void qemu_mirrors_drop(struct qemu_guest *q);
/* Has one ended before its time?  Then it is f's error. */
bool qemu_mirrors_failed(struct flow *f, const struct qemu_guest *q);
void qemu_mirror_event(struct qemu_guest *q, const char *name, const json *data);

/* Steps of the source. */
enum flow_rc qemu_mirror_images_step(struct flow *f, void *arg);
enum flow_rc qemu_mirror_images_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_mirror_attach_step(struct flow *f, void *arg);
enum flow_rc qemu_mirror_attach_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_mirror_begin_step(struct flow *f, void *arg);
enum flow_rc qemu_mirror_begin_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_mirror_ready_step(struct flow *f, void *arg);
enum flow_rc qemu_mirror_ready_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_mirror_end_step(struct flow *f, void *arg);
enum flow_rc qemu_mirror_end_finish(struct flow *f, void *arg, int rc);
/* Give up what mirrors there are, also those of an agent that has ended. */
enum flow_rc qemu_mirror_stop_step(struct flow *f, void *arg);
enum flow_rc qemu_mirror_stop_finish(struct flow *f, void *arg, int rc);

/* Steps of the target. */
enum flow_rc qemu_serve_step(struct flow *f, void *arg);
enum flow_rc qemu_export_step(struct flow *f, void *arg);
enum flow_rc qemu_export_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_unserve_step(struct flow *f, void *arg);
enum flow_rc qemu_unserve_finish(struct flow *f, void *arg, int rc);
