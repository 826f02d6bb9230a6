/*
 * A container as lines "key value" → its config.json.
 */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_config.h"
#include "tests/golden/run_golden.h"

#define MAX_WORDS 8

struct ct_case {
	Drover__GuestSpec spec;
	Drover__ContainerSpec ct;
	Drover__NicSpec nics[MAX_WORDS], *nic_list[MAX_WORDS];
	char *args[MAX_WORDS], *env[MAX_WORDS];
	uint32_t groups[MAX_WORDS];
	struct oci_config_in in;
};

static size_t
split(char *words, char **list)
{
	char *save = NULL;
	size_t n = 0;

	for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save)) {
		ASSERT(n < MAX_WORDS);
		list[n++] = w;
	}
	return n;
}

/* "nic NAME MAC [ADDRESS [GATEWAY]]" */
static void
take_nic(struct ct_case *c, char *value)
{
	static char bridge[] = "br0";
	Drover__NicSpec *n = &c->nics[c->spec.n_nics];
	char *words[MAX_WORDS] = { NULL };

	split(value, words);
	drover__nic_spec__init(n);
	n->bridge = bridge;
	n->vlan = 7;
	n->rx_kbit_limit = 8000;
	n->name = words[0];
	n->mac = words[1];
	if (words[2])
		n->address = words[2];
	if (words[2] && words[3])
		n->gateway = words[3];
	c->nic_list[c->spec.n_nics++] = n;
}

/* "device PATH MAJOR MINOR" */
static void
take_device(struct ct_case *c, char *value)
{
	struct oci_device *d = &c->in.devices[c->in.n_devices++];
	char *words[MAX_WORDS] = { NULL };

	ASSERT(split(value, words) == 3 && words[1] && words[2]);
	d->path = words[0];
	d->major = (unsigned)strtoul(words[1], NULL, 10);
	d->minor = (unsigned)strtoul(words[2], NULL, 10);
}

static void
take_user(struct ct_case *c, char *value)
{
	char *words[MAX_WORDS] = { NULL };
	size_t n = split(value, words);

	ASSERT(words[0] && words[1]);
	c->ct.uid = (uint32_t)strtoul(words[0], NULL, 10);
	c->ct.gid = (uint32_t)strtoul(words[1], NULL, 10);
	for (size_t i = 2; i < n; i++)
		c->groups[c->ct.n_groups++] = (uint32_t)strtoul(words[i], NULL, 10);
	c->ct.groups = c->groups;
}

static void
take(struct ct_case *c, const char *key, char *value)
{
	if (str_same(key, "name"))
		c->spec.name = value;
	else if (str_same(key, "host_name"))
		c->spec.host_name = value;
	else if (str_same(key, "args"))
		c->ct.n_args = split(value, c->args);
	else if (str_same(key, "env"))
		c->ct.n_env = split(value, c->env);
	else if (str_same(key, "cwd"))
		c->ct.cwd = value;
	else if (str_same(key, "user"))
		take_user(c, value);
	else if (str_same(key, "nic"))
		take_nic(c, value);
	else if (str_same(key, "device"))
		take_device(c, value);
	else if (str_same(key, "kernel"))
		c->in.cgroup_v2 = c->in.time_ns = true;
	else
		ASSERT(!"a key that is known");
}

static void
init_case(struct ct_case *c)
{
	drover__guest_spec__init(&c->spec);
	drover__container_spec__init(&c->ct);
	c->spec.guest = 42;
	c->spec.container = &c->ct;
	c->spec.nics = c->nic_list;
	c->ct.args = c->args;
	c->ct.env = c->env;
	c->in.spec = &c->spec;
	c->in.dir = "/run/drover-agent/vm-42";
	c->in.stage = "/usr/sbin/drover-stage";
	c->in.init = "/usr/sbin/drover-init";
	c->in.cgroup = "drover/vm-42";
	c->in.id_base = 1002752512;
	c->in.max_files = 524288;
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	AUTO_FREE char *copy = xstrndup(text, n);
	struct ct_case c = { .in = { .spec = NULL } };
	AUTO_FREE char *json = NULL;
	char *save = NULL;

	init_case(&c);
	for (char *l = strtok_r(copy, "\n", &save); l;
	     l = strtok_r(NULL, "\n", &save)) {
		size_t k = strcspn(l, " ");
		char *value = l[k] ? l + k + 1 : l + k;

		l[k] = '\0';
		take(&c, l, value);
	}
	json = oci_config_text(&c.in);
	str_addf(out, "%s\n", json);
}
