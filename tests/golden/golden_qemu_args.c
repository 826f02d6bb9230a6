/*
 * A guest as lines "key value" → QEMU's command line, one argument a line, and the
 * descriptors that go with it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/mem.h"
#include "host-agent/engine/qemu/qemu_args.h"
#include "tests/golden/run_golden.h"
#include "tests/lib/borrow.h"

#define MAX_PARTS 8

struct guest_case {
	Drover__GuestSpec spec;
	Drover__DiskSpec disks[MAX_PARTS], *disk_list[MAX_PARTS];
	Drover__DiskLayer layers[MAX_PARTS][MAX_PARTS];
	Drover__DiskLayer *layer_list[MAX_PARTS][MAX_PARTS];
	Drover__NicSpec nics[MAX_PARTS], *nic_list[MAX_PARTS];
	char *dns[MAX_PARTS];
	struct engine_disk fds[MAX_PARTS];
	int taps[MAX_PARTS];
	struct qemu_shape shape;
	int memory_fd, seed_fd;
};

/* "disk qcow2 direct" or "disk qcow2 buffered base qcow2 raw", nearest first */
static void
take_disk(struct guest_case *c, char *words)
{
	size_t i = c->spec.n_disks++;
	Drover__DiskSpec *d = &c->disks[i];
	char *save = NULL, *format;

	drover__disk_spec__init(d);
	d->format = strtok_r(words, " ", &save);
	d->backing = c->layer_list[i];
	c->fds[i] = (struct engine_disk){ .fd = 100 + (int)i };
	c->fds[i].direct = str_same(strtok_r(NULL, " ", &save), "direct");
	(void)strtok_r(NULL, " ", &save);
	while ((format = strtok_r(NULL, " ", &save))) {
		size_t k = d->n_backing++;

		drover__disk_layer__init(&c->layers[i][k]);
		c->layers[i][k].format = format;
		d->backing[k] = &c->layers[i][k];
		c->fds[i].backing_fds[c->fds[i].n_backing++] = 200 + (int)(10 * i + k);
	}
	c->disk_list[i] = d;
}

/* "nic MAC [ADDRESS [GATEWAY]]" */
static void
take_nic(struct guest_case *c, char *words)
{
	size_t i = c->spec.n_nics++;
	Drover__NicSpec *n = &c->nics[i];
	char *save = NULL, *word;

	drover__nic_spec__init(n);
	n->mac = strtok_r(words, " ", &save);
	word = strtok_r(NULL, " ", &save);
	if (word)
		n->address = word;
	word = strtok_r(NULL, " ", &save);
	if (word)
		n->gateway = word;
	c->taps[i] = 300 + (int)i;
	c->nic_list[i] = n;
}

/* "host CPUS MB", after the guest's own sizes. */
static void
take_host(struct guest_case *c, const char *words)
{
	char *mb;
	uint32_t cpus = (uint32_t)strtoul(words, &mb, 10);

	qemu_shape_plan(
	    &c->shape, c->spec.num_cpu, c->spec.memory_mb, cpus, strtoul(mb, NULL, 10));
}

static void
take_line(struct guest_case *c, char *line)
{
	char *rest = strchr(line, ' ');

	ASSERT(rest);
	*rest++ = '\0';
	if (str_same(line, "name"))
		c->spec.name = rest;
	else if (str_same(line, "host_name"))
		c->spec.host_name = rest;
	else if (str_same(line, "num_cpu"))
		c->spec.num_cpu = (uint32_t)strtoul(rest, NULL, 10);
	else if (str_same(line, "memory_mb"))
		c->spec.memory_mb = strtoul(rest, NULL, 10);
	else if (str_same(line, "accel"))
		snprintf(c->shape.accel, sizeof(c->shape.accel), "%s", rest);
	else if (str_same(line, "dns"))
		c->dns[c->spec.n_dns++] = rest;
	else if (str_same(line, "disk"))
		take_disk(c, rest);
	else if (str_same(line, "disk_called"))
		c->disks[c->spec.n_disks - 1].name = rest;
	else if (str_same(line, "nic"))
		take_nic(c, rest);
	else if (str_same(line, "nic_called"))
		c->nics[c->spec.n_nics - 1].name = rest;
	else if (str_same(line, "dimm"))
		c->shape.dimm_mb[c->shape.n_dimms++] = strtoul(rest, NULL, 10);
	else if (str_same(line, "plugged_cpus"))
		c->shape.num_cpu = (uint32_t)strtoul(rest, NULL, 10);
	else if (str_same(line, "memory_fd"))
		c->memory_fd = (int)strtol(rest, NULL, 10);
	else if (str_same(line, "seed_fd"))
		c->seed_fd = (int)strtol(rest, NULL, 10);
	else if (str_same(line, "host"))
		take_host(c, rest);
	else
		ASSERT(!"a known key");
}

void
golden_case(const char *text, size_t n, struct str *out)
{
	AUTO_FREE char *copy = xstrndup(text, n);
	struct guest_case c = {
		.memory_fd = -1, .seed_fd = -1, .shape = { .machine = "pc-q35-7.2" }
	};
	struct qemu_args_in in = { .program = "/usr/bin/qemu-system-x86_64",
		.guest = 42,
		.spec = &c.spec,
		.shape = &c.shape,
		.disks = c.fds,
		.tap_fds = c.taps,
		.qmp_fd = 10,
		.console_fd = 11,
		.agent_fd = 12 };
	struct err e = ERR_INIT;
	struct qemu_args a;
	char *save = NULL;

	drover__guest_spec__init(&c.spec);
	c.spec.uuid = borrow("6e9bd5ae-6b9b-4a35-9f0d-2f1a3f6f0a42");
	c.spec.disks = c.disk_list;
	c.spec.nics = c.nic_list;
	c.spec.dns = c.dns;
	for (char *l = strtok_r(copy, "\n", &save); l; l = strtok_r(NULL, "\n", &save))
		take_line(&c, l);
	in.memory_fd = c.memory_fd;
	in.seed_fd = c.seed_fd;
	if (qemu_spec_check(&c.spec, &e)) {
		str_addf(out, "refused: %s\n", e.msg);
		return;
	}
	qemu_args_build(&in, &a);
	for (size_t i = 0; i < a.n; i++)
		str_addf(out, "%s\n", a.argv[i]);
	for (size_t i = 0; i < a.n_fds; i++)
		str_addf(
		    out, "descriptor %zu is our %d\n", QEMU_FIRST_FD + i, a.fds[i]);
	qemu_args_fini(&a);
}
