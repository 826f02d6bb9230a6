/*
 * ha_guest_decide: has a guest stopped working, and is it to be reset?  Pure; times are
 * the server's own clock.
 *
 * A guest is watched from when its time to boot is over and something inside it has
 * answered in its present run.  Silence counts only while its host is heard.  One that
 * is silent for as long as its sensitivity says is reset if it has neither used its
 * disks nor sent anything for a while: what it receives tells nothing about it.  After
 * so many resets in a window it is let alone until a reset falls out of it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/protect/protect.h"

/* The same for all levels of sensitivity. */
struct ha_guest_times {
	uint32_t boot_ms; /* after it was switched on or reset */
	uint32_t idle_ms; /* so long it has used nothing when it is reset */
};

struct ha_pulse {
	uint64_t on_ms;    /* since when it is on, or was reset */
	uint64_t heard_ms; /* since when its host is heard without a break; 0: not */
	uint64_t beat_ms;  /* when we heard its last answer; 0: none since on_ms */
	uint64_t resets_ms[PROTECT_MAX_RESETS]; /* oldest first */
	size_t n_resets;
	bool given_up; /* that was told */
};

enum ha_guest_io {
	HA_GUEST_IO_UNASKED,
	HA_GUEST_IO_UNKNOWN, /* no figures: it may well be at work */
	HA_GUEST_IO_SOME,
	HA_GUEST_IO_NONE, /* for idle_ms */
};

enum ha_guest_do {
	HA_GUEST_NOTHING,
	HA_GUEST_ASK_IO, /* it is silent: find out and ask again */
	HA_GUEST_RESET,
	HA_GUEST_GIVE_UP, /* tell once */
};

enum ha_guest_do ha_guest_decide(const struct ha_pulse *p,
    const struct protect_monitor *m, const struct ha_guest_times *t,
    enum ha_guest_io io, uint64_t now_ms);
/* So long it has been silent. */
uint64_t ha_guest_silent_ms(const struct ha_pulse *p, uint64_t now_ms);
/* Resets that still count. */
size_t ha_guest_resets(
    const struct ha_pulse *p, const struct protect_monitor *m, uint64_t now_ms);
void ha_guest_note_reset(struct ha_pulse *p, uint64_t now_ms);
