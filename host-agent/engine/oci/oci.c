#include <inttypes.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_guard.h"
#include "host-agent/engine/oci/oci_move.h"
#include "host-agent/engine/oci/oci_watch.h"

#define PRESET_RUNTIME "/usr/sbin/runc"
#define GUESTS_OF_IDS  16384u

struct oci_guest *
oci_guest_of(struct engine_guest *g)
{
	return CAST_OBJ(oci_guest, g, OCI_GUEST_MAGIC);
}

struct oci *
oci_of(struct engine *en)
{
	return CAST_OBJ(oci, en, OCI_MAGIC);
}

uint32_t
oci_id_base(const struct oci *oci, uint64_t guest)
{
	return oci->id_base + (uint32_t)(guest % GUESTS_OF_IDS) * OCI_IDS;
}

void
oci_name(struct oci_guest *c)
{
	snprintf(c->who, sizeof(c->who), "vm-%" PRIu64, c->g.number);
}

bool
oci_is_gone(const struct oci_guest *c)
{
	return c->detached;
}

int
oci_usable(const struct oci_guest *c, struct err *e)
{
	const struct engine_facts *f = &c->oci->en.facts;

	if (f->usable)
		return 0;
	return err_set(
	    e, ERR_UNAVAILABLE, "the oci engine cannot be used: %s", f->why_not);
}

void
oci_gates(struct oci_guest *c, bool open)
{
	const struct oci *oci = c->oci;

	for (size_t i = 0; oci->gate && c->spec && i < c->spec->n_nics; i++)
		oci->gate(
		    oci->gate_arg, c->g.number, engine_nic_slot(c->spec, i), open);
}

static void
destroy_guest(struct oci_guest *c)
{
	list_remove(&c->leaving_node);
	oci_child_drop(c);
	oci_unwatch(c);
	oci_guard_drop(c);
	oci_ground_drop(c);
	if (c->spec)
		drover__guest_spec__free_unpacked(c->spec, NULL);
	for (size_t i = 0; i < OCI_DEVICE_ARGS; i++)
		free(c->device_own[i]);
	free(c->child_out);
	free(c->clearing);
	free(c->g.dir);
	c->g.magic = 0;
	free(c);
}

/* ---- verbs are flows ---- */

void
oci_flow_began(struct oci_guest *c)
{
	c->n_flows++;
}

bool
oci_flow_ended(struct oci_guest *c)
{
	c->n_flows--;
	if (c->detached && c->n_flows == 0)
		destroy_guest(c);
	else
		return !c->detached;
	return false;
}

/* Nothing of a start that failed is left but its reason. */
static void
show_failure(struct oci_guest *c, struct err *why)
{
	if (c->struck)
		err_set(why, ERR_LOST, "%s", c->struck);
	err_wrap(why, "%s: cannot %s", c->who, engine_verb_name(c->g.verb));
	engine_set_down(&c->g, ENGINE_END_DIED, why->msg);
}

static void
on_flow_end(void *owner, struct flow *f, int rc, const struct err *e)
{
	struct oci_guest *c = owner;
	struct err why = rc ? *e : (struct err)ERR_INIT;

	if (!oci_flow_ended(c))
		return;
	/* One that was cut short was answered for when that happened. */
	if (c->verb_flow != f)
		return;
	c->verb_flow = NULL;
	c->shows_end = false;
	c->asked = OCI_ASKED_NOTHING;
	c->keeps_guard = false;
	oci_ground_drop(c);
	if (!rc && c->g.state != ENGINE_DOWN)
		oci_stat(c);
	if (rc && c->g.state == ENGINE_STARTING)
		show_failure(c, &why);
	else if (rc && c->ended && c->g.state != ENGINE_DOWN && !c->clearing)
		oci_bury(c);
	engine_done(&c->g, why.code, &why);
}

void
oci_run_flow(struct oci_guest *c, const char *name, const struct flow_step *steps)
{
	static const struct flow_hooks hooks = { .ended = on_flow_end };

	c->verb_flow = flow_new(c->oci->flows, name, steps, c, &hooks, c);
	oci_flow_began(c);
	flow_start(c->verb_flow);
}

/* ---- guests ---- */

static struct engine_guest *
op_guest_new(struct engine *en)
{
	struct oci_guest *c = xcalloc(1, sizeof(*c));

	c->g.magic = OCI_GUEST_MAGIC;
	c->oci = oci_of(en);
	c->pidfd = -1;
	return &c->g;
}

