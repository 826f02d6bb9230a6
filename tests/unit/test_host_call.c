#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/hosts/host_call.h"
#include "server/hosts/host_file.h"
#include "tests/lib/lab.h"

/* One step that gives one order; a lost link asks again if it is told to. */
struct probe {
	struct lab *l;
	struct flow *flow;
	uint64_t task;
	uint32_t deadline_ms;
	bool again;
	unsigned lost;
	bool ended;
	int rc;
	char msg[240];
};

static enum flow_rc
ask_start(struct flow *f, void *arg)
{
	struct probe *p = arg;
	Drover__GuestQuery q = DROVER__GUEST_QUERY__INIT;
	Drover__Order o = DROVER__ORDER__INIT;

	q.guest = 1;
	o.task = p->task;
	o.step = 1;
	o.verb_case = DROVER__ORDER__VERB_GUEST_QUERY;
	o.guest_query = &q;
	host_call(p->l->hosts, p->l->host[0], &o, p->deadline_ms, flow_wake(f));
	return FLOW_WAIT;
}

static enum flow_rc
ask_finish(struct flow *f, void *arg, int rc)
{
	struct probe *p = arg;

	p->lost += rc == ERR_LOST;
	if (rc == ERR_LOST && p->again)
		return FLOW_AGAIN;
	return rc ? FLOW_FAIL : FLOW_NEXT;
}

static void
on_probe_end(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct probe *p = owner;

	p->ended = true;
	p->rc = rc;
	snprintf(p->msg, sizeof(p->msg), "%s", rc ? e->msg : "");
}

static const struct flow_step ask_steps[] = {
	{ .name = "ask", .start = ask_start, .finish = ask_finish },
	{ .name = NULL },
};
static const struct flow_hooks ask_hooks = { .ended = on_probe_end };

static void
probe_begin(struct probe *p, struct lab *l, uint32_t deadline_ms)
{
	static uint64_t next_task = 1000;

	*p = (struct probe){
		.l = l, .task = next_task++, .deadline_ms = deadline_ms, .again = true
	};
	p->flow = flow_new(tasks_flows(l->tasks), "probe", ask_steps, p, &ask_hooks, p);
	flow_start(p->flow);
	lab_settle(l);
}

static void
a_reply_wakes_the_step(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct probe p;

	probe_begin(&p, l, 5000);
	assert_true(p.ended);
	assert_int_equal(p.rc, 0);
	assert_non_null(host_call_reply(l->hosts, l->host[0], p.task, 1));
	host_call_forget(l->hosts, p.task);
	assert_null(host_call_reply(l->hosts, l->host[0], p.task, 1));
	lab_free(l);
}

static void
a_fault_comes_with_its_code_and_text(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct probe p;

	agent_fake_fail_next(l->agent[0], ERR_NO_CAPACITY, "no room");
	probe_begin(&p, l, 5000);
	assert_int_equal(p.rc, ERR_NO_CAPACITY);
	assert_string_equal(p.msg, "no room");
	assert_null(host_call_reply(l->hosts, l->host[0], p.task, 1));
	lab_free(l);
}

static void
a_lost_link_is_told_and_the_same_order_goes_again(void **state)
{
	struct lab *l = lab_new(1, 4096);
	unsigned works = agent_fake_works(l->agent[0]);
	struct probe p;

	agent_fake_lose_next(l->agent[0]);
	probe_begin(&p, l, 60000);
	assert_false(p.ended);
	assert_int_equal(p.lost, 1);
	agent_fake_dial(l->agent[0], l->hosts);
	lab_settle(l);
	assert_true(p.ended);
	assert_int_equal(p.rc, 0);
	assert_int_equal(agent_fake_works(l->agent[0]), works + 1);
	lab_free(l);
}

