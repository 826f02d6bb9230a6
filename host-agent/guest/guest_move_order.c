/*
 * Which orders move a guest, and what each may do in which state.
 */
#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "host-agent/guest/guest_move.h"
#include "host-agent/guest/guest_order.h"
#include "host-agent/guest/guest_past.h"
#include "host-agent/guest/guest_spec.h"
#include "host-agent/storage/ds_path.h"

static void
aim_offer(struct wish *w)
{
	w->guest = w->o->guest_offer->guest;
}

static void
aim_arrive(struct wish *w)
{
	w->spec = w->o->guest_arrive->spec;
}

static void
aim_leave(struct wish *w)
{
	w->guest = w->o->guest_leave->guest;
}

static void
aim_arrived(struct wish *w)
{
	w->guest = w->o->guest_arrived->guest;
}

static void
aim_refuse(struct wish *w)
{
	w->guest = w->o->guest_refuse->guest;
}

static void
aim_take_back(struct wish *w)
{
	w->guest = w->o->guest_take_back->guest;
}

static void
aim_release(struct wish *w)
{
	w->guest = w->o->guest_release->guest;
}

static void
aim_move_disks(struct wish *w)
{
	w->guest = w->o->guest_move_disks->guest;
	w->spec = w->o->guest_move_disks->spec;
}

/* ---- what a move needs ---- */

static int
check_key(const struct wish *w, const ProtobufCBinaryData *key, uint64_t generation,
    const char *peer_uuid, struct err *e)
{
	if (!generation || key->len != CHANNEL_KEY_BYTES || !*peer_uuid) {
		return err_set(e, ERR_INVALID,
		    "a move of vm-%" PRIu64
		    " wants a generation, a key and the other host's uuid",
		    w->guest);
	}
	if (!w->gs->env.channel)
		return err_set(e, ERR_UNSUPPORTED,
		    "this host takes and gives no guests: it has no channel to others");
	return 0;
}

static int
check_engine(const struct wish *w, const Drover__GuestSpec *spec, struct err *e)
{
	const struct engine *en = guests_engine(w->gs, spec->engine, e);

	if (!en)
		return e->code;
	if (engine_can(en, ENGINE_CAP_LIVE_MIGRATION))
		return 0;
	return err_set(e, ERR_UNSUPPORTED, "engine %s cannot move guests: %s",
	    engine_name(en), engine_facts(en)->caps[ENGINE_CAP_LIVE_MIGRATION].why_not);
}

static int
check_copied(const Drover__GuestSpec *spec, char *const *names, size_t n, struct err *e)
{
	if (n > spec->n_disks)
		return err_set(e, ERR_INVALID, "vm %s: %zu of its %zu disks go along",
		    spec->name, n, spec->n_disks);
	for (size_t i = 0; i < n; i++) {
		if (!guest_disk_named(spec, names[i]))
			return err_set(e, ERR_INVALID, "vm %s has no disk %.70s",
			    spec->name, names[i]);
	}
	return 0;
}

/* ---- the target ---- */

static bool
is_expected(const struct wish *w)
{
	const Drover__GuestArrive *o = w->o->guest_arrive;

	return w->g && w->g->state == GUEST_ARRIVING &&
	       guest_move_is(w->g, o->generation, &o->key);
}

static enum wish_met
meet_arrive(const struct wish *w, struct guest_job *j)
{
	return j->refuses && is_expected(w) ? WISH_ACTS : WISH_BUSY;
}

static enum guest_verdict
check_arrive(struct wish *w, struct err *e)
{
	const Drover__GuestArrive *o = w->o->guest_arrive;
	struct guest_generation gen = guests_generation(w->gs, w->guest);

	if (!w->spec) {
		err_set(e, ERR_INVALID, "an arrival without a spec");
		return GUEST_REFUSED;
	}
	if (check_key(w, &o->key, o->generation, o->source_uuid, e))
		return GUEST_REFUSED;
	if (is_expected(w) && w->g->job)
		return GUEST_ALREADY;
	if (gen.runs) {
		err_set(e, ERR_BAD_STATE, "vm %s runs here as generation %" PRIu64,
		    w->spec->name, gen.seen);
		return GUEST_REFUSED;
	}
	if (o->generation <= gen.seen) {
		(void)!guest_arrival_overtaken(
		    w->spec->name, o->generation, gen.seen, e);
		return GUEST_REFUSED;
	}
	if (guests_spec_check(w->gs, w->spec, e) || check_engine(w, w->spec, e) ||
	    check_copied(w->spec, o->copied_disks, o->n_copied_disks, e))
		return GUEST_REFUSED;
	return w->g ? GUEST_GO : wish_make_guest(w, e);
}

