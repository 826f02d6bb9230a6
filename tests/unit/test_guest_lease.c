/*
 * Orders about guests under leases, from the order to the engine's guard: two hosts on
 * one datastore, and a leader that answers them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rng.h"
#include "host-agent/channel/channel.h"
#include "host-agent/engine/engine_guard.h"
#include "host-agent/guest/guest_copy.h"
#include "tests/lib/fence_bed.h"
#include "tests/lib/guest_world.h"
#include "tests/lib/make_certs.h"

#define UUID_A "3f2504e0-4f89-41d3-9a0c-0000000000aa"
#define UUID_B "3f2504e0-4f89-41d3-9a0c-0000000000bb"
#define GUEST  1

struct lease_pair {
	struct certs *certs;
	struct world *worlds[FENCE_BED_HOSTS + 1]; /* by slot */
	struct fence_bed *leases;
	uint8_t key[CHANNEL_KEY_BYTES];
};

static struct world *
make_world(struct lease_pair *p, const char *name, const char *san, const char *uuid)
{
	struct cert_wish wish = { .san = san };
	struct tls_files files = certs_make(p->certs, name, &wish);
	struct world *w = world_new();
	struct err e = ERR_INIT;

	w->uuid = uuid;
	assert_int_equal(tls_server_ctx(&files, &w->accept, &e), 0);
	assert_int_equal(tls_client_ctx(&files, &w->dial, &e), 0);
	return w;
}

static int
set_up(void **state)
{
	struct lease_pair *p = xcalloc(1, sizeof(*p));

	p->certs = certs_new("lease test");
	p->worlds[1] = make_world(p, "a", "URI:drover:host:" UUID_A, UUID_A);
	p->worlds[2] = make_world(p, "b", "URI:drover:host:" UUID_B, UUID_B);
	p->leases = fence_bed_over(p->worlds[1]->bed, p->worlds[2]->bed);
	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++) {
		struct fence_host *h = fence_bed_host(p->leases, s);
		struct world *w = p->worlds[s];

		fence_host_open(h);
		w->fence = h->fence;
		world_open(w);
		h->guests = w->guests;
		h->flows = w->flows;
		fence_host_conf(h);
	}
	rng_secret(p->key, sizeof(p->key));
	fence_bed_until(p->leases, fence_host_is_seen, fence_bed_host(p->leases, 1));
	fence_bed_until(p->leases, fence_host_is_seen, fence_bed_host(p->leases, 2));
	*state = p;
	return 0;
}

static int
tear_down(void **state)
{
	struct lease_pair *p = *state;

	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++)
		world_close(p->worlds[s]);
	fence_bed_free(p->leases);
	for (uint32_t s = 1; s <= FENCE_BED_HOSTS; s++) {
		tls_ctx_free(p->worlds[s]->accept);
		tls_ctx_free(p->worlds[s]->dial);
		world_free(p->worlds[s]);
	}
	certs_free(p->certs);
	free(p);
	return 0;
}

/* ---- orders ---- */

static bool
is_answered(void *arg)
{
	const struct answer_wait *a = arg;

	return a->w->replies + a->w->fails >= a->want;
}

static int
give(struct lease_pair *p, uint32_t slot, Drover__Order *o_take)
{
	struct world *w = p->worlds[slot];
	struct answer_wait a = { w, w->replies + w->fails + 1 };
	unsigned fails = w->fails;

	world_begin(w, o_take);
	fence_bed_until(p->leases, is_answered, &a);
	drover__order__free_unpacked(o_take, NULL);
	return w->fails > fails ? w->fault.code : 0;
}

static Drover__RunClaim *
claim_at(struct lease_pair *p, uint32_t slot)
{
	const struct fence_try t = { .host = fence_bed_host(p->leases, slot),
		.guest = GUEST };

	return fence_try_claim(&t);
}

static Drover__Order *
start_order(struct lease_pair *p, uint32_t slot, uint64_t gen)
{
	Drover__Order *o = world_start_order(p->worlds[slot], GUEST, gen);

	o->guest_start->claim = claim_at(p, slot);
	return o;
}

static int
start(struct lease_pair *p, uint32_t slot, uint64_t gen)
{
	return give(p, slot, start_order(p, slot, gen));
}

static int
stop(struct lease_pair *p, uint32_t slot)
{
	return give(p, slot,
	    world_stop_order(
		p->worlds[slot], GUEST, DROVER__STOP_MODE__STOP_KILL, 1000));
}

