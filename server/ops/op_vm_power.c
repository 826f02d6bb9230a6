/*
 * The life of a running machine: one order each, and what the machine is after it.
 */
#include "server/ops/vm_step.h"
#include "server/protect/protect.h"

#define STOP_S     60 /* how long a guest may take to stop by itself */
#define STOP_MAX_S 3600
#define MARGIN_MS  30000u /* of an order beyond the guest's own time */
#define SUSPEND_MS (10u * 60 * 1000)

#define RUNS                                                                        \
	(POWER_BIT(POWER_ON) | POWER_BIT(POWER_PAUSED) | POWER_BIT(POWER_STALLED) | \
	    POWER_BIT(POWER_STARTING) | POWER_BIT(POWER_UNKNOWN))

struct power_op {
	const char *op;
	unsigned allowed; /* power states it starts from */
	int to;           /* enum power_state after it, or -1: as it was */
	enum event_code event;
	const char *text;
	/* Fill the order; the deadline in ms. */
	uint32_t (*order)(struct task_run *r, Drover__Order *o, void *verb);
};

static uint32_t
timeout_ms(const struct task_run *r)
{
	return (uint32_t)arg_u64(r->args, "timeout_s", STOP_S) * 1000;
}

static uint32_t
stop_order(struct task_run *r, Drover__Order *o, void *verb)
{
	Drover__GuestStop *stop = verb;
	const char *mode = arg_str(r->args, "mode");

	drover__guest_stop__init(stop);
	stop->guest = obj_id_number(r->entity);
	stop->mode = DROVER__STOP_MODE__STOP_GRACEFUL_THEN_KILL;
	if (str_same(mode, "acpi"))
		stop->mode = DROVER__STOP_MODE__STOP_GRACEFUL;
	else if (str_same(mode, "kill"))
		stop->mode = DROVER__STOP_MODE__STOP_KILL;
	stop->timeout_ms = timeout_ms(r);
	o->verb_case = DROVER__ORDER__VERB_GUEST_STOP;
	o->guest_stop = stop;
	return stop->timeout_ms + MARGIN_MS;
}

static uint32_t
reset_order(struct task_run *r, Drover__Order *o, void *verb)
{
	Drover__GuestReset *reset = verb;

	drover__guest_reset__init(reset);
	reset->guest = obj_id_number(r->entity);
	reset->graceful = !str_same(arg_str(r->args, "mode"), "reset");
	reset->timeout_ms = timeout_ms(r);
	o->verb_case = DROVER__ORDER__VERB_GUEST_RESET;
	o->guest_reset = reset;
	return reset->timeout_ms + MARGIN_MS;
}

static uint32_t
pause_order(struct task_run *r, Drover__Order *o, void *verb)
{
	Drover__GuestPause *pause = verb;

	drover__guest_pause__init(pause);
	pause->guest = obj_id_number(r->entity);
	o->verb_case = DROVER__ORDER__VERB_GUEST_PAUSE;
	o->guest_pause = pause;
	return MARGIN_MS;
}

static uint32_t
resume_order(struct task_run *r, Drover__Order *o, void *verb)
{
	Drover__GuestResume *resume = verb;

	drover__guest_resume__init(resume);
	resume->guest = obj_id_number(r->entity);
	o->verb_case = DROVER__ORDER__VERB_GUEST_RESUME;
	o->guest_resume = resume;
	return MARGIN_MS;
}

static uint32_t
suspend_order(struct task_run *r, Drover__Order *o, void *verb)
{
	Drover__GuestSuspend *suspend = verb;

	drover__guest_suspend__init(suspend);
	suspend->guest = obj_id_number(r->entity);
	o->verb_case = DROVER__ORDER__VERB_GUEST_SUSPEND;
	o->guest_suspend = suspend;
	return SUSPEND_MS;
}

/* clang-format off */
static const struct power_op power_ops[] = {
	{ "vm.stop", RUNS, POWER_OFF, EV_VM_POWERED_OFF, "is powered off", stop_order },
	{ "vm.restart", POWER_BIT(POWER_ON), POWER_ON, EV_VM_RESET, "was restarted", reset_order },
	{ "vm.pause", POWER_BIT(POWER_ON), POWER_PAUSED, EV_VM_PAUSED, "is paused", pause_order },
	{ "vm.resume", POWER_BIT(POWER_PAUSED) | POWER_BIT(POWER_STALLED), POWER_ON, EV_VM_RESUMED, "goes on", resume_order },
	{ "vm.suspend", POWER_BIT(POWER_ON) | POWER_BIT(POWER_PAUSED), POWER_SUSPENDED, EV_VM_SUSPENDED, "is suspended", suspend_order },
};

/* clang-format on */

static const struct power_op *
power_op_of(const char *op)
{
	for (size_t i = 0; i < ARRAY_SIZE(power_ops); i++) {
		if (str_same(power_ops[i].op, op))
			return &power_ops[i];
	}
	return NULL;
}

