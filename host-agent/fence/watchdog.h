/*
 * watchdog: the hardware that resets this host when nobody feeds it any more.
 *
 * It stands behind the guards: a copy that the kernel cannot kill, because storage
 * holds it, goes with its host.  Whoever decides feeds it only while every expired copy
 * is reaped.  Its timeout must be shorter than the kill bound that others wait for, so
 * the device is asked what it took, and is not used if that is too long.
 *
 * Where there is none the host says so: "software fencing".
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define WATCHDOG_DEVICE "/dev/watchdog"

struct watchdog;

/* What is beneath: a device, or a test's record of what was done to it.  All but close
 * return 0 or a negative errno. */
struct watchdog_ops {
	int (*set_timeout)(void *dev, int *inout_s); /* what it took comes back */
	int (*feed)(void *dev);
	int (*disarm)(void *dev); /* the magic close: only then may it be closed */
	void (*close)(void *dev); /* without disarm before, the host will be reset */
};

/*
 * Armed from here on with a timeout of want_s, below kill_ms.  ERR_UNSUPPORTED: there
 * is no such device; ERR_INVALID: it can only be slower than that; then it is left off.
 */
int watchdog_open(const char *path, uint32_t want_s, uint32_t kill_ms,
    struct watchdog **ret_w, struct err *e) WARN_UNUSED;
/* The same over ops; dev goes with them. */
int watchdog_open_ops(const struct watchdog_ops *ops, void *dev, uint32_t want_s,
    uint32_t kill_ms, struct watchdog **ret_w, struct err *e) WARN_UNUSED;
uint32_t watchdog_timeout_ms(const struct watchdog *w);
int watchdog_feed(struct watchdog *w, struct err *e) WARN_UNUSED;
/* Off, because nothing on this host needs it any more. */
int watchdog_disarm(struct watchdog *w_take, struct err *e) WARN_UNUSED;
/* Left armed: the host is reset within the timeout unless a next life feeds it. */
void watchdog_abandon(struct watchdog *w_take);

/* "hardware watchdog, 5 s" or "software fencing", for people; w may be NULL. */
const char *watchdog_text(const struct watchdog *w, char buf[64]);
