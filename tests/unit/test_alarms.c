/* Alarms from samples, states and events to what is stored and what is done. */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/metric.h"
#include "base/str.h"
#include "server/alarm/alarm.h"
#include "server/inventory/inv_alarm.h"
#include "server/stats/stats_int.h"
#include "tests/lib/lab.h"

#define STEP_MS 20000u

struct bed {
	struct lab *l;
	struct stats *stats;
	struct alarms *alarms;
	char dir[64];
	uint64_t slot;
};

static void
open_alarms(struct bed *b)
{
	AUTO_FREE char *scripts = xasprintf("%s/scripts", b->dir);
	const struct stats_opts s = {
		.inv = b->l->inv,
		.dir = b->dir,
		.interval_ms = STEP_MS,
		.write_s = 1800,
	};
	struct err e = ERR_INIT;

	assert_int_equal(stats_new(&s, &b->stats, &e), 0);
	const struct alarm_opts o = {
		.inv = b->l->inv,
		.stats = b->stats,
		.ops = b->l->ops,
		.scripts = scripts,
		.deadline_ms = 1000,
		.script_ms = 3600000,
	};
	b->alarms = alarms_new(&o);
	lab_settle(b->l);
	lab_advance(b->l, 10);
}

static void
close_alarms(struct bed *b)
{
	alarms_close(b->alarms);
	stats_close(b->stats);
	alarms_free(b->alarms);
	stats_free(b->stats);
}

/* Without those of a new installation: what happens is the test's alone. */
static void
drop_defaults(struct bed *b)
{
	struct txn *t = txn_new(b->l->inv);

	INV_EACH(b->l->inv, KIND_ALARMDEF, o)
	{
		txn_del(t, o->id);
	}
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(b->l);
	lab_advance(b->l, 10);
}

static int
setup(void **state)
{
	struct bed *b = xcalloc(1, sizeof(*b));

	alarm_register();
	b->l = lab_new(2, 8192);
	snprintf(b->dir, sizeof(b->dir), "/tmp/test-alarms-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	open_alarms(b);
	drop_defaults(b);
	*state = b;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *b = *state;
	AUTO_FREE char *line = xasprintf("rm -rf '%s'", b->dir);

	close_alarms(b);
	/* NOLINTNEXTLINE(cert-env33-c): a folder that the test has made */
	assert_int_equal(system(line), 0);
	lab_free(b->l);
	free(b);
	return 0;
}

static obj_id
define(struct bed *b, const char *args)
{
	if (lab_op(b->l, "alarmdef.create", OBJ_ID_NONE, args))
		fail_msg("%s: %s", args, b->l->msg);
	obj_id id = b->l->object;

	lab_advance(b->l, 10);
	return id;
}

/* The slot that has just ended, with a sample of an object. */
static void
sample(struct bed *b, obj_id id, uint32_t counter, float v)
{
	lab_advance(b->l, STEP_MS);
	b->slot = clock_wall_ms(b->l->clock) / STEP_MS;
	stats_put(b->stats, id, b->slot, counter, v);
	stats_tell(b->stats, id, b->slot);
	lab_advance(b->l, 10);
}

/* The alarm on an object, NULL: it is not raised. */
static const struct alarm *
alarm_on(const struct bed *b, obj_id entity)
{
	const struct alarm *found = NULL;

	INV_EACH(b->l->inv, KIND_ALARM, o)
	{
		const struct alarm *al = inv_alarm(b->l->inv, o->id);

		if (!obj_id_is(al->entity, entity))
			continue;
		assert_null(found);
		found = al;
	}
	return found;
}

static const struct alarm *
raised(const struct bed *b, obj_id entity)
{
	const struct alarm *al = alarm_on(b, entity);

	ASSERT(al);
	return al;
}

static void
assert_status(const struct bed *b, obj_id entity, enum alarm_status want)
{
	const struct alarm *al = alarm_on(b, entity);
	enum alarm_status is = al ? al->status : ALARM_GREEN;

	assert_string_equal(alarm_status_text(is), alarm_status_text(want));
}

/* ---- from news to alarms ---- */

#define CPU_VM                                                                    \
	"'target':'vm','conditions':[{'counter':'cpu.usage.average','yellow':50," \
	"'red':80,'for_s':40}]"

static void
test_samples_raise_and_clear(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'busy'," CPU_VM "}");
	sample(b, vm, METRIC_CPU_USAGE, 60);
	assert_status(b, vm, ALARM_GREEN);
	sample(b, vm, METRIC_CPU_USAGE, 60);
	assert_status(b, vm, ALARM_YELLOW);
	assert_string_equal(raised(b, vm)->o.name, "busy");
	assert_string_equal(raised(b, vm)->entity_name, "web");
	assert_string_equal(
	    raised(b, vm)->reason, "cpu.usage.average is 60 %, above 50 for 40 s");
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	assert_status(b, vm, ALARM_RED);
	assert_int_equal(lab_events(b->l, "AlarmStatusChangedEvent"), 2);
	sample(b, vm, METRIC_CPU_USAGE, 10);
	assert_null(alarm_on(b, vm));
	assert_int_equal(lab_events(b->l, "AlarmClearedEvent"), 1);
	assert_int_equal(lab_events(b->l, "AlarmStatusChangedEvent"), 2);
}

