#include "server/ops/vm_address.h"

#include "server/ops/net_plan.h"

static void
add(uint32_t **list, size_t *n, const char *text)
{
	struct err ignored = ERR_INIT;
	uint32_t ip;

	if (!text || ipv4_parse(text, "", &ip, &ignored))
		return;
	*list = xreallocarray(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = ip;
}

static void
add_cards(const struct vm *vm, obj_id network, uint32_t **list, size_t *n)
{
	for (size_t i = 0; vm->nics && i < json_count(vm->nics); i++) {
		const json *nic = json_at(vm->nics, i);

		if (obj_id_is(arg_id(nic, "network"), network))
			add(list, n, arg_str(nic, "address"));
	}
}

uint32_t *
vm_addresses_used(
    const struct inv *inv, const struct advice *a, obj_id network, size_t *ret_n)
{
	uint32_t *list = xcalloc(1, sizeof(*list));
	size_t n = 0;

	INV_EACH(inv, KIND_VM, o)
	{
		const struct vm *vm = inv_vm(inv, o->id);

		add_cards(vm, network, &list, &n);
		if (id_list_has(&vm->networks, network))
			add(&list, &n, vm->ip_address);
	}
	advice_held_addresses(a, network, &list, &n);
	*ret_n = n;
	return list;
}

/* Does the network have it, for machines? */
static int
check_asked(
    const struct network *n, const struct net_plan *plan, uint32_t ip, struct err *e)
{
	uint32_t mask = plan->prefix ? UINT32_MAX << (32 - plan->prefix) : 0;
	char text[IPV4_TEXT];

	if (plan->prefix && ((ip & mask) != plan->base || ip == plan->base ||
				ip == (plan->base | ~mask)))
		return err_set(e, ERR_INVALID, "address: %s is none of network \"%s\"",
		    ipv4_text(ip, text), n->o.name);
	if (plan->gateway && ip == plan->gateway)
		return err_set(e, ERR_EXISTS,
		    "address: %s is the gateway of network \"%s\"", ipv4_text(ip, text),
		    n->o.name);
	return 0;
}

static bool
is_used(const uint32_t *used, size_t n, uint32_t ip)
{
	for (size_t i = 0; i < n; i++) {
		if (used[i] == ip)
			return true;
	}
	return false;
}

int
vm_address_pick(const struct ops *ops, obj_id network, const char *asked,
    uint32_t *ret_ip, struct err *e)
{
	const struct network *n = inv_network(ops->inv, network);
	struct net_plan plan;
	uint32_t ip = 0;
	size_t n_used;

	*ret_ip = 0;
	if (!n || (!asked && (!n->range_first || !n->range_first[0])))
		return 0;
	struct net_texts texts = { n->cidr, n->gateway, n->range_first, n->range_last,
		n->dns };
	int rc = net_plan_check(&texts, &plan, e);
	if (rc)
		return err_wrap(e, "network \"%s\"", n->o.name);
	AUTO_FREE uint32_t *used =
	    vm_addresses_used(ops->inv, ops->advice, network, &n_used);
	if (!asked) {
		rc = net_plan_pick(&plan, used, n_used, ret_ip, e);
		return rc ? err_wrap(e, "network \"%s\"", n->o.name) : 0;
	}
	rc = ipv4_parse(asked, "address", &ip, e);
	if (!rc)
		rc = check_asked(n, &plan, ip, e);
	if (!rc && is_used(used, n_used, ip))
		rc = err_set(e, ERR_EXISTS, "address: %s of network \"%s\" is in use",
		    asked, n->o.name);
	if (!rc)
		*ret_ip = ip;
	return rc;
}
