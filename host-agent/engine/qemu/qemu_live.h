/*
 * qemu_live: what is done to the disks and the memory of a running guest.
 */
#pragma once
#include "host-agent/engine/qemu/qemu_int.h"

struct qemu_freeze; /* qemu_freeze.c */
struct qemu_merge;  /* qemu_merge.c */

void qemu_freeze_free(struct qemu_freeze *z);
void qemu_merge_free(struct qemu_merge *m);
int qemu_op_freeze(
    struct engine_guest *g, const struct engine_freeze *fr, struct err *e);
int qemu_op_merge(struct engine_guest *g, const struct engine_merge *m, struct err *e);
int qemu_op_merge_end(struct engine_guest *g, struct err *e);
size_t qemu_op_chain_length(struct engine_guest *g, unsigned slot);
/* Steps of adoption, with the spec that the agent has noted: how long the chains are,
 * and the end of jobs that were under way. */
void qemu_settle_expect(struct qemu_guest *q, const Drover__GuestSpec *spec);
enum flow_rc qemu_chains_step(struct flow *f, void *arg);
enum flow_rc qemu_chains_finish(struct flow *f, void *arg, int rc);
enum flow_rc qemu_jobs_step(struct flow *f, void *arg);
enum flow_rc qemu_jobs_finish(struct flow *f, void *arg, int rc);
/*
 * A step that ends jobs which were left, and waits for their end: what follows finds
 * the disks as they stay.  after says what is to become of a job.
 */
enum qemu_left_end { QEMU_LEFT_ALONE, QEMU_LEFT_FINALIZE, QEMU_LEFT_CANCEL };

typedef enum qemu_left_end (*qemu_left_fn)(
    const struct qemu_guest *q, const char *id, const char *status);
enum flow_rc qemu_left_step(struct flow *f, struct qemu_guest *q);
enum flow_rc qemu_left_finish(
    struct flow *f, struct qemu_guest *q, int rc, qemu_left_fn after);
void qemu_left_event(struct qemu_guest *q, const char *name);
/* qemu_balloon.c, of engine_balloon.h; forget: another connection to QEMU is made. */
const struct engine_balloon *qemu_op_balloon(struct engine_guest *g);
void qemu_op_balloon_set(struct engine_guest *g, uint64_t target_mb);
/* qemu_disk_io.c, of engine_disk_io.h; as with balloons. */
const struct engine_disk_io *qemu_op_disk_io(struct engine_guest *g);
void qemu_disk_io_forget(struct qemu_guest *q);

int qemu_op_picture(struct engine_guest *g, struct err *e);
void qemu_balloon_forget(struct qemu_guest *q);
/* Take an event of a block job. */
void qemu_merge_event(struct qemu_guest *q, const char *name, const json *data);