static struct fence_copy
copy_at(struct lease_pair *p, uint32_t slot)
{
	struct fence_copy c = { .alive = false };

	(void)guest_copy(p->worlds[slot]->guests, GUEST, &c);
	return c;
}

struct at {
	struct lease_pair *p;
	uint32_t slot;
};

static bool
is_down(void *arg)
{
	const struct at *at = arg;
	struct fence_copy c = copy_at(at->p, at->slot);

	return !c.alive && !c.busy;
}

static bool
is_up(void *arg)
{
	const struct at *at = arg;
	struct fence_copy c = copy_at(at->p, at->slot);

	return c.alive && !c.busy;
}

static bool
waits(void *arg)
{
	const struct at *at = arg;
	const struct fence_host *h = fence_bed_host(at->p->leases, at->slot);

	return *fence_claim_text(h->fence, GUEST) != '\0';
}

static bool
is_dropped(void *arg)
{
	const struct at *at = arg;

	return !fence_holds(fence_bed_host(at->p->leases, at->slot)->fence, GUEST);
}

/* ---- starts and ends ---- */

static void
a_start_with_a_claim_runs_under_a_guard(void **state)
{
	struct lease_pair *p = *state;
	struct fence_copy c;

	assert_int_equal(start(p, 1, 1), 0);
	c = copy_at(p, 1);
	assert_true(c.alive && c.guarded && c.heard);
	assert_true(c.guard_us > fence_bed_now_ms(p->leases) * 1000);
	fence_bed_pass(p->leases, FENCE_BED_LEASE_MS);
	assert_true(copy_at(p, 1).guard_us > c.guard_us);
	assert_int_equal(stop(p, 1), 0);
	assert_true(is_dropped(&(struct at){ p, 1 }));
	assert_int_equal(start(p, 2, 2), 0);
}

static bool
is_under_guard_alone(struct lease_pair *p, uint32_t slot)
{
	struct fence_copy c = copy_at(p, slot);

	return c.alive && c.guarded && c.guard_us == GUARD_NO_DEADLINE &&
	       is_dropped(&(struct at){ p, slot });
}

static bool
has_deadline(void *arg)
{
	const struct at *at = arg;

	return copy_at(at->p, at->slot).guard_us != GUARD_NO_DEADLINE;
}

static void
let_it_be_claimed(struct lease_pair *p, uint32_t slot)
{
	p->leases->guest_store = FENCE_BED_STORE;
	fence_host_conf(fence_bed_host(p->leases, slot));
	fence_bed_until(p->leases, has_deadline, &(struct at){ p, slot });
}

static void
a_start_without_one_comes_under_leases_as_it_runs(void **state)
{
	struct lease_pair *p = *state;

	assert_int_equal(give(p, 1, world_start_order(p->worlds[1], GUEST, 1)), 0);
	assert_true(is_under_guard_alone(p, 1));
	let_it_be_claimed(p, 1);
	assert_false(is_dropped(&(struct at){ p, 1 }));
	assert_int_equal(stop(p, 1), 0);
	assert_true(is_dropped(&(struct at){ p, 1 }));
	assert_int_equal(start(p, 2, 2), 0);
}

static void
a_start_waits_for_another_host_and_can_be_cancelled(void **state)
{
	struct lease_pair *p = *state;
	struct world *w = p->worlds[2];
	Drover__Order *o = start_order(p, 2, 2);
	struct answer_wait a = { w, 1 };

	assert_int_equal(start(p, 1, 1), 0);
	world_begin(w, o);
	fence_bed_until(p->leases, waits, &(struct at){ p, 2 });
	fence_bed_pass(p->leases, 2000);
	assert_false(is_answered(&a));
	assert_false(copy_at(p, 2).alive);
	guests_cancel(w->guests, (struct order_name){ o->task, o->step }, "by test");
	fence_bed_until(p->leases, is_answered, &a);
	assert_int_equal(w->fault.code, ERR_CANCELLED);
	assert_true(is_dropped(&(struct at){ p, 2 }));
	assert_true(copy_at(p, 1).alive);
	drover__order__free_unpacked(o, NULL);
}

static void
a_late_start_is_told_who_was_faster(void **state)
{
	struct lease_pair *p = *state;

	assert_int_equal(start(p, 1, 5), 0);
	assert_int_equal(start(p, 2, 4), ERR_STALE);
	assert_non_null(strstr(p->worlds[2]->fault.msg, "host-1"));
	assert_false(copy_at(p, 2).alive);
}

