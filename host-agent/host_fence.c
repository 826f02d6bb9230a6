#include "host-agent/host_fence.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "host-agent/agent_conf.h"
#include "host-agent/fence/fence_ping.h"
#include "host-agent/fence/watchdog.h"
#include "host-agent/guest/guest_copy.h"
#include "host-agent/link/uplink.h"
#include "host-agent/stores/stores.h"

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

static int
hand_store(void *arg, uint64_t datastore, struct datastore **ret_ds, struct err *e)
{
	return stores_get(((struct host_fence *)arg)->stores, datastore, ret_ds, e);
}

static bool
hand_copy(void *arg, uint64_t guest, struct fence_copy *ret_c)
{
	return guest_copy(((struct host_fence *)arg)->guests, guest, ret_c);
}

static void
hand_each(void *arg, fence_copy_fn fn, void *to)
{
	guest_copies_each(((struct host_fence *)arg)->guests, fn, to);
}

static int
hand_arm(void *arg, uint64_t guest, uint64_t deadline_us, struct err *e)
{
	return guest_copy_arm(
	    ((struct host_fence *)arg)->guests, guest, deadline_us, e);
}

static void
hand_shut_down(void *arg, uint64_t guest, const char *why)
{
	guest_copy_shut_down(((struct host_fence *)arg)->guests, guest, why);
}

static void
hand_kill(void *arg, uint64_t guest, const char *why)
{
	guest_copy_kill(((struct host_fence *)arg)->guests, guest, why);
}

static int
hand_restart(void *arg, uint64_t guest, struct err *e)
{
	return guest_copy_restart(((struct host_fence *)arg)->guests, guest, e);
}

static int
hand_send(void *arg, Drover__Envelope *m, struct err *e)
{
	return uplink_send(((struct host_fence *)arg)->uplink, m, e);
}

/* Without a sync: it is for storage that does not answer. */
static void
hand_reset(void *arg, const char *why)
{
	const struct host_fence *h = arg;

	if (!h->may_reset) {
		log_err("fence", "%s; ha.reset_host is off, so this host stays", why);
		return;
	}
	log_err("fence", "%s: this host restarts now", why);
	if (reboot(RB_AUTOBOOT))
		log_err("fence", "cannot restart this host: %s", strerror(errno));
}

static int
hand_watchdog(void *arg, uint32_t want_s, uint32_t kill_ms, struct watchdog **ret_w,
    struct err *e)
{
	const struct host_fence *h = arg;

	return watchdog_open(h->watchdog, want_s, kill_ms, ret_w, e);
}

static int
read_boot_id(char *out, size_t cap, struct err *e)
{
	FILE *f = fopen(BOOT_ID, "re");
	bool ok = f && fgets(out, (int)cap, f);

	if (f)
		fclose(f);
	if (!ok)
		return err_set(e, ERR_IO, "cannot read %s", BOOT_ID);
	out[strcspn(out, "\n")] = '\0';
	return 0;
}

int
host_fence_open(struct host_fence *h, struct loop *l, struct workers *savers,
    const struct agent_conf *c, struct err *e)
{
	const struct fence_hands hands = { hand_store, hand_copy, hand_each, hand_arm,
		hand_shut_down, hand_kill, hand_restart, hand_send, hand_reset,
		hand_watchdog, h };
	AUTO_FREE char *path = xasprintf("%s/leases", c->state_dir);
	struct err why = ERR_INIT;
	char boot[64];

	h->may_reset = c->ha_reset_host;
	h->watchdog = c->ha_watchdog;
	if (fence_ping_new(l, &h->ping, &why))
		log_info("fence", "this host never finds itself isolated: %s", why.msg);
	if (read_boot_id(boot, sizeof(boot), e))
		return e->code;
	const struct fence_conf fc = {
		.loop = l,
		.savers = savers,
		.path = path,
		.boot = boot,
		.ping = h->ping,
	};
	return fence_open(&fc, &hands, &h->fence, e);
}

void
host_fence_fini(struct host_fence *h)
{
	fence_free(MOVE(h->fence));
	fence_ping_free(MOVE(h->ping));
}
