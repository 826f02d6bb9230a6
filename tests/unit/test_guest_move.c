/*
 * A guest goes from one host to another, with everything that may come between: at no
 * moment do two run, and in the end exactly one does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/str.h"
#include "host-agent/channel/channel.h"
#include "tests/lib/guest_world.h"
#include "tests/lib/make_certs.h"

#define UUID_A      "3f2504e0-4f89-41d3-9a0c-0000000000aa"
#define UUID_B      "3f2504e0-4f89-41d3-9a0c-0000000000bb"
#define GUEST       7
#define PATIENCE_MS 10000u
#define CUTS        24 /* places at which a move is cut short */

struct pair {
	struct certs *certs;
	struct world *a, *b;
	uint8_t key[CHANNEL_KEY_BYTES];
	uint64_t generation; /* of the target */
};

/* ---- two hosts ---- */

static struct world *
make_world(struct pair *p, const char *name, const char *san, const char *uuid)
{
	struct cert_wish wish = { .san = san };
	struct tls_files files = certs_make(p->certs, name, &wish);
	struct world *w = world_new();
	struct err e = ERR_INIT;

	w->uuid = uuid;
	assert_int_equal(tls_server_ctx(&files, &w->accept, &e), 0);
	assert_int_equal(tls_client_ctx(&files, &w->dial, &e), 0);
	world_open(w);
	return w;
}

static int
set_up(void **state)
{
	struct pair *p = xcalloc(1, sizeof(*p));

	p->certs = certs_new("move test");
	p->a = make_world(p, "a", "URI:drover:host:" UUID_A, UUID_A);
	p->b = make_world(p, "b", "URI:drover:host:" UUID_B, UUID_B);
	p->generation = 10;
	*state = p;
	return 0;
}

static void
free_world(struct world *w)
{
	world_close(w);
	tls_ctx_free(w->accept);
	tls_ctx_free(w->dial);
	world_free(w);
}

static int
tear_down(void **state)
{
	struct pair *p = *state;

	free_world(p->a);
	free_world(p->b);
	certs_free(p->certs);
	free(p);
	return 0;
}

/* What the engine's own file says of the invented guest. */
static bool
says(const struct world *w, const char *word)
{
	const char *path = bed_path(w->bed, "vm-7");
	AUTO_FREE char *text = NULL;
	uint8_t *p;
	size_t n;

	if (!bed_exists(path))
		return false;
	p = bed_read(path, &n);
	text = xstrndup((char *)p, n);
	free(p);
	return strstr(text, word) != NULL;
}

static unsigned
runs(const struct world *w)
{
	return says(w, "\"running\"") || says(w, "\"leaving\"") ? 1 : 0;
}

static void
turn(struct pair *p)
{
	struct world *worlds[] = { p->a, p->b };

	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		world_let_time_pass(worlds[i]);
		loop_turn(worlds[i]->bed->loop, 1);
		assert_true(runs(p->a) + runs(p->b) <= 1);
	}
}

static void
until(struct pair *p, bool (*cond)(void *arg), void *arg)
{
	uint64_t end = clock_mono_ms(clock_system()) + PATIENCE_MS;

	while (!cond(arg)) {
		ASSERT(clock_mono_ms(clock_system()) < end);
		turn(p);
	}
}

static void
wait_answer(struct pair *p, struct world *w, unsigned answers)
{
	struct answer_wait a = { w, answers };

	until(p, world_is_answered, &a);
}

static unsigned
answers(const struct world *w)
{
	return w->replies + w->fails;
}

/* Give it to w and let both go on until it is answered. */
static int
give(struct pair *p, struct world *w, Drover__Order *o_take)
{
	unsigned before = answers(w), fails = w->fails;

	world_begin(w, o_take);
	wait_answer(p, w, before + 1);
	drover__order__free_unpacked(o_take, NULL);
	return w->fails > fails ? w->fault.code : 0;
}

/* ---- the orders of a move ---- */