static enum flow_rc
order_start(struct task_run *r)
{
	const struct power_op *p = power_op_of(r->kind->op);
	const struct vm *vm = run_vm(r);
	Drover__Order o = DROVER__ORDER__INIT;

	union {
		Drover__GuestStop stop;
		Drover__GuestReset reset;
		Drover__GuestPause pause;
		Drover__GuestResume resume;
		Drover__GuestSuspend suspend;
	} verb;

	if (!vm || vm_need_ready(vm, task_err(r)))
		return FLOW_FAIL;
	uint32_t deadline_ms = p->order(r, &o, &verb);
	return run_order(r, vm->host, &o, deadline_ms);
}

static void
on_end(struct task_run *r, struct txn *t, int rc, const struct err *e)
{
	const struct power_op *p = power_op_of(r->kind->op);
	struct vm *vm = rc ? NULL : txn_edit(t, r->entity);

	if (!vm)
		return;
	if (p->to >= 0)
		vm->power_state = (enum power_state)p->to;
	if (p->to == POWER_OFF || p->to == POWER_SUSPENDED)
		protect_end(vm);
	text_set(&vm->power_reason, NULL);
	txn_event(
	    t, p->event, r->entity, r->id, r->who.name, "%s %s", vm->o.name, p->text);
}

static const struct task_step stop_steps[] = {
	{ .name = "stop", .start = order_start, .finish = run_order_finish },
	{ .name = NULL },
};
static const struct task_step restart_steps[] = {
	{ .name = "restart", .start = order_start, .finish = run_order_finish },
	{ .name = NULL },
};
static const struct task_step pause_steps[] = {
	{ .name = "pause", .start = order_start, .finish = run_order_finish },
	{ .name = NULL },
};
static const struct task_step resume_steps[] = {
	{ .name = "resume", .start = order_start, .finish = run_order_finish },
	{ .name = NULL },
};
static const struct task_step suspend_steps[] = {
	{ .name = "suspend", .start = order_start, .finish = run_order_finish },
	{ .name = NULL },
};

#define POWER_KIND(name, op_name, title_text)         \
	static const struct task_kind name##_kind = { \
		.op = op_name,                        \
		.title = title_text,                  \
		.steps = name##_steps,                \
		.locks = vm_locks,                    \
		.on_end = on_end,                     \
		.on_gone = run_forget,                \
	}

POWER_KIND(stop, "vm.stop", "Power off virtual machine");
POWER_KIND(restart, "vm.restart", "Restart virtual machine");
POWER_KIND(pause, "vm.pause", "Pause virtual machine");
POWER_KIND(resume, "vm.resume", "Resume virtual machine");
POWER_KIND(suspend, "vm.suspend", "Suspend virtual machine");

static int
vm_power(struct op_call *c, struct txn *t, struct err *e)
{
	const struct power_op *p = power_op_of(c->def->info.name);
	const struct vm *vm = inv_vm(c->inv, c->entity);
	int rc = vm_need_ready(vm, e);

	/* Behind another task it takes its turn: the host refuses what makes no sense
	 * then. */
	if (!rc && !task_works_on(c->tasks, c->entity))
		rc = vm_need_power(vm, p->allowed, e);
	return rc ? rc : hosts_need_up(c->hosts, vm->host, e);
}

/* clang-format off */
#define TIMEOUT { .name = "timeout_s", .type = ARG_U32, .min = 1, .max = STOP_MAX_S, .help = "how long the guest may take" }

static const struct op_arg stop_args[] = {
	{ .name = "mode", .type = ARG_WORD, .words = "acpi|acpi_then_kill|kill",
	  .help = "ask the guest, ask and then force it (the default), or force it" },
	TIMEOUT, { 0 } };
static const struct op_arg restart_args[] = {
	{ .name = "mode", .type = ARG_WORD, .words = "acpi|reset", .help = "ask the guest (the default), or force it" },
	TIMEOUT, { 0 } };

const struct op_def op_vm_power_defs[] = {
	{ .info = { "vm.stop", "Power off virtual machine", KIND_VM, ROLE_OPERATOR, true, stop_args },
	  .apply = vm_power, .task = &stop_kind },
	{ .info = { "vm.restart", "Restart virtual machine", KIND_VM, ROLE_OPERATOR, true, restart_args },
	  .apply = vm_power, .task = &restart_kind },
	{ .info = { "vm.pause", "Pause virtual machine", KIND_VM, ROLE_OPERATOR, true, NULL },
	  .apply = vm_power, .task = &pause_kind },
	{ .info = { "vm.resume", "Resume virtual machine", KIND_VM, ROLE_OPERATOR, true, NULL },
	  .apply = vm_power, .task = &resume_kind },
	{ .info = { "vm.suspend", "Suspend virtual machine", KIND_VM, ROLE_OPERATOR, true, NULL },
	  .apply = vm_power, .task = &suspend_kind },
	{ .info = { .name = NULL } },
};
/* clang-format on */