static void
the_deadline_counts_from_the_first_asking(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct probe p;

	agent_fake_lose_next(l->agent[0]);
	probe_begin(&p, l, 4000);
	lab_advance(l, 3000);
	assert_false(p.ended);
	lab_advance(l, 1500);
	assert_true(p.ended);
	assert_int_equal(p.rc, ERR_TIMEOUT);
	assert_non_null(strstr(p.msg, "h1"));
	lab_free(l);
}

static void
an_agent_that_does_not_answer_ends_with_timeout(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct probe p;

	agent_fake_hold(l->agent[0]);
	probe_begin(&p, l, 2000);
	lab_advance(l, 2500);
	assert_int_equal(p.rc, ERR_TIMEOUT);
	assert_non_null(strstr(p.msg, "guest_query"));

	/* Its answer falls on the floor. */
	host_call_forget(l->hosts, p.task);
	agent_fake_release(l->agent[0]);
	lab_settle(l);
	lab_free(l);
}

static void
numbers_without_a_task_are_never_used_twice(void **state)
{
	struct lab *l = lab_new(1, 4096);
	uint64_t a = host_call_number(l->hosts), b = host_call_number(l->hosts);

	assert_int_not_equal(a, b);
	lab_crash(l);
	lab_dial(l);
	uint64_t c = host_call_number(l->hosts);
	assert_true(c != a && c != b);
	assert_true(c < UINT64_C(1) << 56);
	lab_free(l);
}

struct relay {
	unsigned calls;
	int rc;
	uint64_t size_bytes;
};

static void
on_file(void *arg, int rc, const struct err *e, json *j)
{
	struct relay *r = arg;

	r->calls++;
	r->rc = rc;
	if (j)
		json_read_u64(j, "size_bytes", JSON_REQUIRED, 0, UINT32_MAX,
		    &r->size_bytes, NULL);
}

static void
files_go_through_a_host_that_reaches_the_datastore(void **state)
{
	struct lab *l = lab_new(1, 4096);
	struct relay r = { 0 };
	struct host_file_chunk c = { "up/a.qcow2", 0, "hello", 5, false };

	hosts_file_write(l->hosts, l->datastore, &c, on_file, &r);
	assert_int_equal(r.calls, 0);
	lab_settle(l);
	assert_int_equal(r.calls, 1);
	assert_int_equal(r.rc, 0);
	assert_int_equal(r.size_bytes, 5);

	/* The link breaks: the chunk goes again by itself. */
	c.offset = 5;
	agent_fake_lose_next(l->agent[0]);
	hosts_file_write(l->hosts, l->datastore, &c, on_file, &r);
	lab_settle(l);
	assert_int_equal(r.calls, 1);
	agent_fake_dial(l->agent[0], l->hosts);
	lab_settle(l);
	assert_int_equal(r.calls, 2);
	assert_int_equal(agent_fake_written(l->agent[0]), 10);

	agent_fake_cut(l->agent[0]);
	lab_advance(l, 10000);
	hosts_file_delete(l->hosts, l->datastore, "up/a.qcow2", on_file, &r);
	lab_settle(l);
	assert_int_equal(r.rc, ERR_UNAVAILABLE);
	hosts_file_list(l->hosts, obj_id_make(KIND_DATASTORE, 99), "", on_file, &r);
	lab_settle(l);
	assert_int_equal(r.rc, ERR_NOT_FOUND);
	lab_free(l);
}

int
main(void)
{
	log_set_level(LOG_LEVEL_ERR);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_wakes_the_step),
		cmocka_unit_test(a_fault_comes_with_its_code_and_text),
		cmocka_unit_test(a_lost_link_is_told_and_the_same_order_goes_again),
		cmocka_unit_test(the_deadline_counts_from_the_first_asking),
		cmocka_unit_test(an_agent_that_does_not_answer_ends_with_timeout),
		cmocka_unit_test(numbers_without_a_task_are_never_used_twice),
		cmocka_unit_test(files_go_through_a_host_that_reaches_the_datastore),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
