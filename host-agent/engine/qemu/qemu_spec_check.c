#include <ctype.h>
#include <string.h>

#include "base/str.h"
#include "host-agent/engine/qemu/qemu_args.h"

#define MIN_MEMORY_MB 16
#define MAX_MEMORY_MB (4ull << 20)
#define MAX_DNS       8
#define MAX_TEXT      255

static int
check_uuid(const char *s, struct err *e)
{
	size_t n = strlen(s);
	bool good = n == 36;

	for (size_t i = 0; i < n && good; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		good = dash ? s[i] == '-' : isxdigit((unsigned char)s[i]) != 0;
	}
	if (!good)
		return err_set(e, ERR_INVALID, "uuid: wants 8-4-4-4-12 hex digits");
	return 0;
}

static int
check_text(const char *s, const char *what, struct err *e)
{
	size_t n = strlen(s);

	if (n > MAX_TEXT || !utf8_valid(s, n))
		return err_set(e, ERR_INVALID, "%s: wants at most %d bytes of UTF-8",
		    what, MAX_TEXT);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(
			    e, ERR_INVALID, "%s: has a control character", what);
	return 0;
}

/* An address or a list of them: nothing that needs escaping. */
static int
check_address(const char *s, const char *what, struct err *e)
{
	if (strlen(s) > 64 || s[strspn(s, "0123456789abcdefABCDEF.:/")])
		return err_set(e, ERR_INVALID, "%s: wants an address", what);
	return 0;
}

static bool
is_mac(const char *s)
{
	for (int i = 0; i < 17; i++) {
		bool good =
		    i % 3 == 2 ? s[i] == ':' : isxdigit((unsigned char)s[i]) != 0;

		if (!good)
			return false;
	}
	return s[17] == '\0';
}

static int
check_nic(const Drover__NicSpec *n, struct err *e)
{
	int rc = 0;

	if (!is_mac(n->mac))
		return err_set(e, ERR_INVALID, "mac: wants 52:54:00:xx:xx:xx");
	rc = check_address(n->address, "address", e);
	return rc ? rc : check_address(n->gateway, "gateway", e);
}

static int
check_disk(const Drover__DiskSpec *d, struct err *e)
{
	const char *above = d->format;

	if (!str_same(d->format, "qcow2") && !str_same(d->format, "raw"))
		return err_set(e, ERR_INVALID, "format: wants qcow2 or raw");
	if (d->n_backing >= ENGINE_LAYERS_MAX)
		return err_set(e, ERR_INVALID, "backing: at most %d images, got %zu",
		    ENGINE_LAYERS_MAX - 1, d->n_backing);
	for (size_t i = 0; i < d->n_backing; i++) {
		const char *f = d->backing[i]->format;

		if (!str_same(above, "qcow2"))
			return err_set(
			    e, ERR_INVALID, "format: only qcow2 can stand on another");
		if (!str_same(f, "qcow2") && !str_same(f, "raw"))
			return err_set(
			    e, ERR_INVALID, "backing %zu: wants qcow2 or raw", i);
		above = f;
	}
	return 0;
}

/* Two of one name would want one place. */
static int
check_slots(const Drover__GuestSpec *s, struct err *e)
{
	for (size_t i = 0; i < s->n_disks; i++) {
		if (engine_disk_slot(s, i) >= QEMU_DISKS_MAX)
			return err_set(e, ERR_INVALID,
			    "disk %.40s: the highest is disk-%d", s->disks[i]->name,
			    QEMU_DISKS_MAX - 1);
	}
	for (size_t i = 0; i < s->n_nics; i++) {
		if (engine_nic_slot(s, i) >= QEMU_NICS_MAX)
			return err_set(e, ERR_INVALID,
			    "nic %.40s: the highest is nic-%d", s->nics[i]->name,
			    QEMU_NICS_MAX - 1);
	}
	return 0;
}

static int
check_sizes(const Drover__GuestSpec *s, struct err *e)
{
	if (s->num_cpu < 1 || s->num_cpu > QEMU_CPUS_MAX)
		return err_set(e, ERR_INVALID, "num_cpu: wants 1 to %d, got %u",
		    QEMU_CPUS_MAX, s->num_cpu);
	if (s->memory_mb < MIN_MEMORY_MB || s->memory_mb > MAX_MEMORY_MB)
		return err_set(e, ERR_INVALID, "memory_mb: wants %d to %llu, got %llu",
		    MIN_MEMORY_MB, MAX_MEMORY_MB, (unsigned long long)s->memory_mb);
	if (s->n_disks > QEMU_DISKS_MAX)
		return err_set(e, ERR_INVALID, "disks: at most %d, got %zu",
		    QEMU_DISKS_MAX, s->n_disks);
	if (s->n_nics > QEMU_NICS_MAX)
		return err_set(e, ERR_INVALID, "nics: at most %d, got %zu",
		    QEMU_NICS_MAX, s->n_nics);
	if (s->n_dns > MAX_DNS)
		return err_set(
		    e, ERR_INVALID, "dns: at most %d, got %zu", MAX_DNS, s->n_dns);
	return 0;
}

int
qemu_spec_check(const Drover__GuestSpec *s, struct err *e)
{
	int rc = check_uuid(s->uuid, e);

	if (!rc)
		rc = check_sizes(s, e);
	if (!rc)
		rc = check_slots(s, e);
	if (!rc)
		rc = check_text(s->name, "name", e);
	if (!rc)
		rc = check_text(s->host_name, "host_name", e);
	for (size_t i = 0; i < s->n_dns && !rc; i++)
		rc = check_address(s->dns[i], "dns", e);
	for (size_t i = 0; i < s->n_disks && !rc; i++) {
		rc = check_disk(s->disks[i], e);
		if (rc)
			err_wrap(e, "disk %zu", i);
	}
	for (size_t i = 0; i < s->n_nics && !rc; i++) {
		rc = check_nic(s->nics[i], e);
		if (rc)
			err_wrap(e, "nic %zu", i);
	}
	return rc;
}