static void
a_start_whose_claim_cannot_be_written_is_answered(void **state)
{
	struct lease_pair *p = *state;

	/* Where the folder of claims would be. */
	bed_write(fence_bed_file(p->leases, ".drover/ha/guests"), "", 0);
	assert_int_equal(start(p, 1, 1), ERR_IO);
	assert_false(copy_at(p, 1).alive);
	assert_non_null(strstr(p->worlds[1]->fault.msg, "ha/guests"));
}

static void
a_guest_whose_leases_end_is_ended_with_the_reason(void **state)
{
	struct lease_pair *p = *state;
	struct fence_host *h = fence_bed_host(p->leases, 1);

	assert_int_equal(start(p, 1, 1), 0);
	h->deaf = h->lost_store = true;
	fence_bed_until(p->leases, is_down, &(struct at){ p, 1 });
	assert_int_equal(QUERY(p->worlds[1], GUEST), 0);
	assert_int_equal(p->worlds[1]->last.state, GUEST_FAILED);
	assert_string_equal(p->worlds[1]->what, "died");
	/* It comes up again nowhere but by an order. */
	h->deaf = h->lost_store = false;
	fence_bed_pass(p->leases, 5000);
	assert_false(copy_at(p, 1).alive);
	assert_int_equal(h->restarts[GUEST], 0);
	assert_int_equal(start(p, 2, 2), 0);
}

static void
a_guest_that_is_old_is_ended(void **state)
{
	struct lease_pair *p = *state;
	struct fence_host *h = fence_bed_host(p->leases, 1);

	assert_int_equal(start(p, 1, 1), 0);
	h->stop = GUEST;
	fence_bed_until(p->leases, is_down, &(struct at){ p, 1 });
	assert_int_equal(h->kills[GUEST], 1);
	assert_string_equal(p->worlds[1]->what, "died");
}

static bool
is_restarted(void *arg)
{
	const struct at *at = arg;

	return fence_bed_host(at->p->leases, at->slot)->restarts[GUEST] > 0 &&
	       is_up(arg);
}

static void
a_guest_that_dies_is_started_again_without_an_order(void **state)
{
	struct lease_pair *p = *state;
	struct world *w = p->worlds[1];
	Drover__Order *o;

	world_close(w);
	fence_bed_host(p->leases, 1)->guests = NULL;
	w->faults = "pause:1=crash";
	world_open(w);
	fence_bed_host(p->leases, 1)->guests = w->guests;
	assert_int_equal(start(p, 1, 1), 0);
	fence_bed_host(p->leases, 1)->deaf = true;
	o = world_order(w, DROVER__ORDER__VERB_GUEST_PAUSE);
	NEW_BODY(o, guest_pause, drover__guest_pause__init)->guest = GUEST;
	assert_int_equal(give(p, 1, o), ERR_LOST);
	fence_bed_until(p->leases, is_restarted, &(struct at){ p, 1 });
	assert_true(copy_at(p, 1).guarded);
	assert_string_equal(w->what, "restarted");
	assert_int_equal(world_state(w, GUEST), GUEST_RUNNING);
	assert_int_equal(w->last.generation, 1);
}

/* ---- moves ---- */

static void
fill_key(const struct lease_pair *p, ProtobufCBinaryData *key)
{
	key->data = xmemdup(p->key, sizeof(p->key));
	key->len = sizeof(p->key);
}

static int
arrive(struct lease_pair *p, Drover__RunClaim *claim_take)
{
	Drover__Order *o = world_order(p->worlds[2], DROVER__ORDER__VERB_GUEST_ARRIVE);
	Drover__GuestArrive *v = NEW_BODY(o, guest_arrive, drover__guest_arrive__init);
	const char *shape = "{\"num_cpu\":1,\"memory_mb\":64}";

	v->spec = bed_spec(GUEST);
	v->generation = 2;
	fill_key(p, &v->key);
	v->source_uuid = xstrdup(UUID_A);
	v->shape.data = xmemdup(shape, strlen(shape));
	v->shape.len = strlen(shape);
	v->running = true;
	v->claim = claim_take;
	return give(p, 2, o);
}

static int
leave(struct lease_pair *p)
{
	Drover__Order *o = world_order(p->worlds[1], DROVER__ORDER__VERB_GUEST_LEAVE);
	Drover__GuestLeave *v = NEW_BODY(o, guest_leave, drover__guest_leave__init);

	v->guest = GUEST;
	v->generation = 2;
	fill_key(p, &v->key);
	v->target_uuid = xstrdup(UUID_B);
	v->addresses = xcalloc(1, sizeof(char *));
	v->addresses[0] = xstrdup("127.0.0.1");
	v->n_addresses = 1;
	v->port = channel_port(p->worlds[2]->channel);
	NEW_BODY(v, policy, drover__move_policy__init)->give_up_s = 60;
	return give(p, 1, o);
}