static void
op_guest_free(struct engine_guest *g)
{
	struct oci_guest *c = oci_guest_of(g);

	c->detached = true;
	oci_move_drop(c);
	oci_child_drop(c);
	oci_unwatch(c);
	oci_guard_drop(c);
	if (c->n_flows == 0) {
		destroy_guest(c);
		return;
	}
	list_add_tail(&c->oci->leaving, &c->leaving_node);
	if (c->verb_flow)
		flow_cancel(c->verb_flow, "the agent ends");
}

static int
op_query(struct engine_guest *g, struct err *e)
{
	oci_stat(oci_guest_of(g));
	engine_done(g, 0, NULL);
	return 0;
}

static int
op_console_write(struct engine_guest *g, const void *p, size_t n, struct err *e)
{
	return err_set(e, ERR_UNSUPPORTED,
	    "a container's console only shows: open a session to type");
}

/* ---- the engine ---- */

static int
op_spec_check(const struct engine *en, const Drover__GuestSpec *spec, struct err *e)
{
	return oci_spec_check(spec, e);
}

static void
op_free(struct engine *en)
{
	struct oci *oci = oci_of(en);

	oci_probe_drop(oci);
	oci_seal_fini(&oci->seal);
	LIST_EACH_SAFE(struct oci_guest, c, &oci->leaving, leaving_node) {
		destroy_guest(c);
	}
	free(oci->runtime);
	free(oci->criu);
	free(oci->stage);
	free(oci->guard);
	free(oci->init);
	free(oci->state_dir);
	free(oci->runtime_root);
	oci->en.magic = 0;
	free(oci);
}

static const struct engine_ops oci_ops = {
	.name = "oci",
	.free = op_free,
	.probe = oci_op_probe,
	.spec_check = op_spec_check,
	.guest_new = op_guest_new,
	.guest_free = op_guest_free,
	.start = oci_op_start,
	.stop = oci_op_stop,
	.kill = oci_op_kill,
	.check = oci_op_check,
	.reset = oci_op_reset,
	.pause = oci_op_pause,
	.resume = oci_op_resume,
	.suspend = oci_op_suspend,
	.resize = oci_op_resize,
	.device = oci_op_device,
	.query = op_query,
	.adopt = oci_op_adopt,
	.move_offer = oci_op_move_offer,
	.move_in = oci_op_move_in,
	.move_wait = oci_op_move_wait,
	.move_out = oci_op_move_out,
	.move_cancel = oci_op_move_cancel,
	.take_back = oci_op_take_back,
	.adopt_moving = oci_op_adopt_moving,
	.arm = oci_op_arm,
	.guard = oci_op_guard,
	.inside = oci_op_inside,
	.exec = oci_op_exec,
	.root = oci_op_root,
	.console_tail = oci_op_console_tail,
	.console_write = op_console_write,
};

/* The stage beside this program, and the first process beside the stage. */
static void
find_programs(struct oci *oci, const struct engine_oci_conf *conf)
{
	AUTO_FREE char *stage = NULL;

	oci->runtime =
	    xstrdup(conf->runtime && *conf->runtime ? conf->runtime : PRESET_RUNTIME);
	oci->criu = xstrdup(conf->criu ? conf->criu : "");
	oci->stage = conf->stage && *conf->stage ? xstrdup(conf->stage)
						 : engine_beside("drover-stage");
	oci->guard = engine_guard_program(conf->guard);
	stage = xstrdup(oci->stage);
	oci->init = xasprintf("%s/drover-init", dirname(stage));
}

struct engine *
engine_oci_new(struct loop *l, struct flows *fs, const struct engine_oci_conf *conf)
{
	struct oci *oci = xcalloc(1, sizeof(*oci));

	oci->en.magic = OCI_MAGIC;
	oci->en.ops = &oci_ops;
	oci->en.loop = l;
	oci->flows = fs;
	find_programs(oci, conf);
	oci->seal.fd = -1;
	oci->state_dir = xstrdup(conf->state_dir);
	oci->runtime_root = xasprintf("%s/runtime", conf->state_dir);
	oci->id_base = conf->id_base;
	oci->gate = conf->gate;
	oci->gate_arg = conf->gate_arg;
	list_init(&oci->leaving);
	snprintf(
	    oci->en.facts.why_not, sizeof(oci->en.facts.why_not), "not probed yet");
	for (int cap = 0; cap < ENGINE_CAPS_; cap++)
		engine_fact_cap(&oci->en.facts, (enum engine_cap)cap, "not probed yet");
	return &oci->en;
}
