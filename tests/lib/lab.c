#include "tests/lib/lab.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "server/template/template.h"

#define DEADLINE_MS 5000
#define PATIENCE_MS 600000 /* of the virtual clock */
#define STEP_MS     100

static const struct caller admin = {
	.name = "admin",
	.role = ROLE_ADMINISTRATOR,
	.address = "10.0.0.1",
	.request_id = "r-1",
};

void
lab_settle(struct lab *l)
{
	for (unsigned i = 0; i < 10000; i++) {
		if (!loop_turn(l->loop, 0))
			return;
	}
	fail_msg("the loop does not come to rest");
}

void
lab_advance(struct lab *l, uint64_t ms)
{
	lab_settle(l);
	for (uint64_t at = 0; at < ms; at += STEP_MS) {
		clock_advance(l->clock, STEP_MS);
		lab_settle(l);
	}
}

static void
on_loaded(void *arg, int rc, const struct err *e)
{
	assert_int_equal(rc, 0);
	*(bool *)arg = true;
}

/* What droverd does when it begins to lead. */
static void
server_up(struct lab *l)
{
	bool loaded = false;
	struct err e = ERR_INIT;

	l->inv = inv_new(l->loop, l->db);
	l->events = events_new(l->inv);
	inv_load(l->inv, on_loaded, &loaded);
	lab_settle(l);
	assert_true(loaded);
	l->tasks = tasks_new(l->inv);
	struct hosts_opts ho = {
		.inv = l->inv,
		.tasks = l->tasks,
		.epoch = ++l->epoch,
	};
	assert_int_equal(hosts_new(&ho, &l->hosts, &e), 0);
	l->advice = advice_new(l->inv, l->hosts);
	struct ops_opts oo = {
		.inv = l->inv,
		.hosts = l->hosts,
		.advice = l->advice,
		.tasks = l->tasks,
		.power_hooks = "/bin",
	};
	template_register();
	l->ops = ops_new(&oo);
	task_recover(l->tasks);
}

static void
server_down(struct lab *l)
{
	ops_free(l->ops);
	advice_free(l->advice);
	hosts_free(l->hosts);
	tasks_free(l->tasks);
	events_free(l->events);
	inv_free(l->inv);
}

void
lab_crash(struct lab *l)
{
	struct loop *loop = loop_new(l->clock);
	struct db *db = db_fake_after_crash(l->db, loop, DEADLINE_MS);

	for (unsigned i = 0; i < l->n_hosts; i++)
		agent_fake_move(l->agent[i], loop);
	server_down(l);
	db_free(l->db);
	loop_free(l->loop);
	l->loop = loop;
	l->db = db;
	server_up(l);
}

void
lab_dial(struct lab *l)
{
	for (unsigned i = 0; i < l->n_hosts; i++) {
		if (!agent_fake_welcomed(l->agent[i]))
			agent_fake_dial(l->agent[i], l->hosts);
	}
	lab_settle(l);
}

static void
on_done(const struct op_result *r, void *arg)
{
	struct lab *l = arg;

	l->answered = true;
	l->rc = r->rc;
	snprintf(l->msg, sizeof(l->msg), "%s", r->err.msg);
	l->task = r->task;
	l->object = r->object;
	json_free(l->extra);
	l->extra = r->extra ? json_ref(r->extra) : NULL;
}

void
lab_meet(struct lab *l)
{
	for (unsigned i = 0; i < l->n_hosts; i++) {
		for (unsigned k = 0; k < i; k++)
			agent_fake_meet(l->agent[i], l->agent[k]);
	}
}

void
lab_submit(struct lab *l, const char *op, obj_id entity, const char *args)
{
	AUTO_FREE char *text = xstrdup(args ? args : "{}");
	AUTO(json) json *j = NULL;
	struct err e = ERR_INIT;

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	if (json_parse(text, strlen(text), "arguments", &j, &e))
		fail_msg("%s: %s", text, e.msg);
	struct op_request r = { .op = op, .entity = entity, .args = j, .who = &admin };
	l->answered = false;
	op_submit(l->ops, &r, on_done, l);
	assert_false(l->answered);
}

int
lab_op(struct lab *l, const char *op, obj_id entity, const char *args)
{
	lab_submit(l, op, entity, args);
	for (uint64_t at = 0; !l->answered && at < PATIENCE_MS; at += STEP_MS)
		lab_advance(l, STEP_MS);
	assert_true(l->answered);
	return l->rc;
}

int
lab_wait(struct lab *l, obj_id task)
{
	lab_settle(l);
	for (uint64_t at = 0; at < PATIENCE_MS; at += STEP_MS) {
		const struct task *row = inv_task(l->inv, task);
		assert_non_null(row);
		if (row->state == TASK_SUCCESS && !task_run_find(l->tasks, task))
			return 0;
		if (row->state == TASK_ERROR && !task_run_find(l->tasks, task))
			return err_from_name(row->error_code);
		lab_advance(l, STEP_MS);
	}
	fail_msg("a task does not end");
	return ERR_TIMEOUT;
}

