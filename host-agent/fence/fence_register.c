/*
 * Claims on storage: our block of a guest's register is written, the others' are read.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "host-agent/fence/claim_io.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/lease_io.h"
#include "host-agent/fence/lease_place.h"
#include "host-agent/storage/datastore.h"

/* ---- the file ---- */

struct place {
	struct lease_store *st;
	struct datastore *ds;
	struct lease_area area;
	struct lease_io *io;
};

/* Where a block of h lies on a datastore. */
static int
find_place(const struct held *h, uint64_t datastore, struct place *ret_p, struct err *e)
{
	struct fence *f = h->f;
	struct place p = { .st = fence_store_find(f, datastore) };

	if (!f->conf || !p.st)
		return err_set(e, ERR_UNAVAILABLE,
		    "datastore-%" PRIu64 " carries no leases here", datastore);
	if (fence_store_ready(p.st, e))
		return e->code;
	p.ds = p.st->ds;
	p.io = p.st->claims_io;
	p.area = p.st->area;
	p.area.guest = h->guest;
	/* A host that we were not told of yet must not be missed. */
	p.area.slots = LEASE_MAX_SLOTS;
	*ret_p = p;
	return 0;
}

static int
run_turn(struct held *h, uint64_t datastore, const struct lease_claim *put,
    claim_fn done, struct err *e)
{
	struct fence *f = h->f;
	struct place p = { .st = NULL };

	if (find_place(h, datastore, &p, e))
		return e->code;
	AUTO_FREE char *path = lease_place_path(p.ds, &p.area);
	const struct claim_file file = { path, p.area, f->conf->slot };
	const struct claim_asker asker = { done, h, h };

	return claim_io_turn(p.io, &file, put, f->terms.length_ms, asker, e);
}

/* ---- writing ---- */

/* Said once for each reason. */
static void
stays_claimed(struct held *h, const struct err *e)
{
	if (strncmp(h->note, e->msg, sizeof(h->note) - 1) != 0)
		log_warn("fence", "vm-%" PRIu64 ": its claim is not written: %s",
		    h->guest, e->msg);
	fence_note(h, e->msg);
}

/* An order goes with its claim; else it is tried again. */
static void
failed(struct held *h, const struct err *e)
{
	h->failed_ms = fence_now_ms(h->f);
	if (h->stage > CLAIM_AWAITS_RECORD)
		fence_claim_fail(h, e);
	else
		stays_claimed(h, e);
}

static void
on_made(void *arg, int rc, const struct err *e)
{
	struct held *h = arg;

	h->making = false;
	if (!rc)
		fence_register_put(h, h->putting);
	else
		failed(h, e);
}

static void
make_file(struct held *h)
{
	const struct lease_maker maker = { on_made, h, h };
	struct err e = ERR_INIT;
	struct place p = { .st = NULL };
	int rc = find_place(h, h->datastore, &p, &e);

	if (!rc && h->f->conf->slots <= FENCE_CLAIM_SLOTS)
		p.area.slots = FENCE_CLAIM_SLOTS;
	if (!rc)
		rc = lease_place_make(
		    p.io, p.ds, &p.area, h->f->terms.length_ms, maker, &e);
	if (rc)
		failed(h, &e);
	else
		h->making = true;
}

static void
written_none(struct held *h)
{
	h->phase = CLAIM_NONE;
	h->dropping = false;
	h->kept_seq = fence_keep(h->f);
	fence_drop_end(h);
	/* Whoever ordered the end learns of it by the reply. */
	if (h->ordered && h->stage == CLAIM_AT_REST)
		fence_let_go(h->f, h);
}

static void
on_checked(void *arg, int rc, const struct err *e)
{
	struct held *h = arg;
	struct fence *f = h->f;

	h->making = false;
	if (rc)
		failed(h, e);
	else
		written_none(h);
	fence_changed(f);
}

/* In the empty folder of a mount that is missing there is no claim either: ours would
 * come back with the mount, and others would wait for it. */
static void
check_absent(struct held *h)
{
	const struct lease_maker maker = { on_checked, h, h };
	struct err e = ERR_INIT;
	struct place p = { .st = NULL };
	int rc = find_place(h, h->datastore, &p, &e);

	if (!rc)
		rc = lease_place_check(
		    p.io, p.ds, &p.area, h->f->terms.length_ms, maker, &e);
	if (rc)
		failed(h, &e);
	else
		h->making = true;
}

static void
written_run(struct held *h)
{
	h->phase = CLAIM_RUN;
	h->late = false;
	h->stage = CLAIM_AT_REST;
	h->clear_ms = fence_now_ms(h->f);
	fence_note(h, "");
	h->kept_seq = fence_keep(h->f);
	log_info("fence", "vm-%" PRIu64 " may run here as generation %" PRIu64,
	    h->guest, h->run_gen);
	fence_order_end(h, 0, NULL);
}