static void
fill_key(const struct pair *p, ProtobufCBinaryData *key)
{
	key->data = xmemdup(p->key, sizeof(p->key));
	key->len = sizeof(p->key);
}

static int
offer(struct pair *p)
{
	Drover__Order *o = world_order(p->a, DROVER__ORDER__VERB_GUEST_OFFER);

	NEW_BODY(o, guest_offer, drover__guest_offer__init)->guest = GUEST;
	return give(p, p->a, o);
}

static int
arrive(struct pair *p)
{
	Drover__Order *o = world_order(p->b, DROVER__ORDER__VERB_GUEST_ARRIVE);
	Drover__GuestArrive *v = NEW_BODY(o, guest_arrive, drover__guest_arrive__init);
	const char *shape = "{\"num_cpu\":1,\"memory_mb\":64}";

	v->spec = bed_spec(GUEST);
	v->generation = p->generation;
	fill_key(p, &v->key);
	v->source_uuid = xstrdup(UUID_A);
	v->shape.data = xmemdup(shape, strlen(shape));
	v->shape.len = strlen(shape);
	v->running = true;
	return give(p, p->b, o);
}

static Drover__Order *
leave_order(struct pair *p)
{
	Drover__Order *o = world_order(p->a, DROVER__ORDER__VERB_GUEST_LEAVE);
	Drover__GuestLeave *v = NEW_BODY(o, guest_leave, drover__guest_leave__init);

	v->guest = GUEST;
	v->generation = p->generation;
	fill_key(p, &v->key);
	v->target_uuid = xstrdup(UUID_B);
	v->addresses = xcalloc(1, sizeof(char *));
	v->addresses[0] = xstrdup("127.0.0.1");
	v->n_addresses = 1;
	v->port = p->b->channel ? channel_port(p->b->channel) : 1;
	NEW_BODY(v, policy, drover__move_policy__init)->give_up_s = 60;
	return o;
}

static int
leave(struct pair *p)
{
	return give(p, p->a, leave_order(p));
}

static Drover__Order *
arrived_order(struct pair *p)
{
	Drover__Order *o = world_order(p->b, DROVER__ORDER__VERB_GUEST_ARRIVED);
	Drover__GuestArrived *v =
	    NEW_BODY(o, guest_arrived, drover__guest_arrived__init);

	v->guest = GUEST;
	v->generation = p->generation;
	fill_key(p, &v->key);
	return o;
}

static int
arrived(struct pair *p)
{
	return give(p, p->b, arrived_order(p));
}

static Drover__Order *
refuse_order(struct pair *p)
{
	Drover__Order *o = world_order(p->b, DROVER__ORDER__VERB_GUEST_REFUSE);
	Drover__GuestRefuse *v = NEW_BODY(o, guest_refuse, drover__guest_refuse__init);

	v->guest = GUEST;
	v->generation = p->generation;
	return o;
}

static int
refuse(struct pair *p)
{
	return give(p, p->b, refuse_order(p));
}

static int
take_back(struct pair *p)
{
	Drover__Order *o = world_order(p->a, DROVER__ORDER__VERB_GUEST_TAKE_BACK);

	NEW_BODY(o, guest_take_back, drover__guest_take_back__init)->guest = GUEST;
	return give(p, p->a, o);
}

static int
release(struct pair *p, struct world *w, uint64_t generation)
{
	Drover__Order *o = world_order(w, DROVER__ORDER__VERB_GUEST_RELEASE);
	Drover__GuestRelease *v =
	    NEW_BODY(o, guest_release, drover__guest_release__init);

	v->guest = GUEST;
	v->generation = generation;
	return give(p, w, o);
}

/* It runs at a; the next generation is for b. */
static void
begin(struct pair *p)
{
	uint64_t now = p->generation;

	p->generation = now + 2;
	assert_int_equal(world_start(p->a, GUEST, now + 1), 0);
	rng_secret(p->key, sizeof(p->key));
}