static void
test_a_guest_that_is_off_is_not_busy(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'busy'," CPU_VM "}");
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	assert_status(b, vm, ALARM_RED);
	assert_int_equal(lab_do(b->l, "vm.stop", vm, "{'mode':'kill'}"), 0);
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, vm));
}

static void
test_silence_of_a_host_is_no_zero(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'busy'," CPU_VM "}");
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	for (unsigned i = 0; i < 5; i++)
		lab_advance(b->l, STEP_MS);
	assert_status(b, vm, ALARM_RED);
	for (unsigned i = 0; i < 5; i++)
		lab_advance(b->l, STEP_MS);
	assert_null(alarm_on(b, vm));
}

static void
test_states_are_looked_at(void **state)
{
	struct bed *b = *state;
	obj_id off = lab_vm(b->l, "off", false), on = lab_vm(b->l, "on", true);

	/* What holds already counts from the definition on. */
	obj_id def = define(b,
	    "{'name':'off','target':'vm','conditions':[{'property':'power_state',"
	    "'is':['powered_off'],'status':'yellow','for_s':30}]}");
	assert_null(alarm_on(b, off));
	lab_advance(b->l, 31000);
	lab_advance(b->l, 10);
	assert_status(b, off, ALARM_YELLOW);
	assert_null(alarm_on(b, on));
	assert_int_equal(lab_do(b->l, "vm.start", off, "{}"), 0);
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, off));
	/* Where nobody watches any more nothing is raised. */
	assert_int_equal(lab_do(b->l, "vm.stop", on, "{'mode':'kill'}"), 0);
	lab_advance(b->l, 31000);
	lab_advance(b->l, 10);
	assert_status(b, on, ALARM_YELLOW);
	assert_int_equal(lab_op(b->l, "alarmdef.update", def, "{'enabled':false}"), 0);
	lab_advance(b->l, 1100);
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, on));
}

static void
test_events_hold_until_reset(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'ill','target':'vm','conditions':[{'events':"
		  "{'red':['VmDiedEvent'],'green':['VmPoweredOnEvent']}}]}");
	event_post(b->l->inv, EV_VM_DIED, vm, NULL, "It died");
	lab_advance(b->l, 10);
	assert_status(b, vm, ALARM_RED);
	assert_string_equal(raised(b, vm)->reason, "VmDiedEvent");
	assert_int_equal(lab_op(b->l, "alarm.reset", raised(b, vm)->o.id, "{}"), 0);
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, vm));
	event_post(b->l->inv, EV_VM_DIED, vm, NULL, "It died again");
	lab_advance(b->l, 10);
	assert_status(b, vm, ALARM_RED);
	event_post(b->l->inv, EV_VM_POWERED_ON, vm, NULL, "It lives");
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, vm));
}

static void
test_of_the_server_itself(void **state)
{
	struct bed *b = *state;

	define(b, "{'name':'store','target':'server','conditions':[{'events':"
		  "{'red':['StatsStoreUnavailableEvent'],"
		  "'green':['StatsStoreAvailableEvent']}}]}");
	event_post(b->l->inv, EV_STATS_STORE_LOST, OBJ_ID_NONE, NULL, "Full");
	lab_advance(b->l, 10);
	assert_status(b, OBJ_ID_NONE, ALARM_RED);
	assert_string_equal(raised(b, OBJ_ID_NONE)->entity_name, "the server");
	event_post(b->l->inv, EV_STATS_STORE_FOUND, OBJ_ID_NONE, NULL, "Room");
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, OBJ_ID_NONE));
}

/* ---- where it is defined ---- */

