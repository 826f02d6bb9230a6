#include "host-agent/fence/fence_watchdog.h"

#include <stdio.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "host-agent/fence/fence_int.h"
#include "host-agent/fence/watchdog.h"

static void
disarm(struct fence *f)
{
	struct err e = ERR_INIT;

	if (f->watchdog && watchdog_disarm(MOVE(f->watchdog), &e))
		log_err("fence", "%s", e.msg);
}

static void
arm(struct fence *f)
{
	const struct lease_terms *t = &f->terms;
	struct err e = ERR_INIT;

	f->watchdog_tried = true;
	f->watchdog_ms = 0;
	if (f->hands.watchdog(
		f->hands.arg, t->watchdog_ms / 1000, t->kill_ms, &f->watchdog, &e))
		log_warn("fence", "no hardware watchdog: %s", e.msg);
	else
		f->watchdog_ms = watchdog_timeout_ms(f->watchdog);
}

void
fence_watchdog_follow(struct fence *f)
{
	bool asked = f->started && fence_is_on(f) && f->conf->use_watchdog &&
		     f->terms.watchdog_ms;
	bool needed = asked && map_count(f->held);

	if (!asked) {
		f->watchdog_tried = false;
		f->watchdog_ms = 0;
	}
	/* Once at first, too: people are told what it is before they rely on it. */
	if (!f->watchdog && (needed || (asked && !f->watchdog_tried)))
		arm(f);
	if (!needed)
		disarm(f);
}

const char *
fence_watchdog_text(const struct fence *f, char buf[64])
{
	if (f->watchdog || !f->watchdog_ms)
		return watchdog_text(f->watchdog, buf);
	snprintf(buf, 64, "hardware watchdog, %u s, off: no guest needs it",
	    f->watchdog_ms / 1000);
	return buf;
}

/* One that was held on to when the agent goes stands without it: the hardware goes on
 * counting, and a next life feeds it.  That takes longer where the agent is exchanged:
 * guards alone see to the leases then. */
void
fence_watchdog_leave(struct fence *f)
{
	if (f->watchdog && fence_now_ms(f) >= f->frozen_until_ms)
		watchdog_abandon(MOVE(f->watchdog));
	disarm(f);
}