static void
runs_at(struct pair *p, struct world *w)
{
	struct world *other = w == p->a ? p->b : p->a;

	assert_int_equal(world_state(w, GUEST), GUEST_RUNNING);
	assert_int_equal(runs(w), 1);
	assert_int_equal(QUERY(other, GUEST), ERR_NOT_FOUND);
	assert_int_equal(runs(other), 0);
}

/* As the server ends a move of which it knows no more than that it was begun. */
static void
settle(struct pair *p)
{
	int rc = arrived(p);

	assert_true(rc == 0 || rc == ERR_LOST);
	if (rc) {
		assert_int_equal(take_back(p), 0);
		runs_at(p, p->a);
		return;
	}
	assert_int_equal(release(p, p->a, p->generation), 0);
	runs_at(p, p->b);
}

/* As one does that will not wait for what may never be sent. */
static void
settle_by_refusal(struct pair *p)
{
	int rc = refuse(p);

	assert_true(rc == 0 || rc == ERR_BAD_STATE);
	settle(p);
	runs_at(p, rc ? p->b : p->a);
}

/* And what lets it begin anew. */
static void
end_everywhere(struct pair *p)
{
	struct world *worlds[] = { p->a, p->b };

	for (size_t i = 0; i < ARRAY_SIZE(worlds); i++) {
		if (QUERY(worlds[i], GUEST) == ERR_NOT_FOUND)
			continue;
		assert_int_equal(
		    world_stop(worlds[i], GUEST, DROVER__STOP_MODE__STOP_KILL, 1000),
		    0);
		assert_int_equal(DELETE(worlds[i], GUEST), 0);
	}
	p->generation++;
}

/* ---- tests ---- */

static void
guest_moves_and_each_order_can_be_repeated(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(offer(p), 0);
	assert_int_equal(p->a->reply->offer->n_obstacles, 0);
	assert_true(p->a->reply->offer->running);
	assert_int_equal(p->a->reply->offer->memory_bytes, 64u << 20);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(arrive(p), 0);
		assert_int_equal(
		    p->b->reply->arrive_ready->port, channel_port(p->b->channel));
		assert_int_equal(p->b->reply->arrive_ready->n_addresses, 1);
	}
	assert_int_equal(world_state(p->b, GUEST), GUEST_ARRIVING);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(leave(p), 0);
		assert_true(p->a->reply->move->bytes > 0);
		assert_int_equal(world_state(p->a, GUEST), GUEST_GIVEN);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(arrived(p), 0);
		assert_int_equal(p->b->last.state, GUEST_RUNNING);
		assert_int_equal(p->b->last.generation, p->generation);
		assert_non_null(p->b->reply->arrived);
	}
	assert_string_equal(p->b->what, "arrived");
	for (int i = 0; i < 2; i++)
		assert_int_equal(release(p, p->a, p->generation), 0);
	runs_at(p, p->b);
	world_restart(p->b);
	assert_int_equal(arrived(p), 0);
	runs_at(p, p->b);
	assert_int_equal(world_start(p->a, GUEST, p->generation), ERR_STALE);
}

static void
paused_guest_comes_paused(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(PAUSE(p->a, GUEST), 0);
	assert_int_equal(offer(p), 0);
	assert_false(p->a->reply->offer->running);
	assert_int_equal(arrive(p), 0);
	assert_int_equal(leave(p), 0);
	assert_int_equal(take_back(p), 0);
	assert_int_equal(world_state(p->a, GUEST), GUEST_PAUSED);
}

static void
refused_guest_never_comes(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(arrive(p), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(refuse(p), 0);
		assert_int_equal(arrived(p), ERR_LOST);
		assert_int_equal(arrive(p), ERR_STALE);
		assert_int_equal(QUERY(p->b, GUEST), ERR_NOT_FOUND);
		world_restart(p->b);
	}
	assert_int_equal(world_start(p->b, GUEST, p->generation), ERR_STALE);
	assert_int_not_equal(leave(p), 0);
	assert_int_equal(take_back(p), 0);
	runs_at(p, p->a);
}