static void
on_written(struct held *h)
{
	switch (h->putting) {
	case CLAIM_NONE:
		written_none(h);
		return;
	case CLAIM_MIGRATE_IN:
		if (h->stage == CLAIM_AWAITS_BLOCK) {
			h->claimed_ms = fence_now_ms(h->f);
			h->stage = CLAIM_AWAITS_ARRIVAL;
			fence_order_end(h, 0, NULL);
		}
		return;
	case CLAIM_CLAIM:
		if (h->stage == CLAIM_AWAITS_BLOCK) {
			h->claimed_ms = fence_now_ms(h->f);
			h->stage = CLAIM_AWAITS_OTHERS;
			fence_register_look(h);
		}
		return;
	case CLAIM_RUN:
		h->unplaced = false;
		if (h->stage == CLAIM_AWAITS_RUN)
			written_run(h);
		return;
	case CLAIM_UNKNOWN:
	case CLAIM_PHASES_:
		break;
	}
}

static void
on_put(void *arg, int rc, const struct err *e, const struct claim_turn *t)
{
	struct held *h = arg;
	struct fence *f = h->f;

	h->writing = false;
	if (t && t->written) {
		on_written(h);
	} else if (rc == ERR_NOT_FOUND && h->putting == CLAIM_NONE) {
		check_absent(h);
	} else if (rc == ERR_NOT_FOUND &&
		   (h->stage > CLAIM_AWAITS_RECORD || h->unplaced)) {
		make_file(h);
	} else {
		failed(h, e);
	}
	fence_changed(f);
}

void
fence_register_put(struct held *h, enum claim_phase phase)
{
	const struct lease_claim c = {
		.phase = phase,
		.host_id = h->f->conf->slot,
		.inc = h->f->inc,
		.run_gen = h->run_gen,
	};
	struct err e = ERR_INIT;

	h->putting = phase;
	if (run_turn(h, h->datastore, &c, on_put, &e))
		failed(h, &e);
	else
		h->writing = true;
}

bool
fence_register_is_free(const struct held *h)
{
	const struct fence *f = h->f;

	return !h->writing && !h->making &&
	       claim_may_write(h->failed_ms, f->terms.settle_ms, fence_now_ms(f));
}

/* ---- following the guest ---- */

static void
on_left(void *arg, int rc, const struct err *e, const struct claim_turn *t)
{
	struct held *h = arg;

	h->writing = false;
	if (rc && rc != ERR_NOT_FOUND && !(t && t->written)) {
		failed(h, e);
		return;
	}
	log_info("fence", "vm-%" PRIu64 ": its claim is on datastore-%" PRIu64 " now",
	    h->guest, h->datastore);
	h->left = 0;
	h->kept_seq = fence_keep(h->f);
}

static void
leave(struct held *h)
{
	const struct lease_claim none = {
		.phase = CLAIM_NONE,
		.host_id = h->f->conf->slot,
		.inc = h->f->inc,
		.run_gen = h->run_gen,
	};
	struct err e = ERR_INIT;

	if (run_turn(h, h->left, &none, on_left, &e))
		failed(h, &e);
	else
		h->writing = true;
}

/* Until the new block is there the guest is said to be unprotected: nobody starts it
 * elsewhere by a register that does not know of it. */
void
fence_register_follow(struct held *h)
{
	struct fence *f = h->f;

	if (h->phase != CLAIM_RUN || h->dropping || !fence_is_on(f))
		return;
	if (!h->left && h->datastore != h->ha->datastore &&
	    fence_store_find(f, h->ha->datastore)) {
		h->left = h->datastore;
		h->datastore = h->ha->datastore;
		h->unplaced = true;
		h->kept_seq = fence_keep(f);
	}
	if (!h->left || !fence_is_kept(f, h->kept_seq) || !fence_register_is_free(h))
		return;
	if (h->unplaced)
		fence_register_put(h, CLAIM_RUN);
	else if (fence_store_find(f, h->left))
		leave(h);
	else
		h->left = 0;
}

/* ---- looking ---- */

/* "host-7", or the slot where its number is not known. */
static void
name_host(const struct fence *f, uint32_t slot, char *out, size_t cap)
{
	uint64_t host = fence_peer(f, slot);

	if (host)
		snprintf(out, cap, "host-%" PRIu64, host);
	else
		snprintf(out, cap, "the host of slot %u", slot);
}

