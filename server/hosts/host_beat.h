/*
 * host_beat: beats and what answers them (proto/fence.proto) over a host's link.
 *
 * They are neither kept nor sent again: the next beat makes up for one that was lost.
 * Core thread only.
 */
#pragma once
#include "base/err.h"
#include "base/id.h"
#include "proto/msg.h"

struct hosts;

struct host_beat_events {
	void (*beat)(void *arg, obj_id host, const Drover__Beat *b); /* borrowed */
	void (*linked)(
	    void *arg, obj_id host); /* what it was told before is in doubt */
};

/* Whom they are for; ev is borrowed, NULL: nobody any more. */
void hosts_set_beats(struct hosts *hs, const struct host_beat_events *ev, void *arg);
/* A HaConf or BeatReply; false: there is no link, or it takes no more now. */
bool hosts_send_beat(struct hosts *hs, obj_id host, Drover__Envelope *m);
/* The host is fenced: nobody waits any longer for what it was ordered.  ERR_TIMEOUT to
 * all of them, because what came of it is not known. */
void hosts_end_calls(struct hosts *hs, obj_id host, const char *why);
