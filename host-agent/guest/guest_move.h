/*
 * guest_move: what the files share that move a guest.
 *
 *   guest_move_order.c   which orders there are, and when they may
 *   guest_leave.c        the source: offer, leave, take back, release
 *   guest_arrive.c       the target: arrive, refuse, and what comes of it
 *   guest_move_disks.c   disks to another datastore of the same host
 *   guest_images.c       images that are made for a move or left over by it
 *
 * The rule of who may run is engine_move.h's.  On disk it reads: a record ARRIVING is
 * refused after a restart unless its engine runs it; a record LEAVING or GIVEN stays as
 * the engine has it, and without a process it is GIVEN: only the target can tell.
 */
#pragma once
#include "host-agent/guest/guest_job.h"
#include "host-agent/guest/guest_transfer.h"

/* The move of a guest that an order names; disks: those that go along. */
Drover__MoveRecord *guest_move_record(
    uint64_t generation, ProtobufCBinaryData key, const char *peer_uuid);
bool guest_move_is(
    const struct guest *g, uint64_t generation, const ProtobufCBinaryData *key);

/* ---- guest_arrive.c ---- */

/* See to the guest that has begun to arrive until it has come or is refused.  o_take:
 * NULL where its outage is not measured. */
void guest_arrival_watch(struct guest *g, struct outage *o_take);
/* For a repeated GuestArrive. */
Drover__Reply *guest_arrive_ready(const struct guests *gs);
Drover__ArrivedFacts *guest_arrived_facts(const struct guest *g);

/* ---- guest_leave.c ---- */

/* Note from now on how far the engine is. */
void guest_job_tick_progress(struct guest_job *j);
Drover__MoveFacts *guest_move_facts(const struct guest *g);

/* ---- guest_move_disks.c ---- */

/* One turn there and one back for each disk of the order; the job owns it. */
const struct flow_step *guest_move_disks_steps(struct guest_job *j);
/* What a move of disks has left behind, by the record; nothing of other moves. */
enum flow_rc guest_step_drop_spare(struct flow *f, void *arg);
enum flow_rc guest_step_forget_disks(struct flow *f, void *arg);

/* ---- guest_images.c ---- */

/*
 * Images of disks as disks of a spec of their own: each disk and what lies below it in
 * the guest's folder, but nothing that keep (NULL: nothing is kept) names.  Caller
 * frees.
 */
Drover__GuestSpec *guest_images_of(const Drover__GuestSpec *guest,
    Drover__DiskSpec *const *disks, size_t n, const Drover__GuestSpec *keep);
Drover__DiskSpec *guest_disk_dup(const Drover__DiskSpec *d);
const Drover__DiskSpec *guest_disk_named(
    const Drover__GuestSpec *spec, const char *name);
/* Copies of all of them, which must be there. */
Drover__DiskSpec **guest_disks_named(
    const Drover__GuestSpec *spec, char *const *names, size_t n);
/* Remove the images; a failure is logged and changes nothing. */
enum flow_rc guest_step_delete_images(
    struct flow *f, const struct guest_job *j, const Drover__GuestSpec *images);
enum flow_rc guest_finish_delete_images(struct flow *f, void *arg, int rc);
/* Those that the move's record names and the guest's spec does not. */
enum flow_rc guest_step_delete_spare(struct flow *f, void *arg);
/* ERR_EXISTS if one of the images is there already. */
enum flow_rc guest_step_images_absent(
    struct flow *f, const struct guest_job *j, const Drover__GuestSpec *images);
