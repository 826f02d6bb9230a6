/*
 * wire: what carries a guest's bytes between two sockets in the tests, and can be slow
 * or be cut.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define WIRE_WHOLE UINT64_MAX

struct wire_opts {
	uint64_t cut_at;      /* bytes that get across before both ends close */
	uint64_t hold_back;   /* of the last bytes, which are lost */
	uint64_t bytes_per_s; /* 0: as fast as it goes */
};

struct wire;
/* Runs in threads of its own, and carries answers too; ret_from and ret_to are the far
 * ends. */
struct wire *wire_new(const struct wire_opts *o, int *ret_from, int *ret_to);
/* Waits for its end: both far ends must be closed or cut.  Returns the bytes that got
 * across. */
uint64_t wire_free(struct wire *w);
