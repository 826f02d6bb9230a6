#include "tests/sim/storm_fault.h"

#include <stdio.h>
#include <string.h>

#include "tests/sim/storm.h"
#include "tests/sim/storm_agent.h"
#include "tests/sim/storm_server.h"
#include "tests/sim/storm_store.h"

static const char *const names[FAULTS_] = {
#define FAULT(id, name, text) [FAULT_##id] = name,
#include "tests/sim/fault.def"
#undef FAULT
};

bool
fault_on(const struct storm *w, enum storm_fault_kind k, uint32_t node)
{
	return w->on.n[k][node] > 0;
}

uint64_t
schedule_end_ms(const struct storm_schedule *s)
{
	uint64_t end = STORM_START_MS;

	for (size_t i = 0; i < s->n; i++) {
		uint64_t over = s->list[i].at_ms + s->list[i].for_ms;
		if (over > end)
			end = over;
	}
	return end;
}

bool
schedule_is_managers(const struct storm_schedule *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct storm_fault *f = &s->list[i];
		switch (f->kind) {
		case FAULT_SERVER_DIES:
		case FAULT_LEADER_DIES:
		case FAULT_SERVER_STOPS:
		case FAULT_DB_DOWN:
		case FAULT_DB_CUT:
		case FAULT_DB_MUTE:
		case FAULT_NO_STOPS:
		case FAULT_LATE_STARTS:
			continue;
		default:
			return false;
		}
	}
	return true;
}

void
schedule_print(const struct storm_schedule *s)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct storm_fault *f = &s->list[i];
		printf("  %7.3f s for %7.3f s  %-13s a=%u b=%u x=%u\n",
		    (double)(f->at_ms - STORM_START_MS) / 1000,
		    (double)f->for_ms / 1000, names[f->kind], f->a, f->b, f->x);
	}
}

static void
cut(struct storm *w, const struct storm_fault *f, int by)
{
	w->on.cut[f->a][f->b] = (uint8_t)(w->on.cut[f->a][f->b] + by);
	if (f->kind == FAULT_CUT_BOTH)
		w->on.cut[f->b][f->a] = (uint8_t)(w->on.cut[f->b][f->a] + by);
}

static void
mark(struct storm *w, const struct storm_fault *f, int by)
{
	w->on.n[f->kind][f->a] = (uint8_t)(w->on.n[f->kind][f->a] + by);
	w->on.all[f->kind] = (uint8_t)(w->on.all[f->kind] + by);
	if (by > 0)
		w->on.x[f->kind][f->a] = f->x;
	if (f->kind == FAULT_CUT || f->kind == FAULT_CUT_BOTH)
		cut(w, f, by);
}

void
fault_begin(struct storm *w, const struct storm_fault *f)
{
	storm_trace(w, "fault: %s a=%u b=%u x=%u for %llu ms", names[f->kind], f->a,
	    f->b, f->x, (unsigned long long)f->for_ms);
	mark(w, f, 1);
	switch (f->kind) {
	case FAULT_HOST_DIES:
		agent_host_dies(w, f->a, f->for_ms);
		break;
	case FAULT_AGENT_DIES:
		agent_dies(w, f->a, f->for_ms);
		break;
	case FAULT_SERVER_DIES:
		server_dies(w, f->a - w->hosts, f->for_ms);
		break;
	case FAULT_LEADER_DIES:
		leader_dies(w, f->for_ms);
		break;
	case FAULT_AGENT_STOPS:
	case FAULT_SERVER_STOPS:
		if (w->now_ms + f->for_ms > w->paused_ms[f->a])
			w->paused_ms[f->a] = w->now_ms + f->for_ms;
		break;
	case FAULT_GUEST_DIES:
		for (uint32_t h = 0; h < w->hosts; h++)
			if (w->copies[f->a][h].alive)
				copy_end(w, f->a, h, COPY_FAULT);
		break;
	case FAULT_DAMAGED:
		store_damage_claims(w, f->a);
		break;
	default:
		break;
	}
}

void
fault_end(struct storm *w, const struct storm_fault *f)
{
	storm_trace(w, "fault: %s a=%u b=%u is over", names[f->kind], f->a, f->b);
	mark(w, f, -1);
}
