/*
 * The judge of a run: sees true time and every copy, and decides nothing.
 */
#include <stdarg.h>
#include <stdio.h>

#include "tests/sim/storm.h"
#include "tests/sim/storm_agent.h"
#include "tests/sim/storm_db.h"
#include "tests/sim/storm_store.h"

#define HOST_HOLDS 4u /* guests, as the double of the scheduler knows (I11) */

static void __attribute__((format(printf, 2, 3)))
fail(struct storm *w, const char *fmt, ...)
{
	va_list ap;

	if (w->failure.is)
		return;
	w->failure.is = true;
	va_start(ap, fmt);
	vsnprintf(w->failure.text, sizeof(w->failure.text), fmt, ap);
	va_end(ap);
	storm_trace(w, "FAILED: %s", w->failure.text);
}

void
oracle_started(struct storm *w, uint32_t guest, uint32_t host)
{
	const struct storm_copy *c = &w->copies[guest][host];

	for (uint32_t h = 0; h < w->hosts; h++) {
		if (h != host && w->copies[guest][h].alive) {
			fail(w,
			    "I1: guest %u runs on host %u (gen %llu) and host %u "
			    "(gen %llu)",
			    guest, h, (unsigned long long)w->copies[guest][h].gen, host,
			    (unsigned long long)c->gen);
		}
	}
	if (c->gen < w->top_gen[guest])
		fail(w, "I2: guest %u starts at gen %llu after %llu", guest,
		    (unsigned long long)c->gen, (unsigned long long)w->top_gen[guest]);
	w->top_gen[guest] = c->gen;
	if (w->now_ms >= w->figures.from_ms && !w->figures.running_ms)
		w->figures.running_ms = w->now_ms;
}

void
oracle_ended(struct storm *w, uint32_t guest, uint32_t host)
{
	w->figures.touched++;
	if (schedule_is_managers(&w->schedule))
		fail(w, "I3: guest %u on host %u ends while only the manager fails",
		    guest, host);
}

void
oracle_order(struct storm *w, uint32_t guest, uint64_t gen)
{
	if (w->op_gen[guest] == gen)
		fail(w, "I6: the order of guest %u gen %llu takes effect twice", guest,
		    (unsigned long long)gen);
	w->op_gen[guest] = gen;
}

void
oracle_epoch(struct storm *w, uint32_t host, uint64_t epoch)
{
	if (epoch < w->epochs_heard[host])
		fail(w, "I5: host %u obeys epoch %llu after %llu", host,
		    (unsigned long long)epoch,
		    (unsigned long long)w->epochs_heard[host]);
	w->epochs_heard[host] = epoch;
}

void
oracle_placed(struct storm *w, uint32_t host, uint32_t guests_there)
{
	if (guests_there > HOST_HOLDS)
		fail(w, "I11: %u guests are ordered to host %u, which holds %u",
		    guests_there, host, HOST_HOLDS);
}

void
oracle_guard(struct storm *w, uint64_t late_ms)
{
	if (late_ms > w->figures.guard_late_ms)
		w->figures.guard_late_ms = late_ms;
	if (late_ms > w->terms.kill_ms)
		fail(w, "I10: a guard strikes %llu ms late",
		    (unsigned long long)late_ms);
}

/* A block that its dead host left damaged is for an operator, who says that the host
 * has no power: it is neither free nor dead. */
static bool
is_for_an_operator(const struct storm *w, uint32_t guest)
{
	for (uint32_t h = 0; h < w->hosts; h++) {
		if (!agent_is_up(w, h) &&
		    (store_claim(w, guest, h).phase == CLAIM_UNKNOWN ||
			!store_knows_beat(w, h)))
			return true;
	}
	return false;
}

static bool
is_well(const struct storm *w, uint32_t guest)
{
	const struct guest_row *row = &db_rows(w)->guests[guest];

	for (uint32_t h = 0; h < w->hosts; h++) {
		const struct storm_copy *c = &w->copies[guest][h];
		if (c->alive != (h == row->host) || (c->alive && c->gen != row->gen))
			return false;
	}
	return true;
}

bool
oracle_is_calm(const struct storm *w)
{
	for (uint32_t g = 0; g < w->guests; g++)
		if (!is_well(w, g) && !is_for_an_operator(w, g))
			return false;
	return true;
}

void
oracle_calm(struct storm *w)
{
	for (uint32_t g = 0; g < w->guests; g++) {
		const struct guest_row *row = &db_rows(w)->guests[g];
		if (!is_well(w, g) && !is_for_an_operator(w, g)) {
			fail(w,
			    "I4: guest %u does not run as its row says (host %u, "
			    "gen %llu)",
			    g, row->host, (unsigned long long)row->gen);
		}
	}
}
