/*
 * oci_move_int: what the files of suspends and moves share.
 *
 * A flow of theirs that goes wrong is not undone step by step: it notes the reason
 * (oci_move_fail), its further steps pass, and the last ones bring the container back.
 */
#pragma once
#include "host-agent/engine/oci/oci_carry.h"
#include "host-agent/engine/oci/oci_criu_watch.h"
#include "host-agent/engine/oci/oci_move.h"

#define OCI_SAVE_MS  600000 /* CRIU writes what memory there is */
#define OCI_LOOK_MS  100
#define OCI_ENDED_MS 5

struct oci_move {
	struct oci_carry *carry; /* NULL: nothing goes anywhere */
	unsigned n_lanes;
	bool was_paused;
	bool saved; /* its processes are in images/, and nowhere else */
	bool fails; /* for the reason in why */
	struct err why;
	bool is_cancelled, is_late;
	bool may_load;      /* of an adoption: from its images */
	unsigned n_unwired; /* of its wires, from the first on, are out of it */
	uint32_t give_up_ms;
	uint64_t before_bytes; /* that had passed when it was shut */
	uint64_t began_ms, shut_ms, saved_ms, ended_ms, sent_ms;
	uint64_t release_ms; /* since when it is waited for who is still at work */
	struct flow *arrival;
	struct oci_criu_watch *criu; /* while it works */
};

/* ---- oci_move.c: what is under way ---- */

/* With streams: lane 0 from or to the images, the others of disks. */
struct oci_move *oci_move_new(struct oci_guest *c);
/* Notes flow_err(f); always FLOW_NEXT. */
enum flow_rc oci_move_fail(struct flow *f, struct oci_guest *c);
/* The wait was ended by somebody else than the container's own move: leave all as is.
 */
bool oci_move_is_cut(const struct oci_guest *c, int rc);
/* What has ended with rc is none of a move's conditions: only logged.  False if it was
 * cut. */
bool oci_move_may_fail(struct flow *f, const struct oci_guest *c, int rc);
/* Wait for the carry; looks at progress meanwhile. */
enum flow_rc oci_move_carry_step(struct flow *f, void *arg);
enum flow_rc oci_move_carry_finish(struct flow *f, void *arg, int rc);
/* A stream was begun; the step behind this one, oci_move_carry_wait, waits on. */
enum flow_rc oci_move_begun_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_move_carry_wait(struct flow *f, void *arg);
/* c->child is a runtime that has CRIU save or restore the container. */
void oci_move_criu_begin(struct oci_guest *c);
/* It has ended; adds to e, where that is an error, what CRIU has logged. */
void oci_move_criu_end(struct oci_guest *c, const char *log, struct err *e);
/* Take away what is left of it here: FLOW_WAIT. */
enum flow_rc oci_move_clear(struct flow *f, struct oci_guest *c);
/* The end of that.  False: the wait was cut. */
bool oci_move_cleared(struct flow *f, struct oci_guest *c, int rc);
/* Threads and descriptors go. */
enum flow_rc oci_move_undo(struct flow *f, void *arg);

/* ---- oci_move_files.c: what is in the folder ---- */

char *oci_move_path(const struct oci_guest *c, const char *name);
/*
 * How long CRIU may take to save or load it, by the memory that it may have.  A runtime
 * whose CRIU was killed waits for ever, and the container stands still meanwhile.
 */
uint32_t oci_move_patience_ms(const struct oci_guest *c);
/* An empty images/; returns it open. */
int oci_move_images(const struct oci_guest *c, int *ret_fd, struct err *e);
/* A container that comes has the ids of its place on this host. */
int oci_move_map_ids(const struct oci_guest *c, struct err *e);
/* Timers that repeat go on, also those that were due in between. */
int oci_move_mend_timers(const struct oci_guest *c, struct err *e);
bool oci_move_has_images(const struct oci_guest *c);
/* Which loop devices are on them, into c->run. */
void oci_move_find_loops(struct oci_guest *c);
/* Nobody uses its own image any more. */
bool oci_move_image_is_free(const struct oci_guest *c);
/* The reason in CRIU's log, or what else e says. */
void oci_move_criu_says(const struct oci_guest *c, const char *log, struct err *e);

/* ---- oci_move_save.c: steps ---- */

/* Write what it has written to its disk, while it runs on. */
enum flow_rc oci_save_flush_step(struct flow *f, void *arg);
enum flow_rc oci_save_flush_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_save_shut_step(struct flow *f, void *arg); /* wires, note */
enum flow_rc oci_save_dump_step(struct flow *f, void *arg);
enum flow_rc oci_save_dump_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_save_ended_step(struct flow *f, void *arg);
enum flow_rc oci_save_ended_finish(struct flow *f, void *arg, int rc);

/* ---- oci_move_load.c: steps ---- */

/* Each does nothing where there is nothing to bring back. */
enum flow_rc oci_load_step(struct flow *f, void *arg);
enum flow_rc oci_load_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_load_pause_step(struct flow *f, void *arg);
enum flow_rc oci_load_pause_finish(struct flow *f, void *arg, int rc);
/* There is where to bring it back to, if it has a guard. */
enum flow_rc oci_load_guard_step(struct flow *f, void *arg);
enum flow_rc oci_load_guard_finish(struct flow *f, void *arg, int rc);
/* Its wires are open; neighbours that it asked for before are asked again. */
enum flow_rc oci_load_wires_step(struct flow *f, void *arg);
enum flow_rc oci_load_wires_finish(struct flow *f, void *arg, int rc);
/* Its record, its wires, its state. */
void oci_load_up(struct oci_guest *c, const char *why);
/* The end of a move or a suspend that came to nothing: up again, or lost for good. */
enum flow_rc oci_stay_step(struct flow *f, void *arg);
enum flow_rc oci_stay_finish(struct flow *f, void *arg, int rc);

/* ---- oci_move_wires.c: steps ---- */

enum flow_rc oci_freeze_step(struct flow *f, void *arg);
enum flow_rc oci_freeze_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_unwire_step(struct flow *f, void *arg);
enum flow_rc oci_unwire_finish(struct flow *f, void *arg, int rc);
/* Back, where it was not ended. */
enum flow_rc oci_rewire_step(struct flow *f, void *arg);
enum flow_rc oci_rewire_finish(struct flow *f, void *arg, int rc);
enum flow_rc oci_unfreeze_step(struct flow *f, void *arg);

/* oci_move_release.c: its runtime or a CRIU has its processes in hand. */
#define OCI_WORK_MS 20 /* between two looks */
bool oci_move_is_at_work(const struct oci_guest *c);
/* Of a move that fails: until nobody has. */
enum flow_rc oci_release_step(struct flow *f, void *arg);
enum flow_rc oci_release_finish(struct flow *f, void *arg, int rc);
