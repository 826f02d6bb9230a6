/*
 * ha_proactive: guests leave hosts that report failing hardware, before these fail.
 *
 * Looks at a cluster when a host's health, state or settings have changed, and every
 * ten seconds.  Where ha_proactive is automatic it does what ha_proactive_decide says,
 * by the verbs host.quarantine and host.maintenance; where it is manual that is
 * recommended (inv_drs.h).  What was done is in the host's row, so that another leader
 * goes on. Core thread only.
 */
#pragma once

struct ha;
struct ha_proactive;
struct hosts;
struct inv;
struct ops;

struct ha_proactive_opts {
	struct inv *inv;
	struct hosts *hosts;
	struct ops *ops;
	const struct ha *ha; /* knows whether the brake is on */
};

/* The verb host.quarantine: before ops_new. */
void ha_proactive_register(void);
struct ha_proactive *ha_proactive_new(const struct ha_proactive_opts *o); /* borrowed */
void ha_proactive_free(struct ha_proactive *p);
