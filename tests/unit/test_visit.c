#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "server/session/visit.h"
#include "tests/lib/lab.h"

#define WINDOW 1000u

/* A visit as its taker sees it, and the host's end as the test plays it. */
struct world {
	struct lab *l;
	struct visits *visits;
	struct visit *visit;
	struct caller who;
	obj_id vm;
	struct str out;
	unsigned rooms, ends;
	int rc;
	uint32_t exit_code;
	/* what the host has heard */
	unsigned opens, told_ends;
	uint64_t number, granted;
	struct str in;
	bool in_ended;
	char path[100];
	int recorded;
};

static void
host_hears(const Drover__Envelope *m, void *arg)
{
	struct world *w = arg;

	switch ((int)m->body_case) {
	case DROVER__ENVELOPE__BODY_SESSION_OPEN:
		w->opens++;
		w->number = m->session_open->session;
		if (m->session_open->what_case == DROVER__SESSION_OPEN__WHAT_GET)
			snprintf(
			    w->path, sizeof(w->path), "%s", m->session_open->get->path);
		break;
	case DROVER__ENVELOPE__BODY_SESSION_DATA:
		str_addn(&w->in, m->session_data->data.data, m->session_data->data.len);
		w->in_ended |= m->session_data->end;
		break;
	case DROVER__ENVELOPE__BODY_SESSION_CREDIT:
		w->granted += m->session_credit->bytes;
		break;
	case DROVER__ENVELOPE__BODY_SESSION_END:
		w->told_ends++;
		break;
	default:
		break;
	}
}

static void
on_data(void *arg, enum visit_way way, const void *p, size_t n, bool end)
{
	str_addn(&((struct world *)arg)->out, p, n);
}

static void
on_room(void *arg)
{
	((struct world *)arg)->rooms++;
}

static void
on_ended(void *arg, const struct visit_end *end)
{
	struct world *w = arg;

	w->visit = NULL;
	w->ends++;
	w->rc = end->rc;
	w->exit_code = end->exit_code;
}

static const struct visit_events events = { on_data, on_room, on_ended };

static void
on_recorded(void *arg, int rc, const struct err *e)
{
	((struct world *)arg)->recorded = rc;
}

/* A container that runs on the first host, as a report would have it. */
static obj_id
make_container(struct lab *l)
{
	obj_id id = lab_vm(l, "ct-1", true);
	struct txn *t = txn_new(l->inv);
	struct vm *m = txn_edit(t, id);

	m->guest_type = GUEST_CONTAINER;
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(l);
	assert_int_equal(inv_vm(l->inv, id)->guest_type, GUEST_CONTAINER);
	return id;
}

static void
open_world(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->l = lab_new(1, 4096);
	w->visits = visits_new(w->l->inv, w->l->hosts);
	w->vm = make_container(w->l);
	w->who.user = obj_id_make(KIND_USER, 1);
	snprintf(w->who.name, sizeof(w->who.name), "ada");
	agent_fake_serve(w->l->agent[0], host_hears, w);
}

static void
close_world(struct world *w)
{
	visit_close(w->visit);
	visits_free(w->visits);
	str_fini(&w->out);
	str_fini(&w->in);
	lab_free(w->l);
}

static struct visit_want
want(const struct world *w, enum visit_kind kind)
{
	static const char *const args[] = { "/bin/echo", "two words", NULL };

	return (struct visit_want){
		.vm = w->vm,
		.who = &w->who,
		.kind = kind,
		.args = args,
		.path = "/etc",
	};
}

static void
begin(struct world *w)
{
	const struct visit_want v = want(w, VISIT_EXEC);
	struct err e = ERR_INIT;

	assert_int_equal(visit_open(w->visits, &v, (struct visit_taker){ &events, w },
			     &w->visit, &e),
	    0);
	lab_settle(w->l);
	assert_int_equal(w->opens, 1);
}

static void
host_sends(struct world *w, size_t n)
{
	Drover__SessionData d = DROVER__SESSION_DATA__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;
	AUTO_FREE uint8_t *data = xcalloc(1, n);

	d.session = w->number;
	d.stream = DROVER__SESSION_STREAM__SESSION_OUT;
	d.data = (ProtobufCBinaryData){ n, data };
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_DATA;
	m.session_data = &d;
	agent_fake_say(w->l->agent[0], &m);
	lab_settle(w->l);
}

static void
host_grants(struct world *w, uint32_t n)
{
	Drover__SessionCredit c = DROVER__SESSION_CREDIT__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	c.session = w->number;
	c.bytes = n;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_CREDIT;
	m.session_credit = &c;
	agent_fake_say(w->l->agent[0], &m);
	lab_settle(w->l);
}

static void
host_ends(struct world *w, uint32_t code)
{
	Drover__SessionEnd end = DROVER__SESSION_END__INIT;
	Drover__Envelope m = DROVER__ENVELOPE__INIT;

	end.session = w->number;
	end.exit_code = code;
	m.body_case = DROVER__ENVELOPE__BODY_SESSION_END;
	m.session_end = &end;
	agent_fake_say(w->l->agent[0], &m);
	lab_settle(w->l);
}

