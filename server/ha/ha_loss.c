#include "server/ha/ha_loss.h"

#include "base/str.h"
#include "scheduler/sched_plan.h"
#include "server/inventory/inv_json.h"
#include "server/protect/protect.h"

#define TEXT_MAX 400

static json *
move_json(const struct inv *inv, const struct sched_move *m)
{
	const struct vm *vm = inv_vm(inv, obj_id_make(KIND_VM, m->guest));
	json *o = json_new_object();

	inv_json_id(o, "vm", obj_id_make(KIND_VM, m->guest));
	json_set_str(o, "name", m->guest_name);
	if (vm)
		json_set_str(
		    o, "priority", ha_priority_text(protect_priority(inv, vm)));
	inv_json_id(o, "from", obj_id_make(KIND_HOST, m->from));
	inv_json_id(o, "to", obj_id_make(KIND_HOST, m->to));
	json_set_bool(o, "restarted", !m->code);
	json_set_u64(o, "wave", m->wave + 1);
	json_set_str(o, "text", m->text);
	return o;
}

json *
ha_plan_json(const struct inv *inv, const struct sched_plan *p)
{
	json *o = json_new_object(), *items = json_new_array();

	for (size_t i = 0; i < p->move_count; i++)
		json_add_json(items, move_json(inv, &p->moves[i]));
	json_set_json(o, "items", items);
	json_set_u64(o, "restarted", p->move_count - p->refused);
	json_set_u64(o, "unplaced", p->refused);
	return o;
}

static json *
loss_json(const struct inv *inv, const struct ha_loss *l)
{
	json *o = json_new_object(), *unplaced = json_new_array();
	const struct sched_plan *p = l->plan;

	inv_json_id(o, "host", obj_id_make(KIND_HOST, l->hosts[0]));
	json_set_str(
	    o, "host_name", inv_name(inv, obj_id_make(KIND_HOST, l->hosts[0])));
	json_set_u64(o, "restarted", p ? p->move_count - p->refused : 0);
	for (size_t i = 0; p && i < p->move_count; i++) {
		if (p->moves[i].code)
			json_add_json(unplaced, move_json(inv, &p->moves[i]));
	}
	json_set_json(o, "unplaced", unplaced);
	return o;
}

/* Why the first of them has no place, or "". */
static const char *
first_reason(const struct sched_plan *p)
{
	for (size_t i = 0; i < p->move_count; i++) {
		if (p->moves[i].code)
			return p->moves[i].text;
	}
	return "";
}

void
ha_loss_say(const struct inv *inv, const struct ha_loss *list, size_t n,
    uint32_t survives, struct str *to)
{
	for (size_t i = 0; i < n; i++) {
		const struct ha_loss *l = &list[i];
		const char *host = inv_name(inv, obj_id_make(KIND_HOST, l->hosts[0]));
		if (!l->plan) {
			str_addf(to, "without %s: %s", host, l->err.msg);
			return;
		}
		if (!l->plan->refused)
			continue;
		str_addf(to, "with %s down %zu guest%s no place: %.*s", host,
		    l->plan->refused, l->plan->refused == 1 ? " has" : "s have",
		    TEXT_MAX, first_reason(l->plan));
		return;
	}
	if (!n)
		str_add(to, "no host is connected");
	else if (survives > 1)
		str_addf(to, "survives %u hosts, those that carry most", survives);
	else
		str_add(to, "survives 1 host, any of them");
}

json *
ha_loss_json(const struct inv *inv, const struct ha_loss *list, size_t n,
    uint32_t survives, const char *text)
{
	json *o = json_new_object(), *losses = json_new_array();

	json_set_u64(o, "survives", survives);
	json_set_str(o, "text", text);
	for (size_t i = 0; i < n; i++)
		json_add_json(losses, loss_json(inv, &list[i]));
	json_set_json(o, "losses", losses);
	return o;
}
