/* What drover-plan's commands do, once the view is read. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "scheduler/plan_int.h"

static bool
is_given(const struct plan_args *a, enum plan_option o)
{
	return a->given & o;
}

static uint64_t
number(const struct plan_args *a, enum plan_bit bit, uint64_t otherwise)
{
	return a->given & 1u << bit ? (uint64_t)a->number[bit] : otherwise;
}

static enum sched_detail
detail_of(const struct plan_args *a)
{
	return is_given(a, PLAN_EXPLAIN) ? SCHED_EXPLAIN : SCHED_BRIEF;
}

/* The one that was named, or the only one. */
static int
find_cluster(const struct plan_args *a, const struct sched_view *v, uint64_t *ret_id,
    struct err *e)
{
	struct sched_counts n;

	*ret_id = sched_view_only_cluster(v);
	if (a->cluster)
		return sched_view_find_cluster(v, a->cluster, ret_id, e);
	sched_view_counts(v, &n);
	if (n.clusters > 1)
		return err_set(e, ERR_INVALID,
		    "%s has %zu clusters: say which, --cluster NAME", a->path,
		    n.clusters);
	return 0;
}

static int
find_guests(const struct plan_args *a, const struct sched_view *v, uint64_t *ret_ids,
    struct err *e)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < a->guest_count; i++)
		rc = sched_view_find_guest(v, a->guests[i], &ret_ids[i], e);
	return rc;
}

static int
find_hosts(const struct plan_args *a, const struct sched_view *v, uint64_t *ret_ids,
    struct err *e)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < a->host_count; i++)
		rc = sched_view_find_host(v, a->hosts[i], &ret_ids[i], e);
	return rc;
}

static int
print_json(const struct plan_args *a, const struct sched_plan *plan)
{
	AUTO(json) json *j = sched_plan_json(plan);
	AUTO_FREE char *s = json_text_pretty(j);

	fprintf(a->out, "%s\n", s);
	return plan->refused ? PLAN_EXIT_NO_PLACE : PLAN_EXIT_OK;
}

static int
print_plan(const struct plan_args *a, const struct sched_plan *plan)
{
	AUTO(str) struct str text = STR_INIT;

	if (is_given(a, PLAN_JSON))
		return print_json(a, plan);
	sched_plan_text(plan, &text);
	fputs(str_cstr(&text), a->out);
	return plan->refused ? PLAN_EXIT_NO_PLACE : PLAN_EXIT_OK;
}

int
plan_place(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	uint64_t named[PLAN_MAX_NAMES];
	struct sched_safe s = {
		.guests = named, .count = a->guest_count, .detail = detail_of(a)
	};
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	AUTO(sched_view) struct sched_view *with = NULL;
	int rc = 0;

	if (is_given(a, PLAN_MEMORY)) {
		rc = plan_view_with_guest(a, v, &with, named, e);
		s.count = 1;
		v = with;
	} else if (is_given(a, PLAN_ALL_UNPLACED)) {
		s.guests = sched_view_unplaced(v, &s.count);
	} else {
		rc = find_guests(a, v, named, e);
	}
	if (!rc && is_given(a, PLAN_SPARE))
		rc = find_cluster(a, v, &s.cluster, e);
	if (!rc && is_given(a, PLAN_SPARE))
		rc = sched_place_safe(v, &s, &plan, e);
	else if (!rc)
		rc = sched_place_many(v, s.guests, s.count, s.detail, &plan, e);
	return rc ? rc : print_plan(a, plan);
}

int
plan_check(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	struct sched_counts n;

	sched_view_counts(v, &n);
	fprintf(a->out,
	    "%s is in order: %zu clusters, %zu hosts, %zu datastores, %zu networks, "
	    "%zu guests, %zu of them without a host, %zu rules\n",
	    a->path, n.clusters, n.hosts, n.datastores, n.networks, n.guests,
	    n.unplaced, n.rules);
	return PLAN_EXIT_OK;
}

/* ---- moves of guests that run ---- */

static int
read_ask(const struct plan_args *a, const struct sched_view *v,
    struct sched_ask *ret_ask, struct err *e)
{
	struct sched_ask ask = sched_ask_default();