static bool
is_forgotten(void *arg)
{
	struct pair *p = arg;

	return QUERY(p->b, GUEST) == ERR_NOT_FOUND;
}

/* The last byte was given; whether it was also read is not the giver's to know. */
static bool
has_come(void *arg)
{
	struct pair *p = arg;

	return world_state(p->b, GUEST) == GUEST_RUNNING;
}

static void
what_did_not_come_is_refused_unasked(void **state)
{
	struct pair *p = *state;
	Drover__Order *o;

	begin(p);
	assert_int_equal(arrive(p), 0);
	o = leave_order(p);
	world_begin(p->a, o);
	while (!says(p->a, "\"leaving\""))
		turn(p);
	world_restart(p->a);
	drover__order__free_unpacked(o, NULL);
	until(p, is_forgotten, p);
	assert_int_equal(arrived(p), ERR_LOST);
	assert_non_null(strstr(p->b->fault.msg, "the way from the source broke"));
	assert_int_equal(refuse(p), 0);
	assert_non_null(strstr(p->b->reply->arrived->lost_why, "the way from"));
	assert_int_equal(arrive(p), ERR_STALE);
	p->generation++;
	assert_int_equal(arrive(p), 0);
	world_restart(p->b);
	assert_int_equal(arrive(p), ERR_STALE);
	/* Whoever reads it knows what to do. */
	assert_non_null(strstr(p->b->fault.msg, "agent was restarted"));
	assert_non_null(strstr(p->b->fault.msg, "order the move again"));
	assert_int_equal(world_start(p->b, GUEST, p->generation), ERR_STALE);
	assert_non_null(strstr(p->b->fault.msg, "order its start again"));
	runs_at(p, p->a);
}

static void
question_is_a_refusal_where_nothing_is_known(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(arrived(p), ERR_LOST);
	world_restart(p->b);
	assert_int_equal(arrive(p), ERR_STALE);
	p->generation++;
	assert_int_equal(arrive(p), 0);
	assert_int_equal(leave(p), 0);
	settle(p);
	runs_at(p, p->b);
}

static void
orders_that_make_no_sense_are_refused(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(release(p, p->a, p->generation), ERR_BAD_STATE);
	assert_int_equal(release(p, p->b, p->generation), 0);
	assert_int_equal(arrive(p), 0);
	assert_int_equal(PAUSE(p->b, GUEST), ERR_BUSY);
	assert_int_equal(
	    world_stop(p->b, GUEST, DROVER__STOP_MODE__STOP_KILL, 0), ERR_BUSY);
	assert_int_equal(leave(p), 0);
	assert_int_equal(PAUSE(p->a, GUEST), ERR_BAD_STATE);
	assert_int_equal(
	    world_stop(p->a, GUEST, DROVER__STOP_MODE__STOP_KILL, 0), ERR_BAD_STATE);
	assert_int_equal(DELETE(p->a, GUEST), ERR_BAD_STATE);
	assert_int_equal(world_start(p->a, GUEST, p->generation + 1), ERR_BAD_STATE);
	assert_int_equal(release(p, p->a, p->generation - 2), ERR_BAD_STATE);
	assert_int_equal(arrived(p), 0);
	assert_int_equal(refuse(p), ERR_BAD_STATE);
	assert_int_equal(arrive(p), ERR_BAD_STATE);
	assert_int_equal(world_stop(p->b, GUEST, DROVER__STOP_MODE__STOP_KILL, 0), 0);
	/* It ran: that it is down now does not give it back. */
	assert_int_equal(refuse(p), ERR_BAD_STATE);
	assert_int_equal(arrived(p), 0);
	assert_int_equal(p->b->last.state, GUEST_STOPPED);
}

static void
given_guest_waits_for_a_word(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(arrive(p), 0);
	assert_int_equal(leave(p), 0);
	until(p, has_come, p);
	for (int i = 0; i < 2; i++) {
		world_restart(p->a);
		assert_int_equal(world_state(p->a, GUEST), GUEST_GIVEN);
		assert_int_equal(leave(p), 0);
	}
	settle(p);
	runs_at(p, p->b);
}