static void
bytes_go_both_ways(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w);
	visit_grant(w.visit, VISIT_OUT, WINDOW);
	lab_settle(w.l);
	assert_int_equal(w.granted, WINDOW);
	host_sends(&w, 600);
	host_sends(&w, 400);
	assert_int_equal(w.out.len, WINDOW);
	assert_int_equal(visit_room(w.visit), 0);
	host_grants(&w, 5);
	assert_int_equal(w.rooms, 1);
	assert_int_equal(visit_room(w.visit), 5);
	visit_write(w.visit, "hello", 5, true);
	lab_settle(w.l);
	assert_string_equal(str_cstr(&w.in), "hello");
	assert_true(w.in_ended);
	host_ends(&w, 7);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.rc, 0);
	assert_int_equal(w.exit_code, 7);
	assert_int_equal(visits_count(w.visits), 0);
	close_world(&w);
}

static void
a_host_that_sends_too_much_loses_the_session(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w);
	visit_grant(w.visit, VISIT_OUT, WINDOW);
	host_sends(&w, WINDOW + 1);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.rc, ERR_INTERNAL);
	assert_int_equal(w.told_ends, 1);
	assert_true(hosts_is_up(w.l->hosts, w.l->host[0]));
	close_world(&w);

	open_world(&w);
	begin(&w);
	host_grants(&w, (uint32_t)MAX_VISIT_WINDOW + 1);
	assert_int_equal(w.rc, ERR_INTERNAL);
	close_world(&w);
}

static void
a_lost_link_ends_it(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w);
	agent_fake_cut(w.l->agent[0]);
	lab_settle(w.l);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.rc, ERR_LOST);
	close_world(&w);
}

/* Who has gone is told to the host, and hears nothing any more. */
static void
who_goes_away_ends_what_runs(void **state)
{
	struct world w;

	open_world(&w);
	begin(&w);
	visit_close(MOVE(w.visit));
	lab_settle(w.l);
	assert_int_equal(w.told_ends, 1);
	host_ends(&w, 0);
	assert_int_equal(w.ends, 0);
	close_world(&w);
}

static void
not_every_guest_can_be_visited(void **state)
{
	static const struct {
		enum guest_type type;
		enum power_state power;
		enum visit_kind kind;
		int rc;
	} cases[] = {
		{ GUEST_CONTAINER, POWER_ON, VISIT_EXEC, 0 },
		{ GUEST_CONTAINER, POWER_PAUSED, VISIT_EXEC, ERR_BAD_STATE },
		{ GUEST_CONTAINER, POWER_OFF, VISIT_GET, ERR_BAD_STATE },
		{ GUEST_CONTAINER, POWER_OFF, VISIT_LOG, 0 },
		{ GUEST_MACHINE, POWER_ON, VISIT_EXEC, ERR_UNSUPPORTED },
		{ GUEST_MACHINE, POWER_ON, VISIT_LOG, 0 },
		{ GUEST_MACHINE, POWER_ON, VISIT_PICTURE, 0 },
		{ GUEST_CONTAINER, POWER_ON, VISIT_PICTURE, ERR_UNSUPPORTED },
	};
	struct world w;

	open_world(&w);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct visit_want v = want(&w, cases[i].kind);
		struct txn *t = txn_new(w.l->inv);
		struct vm *m = txn_edit(t, w.vm);
		struct err e = ERR_INIT;

		m->guest_type = cases[i].type;
		m->power_state = cases[i].power;
		txn_commit_wake(t, WAKE_NONE);
		lab_settle(w.l);
		assert_int_equal(visit_check(w.visits, &v, &e), cases[i].rc);
	}
	close_world(&w);
}

static void
one_user_does_not_take_all(void **state)
{
	struct world w;
	struct visit *all[MAX_VISITS_PER_USER], *more = NULL;
	struct err e = ERR_INIT;

	open_world(&w);
	const struct visit_want v = want(&w, VISIT_EXEC);
	const struct visit_taker to = { &events, &w };
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(visit_open(w.visits, &v, to, &all[i], &e), 0);
	assert_int_equal(visit_open(w.visits, &v, to, &more, &e), ERR_BUSY);
	w.who.user = obj_id_make(KIND_USER, 2);
	assert_int_equal(visit_open(w.visits, &v, to, &more, &e), 0);
	visit_close(more);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		visit_close(all[i]);
	close_world(&w);
}

static void
it_is_written_down_who_did_what(void **state)
{
	struct world w;
	const json *ev;
	const char *said = NULL;

	open_world(&w);
	w.recorded = 1;
	const struct visit_want v = want(&w, VISIT_EXEC);
	visit_record(w.visits, &v, on_recorded, &w);
	lab_settle(w.l);
	assert_int_equal(w.recorded, 0);
	ev = event_recent(w.l->inv, 0);
	assert_string_equal(
	    json_str_value(json_get(ev, "type"), NULL), "VmProgramRunEvent");
	said = json_str_value(json_get(ev, "message"), NULL);
	assert_string_equal(said, "ada ran \"/bin/echo two words\" in ct-1");
	close_world(&w);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_go_both_ways),
		cmocka_unit_test(a_host_that_sends_too_much_loses_the_session),
		cmocka_unit_test(a_lost_link_ends_it),
		cmocka_unit_test(who_goes_away_ends_what_runs),
		cmocka_unit_test(not_every_guest_can_be_visited),
		cmocka_unit_test(one_user_does_not_take_all),
		cmocka_unit_test(it_is_written_down_who_did_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