	ask.detail = detail_of(a);
	ask.keeps_spare = is_given(a, PLAN_SPARE);
	ask.must_pay = is_given(a, PLAN_PAYS);
	ask.threshold = (uint32_t)number(a, PLAN_BIT_THRESHOLD_, 0);
	ask.max_moves = (uint32_t)number(a, PLAN_BIT_MOVES_, ask.max_moves);
	ask.tries = (uint32_t)number(a, PLAN_BIT_ITERATIONS_, 0);
	ask.seed = number(a, PLAN_BIT_SEED_, ask.seed);
	ask.link_mb_s = number(a, PLAN_BIT_LINK_, ask.link_mb_s);
	ask.target_ppm = (uint64_t)(a->number[PLAN_BIT_TARGET_] * 1e6 + 0.5);
	ask.price_ppb = (uint64_t)(a->number[PLAN_BIT_COST_] * 1e9 + 0.5);
	*ret_ask = ask;
	return find_cluster(a, v, &ret_ask->cluster, e);
}

static double
total(const struct sched_unevenness *u)
{
	return (double)(u->cpu_ppm + u->memory_ppm) / 1e6;
}

static void
print_remark(const struct plan_args *a, const struct sched_move *m)
{
	AUTO(str) struct str text = STR_INIT;
	char *rest;

	sched_move_text(m, &text);
	rest = text.s;
	for (char *line; (line = strsep(&rest, "\n")) && *line;)
		fprintf(a->out, "# %s\n", line);
}

static void
print_totals(const struct plan_args *a, const struct sched_plan *p, double took_s)
{
	double copy_s = 0;
	size_t had_to_be = 0, moves = p->move_count - p->refused;

	for (size_t i = 0; i < p->move_count; i++) {
		const struct sched_grounds *g = p->moves[i].grounds;

		copy_s += g ? (double)g->worth.copy_ms / 1000 : 0;
		had_to_be += g && g->priority == 1;
	}
	fprintf(a->out,
	    "# score %.6f -> %.6f, %zu moves in %u waves, %zu of them had to be, %zu "
	    "guests have to go and cannot\n",
	    total(&p->before), total(&p->after), moves, p->waves, had_to_be,
	    p->refused);
	fprintf(a->out, "# %.0f s of copying; planned in %.6f s\n", copy_s, took_s);
	if (!p->is_ordered)
		fputs("# these moves have no order in which each has room\n", a->out);
	if (is_given(a, PLAN_SPARE))
		fprintf(a->out, "# %u guests without a place if their host is lost\n",
		    p->unsafe);
	fputs("# curve", a->out);
	for (size_t i = 0; i < p->move_count; i++) {
		if (p->moves[i].grounds)
			fprintf(a->out, " %.5f", total(&p->moves[i].grounds->after));
	}
	fputc('\n', a->out);
}

/* A line "M seconds guest from to" a move, remarks behind #. */
static int
print_moves(const struct plan_args *a, const struct sched_plan *p, uint64_t took_us)
{
	double took_s = (double)took_us / 1e6;

	if (is_given(a, PLAN_JSON))
		return print_json(a, p);
	for (size_t i = 0; i < p->move_count; i++) {
		const struct sched_move *m = &p->moves[i];

		if (!m->code)
			fprintf(a->out, "M %.4f %s %s %s\n", took_s, m->guest_name,
			    m->from_name ? m->from_name : "-", m->to_name);
		if (m->code || is_given(a, PLAN_EXPLAIN))
			print_remark(a, m);
	}
	for (size_t i = 0; i < p->power_count; i++)
		fprintf(a->out, "P %s %s\n# %s\n",
		    p->powers[i].power == SCHED_POWER_WAKE ? "wake" : "standby",
		    p->powers[i].host_name, p->powers[i].text);
	print_totals(a, p, took_s);
	return p->refused ? PLAN_EXIT_NO_PLACE : PLAN_EXIT_OK;
}

static uint64_t
now_us(void)
{
	return clock_mono_us(clock_system());
}

int
plan_balance(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	struct sched_ask ask;
	int rc = read_ask(a, v, &ask, e);
	uint64_t begin = now_us();

	if (!rc)
		rc = sched_balance(v, &ask, &plan, e);
	return rc ? rc : print_moves(a, plan, now_us() - begin);
}

int
plan_evacuate(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t hosts[PLAN_MAX_NAMES];
	struct sched_ask ask;
	int rc = read_ask(a, v, &ask, e);
	uint64_t begin = now_us();

	if (!rc)
		rc = find_hosts(a, v, hosts, e);
	if (!rc)
		rc = sched_evacuate(v, hosts, a->host_count, &ask, &plan, e);
	return rc ? rc : print_moves(a, plan, now_us() - begin);
}

int
plan_make_room(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t guests[PLAN_MAX_NAMES] = { 0 };
	struct sched_ask ask;
	int rc = read_ask(a, v, &ask, e);
	uint64_t begin = now_us();

	if (!rc && a->guest_count != 1)
		rc = err_set(e, ERR_INVALID, "room is made for one guest at a time");
	if (!rc)
		rc = find_guests(a, v, guests, e);
	if (!rc)
		rc = sched_make_room(v, guests[0], &ask, &plan, e);
	return rc ? rc : print_moves(a, plan, now_us() - begin);
}