static void
test_definitions_reach_downwards(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);
	const struct vm *v = inv_vm(b->l->inv, vm);
	obj_id here = v->host;
	obj_id there = obj_id_is(here, b->l->host[0]) ? b->l->host[1] : b->l->host[0];
	char id[OBJ_ID_TEXT];

	AUTO_FREE char *args = xasprintf(
	    "{'name':'busy','entity':'%s'," CPU_VM "}", obj_id_text(there, id));
	obj_id def = define(b, args);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	assert_null(alarm_on(b, vm));
	assert_int_equal(lab_op(b->l, "alarmdef.delete", def, "{}"), 0);
	AUTO_FREE char *on_cluster = xasprintf(
	    "{'name':'busy','entity':'%s'," CPU_VM "}", obj_id_text(b->l->cluster, id));

	define(b, on_cluster);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	assert_status(b, vm, ALARM_RED);
}

static void
test_what_goes_takes_its_alarms_along(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);
	obj_id def = define(b, "{'name':'busy'," CPU_VM "}");

	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	assert_status(b, vm, ALARM_RED);
	assert_int_equal(lab_do(b->l, "vm.stop", vm, "{'mode':'kill'}"), 0);
	assert_int_equal(lab_do(b->l, "vm.delete", vm, "{}"), 0);
	lab_advance(b->l, 1100);
	lab_advance(b->l, 10);
	assert_int_equal(inv_count(b->l->inv, KIND_ALARM), 0);
	obj_id other = lab_vm(b->l, "web", true);

	sample(b, other, METRIC_CPU_USAGE, 90);
	sample(b, other, METRIC_CPU_USAGE, 90);
	assert_status(b, other, ALARM_RED);
	assert_int_equal(lab_op(b->l, "alarmdef.delete", def, "{}"), 0);
	lab_advance(b->l, 1100);
	lab_advance(b->l, 10);
	assert_int_equal(inv_count(b->l->inv, KIND_ALARM), 0);
}

/* ---- over time ---- */

static void
test_a_new_server_goes_on(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'ill','target':'vm','match':'all','conditions':["
		  "{'events':{'red':['VmDiedEvent'],'green':['VmPoweredOnEvent']}},"
		  "{'property':'power_state','is':['powered_on']}]}");
	event_post(b->l->inv, EV_VM_DIED, vm, NULL, "It died");
	lab_advance(b->l, 10);
	assert_status(b, vm, ALARM_RED);
	obj_id id = raised(b, vm)->o.id;
	unsigned told = lab_events(b->l, "AlarmStatusChangedEvent");

	alarms_close(b->alarms);
	alarms_free(b->alarms);
	stats_free(b->stats);
	open_alarms(b);
	lab_advance(b->l, 1100);
	lab_advance(b->l, 10);
	assert_status(b, vm, ALARM_RED);
	assert_true(obj_id_is(raised(b, vm)->o.id, id));
	assert_int_equal(lab_events(b->l, "AlarmStatusChangedEvent"), told);
	event_post(b->l->inv, EV_VM_POWERED_ON, vm, NULL, "It lives");
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, vm));
}

static void
test_acknowledgement_holds_until_it_gets_worse(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'busy'," CPU_VM "}");
	sample(b, vm, METRIC_CPU_USAGE, 60);
	sample(b, vm, METRIC_CPU_USAGE, 60);
	assert_int_equal(
	    lab_op(b->l, "alarm.acknowledge", raised(b, vm)->o.id, "{}"), 0);
	assert_true(raised(b, vm)->acknowledged);
	sample(b, vm, METRIC_CPU_USAGE, 60);
	assert_true(raised(b, vm)->acknowledged);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	assert_status(b, vm, ALARM_RED);
	assert_false(raised(b, vm)->acknowledged);
	assert_null(raised(b, vm)->acknowledged_by);
}

/* ---- actions ---- */

static void
test_silence_keeps_actions_back(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'busy'," CPU_VM
		  ",'actions':[{'type':'event','message':'shout'}]}");
	sample(b, vm, METRIC_CPU_USAGE, 60);
	sample(b, vm, METRIC_CPU_USAGE, 60);
	lab_advance(b->l, 10);
	assert_int_equal(lab_events(b->l, "AlarmActionTriggeredEvent"), 1);
	AUTO_FREE char *until = xasprintf(
	    "{'until':%llu}", (unsigned long long)clock_wall_ms(b->l->clock) + 3600000);

	assert_int_equal(lab_op(b->l, "alarm.silence", raised(b, vm)->o.id, until), 0);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 0);
	lab_advance(b->l, 10);
	/* Silence outlives what it was asked for. */
	assert_status(b, vm, ALARM_GREEN);
	assert_non_null(alarm_on(b, vm));
	assert_int_equal(lab_events(b->l, "AlarmActionTriggeredEvent"), 1);
	lab_advance(b->l, 3600000);
	for (unsigned i = 0; i < 12; i++)
		lab_advance(b->l, 1000);
	lab_advance(b->l, 10);
	assert_null(alarm_on(b, vm));
}