static const struct flow_step *
fill_arrive(struct guest_job *j, const struct wish *w)
{
	j->is_new = w->g->tentative;
	return guest_arrive_steps;
}

static Drover__Reply *
say_ready(const struct wish *w)
{
	return guest_arrive_ready(w->gs);
}

/* The word waits for the end of the arrival, however it ends. */
static enum wish_met
meet_arrived(const struct wish *w, struct guest_job *j)
{
	return j->refuses || j->verb == GV_ARRIVE ? WISH_WAITS : WISH_BUSY;
}

/* A guest that has come may have been stopped since: it has come all the same. */
static bool
has_come(const struct guest *g, uint64_t generation)
{
	return g && !g->tentative && g->state != GUEST_ARRIVING &&
	       g->generation == generation && g->started_ms;
}

/* What the promise is given about: the host knows no more of it than the number. */
static enum guest_verdict
make_bare_guest(struct wish *w, struct err *e)
{
	AUTO(guest_spec) Drover__GuestSpec *bare = xcalloc(1, sizeof(*bare));
	enum guest_verdict v;

	drover__guest_spec__init(bare);
	bare->guest = w->guest;
	bare->name = xasprintf("vm-%" PRIu64, w->guest);
	w->spec = bare;
	v = wish_make_guest(w, e);
	w->spec = NULL;
	return v;
}

static void
refused_why(const struct wish *w, uint64_t generation, struct err *e)
{
	const char *why = guest_past_why(w->gs->past, w->guest, generation);

	if (*why) {
		err_set(e, ERR_LOST, "%s", why);
		return;
	}
	err_set(e, ERR_LOST,
	    "vm-%" PRIu64 " has not come, and is refused as generation %" PRIu64,
	    w->guest, generation);
}

static enum guest_verdict
check_arrived(struct wish *w, struct err *e)
{
	const Drover__GuestArrived *o = w->o->guest_arrived;

	if (!w->guest || !o->generation) {
		err_set(e, ERR_INVALID, "a question for a guest without a generation");
		return GUEST_REFUSED;
	}
	if (has_come(w->g, o->generation))
		return GUEST_ALREADY;
	if (w->g && w->g->generation > o->generation) {
		(void)!guest_generation_overtaken(
		    w->g->spec->name, o->generation, w->g->generation, e);
		return GUEST_REFUSED;
	}
	if (guest_past_seen(w->gs->past, w->guest) >= o->generation) {
		refused_why(w, o->generation, e);
		return GUEST_REFUSED;
	}
	return w->g ? GUEST_GO : make_bare_guest(w, e);
}

static Drover__Reply *
say_arrived(const struct wish *w)
{
	Drover__Reply *r = wish_status(w->g);

	r->arrived = guest_arrived_facts(w->g);
	return r;
}

static enum wish_met
meet_refuse(const struct wish *w, struct guest_job *j)
{
	const struct guest *g = w->g;
	bool is_meant = g->generation == w->o->guest_refuse->generation;

	/* One that is whole already is not to be touched any more; one that is being
	 * adopted comes to an end by itself. */
	if (is_meant && j->verb == GV_ARRIVE) {
		guest_job_cancel(j, "it was refused");
	} else if (is_meant && j->refuses && !j->adopts && guest_is_live(g) &&
		   engine_guest_state(g->handle) == ENGINE_ARRIVING) {
		engine_kill(g->handle, WAKE_NONE);
	}
	return j->refuses || j->verb == GV_ARRIVE ? WISH_WAITS : WISH_BUSY;
}

static enum guest_verdict
check_refuse(struct wish *w, struct err *e)
{
	uint64_t generation = w->o->guest_refuse->generation;

	if (!w->guest || !generation) {
		err_set(e, ERR_INVALID, "a refusal without a guest and a generation");
		return GUEST_REFUSED;
	}
	if (has_come(w->g, generation)) {
		err_set(e, ERR_BAD_STATE,
		    "vm %s has come as generation %" PRIu64 " and is %s",
		    w->g->spec->name, generation, guest_state_name(w->g->state));
		return GUEST_REFUSED;
	}
	/* Unless what it was said of would not end. */
	if (guest_past_seen(w->gs->past, w->guest) >= generation &&
	    !(w->g && w->g->state == GUEST_ARRIVING))
		return GUEST_ALREADY;
	return w->g ? GUEST_GO : make_bare_guest(w, e);
}