int
plan_power(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	struct sched_ask ask;
	int rc = read_ask(a, v, &ask, e);
	uint64_t begin = now_us();

	if (!rc)
		rc = sched_power(v, &ask, &plan, e);
	return rc ? rc : print_moves(a, plan, now_us() - begin);
}

/* ---- what if ---- */

int
plan_capacity(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	const struct sched_size size = {
		.num_cpu = number(a, PLAN_BIT_CPUS_, 0),
		.memory_mb = number(a, PLAN_BIT_MEMORY_, 0),
		.failures = (uint32_t)number(a, PLAN_BIT_FAILURES_, 0),
	};
	struct sched_capacity c;
	uint64_t cluster = 0;
	int rc = find_cluster(a, v, &cluster, e);

	if (!rc)
		rc = sched_capacity(v, cluster, &size, &c, e);
	if (rc)
		return rc;
	fprintf(a->out, "fit %u of at most %u, %u hosts may be lost\n", c.count,
	    c.bound, size.failures);
	fprintf(a->out, "next %s\n", c.next_name ? c.next_name : "none");
	for (size_t i = 0; i < c.room_count; i++)
		fprintf(a->out, "on %s %u\n", c.rooms[i].host_name, c.rooms[i].count);
	free(c.rooms);
	return PLAN_EXIT_OK;
}

static void
print_permille(
    const struct plan_args *a, const char *what, const struct failover_share *s)
{
	fprintf(a->out, "%s cpu %.1f %%, memory %.1f %%\n", what,
	    (double)s->cpu_permille / 10, (double)s->memory_permille / 10);
}

int
plan_admit(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	const struct failover_guest more = { number(a, PLAN_BIT_MHZ_, 0),
		number(a, PLAN_BIT_MEMORY_, 0), 0 };
	uint32_t failures = (uint32_t)number(a, PLAN_BIT_FAILURES_, 0);
	struct restart_admission r;
	uint64_t cluster = 0;
	int rc = find_cluster(a, v, &cluster, e);

	if (!rc)
		rc = sched_admit(v, cluster, &more, failures, &r, e);
	if (rc)
		return rc;
	fprintf(a->out,
	    "by slots: %s; a slot is %" PRIu64 " MHz and %" PRIu64 " MB, %" PRIu64
	    " of %" PRIu64 " used, %" PRIu64 " kept for %u lost hosts\n",
	    r.by_slots ? "yes" : "no", r.slots.slot.cpu_mhz, r.slots.slot.memory_mb,
	    r.slots.used, r.slots.total, r.slots.kept, failures);
	fprintf(a->out, "by percentage: %s\n", r.by_share ? "yes" : "no");
	print_permille(a, "  unreserved then:", &r.unreserved);
	print_permille(a, "  to be kept:", &r.keep);
	return r.by_slots && r.by_share ? PLAN_EXIT_OK : PLAN_EXIT_NO_PLACE;
}

/* A line "S wave guest from to" a start. */
static int
print_starts(const struct plan_args *a, const struct sched_plan *p)
{
	if (is_given(a, PLAN_JSON))
		return print_json(a, p);
	for (size_t i = 0; i < p->move_count; i++) {
		const struct sched_move *m = &p->moves[i];

		if (!m->code)
			fprintf(a->out, "S %u %s %s %s\n", m->wave, m->guest_name,
			    m->from_name, m->to_name);
		print_remark(a, m);
	}
	fprintf(a->out, "# %zu start in %u waves, %zu cannot\n",
	    p->move_count - p->refused, p->waves, p->refused);
	return p->refused ? PLAN_EXIT_NO_PLACE : PLAN_EXIT_OK;
}

int
plan_restart(const struct plan_args *a, const struct sched_view *v, struct err *e)
{
	AUTO(sched_plan) struct sched_plan *plan = NULL;
	uint64_t hosts[PLAN_MAX_NAMES];
	struct restart_ask ask = restart_ask_default();
	int rc = find_hosts(a, v, hosts, e);

	ask.lost = hosts;
	ask.lost_count = a->host_count;
	ask.keeps_apart = is_given(a, PLAN_APART);
	ask.waits = is_given(a, PLAN_WAITS);
	ask.detail = detail_of(a);
	if (!rc)
		rc = sched_restart(v, &ask, &plan, e);
	return rc ? rc : print_starts(a, plan);
}
