#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "host-agent/engine/engine.h"
#include "host-agent/engine/oci/oci_config.h"
#include "host-agent/engine/oci/oci_signal.h"

#define ARGS_MAX    256
#define ARG_MAX_LEN 4096
#define NICS_MAX    8
#define DNS_MAX     8
#define ID_MAX      65535u
#define WEIGHT_MAX  1000u

/* Every reason, one behind the other. */
struct reasons {
	struct str text;
};

__attribute__((format(printf, 2, 3))) static void
object(struct reasons *r, const char *fmt, ...)
{
	va_list ap;

	if (r->text.len)
		str_add(&r->text, "; ");
	va_start(ap, fmt);
	str_addv(&r->text, fmt, ap);
	va_end(ap);
}

static void
check_disk(struct reasons *r, const Drover__GuestSpec *spec)
{
	const Drover__DiskSpec *d;

	if (spec->n_disks != 1) {
		object(r, "a container has one disk, not %zu", spec->n_disks);
		return;
	}
	d = spec->disks[0];
	if (!str_same(d->format, "ext4"))
		object(r, "%s: format \"%s\" is not ext4", d->name, d->format);
	if (d->n_backing > ENGINE_LAYERS_MAX - 1)
		object(r, "%s: %zu layers are more than %d", d->name, d->n_backing,
		    ENGINE_LAYERS_MAX - 1);
	for (size_t i = 0; i < d->n_backing; i++)
		if (!str_same(d->backing[i]->format, "ext4"))
			object(r, "%s: layer %zu is \"%s\", not ext4", d->name, i + 1,
			    d->backing[i]->format);
}

static void
check_words(struct reasons *r, const char *what, char *const *words, size_t n)
{
	if (n > ARGS_MAX)
		object(r, "%s: more than %d", what, ARGS_MAX);
	for (size_t i = 0; i < n; i++)
		if (strlen(words[i]) > ARG_MAX_LEN)
			object(r, "%s: number %zu is too long", what, i + 1);
}

static void
check_devices(struct reasons *r, const Drover__ContainerSpec *ct)
{
	if (ct->n_devices > OCI_DEVICES_MAX)
		object(r, "more than %d devices", OCI_DEVICES_MAX);
	for (size_t i = 0; i < ct->n_devices; i++)
		if (!str_starts(ct->devices[i], "/dev/") ||
		    strstr(ct->devices[i], "/.") || strlen(ct->devices[i]) > 100)
			object(r, "\"%.100s\" is no device", ct->devices[i]);
}

static void
check_process(struct reasons *r, const Drover__ContainerSpec *ct)
{
	int signo;

	check_words(r, "args", ct->args, ct->n_args);
	check_words(r, "env", ct->env, ct->n_env);
	for (size_t i = 0; i < ct->n_env; i++)
		if (*ct->env[i] == '=' || !strchr(ct->env[i], '='))
			object(r, "env: \"%.40s\" is not NAME=value", ct->env[i]);
	if (ct->n_args && !*ct->args[0])
		object(r, "args: the program is empty");
	if (*ct->cwd && *ct->cwd != '/')
		object(r, "cwd: \"%.60s\" does not begin with /", ct->cwd);
	if (ct->uid > ID_MAX || ct->gid > ID_MAX)
		object(r, "uid and gid are at most %u", ID_MAX);
	for (size_t i = 0; i < ct->n_groups; i++)
		if (ct->groups[i] > ID_MAX)
			object(r, "groups: %u is more than %u", ct->groups[i], ID_MAX);
	if (*ct->stop_signal && oci_signal_parse(ct->stop_signal, &signo, NULL))
		object(r, "stop_signal: \"%.20s\" is no signal", ct->stop_signal);
	if (ct->io_weight > WEIGHT_MAX)
		object(r, "io_weight: %u is more than %u", ct->io_weight, WEIGHT_MAX);
}

static void
check_parts(struct reasons *r, const Drover__GuestSpec *spec)
{
	if (!spec->container)
		object(r, "it is a machine, not a container");
	if (spec->seed)
		object(r, "a container takes no seed");
	if (spec->n_nics > NICS_MAX)
		object(r, "%zu nics are more than %d", spec->n_nics, NICS_MAX);
	if (spec->n_dns > DNS_MAX)
		object(r, "%zu name servers are more than %d", spec->n_dns, DNS_MAX);
	if (!spec->num_cpu)
		object(r, "it has no CPU");
	if (!spec->memory_mb)
		object(r, "it has no memory");
}

int
oci_spec_check(const Drover__GuestSpec *spec, struct err *e)
{
	struct reasons r = { STR_INIT };
	int rc = 0;

	check_parts(&r, spec);
	check_disk(&r, spec);
	if (spec->container) {
		check_process(&r, spec->container);
		check_devices(&r, spec->container);
	}
	if (r.text.len)
		rc = err_set(e, ERR_INVALID, "%s", str_cstr(&r.text));
	str_fini(&r.text);
	return rc;
}