static void
test_a_task_is_begun_once(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	define(b, "{'name':'busy'," CPU_VM ",'actions':[{'type':'task','on':['red'],"
		  "'op':'vm.stop','args':{'mode':'kill'}}]}");
	sample(b, vm, METRIC_CPU_USAGE, 60);
	sample(b, vm, METRIC_CPU_USAGE, 60);
	assert_int_equal(lab_power(b->l, vm), POWER_ON);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	lab_advance(b->l, 1000);
	lab_advance(b->l, 1000);
	assert_int_equal(lab_power(b->l, vm), POWER_OFF);
	assert_null(alarm_on(b, vm));
}

/* Real time passes while the script runs; the loop's clock is turned meanwhile, by
 * turn_ms for each time that it is looked at. */
static void
wait_for_event(struct bed *b, const char *type, uint64_t turn_ms)
{
	for (unsigned i = 0; i < 200000 && !lab_events(b->l, type); i++) {
		(void)loop_turn(b->l->loop, 5);
		lab_advance(b->l, turn_ms);
	}
	assert_int_equal(lab_events(b->l, type), 1);
}

static void
write_script(const struct bed *b, const char *name, const char *text)
{
	AUTO_FREE char *dir = xasprintf("%s/scripts", b->dir);
	AUTO_FREE char *path = xasprintf("%s/%s", dir, name);

	(void)mkdir(dir, 0755);
	assert_int_equal(chmod(b->dir, 0755), 0);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Until read says that there is one: no end of file, and nothing to read. */
static void
wait_for_writer(struct bed *b, int fd)
{
	char c;

	for (unsigned i = 0; i < 200000 && read(fd, &c, 1) == 0; i++) {
		(void)loop_turn(b->l->loop, 5);
		lab_advance(b->l, 1);
	}
	assert_int_equal(read(fd, &c, 1), -1);
}

/* Until nobody writes any more. */
static void
await_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char c;

	assert_int_equal(poll(&p, 1, 60000), 1);
	assert_int_equal(read(fd, &c, 1), 0);
}

