#include "server/hosts/host_pools.h"

#include "base/assert.h"
#include "server/hosts/host_int.h"

#define POOLS_CALL_MAGIC 0x706f6f6cu
#define POOLS_CALL_MS    10000u

struct pools_call {
	uint32_t magic;
	struct pending p;
	host_pools_fn done;
	void *arg;
};

static void
drop_call(struct pending *p)
{
	struct pools_call *c = LIST_ENTRY(p, struct pools_call, p);
	struct err e = ERR_INIT;

	err_set(&e, ERR_CANCELLED, "the server is stopping");
	c->done(c->arg, ERR_CANCELLED, &e);
	free(c);
}

static void
on_reply(void *arg, int rc, const struct err *e, const Drover__Reply *reply)
{
	struct pools_call *c = CAST_OBJ(pools_call, arg, POOLS_CALL_MAGIC);

	pending_end(&c->p);
	c->done(c->arg, rc, e);
	free(c);
}

bool
hosts_tell_pools(
    struct hosts *hs, obj_id host, Drover__HostPools *p, host_pools_fn done, void *arg)
{
	Drover__Order o = DROVER__ORDER__INIT;
	struct pools_call *c = xcalloc(1, sizeof(*c));

	c->magic = POOLS_CALL_MAGIC;
	c->done = done;
	c->arg = arg;
	o.task = host_call_number(hs);
	o.step = 1;
	o.verb_case = DROVER__ORDER__VERB_HOST_POOLS;
	o.host_pools = p;
	pending_add(hs, &c->p, drop_call);
	if (host_call_now(rec_of(hs, host), &o, POOLS_CALL_MS, on_reply, c))
		return true;
	pending_end(&c->p);
	free(c);
	return false;
}

uint64_t
hosts_link_since(const struct hosts *hs, obj_id host)
{
	const struct host_rec *rec = rec_find(hs, host);

	return rec && rec->conn ? rec->conn->since_ms : 0;
}
