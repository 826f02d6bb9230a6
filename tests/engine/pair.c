#include "tests/engine/pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

const struct wire_opts wire_whole = { .cut_at = WIRE_WHOLE };

static struct pair *at; /* what the verbs below work on */

void
verb_offer(struct suite_guest *sg, struct wake w)
{
	engine_move_offer(sg->g, w);
}

static void
move_in_with(struct suite_guest *sg, const struct engine_boot *b, struct wake w)
{
	engine_move_in(sg->g, b, &at->arrival, w);
}

void
verb_move_in(struct suite_guest *sg, struct wake w)
{
	suite_boot(sg, move_in_with, w);
}

void
verb_move_wait(struct suite_guest *sg, struct wake w)
{
	engine_move_wait(sg->g, w);
}

void
verb_move_out(struct suite_guest *sg, struct wake w)
{
	engine_move_out(sg->g, &at->departure, w);
}

void
verb_take_back(struct suite_guest *sg, struct wake w)
{
	engine_move_take_back(sg->g, w);
}

void
verb_adopt_in(struct suite_guest *sg, struct wake w)
{
	engine_adopt_moving(sg->g, &sg->spec, ENGINE_MOVES_IN, at->arrival.run, w);
}

void
verb_adopt_out(struct suite_guest *sg, struct wake w)
{
	engine_adopt_moving(sg->g, &sg->spec, ENGINE_MOVES_OUT, true, w);
}

struct suite_guest *
pair_target(struct suite *s, struct suite_guest *from, uint64_t number)
{
	struct suite_guest *to = suite_guest_new(s, number, NULL, NULL);

	unlink(to->disk_path);
	snprintf(to->disk_path, sizeof(to->disk_path), "%s", from->disk_path);
	return to;
}

void
pair_of(struct pair *p, struct suite *s)
{
	*p = (struct pair){ .suite = s };
	at = p;
}

void
pair_start(struct pair *p, struct suite *s, const void *boot)
{
	struct err e = ERR_INIT;

	pair_of(p, s);
	p->from = suite_guest_new(s, 31, NULL, boot);
	p->to = pair_target(s, p->from, 32);
	p->arrival.run = true;
	p->departure.downtime_ms = 300;
	p->departure.downtime_max_ms = 1000;
	p->departure.give_up_ms = 30000;
	if (suite_start(p->from, -1, &e))
		fail_msg("start: %s", e.msg);
}

/* The target waits for its bytes. */
void
pair_connect(struct pair *p, const struct wire_opts *o)
{
	const struct engine_offer *offer;

	suite_must(p->from, verb_offer);
	offer = engine_move_offered(p->from->g);
	if (offer->n_obstacles)
		fail_msg("it cannot leave: %s", offer->obstacles[0]);
	assert_true(offer->memory_bytes >= 64u << 20);
	p->arrival.shape = offer->shape;
	p->arrival.n_shape = offer->n_shape;
	p->wire = wire_new(o, &p->departure.memory_fd, &p->arrival.memory_fd);
	suite_must(p->to, verb_move_in);
	p->comes = suite_begin(p->to, verb_move_wait);
}

uint64_t
pair_disconnect(struct pair *p)
{
	return wire_free(MOVE(p->wire));
}

void
pair_end(struct pair *p)
{
	suite_guest_free(p->from);
	suite_guest_free(p->to);
	at = NULL;
}

void
pair_expect(const struct suite_guest *sg, enum engine_state want)
{
	enum engine_state is = engine_guest_state(sg->g);

	if (is != want)
		fail_msg("vm-%d is %s, not %s: %s", (int)sg->number,
		    engine_state_name(is), engine_state_name(want),
		    engine_guest_reason(sg->g));
}

int
pair_leave(struct pair *p, struct err *e)
{
	p->leaves = suite_begin(p->from, verb_move_out);
	return suite_end(p->leaves, e);
}

static uint64_t
bytes_done(const struct pair *p)
{
	return engine_progress(p->from->g)->done_bytes;
}

bool
pair_is_under_way(void *arg)
{
	const struct pair *p = arg;

	return bytes_done(p) > 0 || suite_has_ended(p->leaves);
}

void
pair_restart(struct pair *p)
{
	engine_guest_free(p->from->g);
	engine_guest_free(p->to->g);
	suite_restart(p->suite);
	suite_guest_handle(p->from);
	suite_guest_handle(p->to);
	free(p->leaves);
	free(p->comes);
	p->leaves = p->comes = NULL;
}
