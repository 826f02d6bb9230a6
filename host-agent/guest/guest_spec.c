#include "host-agent/guest/guest_spec.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "base/assert.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/engine.h"
#include "host-agent/network/port.h"
#include "host-agent/storage/ds_path.h"

#define BRIDGE_NAME_MAX 15u
#define VLAN_MAX        4094u
#define FORMAT_ROOT     "ext4"
#define PREFIX_MAX      32u

bool
guest_list_has(const char *list, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = list; p && *p;) {
		const char *end = strchrnul(p, ',');
		const char *from = p;
		const char *to = end;

		while (from < to && *from == ' ')
			from++;
		while (to > from && to[-1] == ' ')
			to--;
		if ((size_t)(to - from) == n && !memcmp(from, word, n))
			return true;
		p = *end ? end + 1 : end;
	}
	return false;
}

bool
guest_spec_invented(const Drover__GuestSpec *spec)
{
	return str_same(spec->engine, GUEST_ENGINE_INVENTED);
}

bool
guest_spec_is_container(const Drover__GuestSpec *spec)
{
	return spec->container && !guest_spec_invented(spec);
}

static int
uuid_check(const char *s, struct err *e)
{
	size_t n = strlen(s);
	bool sound = n == 36;

	for (size_t i = 0; sound && i < n; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		sound = dash ? s[i] == '-' : isxdigit((unsigned char)s[i]) != 0;
	}
	return sound ? 0 : err_set(e, ERR_INVALID, "\"%.40s\" is no uuid", s);
}

/* Another guest's disk is nobody's base, whatever the server says. */
static int
layers_check(const Drover__DiskSpec *d, const char *folder, struct err *e)
{
	if (d->n_backing >= ENGINE_LAYERS_MAX)
		return err_set(e, ERR_INVALID, "a chain of %zu images: at most %d",
		    d->n_backing + 1, ENGINE_LAYERS_MAX);
	for (size_t i = 0; i < d->n_backing; i++) {
		const Drover__DiskLayer *l = d->backing[i];

		if (!str_starts(l->path, "templates/") && !str_starts(l->path, folder))
			return err_set(e, ERR_DENIED,
			    "its base %.100s is no template's and not below %s",
			    l->path, folder);
		if (ds_path_check(l->path, e))
			return e->code;
		for (size_t k = 0; k < i; k++) {
			if (str_same(d->backing[k]->path, l->path))
				return err_set(e, ERR_INVALID,
				    "its base %.100s is there twice", l->path);
		}
		if (str_same(d->path, l->path))
			return err_set(
			    e, ERR_INVALID, "%.100s stands on itself", l->path);
	}
	return 0;
}

static int
format_check(const Drover__GuestSpec *spec, const Drover__DiskSpec *d, struct err *e)
{
	if (spec->container && !str_same(d->format, FORMAT_ROOT))
		return err_set(e, ERR_INVALID,
		    "disk %s: format \"%.20s\" is not ext4, as a container's is",
		    d->name, d->format);
	if (!spec->container && !str_same(d->format, "qcow2") &&
	    !str_same(d->format, "raw"))
		return err_set(e, ERR_INVALID,
		    "disk %s: format \"%.20s\" is not qcow2 or raw", d->name,
		    d->format);
	for (size_t i = 0; spec->container && i < d->n_backing; i++) {
		if (!str_same(d->backing[i]->format, FORMAT_ROOT))
			return err_set(e, ERR_INVALID,
			    "disk %s: its layer %.100s is of format \"%.20s\", not ext4",
			    d->name, d->backing[i]->path, d->backing[i]->format);
	}
	return 0;
}

static int
disk_check(const Drover__GuestSpec *spec, size_t i, struct err *e)
{
	const Drover__DiskSpec *d = spec->disks[i];
	char folder[40];

	if (!name_is_file_safe(d->name))
		return err_set(
		    e, ERR_INVALID, "disk %zu: \"%.70s\" is no disk name", i, d->name);
	for (size_t k = 0; k < i; k++) {
		if (!strcmp(spec->disks[k]->name, d->name) ||
		    !strcmp(spec->disks[k]->path, d->path))
			return err_set(
			    e, ERR_INVALID, "disk %s is there twice", d->name);
	}
	if (!d->datastore)
		return err_set(e, ERR_INVALID, "disk %s: no datastore", d->name);
	if (format_check(spec, d, e))
		return e->code;
	snprintf(folder, sizeof(folder), "vms/vm-%" PRIu64 "/", spec->guest);
	if (!str_starts(d->path, folder))
		return err_set(e, ERR_DENIED, "disk %s: %.100s is not below %s",
		    d->name, d->path, folder);
	if (ds_path_check(d->path, e) || layers_check(d, folder, e))
		return err_wrap(e, "disk %s", d->name);
	return 0;
}

