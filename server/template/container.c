/*
 * What machines and containers each take when they are made, and what a template says
 * of the containers that it makes.
 */
#include "server/ops/net_plan.h"
#include "server/ops/vm_address.h"
#include "server/template/name_pattern.h"
#include "server/template/template_int.h"

static json *
texts_json(char **v, size_t n)
{
	json *list = json_new_array();

	for (size_t i = 0; i < n; i++)
		json_add_str(list, v[i]);
	return list;
}

static void
set_texts(json *to, const char *name, char **v, size_t n)
{
	if (n)
		json_set_json(to, name, texts_json(v, n));
}

static void
set_text(json *to, const char *name, const char *s)
{
	if (s && s[0])
		json_set_str(to, name, s);
}

static void
set_number(json *to, const char *name, uint64_t v)
{
	if (v)
		json_set_u64(to, name, v);
}

json *
container_json(const Drover__ContainerSpec *c)
{
	json *to = json_new_object();

	set_texts(to, "args", c->args, c->n_args);
	set_texts(to, "env", c->env, c->n_env);
	set_text(to, "cwd", c->cwd);
	set_number(to, "uid", c->uid);
	set_number(to, "gid", c->gid);
	set_text(to, "stop_signal", c->stop_signal);
	if (c->n_groups) {
		json *groups = json_new_array();
		for (size_t i = 0; i < c->n_groups; i++)
			json_add_u64(groups, c->groups[i]);
		json_set_json(to, "groups", groups);
	}
	return to;
}

json *
layers_json(Drover__DiskLayer **v, size_t n)
{
	json *list = json_new_array();

	for (size_t i = 0; i < n; i++) {
		json *one = json_new_object();
		json_set_str(one, "path", v[i]->path);
		json_set_str(one, "format", v[i]->format);
		json_add_json(list, one);
	}
	return list;
}

/* ---- what only one of the two kinds takes ---- */

int
container_kind_check(
    const json *args, enum guest_type type, const struct obj *made_of, struct err *e)
{
	const char *asked = arg_str(args, "guest_type");
	const char *only =
	    arg_has(args, "ip_address") ? "ip_address" : container_arg_given(args);

	if (asked && guest_type_parse(asked) != (int)type)
		return err_set(e, ERR_INVALID, "guest_type: \"%s\" makes %ss, not %ss",
		    made_of->name, guest_type_text(type), asked);
	if (type == GUEST_MACHINE && only)
		return err_set(e, ERR_INVALID,
		    "%s: is of containers, and \"%s\" makes machines", only,
		    made_of->name);
	if (type == GUEST_CONTAINER && arg_bool(args, "full", false))
		return err_set(e, ERR_UNSUPPORTED,
		    "full: a container always stands on the layers of its template, "
		    "which all of them share");
	return 0;
}

/* ---- customisation of a container ---- */

/* What only a program inside could do. */
static int
refuse_inner(const struct custom_spec *s, struct err *e)
{
	const struct {
		const char *name, *value;
	} rows[] = {
		{ "domain", s->domain },
		{ "ssh_keys", s->ssh_keys },
		{ "user_name", s->user_name },
		{ "user_data", s->user_data },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].value && rows[i].value[0]) {
			return err_set(e, ERR_UNSUPPORTED,
			    "customize: %s: of a container only host_name, address "
			    "and dns can be customised",
			    rows[i].name);
		}
	}
	if (s->address_mode && s->address_mode[0] &&
	    !str_same(s->address_mode, "network"))
		return err_set(e, ERR_UNSUPPORTED,
		    "customize: address_mode: a container has the address of its "
		    "network, which is set from outside");
	return 0;
}

/* "10.0.0.1,10.0.0.2" */
static json *
dns_list(const char *text)
{
	json *list = json_new_array();

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, ",");
		AUTO_FREE char *one = xstrndup(p, n);
		if (n)
			json_add_str(list, one);
		p += n + (p[n] != '\0');
	}
	return list;
}

/* What a specification says as arguments of the container, which go before it. */
static int
custom_as_args(struct op_call *c, const struct custom_spec *s, struct err *e)
{
	AUTO(str) struct str host_name = STR_INIT;
	int rc = 0;

	if (s->host_name && s->host_name[0] && !arg_has(c->args, "host_name")) {
		rc = custom_host_name(s, arg_str(c->args, "name"), &host_name, e);
		if (!rc)
			json_set_str(c->args, "host_name", str_cstr(&host_name));
	}
	if (s->address && s->address[0] && !arg_has(c->args, "ip_address"))
		json_set_str(c->args, "ip_address", s->address);
	if (s->dns && s->dns[0] && !arg_has(c->args, "dns"))
		json_set_json(c->args, "dns", dns_list(s->dns));
	return rc;
}

static int
settle_customised(struct op_call *c, struct err *e)
{
	const struct custspec *row = inv_custspec(c->inv, arg_id(c->args, "custspec"));
	struct custom_spec s = { 0 };
	int rc = arg_exists(c->inv, c->args, "custspec", e);

	if (rc || (!row && !arg_has(c->args, "customize")))
		return rc;
	if (row)
		s = custom_spec_of(row);
	if (arg_has(c->args, "customize"))
		rc = custom_spec_overlay(&s, json_get(c->args, "customize"), e);
	if (!rc)
		rc = custom_spec_check(&s, e);
	if (!rc)
		rc = refuse_inner(&s, e);
	if (!rc)
		rc = custom_as_args(c, &s, e);
	return rc && row ? err_wrap(e, "custspec \"%s\"", row->o.name) : rc;
}

/* Refused now rather than by the task. */
static int
check_address(struct op_call *c, struct err *e)
{
	const char *asked = arg_str(c->args, "ip_address");
	uint32_t ip;

	if (!asked)
		return 0;
	int rc = custom_address_check(c, "ip_address", asked, e);
	if (rc)
		return rc;
	rc = vm_address_pick(c->ops, arg_id(c->args, "network"), asked, &ip, e);
	return rc ? err_wrap(e, "ip_address") : 0;
}

static int
check_disk_mb(const json *args, struct err *e)
{
	uint64_t asked = arg_u64(args, "disk_mb", CONTAINER_DISK_MB);

	if (asked >= CONTAINER_DISK_MIN_MB)
		return 0;
	return err_set(e, ERR_INVALID,
	    "disk_mb: the file system of a container has at least %u MB",
	    CONTAINER_DISK_MIN_MB);
}

int
settle_container(struct op_call *c, const json *preset, json **ret_conf, struct err *e)
{
	AUTO(json) json *conf = preset ? json_dup(preset) : json_new_object();
	int rc = settle_customised(c, e);

	if (!rc)
		rc = check_address(c, e);
	if (!rc)
		rc = check_disk_mb(c->args, e);
	if (!rc)
		rc = container_conf_lay(conf, c->args, e);
	if (!rc)
		*ret_conf = MOVE(conf);
	return rc;
}
