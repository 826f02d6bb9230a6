/*
 * bridge: bytes between two stream sockets, by threads of their own.
 *
 * QEMU speaks NBD on sockets that it connects or listens on itself; the other side of a
 * move is reached by one that somebody else holds.  The end of one is passed on to the
 * other, in each direction.
 */
#pragma once

struct bridge;

/* a_take is connected, or listens: then the first who connects is taken. */
struct bridge *bridge_new(int a_take, int b_take);
/* Ends it now.  NULL is fine. */
void bridge_free(struct bridge *b);
