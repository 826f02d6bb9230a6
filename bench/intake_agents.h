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
 * From the next step of the clock on each host sends a frame in each of n steps, spread
 * over eight seconds as the server spreads them.  Every hundredth guest is at its
 * limit.  *ret_fd is where they arrive: its end is the end of all.
 */
pid_t agents_start(const struct scene *s, unsigned n, int *ret_fd);
