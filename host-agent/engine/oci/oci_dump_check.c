#include "host-agent/engine/oci/oci_dump_check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/engine/oci/oci_holds.h"
#include "host-agent/engine/oci/oci_move.h"

/* ---- what stays behind ---- */

void
oci_dump_check(struct oci_guest *c)
{
	struct oci_holds h = { .n = 0 };
	struct err e = ERR_INIT;

	if (oci_holds_find(c->run.pid, &h, &e))
		engine_offer_obstacle(&c->g, e.msg);
	for (size_t i = 0; i < h.n; i++)
		engine_offer_obstacle(&c->g, h.v[i]);
	oci_holds_fini(&h);
}

int
oci_dump_refuse(const struct oci_guest *c, struct err *e)
{
	struct oci_holds h = { .n = 0 };
	int rc = oci_holds_find(c->run.pid, &h, e);

	if (!rc && h.n == 1)
		rc = err_set(e, ERR_BAD_STATE, "%s", h.v[0]);
	else if (!rc && h.n)
		rc = err_set(
		    e, ERR_BAD_STATE, "%s, and %zu more reasons", h.v[0], h.n - 1);
	oci_holds_fini(&h);
	return rc;
}

/* ---- what the target must have ---- */

static unsigned
cgroup_version(void)
{
	return access(OCI_CGROUPS "/cgroup.controllers", F_OK) ? 1 : 2;
}

char *
oci_shape_text(const struct oci_guest *c)
{
	AUTO(json) json *o = json_new_object();
	struct utsname u;

	uname(&u);
	json_set_str(o, "arch", u.machine);
	json_set_str(o, "kernel", u.release);
	json_set_u64(o, "cgroup", cgroup_version());
	json_set_str(o, "criu", c->oci->criu_facts.version);
	json_set_str(o, "runtime", c->oci->en.facts.version);
	return json_text(o);
}

/* "4.2.1": 4002 */
static unsigned
version_number(const char *s)
{
	unsigned big = 0, small = 0;

	/* NOLINTNEXTLINE(cert-err34-c): what is no number counts as 0 */
	sscanf(s, "%3u.%3u", &big, &small);
	return big * 1000 + small;
}

static int
check_fit(const struct oci_guest *c, const char *arch, const char *criu,
    uint64_t cgroup, struct err *e)
{
	const char *mine = c->oci->criu_facts.version;
	struct utsname u;

	uname(&u);
	if (!str_same(arch, u.machine))
		return err_set(e, ERR_UNSUPPORTED, "it runs on %s, this host is %s",
		    arch, u.machine);
	if (cgroup != cgroup_version())
		return err_set(e, ERR_UNSUPPORTED,
		    "it has control groups v%u, this host v%u", (unsigned)cgroup,
		    cgroup_version());
	if (version_number(criu) > version_number(mine))
		return err_set(e, ERR_UNSUPPORTED,
		    "CRIU %s saves it, this host has the older %s", criu, mine);
	return 0;
}

int
oci_shape_check(
    const struct oci_guest *c, const uint8_t *shape, size_t n, struct err *e)
{
	const char *arch = "", *criu = "", *kernel = "";
	AUTO(json) json *o = NULL;
	uint64_t cgroup = 0;
	int rc = json_parse((const char *)shape, n, "shape", &o, e);

	if (!rc && json_what(o) != JSON_IS_OBJECT)
		rc = err_set(e, ERR_CORRUPT, "shape: wants an object");
	if (!rc)
		rc = json_read_str(o, "arch", JSON_REQUIRED, 64, &arch, e);
	if (!rc)
		rc = json_read_str(o, "criu", JSON_REQUIRED, 31, &criu, e);
	if (!rc)
		rc = json_read_str(o, "kernel", JSON_REQUIRED, 128, &kernel, e);
	if (!rc)
		rc = json_read_u64(o, "cgroup", JSON_REQUIRED, 1, 2, &cgroup, e);
	if (rc)
		return rc;
	if (!engine_can(&c->oci->en, ENGINE_CAP_LIVE_MIGRATION))
		return err_set(e, ERR_UNSUPPORTED, "%s",
		    c->oci->en.facts.caps[ENGINE_CAP_LIVE_MIGRATION].why_not);
	return check_fit(c, arch, criu, cgroup, e);
}

/* ---- the offer ---- */

int
oci_op_move_offer(struct engine_guest *g, struct err *e)
{
	struct oci_guest *c = oci_guest_of(g);
	const struct engine_cap_fact *able =
	    &c->oci->en.facts.caps[ENGINE_CAP_LIVE_MIGRATION];

	g->offer.shape = (uint8_t *)oci_shape_text(c);
	g->offer.n_shape = strlen((char *)g->offer.shape);
	g->offer.memory_bytes = c->spec->memory_mb << 20;
	if (!able->able)
		engine_offer_obstacle(g, able->why_not);
	if (!c->run.n_loops)
		engine_offer_obstacle(g, "nobody knows the loop devices it stands on");
	oci_dump_check(c);
	engine_done(g, 0, NULL);
	return 0;
}
