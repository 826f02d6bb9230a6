#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "base/str.h"
#include "host-agent/guest/guest_spec.h"

#define HOST_NAME_BYTES 64u
#define DEVICE_BYTES    128u

static int
limits_check(const Drover__ContainerSpec *c, struct err *e)
{
	if (c->swap_limit_mb > GUEST_MAX_MEMORY_MB)
		return err_set(e, ERR_INVALID, "%" PRIu64 " MB of swap: wants 0 to %u",
		    c->swap_limit_mb, GUEST_MAX_MEMORY_MB);
	if (c->pids_limit > GUEST_MAX_PIDS)
		return err_set(e, ERR_INVALID, "%u processes: wants 0 to %u",
		    c->pids_limit, GUEST_MAX_PIDS);
	return 0;
}

/* A path below /dev that leads nowhere else. */
static bool
is_device(const char *s)
{
	size_t n = strlen(s);
	bool sound = str_starts(s, "/dev/") && n > strlen("/dev/") && n <= DEVICE_BYTES;

	for (size_t i = 0; sound && i < n; i++)
		sound = isalnum((unsigned char)s[i]) || strchr("-_.+:/", s[i]);
	return sound && !strstr(s, "//") && !strstr(s, "/.") && s[n - 1] != '/';
}

static int
devices_check(const Drover__ContainerSpec *c, struct err *e)
{
	if (c->n_devices > GUEST_MAX_DEVICES)
		return err_set(e, ERR_INVALID, "devices: %zu, at most %u", c->n_devices,
		    GUEST_MAX_DEVICES);
	for (size_t i = 0; i < c->n_devices; i++) {
		if (is_device(c->devices[i]))
			continue;
		return err_set(e, ERR_INVALID,
		    "devices: \"%.80s\" is no path of a device, such as /dev/net/tun",
		    c->devices[i]);
	}
	return 0;
}

/* What its resolv.conf and its UTS namespace get. */
static int
names_check(const Drover__GuestSpec *spec, struct err *e)
{
	const char *s = spec->host_name;
	struct in6_addr a;
	size_t n = strlen(s);
	bool sound = n <= HOST_NAME_BYTES && *s != '-' && *s != '.';

	for (size_t i = 0; sound && i < n; i++)
		sound = isalnum((unsigned char)s[i]) || s[i] == '-' || s[i] == '.';
	if (!sound)
		return err_set(
		    e, ERR_INVALID, "host_name: \"%.80s\" is no host name", s);
	if (spec->n_dns > GUEST_MAX_DNS)
		return err_set(
		    e, ERR_INVALID, "dns: %zu, at most %u", spec->n_dns, GUEST_MAX_DNS);
	for (size_t i = 0; i < spec->n_dns; i++) {
		if (inet_pton(AF_INET, spec->dns[i], &a) != 1 &&
		    inet_pton(AF_INET6, spec->dns[i], &a) != 1)
			return err_set(e, ERR_INVALID,
			    "dns: \"%.80s\" is no address of a server", spec->dns[i]);
	}
	return 0;
}

int
guest_container_check(const Drover__GuestSpec *spec, struct err *e)
{
	const Drover__ContainerSpec *c = spec->container;
	bool wants = str_same(spec->engine, GUEST_ENGINE_CONTAINER);

	if (!c)
		return wants ? err_set(e, ERR_INVALID,
				   "engine oci runs containers, and it is a machine")
			     : 0;
	if (!wants && !guest_spec_invented(spec))
		return err_set(e, ERR_INVALID,
		    "engine %.20s runs machines, and it is a container", spec->engine);
	if (wants && !spec->n_disks)
		return err_set(
		    e, ERR_INVALID, "a container without a disk has no root");
	if (spec->seed)
		return err_set(
		    e, ERR_INVALID, "a seed is for machines, and it is a container");
	if (limits_check(c, e) || devices_check(c, e) || names_check(spec, e))
		return e->code;
	return 0;
}
