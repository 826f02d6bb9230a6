/*
 * fence_watchdog: the hardware is armed while somebody here is under a lease, and only
 * then: a host that nobody needs is not restarted because its agent stands still.
 */
#pragma once

struct fence;

/* Armed or not, as the conf and who is held have it. */
void fence_watchdog_follow(struct fence *f);
/* The agent goes. */
void fence_watchdog_leave(struct fence *f);
/* What fencing there is, for people. */
const char *fence_watchdog_text(const struct fence *f, char buf[64]);
