/*
 * intake_agents: the agents of all hosts of a scene, in a process of their own.
 */
#pragma once
#include <stdint.h>
#include <sys/types.h>

struct scene;

/* What comes before the bytes of each frame. */
struct frame_head {
	uint32_t host;   /* which */
	uint32_t n;      /* bytes */
	uint32_t values; /* that the frame has */
};

#define FRAME_MAX 65536u

/*
 * Each host sends a frame in each of n steps of the clock, the first of which is due at
 * due_ms of it, spread over eight seconds as the server spreads them.  Every hundredth
 * host's guests are at their limits.  *ret_fd is where frames arrive: its end is the
 * end of all.
 */
pid_t agents_start(const struct scene *s, uint64_t due_ms, unsigned n, int *ret_fd);
