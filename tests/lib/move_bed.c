#include "tests/lib/move_bed.h"

#include "base/mem.h"

#define S(x) DROVER__GUEST_STATE__GUEST_##x

static unsigned
agent_of(const struct lab *l, obj_id host)
{
	for (unsigned i = 0; i < l->n_hosts; i++) {
		if (obj_id_is(l->host[i], host))
			return i;
	}
	fail_msg("no such host");
	return 0;
}

struct bed
bed_new(unsigned n_hosts, bool running)
{
	struct bed b = { .l = lab_new(n_hosts, 8192) };

	lab_meet(b.l);
	b.vm = lab_vm(b.l, "web", running);
	b.from = agent_of(b.l, inv_vm(b.l->inv, b.vm)->host);
	b.to = b.from ? 0 : 1;
	return b;
}

char *
bed_to_host(const struct bed *b)
{
	char id[OBJ_ID_TEXT];

	return xasprintf("{'host':'%s'}", obj_id_text(b->l->host[b->to], id));
}

int
bed_move(struct bed *b)
{
	AUTO_FREE char *args = bed_to_host(b);

	return lab_do(b->l, "vm.migrate", b->vm, args);
}

void
bed_report(struct lab *l)
{
	for (unsigned i = 0; i < l->n_hosts; i++)
		agent_fake_report(l->agent[i]);
	lab_settle(l);
}

/* Nobody has deleted what the machine stands on. */
static void
check_disks_are_there(const struct bed *b, const char *what)
{
	const struct vm *vm = inv_vm(b->l->inv, b->vm);

	for (size_t i = 0; i < json_count(vm->disks); i++) {
		const json *d = json_at(vm->disks, i);
		const char *path = json_str_value(json_get(d, "path"), NULL);
		struct err e = ERR_INIT;
		obj_id store;
		assert_int_equal(
		    obj_id_parse(json_str_value(json_get(d, "datastore"), NULL),
			KIND_DATASTORE, &store, &e),
		    0);
		for (unsigned k = 0; k < b->l->n_hosts; k++) {
			if (agent_fake_deleted(
				b->l->agent[k], obj_id_number(store), path))
				fail_msg("%s: h%u has deleted its disk", what, k + 1);
		}
	}
}

const char *
bed_check_end(const struct bed *b, const char *what)
{
	const struct lab *l = b->l;
	const struct vm *vm = inv_vm(l->inv, b->vm);
	uint64_t number = obj_id_number(b->vm);
	unsigned books = 0, running = 0, doubled = 0, at = agent_of(l, vm->host);

	for (unsigned i = 0; i < l->n_hosts; i++) {
		books += agent_fake_guests(l->agent[i]);
		running += agent_fake_running(l->agent[i]);
		doubled += agent_fake_doubled(l->agent[i]);
	}
	if (doubled || running > 1)
		fail_msg("%s: it ran twice", what);
	if (books != 1 || agent_fake_state(l->agent[at], number) == S(UNKNOWN))
		fail_msg("%s: %u books, and the inventory has it on h%u", what, books,
		    at + 1);
	if ((running == 1) != (vm->power_state == POWER_ON))
		fail_msg("%s: %u run, the inventory says %s", what, running,
		    power_state_text(vm->power_state));
	if (running && agent_fake_state(l->agent[at], number) != S(RUNNING))
		fail_msg("%s: it runs, but not on h%u", what, at + 1);
	if (advice_hold_find(l->advice, b->vm) || tasks_live(l->tasks))
		fail_msg("%s: a hold or a task is left", what);
	check_disks_are_there(b, what);
	if (!running)
		return at == b->from ? "off, stayed" : "off, moved";
	return at == b->from ? "stayed" : "moved";
}

obj_id
bed_local_store(struct bed *b, unsigned agent, const char *name)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args = xasprintf(
	    "{'name':'%s','datacenter':'dc-1','path':'/srv/%s','shared':false,"
	    "'hosts':['%s']}",
	    name, name, obj_id_text(b->l->host[agent], id));

	assert_int_equal(lab_do(b->l, "datastore.create", OBJ_ID_NONE, args), 0);
	agent_fake_report(b->l->agent[agent]);
	lab_settle(b->l);
	return b->l->object;
}

int
bed_move_disks(struct bed *b, obj_id store)
{
	char id[OBJ_ID_TEXT];
	AUTO_FREE char *args = xasprintf("{'datastore':'%s'}", obj_id_text(store, id));

	return lab_do(b->l, "vm.migrate", b->vm, args);
}