/* "10.1.2.3/24", or none; what it leads to is an address alone. */
static int
address_check(const Drover__NicSpec *c, struct err *e)
{
	const char *slash = strchrnul(c->address, '/');
	AUTO_FREE char *alone = xstrndup(c->address, (size_t)(slash - c->address));
	char *end = NULL;
	struct in_addr a;
	bool sound = !*c->address;

	if (inet_pton(AF_INET, alone, &a) == 1 &&
	    isdigit((unsigned char)slash[*slash == '/']))
		sound = strtoul(slash + 1, &end, 10) <= PREFIX_MAX && !*end;
	if (!sound)
		return err_set(e, ERR_INVALID,
		    "address: wants 10.1.2.3/24, got \"%.40s\"", c->address);
	if (*c->gateway && inet_pton(AF_INET, c->gateway, &a) != 1)
		return err_set(e, ERR_INVALID, "gateway: wants 10.1.2.1, got \"%.40s\"",
		    c->gateway);
	return 0;
}

static int
nic_check(const Drover__GuestSpec *spec, size_t i, const char *bridges, struct err *e)
{
	const Drover__NicSpec *c = spec->nics[i];
	uint8_t mac[6];

	if (!name_is_file_safe(c->bridge) || strlen(c->bridge) > BRIDGE_NAME_MAX)
		return err_set(e, ERR_INVALID, "nic %zu: \"%.40s\" is no bridge name",
		    i, c->bridge);
	if (bridges && *bridges && !guest_list_has(bridges, c->bridge))
		return err_set(e, ERR_DENIED,
		    "nic %zu: this host's settings do not allow bridge %s", i,
		    c->bridge);
	if (c->vlan > VLAN_MAX)
		return err_set(e, ERR_INVALID, "nic %zu: VLAN %u is above %u", i,
		    c->vlan, VLAN_MAX);
	if (port_mac_parse(c->mac, mac, e) || address_check(c, e))
		return err_wrap(e, "nic %zu", i);
	return 0;
}

static int
size_check(const Drover__GuestSpec *spec, struct err *e)
{
	if (spec->num_cpu < 1 || spec->num_cpu > GUEST_MAX_CPU)
		return err_set(e, ERR_INVALID, "%u CPUs: wants 1 to %u", spec->num_cpu,
		    GUEST_MAX_CPU);
	if (spec->memory_mb < 1 || spec->memory_mb > GUEST_MAX_MEMORY_MB)
		return err_set(e, ERR_INVALID,
		    "%" PRIu64 " MB of memory: wants 1 to %u", spec->memory_mb,
		    GUEST_MAX_MEMORY_MB);
	if (spec->n_disks > GUEST_MAX_DISKS || spec->n_nics > GUEST_MAX_NICS)
		return err_set(e, ERR_INVALID,
		    "%zu disks and %zu nics: at most %u and %u", spec->n_disks,
		    spec->n_nics, GUEST_MAX_DISKS, GUEST_MAX_NICS);
	if (drover__guest_spec__get_packed_size(spec) > GUEST_MAX_SPEC_BYTES)
		return err_set(e, ERR_INVALID, "more than %u bytes of texts",
		    GUEST_MAX_SPEC_BYTES);
	return 0;
}

static int
check_all(const Drover__GuestSpec *spec, const char *bridges, struct err *e)
{
	if (name_check(spec->name, strlen(spec->name), "name", e) ||
	    uuid_check(spec->uuid, e) || size_check(spec, e))
		return e->code;
	for (size_t i = 0; i < spec->n_disks; i++) {
		if (disk_check(spec, i, e))
			return e->code;
	}
	for (size_t i = 0; i < spec->n_nics; i++) {
		if (nic_check(spec, i, bridges, e))
			return e->code;
	}
	return guest_container_check(spec, e);
}

int
guest_spec_check(const Drover__GuestSpec *spec, const char *bridges, struct err *e)
{
	struct err why = ERR_INIT;

	if (!spec || !spec->guest)
		return err_set(e, ERR_INVALID, "a guest without a number");
	if (check_all(spec, bridges, &why))
		return err_set(e, why.code, "vm-%" PRIu64 ": %s", spec->guest, why.msg);
	return 0;
}

static uint8_t *
pack(const Drover__GuestSpec *spec, size_t *ret_n)
{
	uint8_t *p;

	*ret_n = drover__guest_spec__get_packed_size(spec);
	p = xmalloc(*ret_n + 1);
	drover__guest_spec__pack(spec, p);
	return p;
}

Drover__GuestSpec *
guest_spec_dup(const Drover__GuestSpec *spec)
{
	size_t n;
	AUTO_FREE uint8_t *p = pack(spec, &n);

	return drover__guest_spec__unpack(NULL, n, p);
}

void
guest_spec_free(Drover__GuestSpec *spec)
{
	drover__guest_spec__free_unpacked(spec, NULL);
}

void
guest_spec_digest(const Drover__GuestSpec *spec, char out[65])
{
	uint8_t hash[32];
	size_t n;
	AUTO_FREE uint8_t *p = pack(spec, &n);

	ASSERT(EVP_Digest(p, n, hash, NULL, EVP_sha256(), NULL) == 1);
	hex_encode(hash, sizeof(hash), out);
}

bool
guest_spec_same(const Drover__GuestSpec *a, const Drover__GuestSpec *b)
{
	size_t na, nb;
	AUTO_FREE uint8_t *pa = pack(a, &na);
	AUTO_FREE uint8_t *pb = pack(b, &nb);

	return na == nb && !memcmp(pa, pb, na);
}
