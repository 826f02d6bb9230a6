/*
 * host_session: session messages (proto/session.proto) over a host's link.
 *
 * They are neither kept nor sent again: what is on its way when a link breaks is lost,
 * and down tells of it.  Core thread only.
 */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "proto/msg.h"

struct hosts;

struct host_session_events {
	/* One from the host; borrowed. */
	void (*message)(void *arg, obj_id host, const Drover__Envelope *m);
	void (*down)(void *arg, obj_id host); /* its link is gone */
};

/* Whom they are for; ev is borrowed, NULL: nobody any more. */
void hosts_set_sessions(
    struct hosts *hs, const struct host_session_events *ev, void *arg);
/* ERR_UNAVAILABLE naming the host, ERR_BUSY if too much is on its way to it. */
int hosts_send_session(
    struct hosts *hs, obj_id host, Drover__Envelope *m, struct err *e) WARN_UNUSED;