static Drover__Reply *
say_refused(const struct wish *w)
{
	uint64_t generation = w->o->guest_refuse->generation;
	Drover__Reply *r = wish_status(w->g);

	r->arrived = xcalloc(1, sizeof(*r->arrived));
	drover__arrived_facts__init(r->arrived);
	r->arrived->outage_why_not = xstrdup("");
	r->arrived->lost_why =
	    xstrdup(guest_past_why(w->gs->past, w->guest, generation));
	return r;
}

/* A record of older times stays; what was to come does not. */
static const struct flow_step *
fill_refuse(struct guest_job *j, const struct wish *w)
{
	j->forgets = w->g->tentative || w->g->state == GUEST_ARRIVING;
	j->is_new = j->forgets;
	return guest_refuse_steps;
}

/* ---- the source ---- */

static enum guest_verdict
check_leave(struct wish *w, struct err *e)
{
	const Drover__GuestLeave *o = w->o->guest_leave;

	if (wish_check_known(w, e) != GUEST_GO ||
	    check_key(w, &o->key, o->generation, o->target_uuid, e))
		return GUEST_REFUSED;
	if (w->g->state == GUEST_GIVEN && guest_move_is(w->g, o->generation, &o->key))
		return GUEST_ALREADY;
	if (o->generation <= w->g->generation) {
		err_set(e, ERR_STALE,
		    "vm %s runs here as generation %" PRIu64
		    ": it cannot leave as %" PRIu64,
		    w->g->spec->name, w->g->generation, o->generation);
		return GUEST_REFUSED;
	}
	if (!o->policy || !o->n_addresses || !o->port || o->port > UINT16_MAX) {
		err_set(e, ERR_INVALID,
		    "a move of vm %s wants a policy and where to dial",
		    w->g->spec->name);
		return GUEST_REFUSED;
	}
	if (check_engine(w, w->g->spec, e) ||
	    check_copied(w->g->spec, o->copied_disks, o->n_copied_disks, e))
		return GUEST_REFUSED;
	return GUEST_GO;
}

static Drover__Reply *
say_given(const struct wish *w)
{
	Drover__Reply *r = wish_status(NULL);

	r->result_case = DROVER__REPLY__RESULT_MOVE;
	r->move = guest_move_facts(w->g);
	return r;
}

static int
check_left_disks(const struct wish *w, struct err *e)
{
	const Drover__GuestRelease *o = w->o->guest_release;
	AUTO_FREE char *folder = xasprintf("vms/vm-%" PRIu64 "/", w->guest);

	for (size_t i = 0; i < o->n_delete_disks; i++) {
		const Drover__DiskSpec *d = o->delete_disks[i];

		if (ds_path_check(d->path, e))
			return err_wrap(e, "disk %.70s", d->name);
		if (!str_starts(d->path, folder))
			return err_set(e, ERR_DENIED,
			    "disk %.70s: %.100s is not below %s", d->name, d->path,
			    folder);
	}
	return 0;
}

static enum guest_verdict
check_release(struct wish *w, struct err *e)
{
	const Drover__GuestRelease *o = w->o->guest_release;
	const struct guest *g = w->g;

	if (!w->guest || !o->generation) {
		err_set(e, ERR_INVALID, "a release without a guest and a generation");
		return GUEST_REFUSED;
	}
	if (check_left_disks(w, e))
		return GUEST_REFUSED;
	/* A copy of a later generation is no leftover. */
	if (g && g->generation > o->generation) {
		err_set(e, ERR_BAD_STATE,
		    "vm %s is %s here as generation %" PRIu64
		    ": it is not released for %" PRIu64,
		    g->spec->name, guest_state_name(g->state), g->generation,
		    o->generation);
		return GUEST_REFUSED;
	}
	if (g)
		return GUEST_GO;
	return o->n_delete_disks ? make_bare_guest(w, e) : GUEST_ALREADY;
}