static void
given_guest_without_a_process_is_gone(void **state)
{
	struct pair *p = *state;

	begin(p);
	assert_int_equal(leave(p), ERR_DENIED); /* nobody expects it */
	assert_int_equal(world_state(p->a, GUEST), GUEST_RUNNING);
	assert_int_equal(arrive(p), 0);
	assert_int_equal(leave(p), 0);
	assert_int_equal(remove(bed_path(p->a->bed, "vm-7")), 0);
	world_restart(p->a);
	assert_int_equal(world_state(p->a, GUEST), GUEST_GIVEN);
	assert_int_equal(take_back(p), ERR_LOST);
	assert_int_equal(world_state(p->a, GUEST), GUEST_FAILED);
	assert_int_equal(take_back(p), ERR_BAD_STATE);
}

/* How long a move may be cut: each few turns of both hosts. */
static void
turns(struct pair *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		turn(p);
}

/* Its group and its wires cannot go before it has ended. */
static void
refused_guest_that_does_not_end_is_not_forgotten(void **state)
{
	struct pair *p = *state;

	p->b->faults = "kill:7=stuck";
	world_restart(p->b);
	begin(p);
	assert_int_equal(arrive(p), 0);
	turns(p, 5);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(refuse(p), ERR_BUSY);
		assert_int_equal(QUERY(p->b, GUEST), 0);
	}
	p->b->faults = NULL;
	world_restart(p->b);
	assert_int_equal(refuse(p), 0);
	assert_int_equal(QUERY(p->b, GUEST), ERR_NOT_FOUND);
	runs_at(p, p->a);
}

static void
target_killed_anywhere(void **state)
{
	struct pair *p = *state;

	for (unsigned cut = 0; cut < CUTS; cut++) {
		Drover__Order *o;
		unsigned before;

		begin(p);
		assert_int_equal(arrive(p), 0);
		o = leave_order(p);
		before = answers(p->a);
		world_begin(p->a, o);
		turns(p, cut * 2);
		world_restart(p->b);
		wait_answer(p, p->a, before + 1);
		drover__order__free_unpacked(o, NULL);
		settle(p);
		end_everywhere(p);
	}
}

static void
source_killed_anywhere(void **state)
{
	struct pair *p = *state;

	for (unsigned cut = 0; cut < CUTS; cut++) {
		Drover__Order *o;

		begin(p);
		assert_int_equal(arrive(p), 0);
		o = leave_order(p);
		world_begin(p->a, o);
		turns(p, cut * 2);
		world_restart(p->a);
		drover__order__free_unpacked(o, NULL);
		settle_by_refusal(p);
		end_everywhere(p);
	}
}

static void
target_killed_anywhere_in_an_arrival(void **state)
{
	struct pair *p = *state;

	for (unsigned cut = 0; cut < CUTS; cut++) {
		Drover__Order *o = world_order(p->b, DROVER__ORDER__VERB_GUEST_ARRIVE);
		Drover__GuestArrive *v =
		    NEW_BODY(o, guest_arrive, drover__guest_arrive__init);

		begin(p);
		v->spec = bed_spec(GUEST);
		v->generation = p->generation;
		fill_key(p, &v->key);
		v->source_uuid = xstrdup(UUID_A);
		world_begin(p->b, o);
		turns(p, cut / 2);
		world_restart(p->b);
		drover__order__free_unpacked(o, NULL);
		assert_int_equal(QUERY(p->b, GUEST), ERR_NOT_FOUND);
		settle(p);
		end_everywhere(p);
	}
}