static void
withdraw(struct held *h, const struct lease_claim *newer)
{
	struct err e = ERR_INIT;
	char host[48];

	name_host(h->f, newer->host_id, host, sizeof(host));
	err_set(&e, ERR_STALE,
	    "vm-%" PRIu64 ": %s has %s it as generation %" PRIu64
	    ", this start is of generation %" PRIu64,
	    h->guest, host, newer->phase == CLAIM_NONE ? "run" : "claimed",
	    newer->run_gen, h->wish_gen);
	fence_claim_fail(h, &e);
}

static void
go_on_waiting(struct held *h, const struct lease_claim *other)
{
	char host[48], text[160];

	name_host(h->f, other->host_id, host, sizeof(host));
	if (other->phase == CLAIM_UNKNOWN)
		snprintf(text, sizeof(text), "%s: what it claims cannot be read", host);
	else if (h->how == FENCE_ARRIVES)
		snprintf(text, sizeof(text), "waiting for %s to let go of it", host);
	else
		snprintf(text, sizeof(text), "waiting for %s's lease to end", host);
	if (strcmp(h->note, text) != 0)
		log_notice("fence", "vm-%" PRIu64 ": %s", h->guest, text);
	fence_note(h, text);
}

static void
judge(struct held *h, const struct lease_store *st, const struct claim_turn *t)
{
	struct claim_seen seen[LEASE_MAX_SLOTS];
	struct claim_view v = {
		.host_id = h->f->conf->slot,
		.run_gen = h->run_gen,
		.attests = h->attests,
		.n_attests = h->n_attests,
		.seen = seen,
		.n_seen = t->slots,
	};
	uint32_t other;

	for (uint32_t n = 1; n <= t->slots; n++) {
		seen[n - 1].claim = t->claims[n];
		seen[n - 1].beat_dead = beat_watch_dead(&st->watches[n], &h->f->terms);
	}
	switch (claim_decide(&v, &other)) {
	case CLAIM_WAIT:
		go_on_waiting(h, &t->claims[other]);
		break;
	case CLAIM_GO:
		h->stage = CLAIM_AWAITS_RUN;
		fence_claim_go_on(h);
		break;
	case CLAIM_WITHDRAW:
		withdraw(h, &t->claims[other]);
		break;
	}
}

static void
mend(struct held *h, const struct claim_turn *t)
{
	uint32_t slot = h->f->conf->slot;

	if (slot > t->slots || t->claims[slot].phase != CLAIM_UNKNOWN ||
	    h->stage != CLAIM_AT_REST || h->dropping || !fence_register_is_free(h))
		return;
	log_warn("fence", "vm-%" PRIu64 ": its claim was damaged and is written anew",
	    h->guest);
	fence_register_put(h, h->phase);
}

/* Somebody has deleted the register of a guest that runs. */
static void
place_anew(struct held *h)
{
	if (h->phase == CLAIM_NONE || h->stage != CLAIM_AT_REST || h->dropping ||
	    !fence_register_is_free(h))
		return;
	log_warn("fence", "vm-%" PRIu64 ": its claims are gone, and are made anew",
	    h->guest);
	h->unplaced = true;
	fence_register_put(h, h->phase);
}

static void
on_look(void *arg, int rc, const struct err *e, const struct claim_turn *t)
{
	struct held *h = arg;
	struct lease_store *st = fence_store_find(h->f, h->datastore);

	h->looking = false;
	if (t && t->read)
		mend(h, t);
	else if (rc == ERR_NOT_FOUND)
		place_anew(h);
	if (h->stage != CLAIM_AWAITS_OTHERS)
		return;
	if (!rc && t && st)
		judge(h, st, t);
	else if (rc)
		fence_note(h, e->msg);
}

void
fence_register_look(struct held *h)
{
	struct lease_store *st = fence_store_find(h->f, h->datastore);
	struct err e = ERR_INIT;

	if (st)
		fence_store_turn(st, STORE_LOOK);
	if (h->looking)
		return;
	if (run_turn(h, h->datastore, NULL, on_look, &e))
		fence_note(h, e.msg);
	else
		h->looking = true;
}

/* One at each turn: their number is no matter then. */
void
fence_claims_mend(struct fence *f)
{
	struct held *next = NULL, *first = NULL;
	struct err e = ERR_INIT;

	MAP_EACH(f->held, it) {
		struct held *h = it.value;

		if (h->phase == CLAIM_NONE || h->stage != CLAIM_AT_REST || h->looking)
			continue;
		if (!first || h->guest < first->guest)
			first = h;
		if (h->guest > f->mended && (!next || h->guest < next->guest))
			next = h;
	}
	next = next ? next : first;
	if (!next)
		return;
	f->mended = next->guest;
	if (!run_turn(next, next->datastore, NULL, on_look, &e))
		next->looking = true;
}