static const struct flow_step *
fill_release(struct guest_job *j, const struct wish *w)
{
	j->is_new = w->g->tentative;
	j->forgets = true;
	return guest_release_steps;
}

/* ---- disks alone ---- */

static int
check_disk_move(const struct wish *w, const Drover__DiskMove *m, struct err *e)
{
	const Drover__DiskSpec *after = guest_disk_named(w->spec, m->disk);
	const Drover__DiskSpec *now = guest_disk_named(w->g->spec, m->disk);

	if (!m->to || !after || !now)
		return err_set(e, ERR_INVALID, "vm %s has no disk %.70s to move",
		    w->g->spec->name, m->disk);
	if (m->to->datastore != after->datastore || !str_same(m->to->path, after->path))
		return err_set(e, ERR_INVALID,
		    "vm %s: disk %s does not go where the spec has it afterwards",
		    w->g->spec->name, m->disk);
	if (m->to->datastore == now->datastore && str_same(m->to->path, now->path))
		return 0; /* a move that was cut short has brought it there */
	if (after->n_backing && after->n_backing != now->n_backing)
		return err_set(e, ERR_INVALID,
		    "vm %s: disk %s stands on %zu images and would on %zu",
		    w->g->spec->name, m->disk, now->n_backing, after->n_backing);
	return 0;
}

static enum guest_verdict
check_move_disks(struct wish *w, struct err *e)
{
	const Drover__GuestMoveDisks *o = w->o->guest_move_disks;

	if (wish_check_known(w, e) != GUEST_GO)
		return GUEST_REFUSED;
	if (!w->spec || !o->n_disks || o->n_disks > w->g->spec->n_disks) {
		err_set(e, ERR_INVALID, "a move of disks without disks or spec");
		return GUEST_REFUSED;
	}
	if (guest_spec_same(w->g->spec, w->spec))
		return GUEST_ALREADY;
	if (w->g->move) {
		err_set(e, ERR_BAD_STATE, "vm %s is being moved", w->g->spec->name);
		return GUEST_REFUSED;
	}
	if (guests_spec_check(w->gs, w->spec, e))
		return GUEST_REFUSED;
	if (guest_spec_is_container(w->g->spec) && guest_is_live(w->g)) {
		err_set(e, ERR_UNSUPPORTED,
		    "needs power off: the root of container %s cannot change place "
		    "while it is mounted",
		    w->g->spec->name);
		return GUEST_REFUSED;
	}
	for (size_t i = 0; i < o->n_disks; i++) {
		if (check_disk_move(w, o->disks[i], e))
			return GUEST_REFUSED;
	}
	return GUEST_GO;
}

static const struct flow_step *
fill_move_disks(struct guest_job *j, const struct wish *w)
{
	return guest_move_disks_steps(j);
}

/* clang-format off */
const struct order_verb guest_move_verbs[] = {
	{ .order = ORDER(OFFER), .verb = GV_OFFER, .steps = guest_offer_steps,
		.aim = aim_offer, .check = wish_check_known },
	{ .order = ORDER(ARRIVE), .verb = GV_ARRIVE, .aim = aim_arrive,
		.check = check_arrive, .fill = fill_arrive, .meet = meet_arrive, .already = say_ready },
	{ .order = ORDER(ARRIVED), .verb = GV_ARRIVED, .aim = aim_arrived,
		.check = check_arrived, .fill = fill_refuse, .meet = meet_arrived, .already = say_arrived },
	{ .order = ORDER(REFUSE), .verb = GV_REFUSE, .aim = aim_refuse,
		.check = check_refuse, .fill = fill_refuse, .meet = meet_refuse, .already = say_refused },
	{ .order = ORDER(LEAVE), .verb = GV_LEAVE, .steps = guest_leave_steps,
		.aim = aim_leave, .check = check_leave, .already = say_given },
	{ .order = ORDER(TAKE_BACK), .verb = GV_TAKE_BACK, .steps = guest_take_back_steps,
		.aim = aim_take_back, .check = wish_check_known },
	{ .order = ORDER(RELEASE), .verb = GV_RELEASE, .aim = aim_release,
		.check = check_release, .fill = fill_release },
	{ .order = ORDER(MOVE_DISKS), .verb = GV_MOVE_DISKS,
		.aim = aim_move_disks, .check = check_move_disks, .fill = fill_move_disks },
	{ .check = NULL },
};
/* clang-format on */