static int
arrived(struct lease_pair *p)
{
	Drover__Order *o = world_order(p->worlds[2], DROVER__ORDER__VERB_GUEST_ARRIVED);
	Drover__GuestArrived *v =
	    NEW_BODY(o, guest_arrived, drover__guest_arrived__init);

	v->guest = GUEST;
	v->generation = 2;
	fill_key(p, &v->key);
	return give(p, 2, o);
}

static int
release(struct lease_pair *p)
{
	Drover__Order *o = world_order(p->worlds[1], DROVER__ORDER__VERB_GUEST_RELEASE);
	Drover__GuestRelease *v =
	    NEW_BODY(o, guest_release, drover__guest_release__init);

	v->guest = GUEST;
	v->generation = 2;
	return give(p, 1, o);
}

static int
take_back(struct lease_pair *p)
{
	Drover__Order *o =
	    world_order(p->worlds[1], DROVER__ORDER__VERB_GUEST_TAKE_BACK);

	NEW_BODY(o, guest_take_back, drover__guest_take_back__init)->guest = GUEST;
	return give(p, 1, o);
}

static void
a_guest_moves_with_its_claim(void **state)
{
	struct lease_pair *p = *state;

	assert_int_equal(start(p, 1, 1), 0);
	assert_int_equal(arrive(p, claim_at(p, 2)), 0);
	assert_int_equal(leave(p), 0);
	assert_int_equal(arrived(p), 0);
	assert_int_equal(world_state(p->worlds[2], GUEST), GUEST_RUNNING);
	assert_true(copy_at(p, 2).guarded);
	assert_int_equal(release(p), 0);
	assert_true(is_dropped(&(struct at){ p, 1 }));
	fence_bed_pass(p->leases, FENCE_BED_LEASE_MS + 2000);
	assert_true(copy_at(p, 2).alive);
	assert_int_equal(world_state(p->worlds[2], GUEST), GUEST_RUNNING);
}

static void
a_guest_that_moves_without_one_is_claimed_where_it_came(void **state)
{
	struct lease_pair *p = *state;

	assert_int_equal(give(p, 1, world_start_order(p->worlds[1], GUEST, 1)), 0);
	assert_int_equal(arrive(p, NULL), 0);
	assert_int_equal(leave(p), 0);
	assert_int_equal(arrived(p), 0);
	assert_int_equal(release(p), 0);
	assert_true(is_under_guard_alone(p, 2));
	let_it_be_claimed(p, 2);
	assert_int_equal(world_state(p->worlds[2], GUEST), GUEST_RUNNING);
}

/* Its target ends it when it has come whole and has not run yet. */
static void
a_guest_that_is_refused_goes_on_where_it_was(void **state)
{
	struct lease_pair *p = *state;
	struct fence_host *to = fence_bed_host(p->leases, 2);

	assert_int_equal(start(p, 1, 1), 0);
	assert_int_equal(arrive(p, claim_at(p, 2)), 0);
	to->stop = GUEST;
	to->fenced = true;
	fence_bed_until(p->leases, is_dropped, &(struct at){ p, 2 });
	(void)leave(p);
	assert_int_equal(arrived(p), ERR_LOST);
	assert_int_equal(take_back(p), 0);
	assert_int_equal(world_state(p->worlds[1], GUEST), GUEST_RUNNING);
	fence_bed_pass(p->leases, FENCE_BED_LEASE_MS + 2000);
	assert_true(copy_at(p, 1).alive);
	assert_false(copy_at(p, 2).alive);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_start_with_a_claim_runs_under_a_guard),
		TEST(a_start_without_one_comes_under_leases_as_it_runs),
		TEST(a_start_waits_for_another_host_and_can_be_cancelled),
		TEST(a_late_start_is_told_who_was_faster),
		TEST(a_start_whose_claim_cannot_be_written_is_answered),
		TEST(a_guest_whose_leases_end_is_ended_with_the_reason),
		TEST(a_guest_that_is_old_is_ended),
		TEST(a_guest_that_dies_is_started_again_without_an_order),
		TEST(a_guest_moves_with_its_claim),
		TEST(a_guest_that_moves_without_one_is_claimed_where_it_came),
		TEST(a_guest_that_is_refused_goes_on_where_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