static void
test_a_script_that_never_ends_is_ended(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	/* Its child waits at one end of the pipe: the other one sees it go. */
	AUTO_FREE char *pipe = xasprintf("%s/pipe", b->dir);
	AUTO_FREE char *text =
	    xasprintf("#!/bin/sh\nsh -c 'exec 3>%s; while :; do sleep 1; done' &\n"
		      "while :; do sleep 1; done\n",
		pipe);

	assert_int_equal(mkfifo(pipe, 0666), 0);
	assert_int_equal(chmod(pipe, 0666), 0);
	int fd = open(pipe, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	assert_true(fd >= 0);
	write_script(b, "hang", text);
	define(b, "{'name':'busy'," CPU_VM ",'actions':[{'type':'script',"
		  "'on':['red'],'program':'hang'}]}");
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	wait_for_writer(b, fd);
	wait_for_event(b, "AlarmActionFailedEvent", 60000);
	await_end(fd);
	close(fd);
}

static void
test_a_script_knows_what_it_is_for(void **state)
{
	struct bed *b = *state;
	obj_id vm = lab_vm(b->l, "web", true);

	/* It fails with what it knows, so that this is to be seen. */
	write_script(b, "tell",
	    "#!/bin/sh\nread -r line\n"
	    "echo \"$1 $DROVER_ALARM_STATUS $DROVER_ENTITY_NAME $(id -u) "
	    "${#line}\" >&2\nexit 3\n");
	define(b, "{'name':'busy'," CPU_VM ",'actions':[{'type':'script',"
		  "'on':['red'],'program':'tell','args':['one']}]}");
	sample(b, vm, METRIC_CPU_USAGE, 90);
	sample(b, vm, METRIC_CPU_USAGE, 90);
	wait_for_event(b, "AlarmActionFailedEvent", 1);
	const char *said = NULL;

	for (size_t i = 0; !said; i++) {
		const json *ev = event_recent(b->l->inv, i);

		assert_non_null(ev);
		if (str_same(json_str_value(json_get(ev, "type"), NULL),
			"AlarmActionFailedEvent"))
			said = json_str_value(json_get(ev, "message"), NULL);
	}
	AUTO_FREE char *want =
	    xasprintf("one red web %u", geteuid() ? (unsigned)geteuid() : 65534u);

	if (!strstr(said, want))
		fail_msg("\"%s\" is not in \"%s\"", want, said);
}

/* ---- definitions ---- */

static void
test_secrets_are_not_shown(void **state)
{
	struct bed *b = *state;
	obj_id def = define(b, "{'name':'busy'," CPU_VM
			       ",'actions':[{'name':'chat','type':'webhook','url':"
			       "'https://u:pw@hooks.example:8443/T0/tok3n?k=v',"
			       "'secret':'s3cret'},"
			       "{'type':'snmp','host':'nms.example',"
			       "'community':'hidden'}]}");
	const struct alarm_def *d = inv_alarm_def(b->l->inv, def);
	AUTO_FREE char *shown = json_text(d->actions);

	assert_non_null(strstr(shown, "https://hooks.example:8443/…"));
	assert_null(strstr(shown, "tok3n"));
	assert_null(strstr(shown, "s3cret"));
	assert_null(strstr(shown, "hidden"));
	assert_null(strstr(shown, "pw"));
	/* Given back as shown it stays what it is. */
	assert_int_equal(lab_op(b->l, "alarmdef.update", def,
			     "{'actions':[{'name':'chat','type':'webhook',"
			     "'url':'https://hooks.example:8443/…','on':['red']}]}"),
	    0);
	d = inv_alarm_def(b->l->inv, def);
	AUTO_FREE char *kept = json_text(d->secrets);

	assert_non_null(strstr(kept, "tok3n?k=v"));
	assert_non_null(strstr(kept, "s3cret"));
	assert_null(strstr(kept, "hidden"));
}

static void
test_actions_that_are_refused(void **state)
{
	static const struct {
		const char *action, *why;
	} cases[] = {
		{ "{'type':'fax'}", "webhook" },
		{ "{'type':'email','to':[]}", "to: wants a list" },
		{ "{'type':'email','to':['nobody']}", "no mail address" },
		{ "{'type':'email','to':['a@b\\r\\nBcc: c@d']}", "to" },
		{ "{'type':'webhook','url':'ftp://x/'}", "url" },
		{ "{'type':'webhook','url':'file:///etc/passwd'}", "url" },
		{ "{'type':'webhook'}", "url" },
		{ "{'type':'snmp','host':'a b'}", "host" },
		{ "{'type':'script','program':'../sh'}", "program" },
		{ "{'type':'task','op':'vm.delete'}", "cannot be done" },
		{ "{'type':'task','op':'host.maintenance'}", "cannot be done" },
		{ "{'type':'task','op':'vm.stop','args':{'how':1}}", "how" },
		{ "{'type':'event'}", "message" },
		{ "{'type':'event','message':'x','on':['blue']}", "red, yellow" },
		{ "{'type':'event','message':'x','to':[]}", "to" },
		{ "{'name':'a','type':'event','message':'x'},"
		  "{'name':'a','type':'event','message':'y'}",
		    "two actions" },
	};
	struct bed *b = *state;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *args = xasprintf(
		    "{'name':'x'," CPU_VM ",'actions':[%s]}", cases[i].action);

		if (!lab_op(b->l, "alarmdef.create", OBJ_ID_NONE, args))
			fail_msg("%s was taken", cases[i].action);
		if (!strstr(b->l->msg, cases[i].why))
			fail_msg("%s: %s", cases[i].action, b->l->msg);
	}
}

static void
test_defaults_are_made_once(void **state)
{
	struct bed *b = *state;

	/* They were removed by setup. */
	close_alarms(b);
	open_alarms(b);
	lab_advance(b->l, 1000);
	assert_int_equal(inv_count(b->l->inv, KIND_ALARMDEF), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_samples_raise_and_clear),
		TEST(test_a_guest_that_is_off_is_not_busy),
		TEST(test_silence_of_a_host_is_no_zero),
		TEST(test_states_are_looked_at),
		TEST(test_events_hold_until_reset),
		TEST(test_of_the_server_itself),
		TEST(test_definitions_reach_downwards),
		TEST(test_what_goes_takes_its_alarms_along),
		TEST(test_a_new_server_goes_on),
		TEST(test_acknowledgement_holds_until_it_gets_worse),
		TEST(test_silence_keeps_actions_back),
		TEST(test_a_task_is_begun_once),
		TEST(test_a_script_that_never_ends_is_ended),
		TEST(test_a_script_knows_what_it_is_for),
		TEST(test_secrets_are_not_shown),
		TEST(test_actions_that_are_refused),
		TEST(test_defaults_are_made_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