int
lab_do(struct lab *l, const char *op, obj_id entity, const char *args)
{
	int rc = lab_op(l, op, entity, args);

	return rc || obj_id_none(l->task) ? rc : lab_wait(l, l->task);
}

const char *
lab_task_error(const struct lab *l)
{
	const struct task *row = inv_task(l->inv, l->task);

	return row && row->error_message ? row->error_message : "";
}

static obj_id
make(struct lab *l, const char *op, const char *args)
{
	int rc = lab_do(l, op, OBJ_ID_NONE, args);

	if (rc)
		fail_msg("%s: %s%s", op, l->msg, lab_task_error(l));
	return l->object;
}

/* As enrolment would have left it. */
static void
make_host(struct lab *l, unsigned i, uint64_t memory_mb)
{
	char name[16], uuid[40], fingerprint[16];
	struct err e = ERR_INIT;
	void *obj;

	snprintf(name, sizeof(name), "h%u", i + 1);
	snprintf(uuid, sizeof(uuid), "00000000-0000-4000-8000-%012u", i + 1);
	snprintf(fingerprint, sizeof(fingerprint), "f%u", i + 1);
	struct txn *t = txn_new(l->inv);
	assert_int_equal(txn_add(t, KIND_HOST, l->cluster, name, &obj, &e), 0);
	struct host *h = obj;
	h->uuid = xstrdup(uuid);
	h->cert_fingerprint = xstrdup(fingerprint);
	l->host[i] = h->o.id;
	txn_commit_wake(t, WAKE_NONE);
	lab_settle(l);
	struct agent_fake_facts f = { uuid, fingerprint, 8, 2000, memory_mb };
	l->agent[i] = agent_fake_new(l->loop, &f);
	agent_fake_dial(l->agent[i], l->hosts);
	lab_settle(l);
	assert_true(agent_fake_welcomed(l->agent[i]));
}

static void
make_datastore(struct lab *l)
{
	struct str args = STR_INIT;
	char id[OBJ_ID_TEXT];

	str_addf(&args,
	    "{'name':'shared','datacenter':'%s','path':'/srv/shared',"
	    "'shared':true,'hosts':[",
	    obj_id_text(l->dc, id));
	for (unsigned i = 0; i < l->n_hosts; i++)
		str_addf(&args, "%s'%s'", i ? "," : "", obj_id_text(l->host[i], id));
	str_add(&args, "]}");
	l->datastore = make(l, "datastore.create", str_cstr(&args));
	str_fini(&args);
}

struct lab *
lab_new(unsigned n_hosts, uint64_t memory_mb)
{
	struct lab *l = xcalloc(1, sizeof(*l));

	ASSERT(n_hosts <= LAB_MAX_HOSTS);
	l->clock = clock_virtual_new(1000, 1767323045678);
	l->loop = loop_new(l->clock);
	l->db = db_fake_new(l->loop, DEADLINE_MS);
	l->n_hosts = n_hosts;
	server_up(l);
	l->dc = make(l, "datacenter.create", "{'name':'dc'}");
	l->cluster = make(l, "cluster.create", "{'name':'cl','datacenter':'dc-1'}");
	for (unsigned i = 0; i < n_hosts; i++)
		make_host(l, i, memory_mb);
	lab_advance(l, 1000);
	make_datastore(l);
	l->network = make(l, "network.create",
	    "{'name':'lan','datacenter':'dc-1','bridge':'br0','cidr':'10.1.0.0/24',"
	    "'gateway':'10.1.0.1','range_first':'10.1.0.10','range_last':'10.1.0.19'}");
	l->tmpl = make(l, "template.import",
	    "{'name':'tiny','datastore':'datastore-1','path':'up/tiny.qcow2',"
	    "'format':'qcow2'}");
	return l;
}

void
lab_free(struct lab *l)
{
	for (unsigned i = 0; i < l->n_hosts; i++)
		agent_fake_free(l->agent[i]);
	server_down(l);
	db_free(l->db);
	loop_free(l->loop);
	clock_free(l->clock);
	json_free(l->extra);
	free(l);
}

obj_id
lab_vm(struct lab *l, const char *name, bool power_on)
{
	AUTO_FREE char *args =
	    xasprintf("{'name':'%s','template':'template-1','power_on':%s}", name,
		power_on ? "true" : "false");

	return make(l, "vm.create", args);
}

unsigned
lab_events(const struct lab *l, const char *type)
{
	unsigned n = 0;
	const json *ev;

	for (size_t i = 0; (ev = event_recent(l->inv, i)); i++)
		n += str_same(json_str_value(json_get(ev, "type"), NULL), type);
	return n;
}

enum power_state
lab_power(const struct lab *l, obj_id vm)
{
	const struct vm *row = inv_vm(l->inv, vm);

	return row ? row->power_state : POWER_UNKNOWN;
}