static void
refusal_races_with_the_arrival(void **state)
{
	struct pair *p = *state;

	for (unsigned cut = 0; cut < CUTS; cut++) {
		unsigned before;
		Drover__Order *o;
		int rc;

		begin(p);
		assert_int_equal(arrive(p), 0);
		o = leave_order(p);
		before = answers(p->a);
		world_begin(p->a, o);
		turns(p, cut * 2);
		rc = refuse(p);
		assert_true(rc == 0 || rc == ERR_BAD_STATE);
		wait_answer(p, p->a, before + 1);
		drover__order__free_unpacked(o, NULL);
		settle(p);
		runs_at(p, rc ? p->b : p->a);
		end_everywhere(p);
	}
}

/* It has lost its stream, and is cleared away meanwhile. */
static void
refusal_races_with_the_end_of_an_arrival(void **state)
{
	struct pair *p = *state;

	for (unsigned cut = 0; cut < CUTS; cut++) {
		Drover__Order *o;

		begin(p);
		assert_int_equal(arrive(p), 0);
		o = leave_order(p);
		world_begin(p->a, o);
		while (!says(p->a, "\"leaving\""))
			turn(p);
		world_restart(p->a);
		drover__order__free_unpacked(o, NULL);
		turns(p, cut);
		assert_int_equal(refuse(p), 0);
		runs_at(p, p->a);
		end_everywhere(p);
	}
}

static void
cancelled_move_ends_one_way_or_the_other(void **state)
{
	struct pair *p = *state;

	for (unsigned cut = 0; cut < CUTS; cut++) {
		Drover__Order *o;
		unsigned before, fails;

		begin(p);
		assert_int_equal(arrive(p), 0);
		o = leave_order(p);
		before = answers(p->a);
		fails = p->a->fails;
		world_begin(p->a, o);
		turns(p, cut * 2);
		guests_cancel(
		    p->a->guests, (struct order_name){ o->task, o->step }, "test");
		wait_answer(p, p->a, before + 1);
		drover__order__free_unpacked(o, NULL);
		if (p->a->fails > fails) {
			assert_int_equal(p->a->fault.code, ERR_CANCELLED);
			assert_int_equal(world_state(p->a, GUEST), GUEST_RUNNING);
		}
		settle_by_refusal(p);
		end_everywhere(p);
	}
}

static void
leaving_guest_can_be_killed(void **state)
{
	struct pair *p = *state;
	Drover__Order *leaves, *kill;
	unsigned before;

	begin(p);
	assert_int_equal(arrive(p), 0);
	leaves = leave_order(p);
	before = answers(p->a);
	world_begin(p->a, leaves);
	while (!runs(p->a) || world_state(p->a, GUEST) != GUEST_LEAVING)
		turn(p);
	before = answers(p->a);
	assert_int_equal(PAUSE(p->a, GUEST), ERR_BUSY);
	kill = world_stop_order(p->a, GUEST, DROVER__STOP_MODE__STOP_KILL, 0);
	world_begin(p->a, kill);
	wait_answer(p, p->a, before + 3);
	drover__order__free_unpacked(leaves, NULL);
	drover__order__free_unpacked(kill, NULL);
	assert_int_equal(world_state(p->a, GUEST), GUEST_STOPPED);
	assert_int_equal(refuse(p), 0);
	assert_int_equal(runs(p->a) + runs(p->b), 0);
}

int
main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(guest_moves_and_each_order_can_be_repeated),
		T(paused_guest_comes_paused),
		T(refused_guest_never_comes),
		T(refused_guest_that_does_not_end_is_not_forgotten),
		T(what_did_not_come_is_refused_unasked),
		T(question_is_a_refusal_where_nothing_is_known),
		T(orders_that_make_no_sense_are_refused),
		T(given_guest_waits_for_a_word),
		T(given_guest_without_a_process_is_gone),
		T(target_killed_anywhere),
		T(source_killed_anywhere),
		T(target_killed_anywhere_in_an_arrival),
		T(refusal_races_with_the_arrival),
		T(refusal_races_with_the_end_of_an_arrival),
		T(cancelled_move_ends_one_way_or_the_other),
		T(leaving_guest_can_be_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
