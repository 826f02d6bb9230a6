/*
 * Customisation of a machine that is made: from the stored specification and the
 * request to the texts of its seed.
 */
#include "server/ops/net_plan.h"
#include "server/template/name_pattern.h"
#include "server/template/template_int.h"

#define NO_UUID "00000000-0000-0000-0000-000000000000"

struct custom_spec
custom_spec_of(const struct custspec *row)
{
	return (struct custom_spec){
		.host_name = row->host_name,
		.domain = row->domain,
		.address_mode = row->address_mode,
		.dns = row->dns,
		.ssh_keys = row->ssh_keys,
		.user_name = row->user_name,
		.user_data = row->user_data,
	};
}

static void
set_given(json *j, const char *key, const char *v)
{
	if (v && v[0])
		json_set_str(j, key, v);
}

static json *
custom_json(const struct custom_spec *s)
{
	json *j = json_new_object();

	set_given(j, "host_name", s->host_name);
	set_given(j, "domain", s->domain);
	set_given(j, "address_mode", s->address_mode);
	set_given(j, "address", s->address);
	set_given(j, "dns", s->dns);
	set_given(j, "ssh_keys", s->ssh_keys);
	set_given(j, "user_name", s->user_name);
	set_given(j, "user_data", s->user_data);
	return j;
}

int
custom_address_check(
    const struct op_call *c, const char *what, const char *address, struct err *e)
{
	const struct network *n = inv_network(c->inv, arg_id(c->args, "network"));
	struct net_plan p = { 0 };

	if (!n || !n->cidr)
		return err_set(
		    e, ERR_INVALID, "%s: the guest's network has no cidr", what);
	struct net_texts texts = { n->cidr, n->gateway, address, address, n->dns };
	int rc = net_plan_check(&texts, &p, e);
	if (rc || p.first == p.gateway)
		return err_set(e, ERR_INVALID,
		    "%s: %s is no free address of network \"%s\", %s", what, address,
		    n->o.name, n->cidr);
	return 0;
}

/* What can be known now of whether the texts can be made. */
static int
check_makeable(const struct op_call *c, const struct custom_spec *s, struct err *e)
{
	const struct custom_guest g = {
		.uuid = NO_UUID,
		.name = arg_str(c->args, "name"),
	};
	struct custom_seed seed;
	int rc = customize_make(s, &g, &seed, e);

	if (!rc)
		custom_seed_fini(&seed);
	return rc;
}

int
settle_custom(struct op_call *c, struct err *e)
{
	const json *overlay = json_get(c->args, "customize");
	const struct custspec *row;
	struct custom_spec s = { 0 };
	int rc = arg_exists(c->inv, c->args, "custspec", e);

	row = inv_custspec(c->inv, arg_id(c->args, "custspec"));
	if (rc || (!row && !arg_has(c->args, "customize")))
		return rc;
	if (row)
		s = custom_spec_of(row);
	if (arg_has(c->args, "customize"))
		rc = custom_spec_overlay(&s, overlay, e);
	if (!rc)
		rc = custom_spec_check(&s, e);
	if (rc)
		return row ? err_wrap(e, "custspec \"%s\"", row->o.name) : rc;
	if (s.address && s.address[0])
		rc = custom_address_check(c, "customize: address", s.address, e);
	if (!rc)
		rc = check_makeable(c, &s, e);
	if (!rc)
		json_set_json(c->args, "customize", custom_json(&s));
	return rc;
}

static void
set_text(json *j, const char *key, const struct str *text)
{
	if (text->len)
		json_set_str(j, key, str_cstr(text));
}

void
seed_write(const struct task_run *r, struct vm *vm)
{
	const json *nic = vm->nics ? json_at(vm->nics, 0) : NULL;
	const struct network *n =
	    nic ? inv_network(r->inv, arg_id(nic, "network")) : NULL;
	const char *slash = n && n->cidr ? strchr(n->cidr, '/') : NULL;
	const char *ip = nic ? arg_str(nic, "address") : NULL;
	AUTO_FREE char *address =
	    ip ? xasprintf("%s%s", ip, slash ? slash : "/32") : NULL;
	struct custom_spec s = { 0 };
	struct custom_seed seed;
	struct err e = ERR_INIT;

	/* A container is customised from outside. */
	if (!arg_has(r->args, "customize") || vm->guest_type == GUEST_CONTAINER)
		return;
	const struct custom_nic of = { nic ? arg_str(nic, "mac") : "", address,
		n ? n->gateway : NULL };
	const struct custom_guest g = { vm->uuid, vm->o.name, &of, nic ? 1 : 0,
		n ? n->dns : NULL };
	/* Both were tried when the wish was taken. */
	if (custom_spec_overlay(&s, json_get(r->args, "customize"), &e) ||
	    customize_make(&s, &g, &seed, &e))
		return;
	json_free(vm->seed);
	vm->seed = json_new_object();
	set_text(vm->seed, "meta_data", &seed.meta_data);
	set_text(vm->seed, "user_data", &seed.user_data);
	set_text(vm->seed, "network_config", &seed.network_config);
	custom_seed_fini(&seed);
}
